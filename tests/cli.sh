#!/usr/bin/env bash
#
# cli.sh - the command line, as its users see it
#
# usage: cli.sh COVEY [TEST...]
#
# Each test is a function and runs in a region and a directory of its own.  Nothing is timed: a command under test holds
# its leader until the waiters that the test is about are there ("hold"), and the test holds itself until what it wants
# to see has come about ("until_true").  Both give up, loudly, after a minute.
set -euo pipefail

covey=$(realpath "$1")
shift
export covey
callers=${COVEY_CLI_CALLERS:-200} # of one key at once
large=${COVEY_CLI_LARGE:-300000000} # bytes of a large output
top=$(mktemp -d)
unset COVEY_LEADS
trap 'rm -rf "$top"' EXIT

# --------------------------------------------------------------------------------------------------- the stand

fail() {
	printf '%s: %s\n' "${test_name:-cli}" "$*" >&2
	exit 1
}

equal() { # what, expected, got
	[[ $2 == "$3" ]] || fail "$1: expected \"$2\", got \"$3\""
}

contains() { # what, part, text
	[[ $3 == *"$2"* ]] || fail "$1: expected \"$2\" in \"$3\""
}

until_true() { # what, command...
	local what=$1 deadline=$((SECONDS + 60))
	shift
	until "$@"; do
		((SECONDS < deadline)) || fail "never came about: $what"
		sleep 0.01
	done
}

waiters() {
	"$covey" show "$1" 2>/dev/null | awk '$1 == "waiters" { n = $2 } END { print n + 0 }' || true
}

leader() {
	"$covey" show "$1" | awk '$1 == "leader" { print $2 }'
}

have_waiters() { [[ $(waiters "$1") -ge $2 ]]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
all_gone() { local pid; for pid in $(cat "$1"); do gone "$pid" || return 1; done; }

# In a command under test: go on when so many wait for the key.
hold() {
	until_true "$2 waiters of $1" have_waiters "$1" "$2"
}
export -f fail until_true waiters have_waiters hold leader gone all_gone

# start NAME ARGUMENT...: covey run -v in the background; NAME.out, NAME.err and, by finish, NAME.status
declare -A pid_of
start() {
	local name=$1
	shift
	"$covey" run -v "$@" >"$name.out" 2>"$name.err" &
	pid_of[$name]=$!
}

finish() {
	local name status
	for name in "$@"; do
		status=0
		{ wait "${pid_of[$name]}" || status=$?; } 2>/dev/null
		echo "$status" >"$name.status"
	done
}

# run ARGUMENT...: covey, in the foreground; sets status, out and err
covey_run() {
	status=0
	"$covey" "$@" >now.out 2>now.err </dev/null || status=$?
	out=$(cat now.out)
	err=$(cat now.err)
}

lines_like() { # pattern, file...
	local pattern=$1
	shift
	cat "$@" | { grep -c -- "$pattern" || true; }
}

# ------------------------------------------------------------------------------------------- one runs, all have it

test_many_callers_one_run() {
	local i names=()
	for ((i = 0; i < callers; i++)); do
		start "c$i" key -- bash -c "hold key $((callers - 1)); echo ran >>runs; echo to out; echo to err >&2; exit 7"
		names+=("c$i")
	done
	finish "${names[@]}"
	equal 'runs' 1 "$(wc -l <runs)"
	equal 'different outputs' 1 "$(md5sum c*.out | cut -d' ' -f1 | sort -u | wc -l)"
	equal 'output' 'to out' "$(cat c0.out)"
	equal 'statuses' 7 "$(sort -u c*.status)"
	equal 'standard errors' "$callers" "$(lines_like '^to err$' c*.err)"
	equal 'led' 1 "$(lines_like '^covey: led$' c*.err)"
	equal 'joined' $((callers - 1)) "$(lines_like "^covey: joined [0-9]*\$" c*.err)"
	equal 'whom they joined' 1 "$(grep -h joined c*.err | sort -u | wc -l)"
	equal 'the last line' "covey:" "$(tail -q -n 1 c*.err | cut -d' ' -f1 | sort -u)"
}

test_exit_status() {
	local how what i
	for how in 'exit 0:0' 'exit 7:7' 'kill -KILL $$:137' 'kill -TERM $$:143'; do
		what=${how#*:}
		for i in 1 2 3; do start "s$i" k -- bash -c "hold k 2; ${how%:*}"; done
		finish s1 s2 s3
		equal "status of ${how%:*}" "$what $what $what" "$(cat s[123].status | paste -sd' ')"
	done
}

test_outputs_apart_and_binary() {
	local i
	{ printf 'a\0b\377\n\0'; head -c 200000 /dev/urandom; } >bytes.out
	head -c 70000 /dev/urandom >bytes.err
	for i in 1 2 3 4; do
		"$covey" run k -- bash -c 'hold k 3; cat bytes.err >&2; cat bytes.out' >"b$i.out" 2>"b$i.err" &
	done
	wait
	for i in 1 2 3 4; do
		cmp "b$i.out" bytes.out || fail "output of caller $i"
		cmp "b$i.err" bytes.err || fail "standard error of caller $i"
	done
}

test_empty_output() {
	local i
	for i in 1 2 3; do start "e$i" k -- bash -c 'hold k 2; exit 3'; done
	finish e1 e2 e3
	equal 'statuses' '3 3 3' "$(cat e[123].status | paste -sd' ')"
	equal 'bytes' 0 "$(cat e?.out | wc -c)"
	equal 'joined' 2 "$(lines_like '^covey: joined' e?.err)"
}

large_output() { { seq 1 1000000000 2>/dev/null || true; } | head -c "$large"; }

test_large_output() {
	local i sum
	export large
	export -f large_output
	sum=$(large_output | md5sum)
	for i in 1 2 3 4 5 6 7 8; do
		"$covey" run -v k -- bash -c 'hold k 7; echo ran >>runs; large_output' 2>"l$i.err" | md5sum >"l$i.sum" &
	done
	wait
	equal 'checksums' "$sum" "$(cat l?.sum | sort -u)"
	equal 'runs' 1 "$(wc -l <runs)"
	equal 'joined' 7 "$(lines_like '^covey: joined' l?.err)"
}

# A region whose heap cannot take the result: it reaches everybody all the same.
test_output_over_the_heap() {
	((EUID == 0)) && unshare --mount true 2>/dev/null || { echo "  (no mount namespace to be had: left out)"; return 0; }
	unshare --mount bash -c 'mount -t tmpfs -o size=64M tmpfs /dev/shm && "$0" "$@"' bash -c "$(declare -f start finish equal \
		lines_like large_output test_tight); declare -A pid_of; set -euo pipefail; test_tight"
}

test_tight() {
	local i sum
	export large=100000000
	export -f large_output
	sum=$(large_output | md5sum)
	for i in 1 2 3 4; do
		"$covey" run -v k -- bash -c 'hold k 3; echo ran >>runs; large_output' 2>"l$i.err" | md5sum >"l$i.sum" &
	done
	wait
	equal 'checksums' "$sum" "$(cat l?.sum | sort -u)"
	equal 'runs' 1 "$(wc -l <runs)"
	equal 'joined' 3 "$(lines_like '^covey: joined' l?.err)"
}

# The slow reader of the leader's output keeps nobody else, and one that leaves ends nothing.
test_slow_and_closed_readers() {
	mkfifo slow
	exec 8<>slow
	seq 1 200000 >expected
	seq 0 200000 >expected0
	start a k -- bash -c 'hold k 1; seq 1 200000'
	"$covey" run k2 -- bash -c 'echo 0; hold k2 1; cat expected' >&8 8>&- &
	local slow_leader=$!
	until_true 'a leader of k2' eval '"$covey" show k2 >/dev/null 2>&1'
	start b k -- false
	start c k2 -- false
	finish a b c
	cmp expected b.out || fail 'the waiter of an ordinary leader'
	cmp expected0 c.out || fail 'the waiter of a leader whose reader is slow'
	head -c "$(stat -c %s expected0)" <&8 | cmp - expected0 || fail 'the slow reader'
	wait "$slow_leader"
	exec 8>&-

	{ "$covey" run k3 -- bash -c 'hold k3 1; seq 1 200000; exit 5' || echo $? >d.status; } | true &
	until_true 'a leader of k3' eval '"$covey" show k3 >/dev/null 2>&1'
	start e k3 -- false
	finish e
	wait
	cmp expected e.out || fail 'the waiter of a leader whose reader has left'
	equal 'status' '5 5' "$(cat d.status e.status | paste -sd' ')"
}

test_streams_as_it_comes() {
	start a k -- bash -c 'echo first; until_true "go" test -e go; echo second'
	until_true 'the first line before the end' grep -q first a.out
	grep -q second a.out && fail 'the second line came too early'
	touch go
	finish a
	equal 'output' 'first second' "$(paste -sd' ' a.out)"
}

# ------------------------------------------------------------------------------------------------------ deaths

# First run: leave descendants of every kind and hang.  Second: tell which of them are still there.
hang_once() {
	echo ran >>runs
	if mkdir first 2>/dev/null; then
		sleep 1000 &
		echo $! >>pids
		setsid sleep 1000 &
		echo $! >>pids
		(setsid bash -c 'sleep 1000 & echo $! >>pids; echo $$ >>pids; wait' &)
		until_true 'all descendants' eval '[[ $(wc -l <pids) == 4 ]]'
		echo $$ >>pids
		touch ready
		wait
	fi
	all_gone pids || echo 'descendants of the dead leader are alive'
	echo done
}
export -f hang_once

# The pid of who took over, from the files' names and the pids they were started with.
successor() {
	local file
	file=$(grep -l '^covey: took over' "$@")
	echo "${pid_of[${file%.err}]}"
}

test_killed_leader() {
	local i names=() first
	start a k -- bash -c hang_once
	until_true 'the command' test -e ready
	first=$(leader k)
	for i in 1 2 3 4 5 6 7 8 9; do
		start "w$i" k -- bash -c hang_once
		names+=("w$i")
	done
	until_true '9 waiters' have_waiters k 9
	kill -KILL "$first"
	finish a "${names[@]}"
	equal 'status of the killed' 137 "$(cat a.status)"
	equal 'statuses' 0 "$(sort -u w?.status)"
	equal 'outputs' done "$(sort -u w?.out)"
	equal 'runs' 2 "$(wc -l <runs)"
	equal 'successors' 1 "$(lines_like "^covey: took over $first\$" w?.err)"
	equal 'joined the successor' 8 "$(lines_like "^covey: joined $(successor w?.err)\$" w?.err)"
	all_gone pids || fail 'descendants of the dead leader are alive'
}

# The lock stays held for as long as any process of an execution lives: no two executions overlap.
hang_five_times() {
	exec 9>>lock
	flock -n 9 || echo overlap >>overlaps
	echo "$PPID" >>runs
	(($(wc -l <runs) > 5)) || { sleep 1000 & (setsid sleep 1000 &) ; touch "ready$(wc -l <runs)"; wait; }
	echo done
}
export -f hang_five_times

test_killed_again_and_again() {
	local i names=()
	for ((i = 0; i < 20; i++)); do
		start "c$i" k -- bash -c hang_five_times
		names+=("c$i")
	done
	for ((i = 1; i <= 5; i++)); do
		until_true "execution $i" test -e "ready$i"
		until_true 'all others wait' have_waiters k $((20 - i))
		kill -KILL "$(leader k)"
	done
	finish "${names[@]}"
	equal 'killed' 5 "$(lines_like 137 c*.status)"
	equal 'served' 15 "$(lines_like '^0$' c*.status)"
	equal 'outputs' 15 "$(lines_like '^done$' c*.out)"
	equal 'executions' 6 "$(wc -l <runs)"
	equal 'took over' 1 "$(lines_like '^covey: took over' c*.err)"
	equal 'joined' 14 "$(lines_like "^covey: joined $(successor c*.err)\$" c*.err)"
	[[ ! -e overlaps ]] || fail 'two executions at a time'
}

test_killed_leader_without_waiters() {
	start a k -- bash -c hang_once
	until_true 'the command' test -e ready
	kill -KILL "$(leader k)"
	finish a
	until_true 'the end of all descendants' all_gone pids
	covey_run run -v k -- bash -c hang_once
	equal 'output' done "$out"
}

test_killed_supervisor() {
	local pid supervisor
	start a k -- bash -c hang_once
	until_true 'the command' test -e ready
	pid=$(leader k)
	supervisor=$(cat /proc/"$pid"/task/*/children)
	kill -KILL ${supervisor}
	finish a
	equal 'status' 137 "$(cat a.status)"
	all_gone pids || fail 'descendants are alive'
}

test_signals_are_passed_on() {
	start a k -- bash -c 'sleep 1000 & trap "kill $!; echo got TERM; exit 9" TERM; touch ready; wait $!'
	until_true 'the command' test -e ready
	start b k -- false
	until_true 'a waiter' have_waiters k 1
	kill -TERM "$(leader k)"
	finish a b
	equal 'statuses' '9 9' "$(cat a.status b.status | paste -sd' ')"
	equal 'outputs' 'got TERM' "$(sort -u a.out b.out)"
}

test_daemon_left_behind() {
	covey_run run k -- bash -c 'sleep 100 & echo $! >pids; echo started'
	equal 'output' started "$out"
	gone "$(cat pids)" && fail 'the daemon was killed'
	kill "$(cat pids)"
}

# -------------------------------------------------------------------------------------------------- the command

test_command_not_found() {
	covey_run run k -- no-such-command-here
	equal 'status' 127 "$status"
	equal 'message' 'covey: no-such-command-here: No such file or directory' "$err"
	echo '#!/bin/true' >plain
	covey_run run k -- ./plain
	equal 'status of what is not executable' 126 "$status"
	contains 'message' './plain: Permission denied' "$err"
}

# The successor of a killed leader finds out in front of waiters.
test_command_not_found_for_everyone() {
	local i
	start a k -- bash -c 'touch ready; exec sleep 1000'
	until_true 'the command' test -e ready
	for i in 1 2 3 4; do start "n$i" k -- no-such-command-here; done
	until_true '4 waiters' have_waiters k 4
	kill -KILL "$(leader k)"
	finish a n1 n2 n3 n4
	equal 'statuses' 127 "$(sort -u n?.status)"
	equal 'messages' 4 "$(lines_like '^covey: no-such-command-here: No such file' n?.err)"
}

test_input_descriptors_environment() {
	equal 'standard input' hello "$(echo hello | "$covey" run k -- cat)"
	equal 'descriptors' "$(ls /proc/self/fd 9</dev/null)" "$("$covey" run k -- ls /proc/self/fd 9</dev/null)"
	equal 'ignored signals' "$(grep SigIgn /proc/self/status)" "$("$covey" run k -- grep SigIgn /proc/self/status)"
	equal 'blocked signals' "$(grep SigBlk /proc/self/status)" "$("$covey" run k -- grep SigBlk /proc/self/status)"
	equal 'arguments' '<a b> <> <*>' "$("$covey" run k -- bash -c 'printf "<%s> <%s> <%s>" "$@"' _ 'a b' '' '*')"
	equal 'closed output' 4 "$("$covey" run k -- bash -c 'echo lost; exit 4' >&- 2>&- </dev/null || echo $?)"
}

# ------------------------------------------------------------------------------------------------------- options

test_waiting_limits() {
	start a k -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	covey_run run -n k -- echo never
	equal '-n' '124 ' "$status $out$err"
	covey_run run -t 0.05 k -- echo never
	equal '-t' '124 ' "$status $out$err"
	covey_run run -t 0 -E 9 k -- echo never
	equal '-t 0 -E' '9 ' "$status $out$err"
	covey_run run --no-wait --conflict-exit-code=0 k -- echo never
	equal '-n -E 0' '0 ' "$status $out$err"
	start b -t 1000 k -- echo never
	until_true 'a waiter' have_waiters k 1
	touch go
	finish a b
	equal 'joined' 1 "$(lines_like '^covey: joined' b.err)"
	covey_run run -n -t 1 other -- echo free
	equal 'a free group' '0 free' "$status $out"
}

test_keys() {
	local key
	key=$(printf 'k%.0s' {1..4096})
	covey_run run "$key" -- bash -c 'until_true "one more" eval "[[ \$(\"\$covey\" ls | wc -l) == 2 ]]"; echo fine'
	equal '4096 bytes' '0 fine' "$status $out"
	covey_run run "${key}k" -- echo never
	equal '4097 bytes' '125 ' "$status $out"
	contains '4097 bytes' 'KEY has 4097 bytes, the limit is 4096' "$err"
	covey_run run '' -- echo never
	equal 'empty key' 125 "$status"
	contains 'empty key' 'KEY is empty' "$err"
	covey_run run -- -dashed -- echo fine
	equal 'a key with a dash' '0 fine' "$status $out"
}

test_usage() {
	local arguments
	for arguments in '' '-v' 'k' 'k echo' 'k --' '-t' '-t x k -- a' '-t -1 k -- a' '-t 1s k -- a' '-E 256 k -- a' '-E x k -- a' \
		'--nope k -- a'; do
		covey_run run $arguments
		equal "run $arguments" '125 ' "$status $out"
		contains "run $arguments" 'usage: covey run' "$err"
	done
	covey_run run -t soon k -- a
	contains '-t' '-t takes seconds, such as 10 or 0.5, not "soon"' "$err"
	covey_run run -E 999 k -- a
	contains '-E' '-E takes an exit code from 0 to 255, not "999"' "$err"
	for arguments in run ls show rm; do
		covey_run "$arguments" --help
		equal "$arguments --help" 0 "$status"
		contains "$arguments --help" "usage: covey $arguments" "$out"
		equal "$arguments --help, standard error" '' "$err"
	done
	covey_run help
	contains 'help' 'run ' "$out"
	covey_run
	equal 'no command' 125 "$status"
	covey_run rnu k -- true
	equal 'a mistyped command' 125 "$status"
	contains 'a mistyped command' 'did you mean "run"?' "$err"
	covey_run shwo k
	contains 'a mistyped command' 'did you mean "show"?' "$err"
	covey_run xyzzyx
	contains 'an unknown command' 'is not a covey command' "$err"
	[[ $err != *'did you mean'* ]] || fail 'a guess from nothing'
}

test_nested() {
	covey_run run outer -- "$covey" run inner -- echo fine
	equal 'another key' '0 fine' "$status $out"
	covey_run run 'the key' -- "$covey" run -t 30 'the key' -- echo never
	equal 'the same key' '125 ' "$status $out"
	contains 'the same key' '"the key"' "$err"
	covey_run run a -- "$covey" run b -- "$covey" run c -- env -C / "$covey" run -t 30 a -- echo never
	equal 'three levels deep' '125 ' "$status $out"
	covey_run run -r "$COVEY_REGION-2" a -- "$covey" run -r "$COVEY_REGION" a -- echo fine
	equal 'another region' '0 fine' "$status $out"
	"$covey" rm -r "$COVEY_REGION-2"
	COVEY_LEADS=$("$covey" run a -- bash -c 'echo $COVEY_LEADS') covey_run run -v a -- echo fine
	equal 'what an earlier execution left behind' '0 fine' "$status $out"
}

# ------------------------------------------------------------------------------------------------- the inspector

test_ls_show_rm() {
	local nobody
	for nobody in ls 'show k' rm; do
		covey_run $nobody
		equal "$nobody without a region" 1 "$status"
		contains "$nobody without a region" "there is no region \"$COVEY_REGION\"" "$err"
	done
	covey_run run k -- true
	covey_run ls
	equal 'an empty region' '0 1 GROUP' "$status $(wc -l <now.out) ${out%% *}"
	covey_run ls --json
	equal 'an empty region, as JSON' "{\"region\": \"$COVEY_REGION\", \"groups\": []}" "$out"
	covey_run show k
	equal 'show of nobody' 1 "$status"
	contains 'show of nobody' 'nobody leads "k"' "$err"
	covey_run show
	equal 'show of nothing' 125 "$status"
	covey_run ls k
	equal 'ls with an argument' 125 "$status"

	local odd=$'q"\\\n\xff\xc3\xa9'
	start a "$odd" -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	start b "$odd" -- false
	until_true 'a waiter' have_waiters "$odd" 1
	covey_run ls
	contains 'ls' 'q"\\\x0a\xffé ' "$out"
	contains 'ls, the leader' " $(leader "$odd") " "$out"
	covey_run ls --json
	contains 'ls --json' '"group": "q\"\\\u000a\u00ffé", "name_hex": "71225c0affc3a9"' "$out"
	contains 'ls --json' '"waiters": 1}' "$out"
	covey_run show "$odd"
	contains 'show' "waiters     1" "$out"
	contains 'show' " ${pid_of[b]}  covey" "$out"
	covey_run show --json "$odd"
	contains 'show --json' "\"waiters\": [
  {\"pid\": ${pid_of[b]}, \"command\": \"covey\", \"waits\": " "$out"
	touch go
	finish a b
	covey_run rm
	equal 'rm' '0 ' "$status $out$err"
	covey_run rm
	equal 'rm again' 1 "$status"
}

has_lines() { [[ $(wc -l <"$1") -ge $2 ]]; }

# covey watch: each change as a line; it ends with 0 when it is asked to.
test_watch() {
	local what watcher json
	start a key -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	"$covey" watch -n 0 >watch.out &
	watcher=$!
	"$covey" watch -n 0 --json key >json.out &
	json=$!
	until_true 'the first report' has_lines watch.out 2
	until_true 'the first report' has_lines json.out 1
	start b key -- false
	until_true 'the second report' has_lines watch.out 3
	until_true 'the second report' has_lines json.out 2
	touch go
	finish a b
	until_true 'the last report' has_lines json.out 3
	until_true 'the last report' grep -q vanished watch.out
	kill -TERM "$watcher"
	wait "$watcher" || fail "SIGTERM: covey watch ends with $?"
	kill -INT "$json" # which a background job of a script ignores unless it waits for it
	wait "$json" || fail "SIGINT: covey watch --json ends with $?"
	what=$(awk '{ print $2, $3, $4, $NF }' watch.out | sed -n '1,3p;$p')
	equal 'what was seen' "CHANGE PID GENERATION GROUP
appeared $(leader_of a) 1 key
changed $(leader_of a) 1 key
vanished $(leader_of a) 1 key" "$what"
	what=$(head -n 1 json.out)
	contains 'watch --json' '"change": "appeared", "group": "key", "name_hex": "6b6579", "was": null, "is": {"pid": ' "$what"
	contains 'watch --json' '"generation": 1, "waiters": 0, "queue": 0}}' "$what"
	contains 'watch --json' '"waiters": 1, "queue": 1}}' "$(sed -n 2p json.out)"
	contains 'watch --json' '"is": null}' "$(tail -n 1 json.out)"
	covey_run watch -n soon
	equal 'watch -n soon' 125 "$status"
	covey_run watch one two
	equal 'watch of two groups' 125 "$status"
	covey_run watch -r covey-there-is-none
	equal 'watch of no region' 1 "$status"
	status=0
	"$covey" watch >/dev/full || status=$?
	equal 'watch on a full disk' 125 "$status"
}

leader_of() { echo "${pid_of[$1]}"; }

# covey events: the dead, their successors, in the order in which it happened.
test_events() {
	start a key -- bash -c 'touch ready; exec sleep 600'
	until_true 'the command' test -e ready
	start b key -- true
	until_true 'a waiter' have_waiters key 1
	kill -KILL "${pid_of[a]}"
	finish a b
	start c other -- true
	finish c
	covey_run events key
	equal 'events of a group' "${pid_of[a]}+ registered 1 -
${pid_of[b]}+ waiting 1 ${pid_of[a]}
${pid_of[b]}+ died 1 ${pid_of[a]}
${pid_of[b]}+ took-over 2 ${pid_of[a]}
${pid_of[b]}+ resolved 2 -" "$(awk 'NR > 1 { print $2, $4, $5, $6 }' <<<"$out")"
	covey_run events
	equal 'all events' 8 "$(wc -l <<<"$out")"
	contains 'all events' " ${pid_of[c]}+ covey " "$out"
	covey_run events --json other
	contains 'events --json' '"event": "registered", "generation": 1, "peer": 0, "hash": "' "$out"
	contains 'events --json' '"group": "other", "name_hex": "6f74686572"}' "$out"
	covey_run events nothing
	equal 'events of no group' '0 1' "$status $(wc -l <<<"$out")"
	covey_run events -n 1
	equal 'events -n' 125 "$status"
	covey_run events -r covey-there-is-none
	equal 'events of no region' 1 "$status"
}

test_strange_regions() {
	echo 'no region at all' >"/dev/shm/$COVEY_REGION"
	covey_run run k -- echo never
	rm -f "/dev/shm/$COVEY_REGION"
	equal 'a foreign file' '125 ' "$status $out"
	contains 'a foreign file' "region \"$COVEY_REGION\"" "$err"
	covey_run run -r a/b/c k -- echo never
	equal 'a bad name' '125 ' "$status $out"
	((EUID == 0)) && unshare --mount true 2>/dev/null || { echo "  (no mount namespace to be had: small /dev/shm left out)"; return 0; }
	status=0
	unshare --mount bash -c 'mount -t tmpfs -o size=64k tmpfs /dev/shm && "$covey" run -v k -- sh -c "echo fine; exit 3"' \
		>now.out 2>now.err || status=$?
	equal 'a /dev/shm that is too small' '3 fine' "$status $(cat now.out)"
	equal 'the last line' 'covey: alone' "$(tail -n 1 now.err)"
}

# ---------------------------------------------------------------------------------------------------------- main

one() {
	test_name=$1
	export COVEY_REGION=covey-cli-$$-$1
	mkdir "$top/$1"
	cd "$top/$1"
	trap '"$covey" rm 2>/dev/null || true' EXIT
	"$1"
}

(($#)) || mapfile -t tests < <(declare -F | awk '$3 ~ /^test_/ && $3 != "test_tight" { print $3 }')
(($#)) && tests=("$@")
failed=0
for name in "${tests[@]}"; do
	begin=$SECONDS
	result=ok
	set +e
	(
		set -e
		one "$name"
	) 2>"$top/said"
	code=$?
	set -e
	if ((code)); then
		result=FAILED
		failed=$((failed + 1))
		cat "$top/said" >&2
		tail -n 3 "$top/$name"/*.err >&2 2>/dev/null || true
	fi
	printf '%-6s %-40s %3d s\n' "$result" "${name#test_}" $((SECONDS - begin))
done
((failed == 0)) || { printf '%d of %d failed\n' "$failed" "${#tests[@]}"; exit 1; }
printf 'all %d passed\n' "${#tests[@]}"
