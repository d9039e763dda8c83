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
device=$(realpath "${COVEY_CLI_DEVICE:-${covey%/*}/../tests/test_device.so}") # tests/device.c
completion=$(realpath "${BASH_SOURCE[0]%/*}/../tools/covey.bash")
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
	"$covey" show -- "$1" 2>/dev/null | awk '$1 == "waiters" { n = $2 } END { print n + 0 }' || true
}

leader() {
	"$covey" show -- "$1" | awk '$1 == "leader" { print $2 }'
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
	until_true 'a leader of k' eval '"$covey" show k >/dev/null 2>&1'
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
	for arguments in run worker call ls show rm; do
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

# ------------------------------------------------------------------------------------------------------- workers

# worker NAME GROUP ARGUMENT...: covey worker in the background, as start does it; it leads when this returns
worker() {
	local name=$1
	shift
	"$covey" worker "$@" >"$name.out" 2>"$name.err" &
	pid_of[$name]=$!
	until_true "a worker of $1" led "$1" "${pid_of[$name]}"
}

# What worker NAME may say and how it is to end.
ends() { # name, status, part of its standard error
	finish "$1"
	equal "status of $1" "$2" "$(cat "$1.status")"
	contains "standard error of $1" "$3" "$(cat "$1.err")"
}

stop() { # name
	kill -TERM "${pid_of[$1]}"
	ends "$1" 0 ''
}

# call ARGUMENT...: covey call in the foreground, with a line of what came of it
call() {
	local code=0 answer
	answer=$("$covey" call "$@" 2>&1 </dev/null) || code=$?
	echo "$code $answer"
}

led() { [[ $(leader "$1" 2>/dev/null || true) == "$2" ]]; } # group, pid
not_led() { led "$1" ''; }
takes_term() { ((!(0x$(awk '/^SigBlk/ { print $2 }' "/proc/$1/status") & 0x4000))); } # it waits for its worker's end

# A command that can do all that commands do.
serve() {
	local line
	echo $$ >>pids
	while IFS= read -r line; do
		case $line in
		pid) echo $$ ;;
		die) exit 3 ;;
		hang) sleep 1000 & echo $! >>pids; wait ;;
		close) exec >&-; sleep 1000 & echo $! >>pids; wait ;;
		part) printf 'no newline'; exit ;;
		two) printf 'one\ntwo\n' ;;
		err) echo 'to err' >&2; echo fine ;;
		slow) touch computing; until_true go test -e go; echo done ;;
		self) "$covey" call -t 50 g x 2>&1 ;;
		run) "$covey" run -t 50 g -- echo never 2>&1 ;;
		bytes) cat bytes; echo ;;
		*) echo "<$line>" ;;
		esac
	done
	echo saved >saved
}
export -f serve

test_worker_bc() {
	local i
	command -v bc >/dev/null || fail 'bc is not installed'
	BC_LINE_LENGTH=0 worker w sums -- bc -lq
	for ((i = 0; i < 50; i++)); do "$covey" call sums '2^200' >"c$i.out" 2>&1 & done
	wait $(jobs -p | grep -vx "${pid_of[w]}")
	equal 'answers' 50 "$(lines_like '^1606938044258990275541962092341162602522202993782792835301376$' c*.out)"
	equal 'a state' '0 42' "$(call sums 'x = 42; x')"
	equal 'the state' '0 21.00000000000000000000' "$(call sums 'x / 2')"
	stop w
	equal 'afterwards' '1 covey: nobody leads "sums"' "$(call sums 1+1)"
}

test_worker_idle() {
	"$covey" worker --timeout 50 g -- bash -c serve 2>w.err &
	pid_of[w]=$!
	ends w 0 ''
	equal 'messages' '' "$(cat w.err)"
	equal 'the command saw the end' saved "$(cat saved)"
	all_gone pids || fail 'the command is alive'
}

test_worker_command_dies() {
	local pid
	worker w g -- bash -c serve
	equal 'the answer' '1 covey worker: the command ended with exit status 3' "$(call g die)"
	ends w 1 'covey: bash: the command ended with exit status 3'
	not_led g || fail 'it still leads'

	worker w g -- bash -c serve
	kill -KILL "$(tail -n 1 pids)"
	ends w 1 'covey: bash: the command was ended by signal 9'

	worker r g --restart -- bash -c serve
	pid=$(tail -n 1 pids)
	equal 'the first' "0 $pid" "$(call g pid)"
	equal 'the answer' '1 covey worker: the command ended with exit status 3' "$(call g die)"
	equal 'the second' '0 <x>' "$(call g x)"
	[[ $(call g pid) != "0 $pid" ]] || fail 'it was not started again'
	kill -KILL "$(tail -n 1 pids)"
	until_true 'its death is noticed' grep -q 'signal 9; it is started again for the next request' r.err
	equal 'the third' '0 <y>' "$(call g y)"
	equal 'starts' 5 "$(wc -l <pids)"
	equal 'children of the worker' 1 "$(cat /proc/"${pid_of[r]}"/task/*/children | wc -w)"
	stop r
	all_gone pids || fail 'a command is alive'
}

test_worker_no_answer() {
	worker r g --restart --answer-timeout 100 -- bash -c serve
	equal 'the answer' '1 covey worker: the command gave no answer within 100 ms' "$(call g hang)"
	equal 'its processes' 2 "$(wc -l <pids)"
	all_gone pids || fail 'what gave no answer is alive'
	equal 'the next' '0 <x>' "$(call g x)"
	stop r
	worker r g --restart --answer-timeout 100 -- cat /dev/zero
	equal 'a line without end' '1 covey worker: the command gave no answer within 100 ms' "$(call g x)"
	stop r
	bash -c 'sleep 1000 & echo $! >stranger; exec "$covey" worker g --restart --answer-timeout 100 -- bash -c serve' 2>s.err &
	pid_of[s]=$!
	until_true 'a worker' led g "${pid_of[s]}"
	equal 'of a worker with a child of its own' '1 covey worker: the command gave no answer within 100 ms' "$(call g hang)"
	equal 'the next' '0 <x>' "$(call g x)"
	stop s
	gone "$(cat stranger)" && fail 'a stranger was killed'
	kill "$(cat stranger)"
	worker w g --answer-timeout 100 -- bash -c serve
	equal 'the answer' '1 covey worker: the command gave no answer within 100 ms' "$(call g hang)"
	ends w 1 'covey: bash: the command gave no answer within 100 ms'
	all_gone pids || fail 'a command is alive'
}

test_worker_output() {
	worker r g --restart -- bash -c serve
	equal 'a line too many' '0 one' "$(call g two)"
	equal 'the next' '0 <x>' "$(call g x)"
	equal 'standard error' '0 fine' "$(call g err)"
	equal 'standard error' 'to err' "$(cat r.err)"
	equal 'an empty request' '0 <>' "$(call g '')"
	equal 'a last answer' '0 no newline' "$(call g part)"
	equal 'the next' '0 <y>' "$(call g y)"
	equal 'a closed output' '1 covey worker: the command closed its output' "$(call g close)"
	equal 'the next' '0 <z>' "$(call g z)"
	stop r
	all_gone pids || fail 'a command is alive'
}

test_worker_requests() {
	head -c 200000 /dev/urandom | tr -d '\n' >bytes
	worker w g -- bash -c serve
	contains 'a newline' '1 covey worker: the request holds a newline or a NUL byte' "$(call g $'a\nb')"
	equal 'standard input' '<a b>' "$(echo 'a b' | "$covey" call g)"
	equal 'no newline at its end' '<a b>' "$(printf 'a b' | "$covey" call g)"
	printf 'a\0b' | "$covey" call g 2>now.err && fail 'a NUL byte passed'
	contains 'a NUL byte' 'a newline or a NUL byte' "$(cat now.err)"
	printf 'a\n' | "$covey" call --raw g 2>now.err && fail 'a newline passed'
	contains 'a newline at the end, raw' 'a newline or a NUL byte' "$(cat now.err)"
	"$covey" call -0 g bytes | cmp - bytes || fail 'a binary answer'
	"$covey" call g bytes | cmp - <(cat bytes; echo) || fail 'a binary answer with a newline'
	equal 'the bytes of an answer' '3c2d783e0a' "$("$covey" call g -x | od -An -tx1 | tr -d ' ')"
	stop w
}

# Longer than the pipes, both ways: of a command that answers while it reads, and of one that reads all first.
test_worker_large() {
	head -c 3000000 /dev/urandom | base64 -w0 >line
	worker w g -- cat
	worker s h -- sed -u 's/^/x/'
	"$covey" call -0 g <line | cmp - line || fail 'cat'
	"$covey" call -0 h <line | cmp - <(printf x; cat line) || fail 'sed'
	"$covey" call g small | cmp - <(echo small) || fail 'a small one behind it'
	stop w
	stop s
}

test_worker_killed() {
	local i
	worker w g -- bash -c serve
	for i in 1 2 3; do
		"$covey" call g hang >"c$i.out" 2>"c$i.err" &
		pid_of[c$i]=$!
	done
	until_true '3 callers' have_waiters g 3
	until_true 'the request' eval '[[ $(wc -l <pids) == 2 ]]'
	kill -KILL "${pid_of[w]}"
	for i in 1 2 3; do ends "c$i" 1 "covey: the leader of \"g\", ${pid_of[w]}, died"; done
	finish w
	until_true 'the end of the command' all_gone pids
	worker w g -- bash -c serve
	equal 'the next worker' '0 <x>' "$(call g x)"
	kill -KILL "${pid_of[w]}"
	finish w
	contains 'a dead leader' '1 covey: ' "$(call g x)"
	until_true 'the end of the command' all_gone pids
}

test_worker_second() {
	worker w g -- bash -c serve
	covey_run worker g -- touch started
	equal 'the second' '1 ' "$status $out"
	equal 'its message' "covey: \"g\" is led by ${pid_of[w]}" "$err"
	[[ ! -e started ]] || fail 'its command was started'
	start r g -- bash -c 'touch started'
	finish r
	equal 'covey run' "125 covey: \"g\" is led by ${pid_of[w]}, and not for \"covey run\": see \"covey call\"" \
		"$(cat r.status) $(cat r.err)"
	stop w
	start r g -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	covey_run worker g -- true
	equal 'covey run leads' "1 covey: \"g\" is led by ${pid_of[r]}" "$status $err"
	"$covey" call g x 2>c.err &
	pid_of[c]=$!
	until_true 'a caller' have_waiters g 1
	touch go
	ends c 1 'covey: "g" was led by a "covey run", which answers no requests'
	finish r
}

test_worker_ends_gracefully() {
	worker w g -- bash -c serve
	"$covey" call g slow >c.out 2>c.err &
	pid_of[c]=$!
	until_true 'the request' test -e computing
	"$covey" call g other >d.out 2>d.err &
	pid_of[d]=$!
	until_true 'another caller' have_waiters g 2
	kill -TERM "${pid_of[w]}"
	until_true 'the signal is taken' takes_term "${pid_of[w]}"
	touch go
	ends w 0 ''
	ends c 0 ''
	equal 'the answer' 'done' "$(cat c.out)"
	ends d 1 "covey: the leader of \"g\", ${pid_of[w]}, ended without an answer"
	equal 'the command saw the end' saved "$(cat saved)"
	all_gone pids || fail 'the command is alive'

	worker w g -- bash -c 'trap "touch termed" TERM; serve; while :; do sleep 1000 & echo $! >>pids; wait; done'
	kill -HUP "${pid_of[w]}"
	ends w 0 ''
	[[ -e termed ]] || fail 'the command that went on was not told to end'
	all_gone pids || fail 'the command that went on is alive'
}

test_worker_ends_at_once() {
	worker w g -- bash -c serve
	"$covey" call g hang >c.out 2>c.err &
	pid_of[c]=$!
	until_true 'the request' eval '[[ $(wc -l <pids) == 2 ]]'
	kill -TERM "${pid_of[w]}"
	until_true 'the signal is taken' takes_term "${pid_of[w]}"
	kill -TERM "${pid_of[w]}"
	ends w 143 ''
	ends c 1 'died'
	until_true 'the end of the command' all_gone pids

	(trap '' HUP; exec "$covey" worker g -- bash -c serve) 2>w.err &
	pid_of[w]=$!
	until_true 'a worker' led g "${pid_of[w]}"
	kill -HUP "${pid_of[w]}"
	equal 'after a signal that was ignored' '0 <x>' "$(call g x)"
	stop w
}

test_worker_cannot_start() {
	covey_run worker g -- no-such-command-here
	equal 'not found' '127 covey: no-such-command-here: No such file or directory' "$status $err"
	echo '#!/bin/true' >plain
	covey_run worker g -- ./plain
	equal 'not executable' '126 covey: ./plain: Permission denied' "$status $err"
	covey_run worker --restart g -- no-such-command-here
	equal 'not found, to be restarted' 127 "$status"

	cp "$(command -v cat)" mine
	worker w g --restart -- ./mine
	rm mine
	kill -KILL "$(cat /proc/"$(cat /proc/"${pid_of[w]}"/task/*/children | tr -d ' ')"/task/*/children)"
	until_true 'its death is noticed' grep -q 'signal 9' w.err
	equal 'not found any more' '1 covey worker: the command cannot be started again' "$(call g x)"
	stop w
}

test_worker_asks_itself() {
	worker w g -- bash -c serve
	contains 'covey call' '"g" is led by the very command that asks' "$(call g self)"
	contains 'covey run' 'it would wait for itself' "$(call g run)"
	stop w
	worker w other -- bash -c serve
	worker v g -- bash -c serve
	equal 'another group' '0 <x>' "$(call other self)"
	stop v
	stop w
}

test_worker_device() {
	printf counted >base
	worker w g --device "$device:count" --base base
	equal 'answers' '0 1 0 2' "$(call g) $(call g)"
	equal 'an error' '42 as you wish' "$(call g fail)"
	equal 'the next' '0 3' "$(call g)"
	stop w
	equal 'its end' 3 "$(cat counted)"
	worker w g --throw --device "$device:count"
	equal 'an error' '42 as you wish' "$(call g fail)"
	ends w 1 'covey: "g": the device failed to compute an answer'
	"$covey" worker g --timeout 50 --device "$device:count" 2>w.err &
	pid_of[w]=$!
	ends w 0 ''
}

test_worker_device_states() {
	printf a >base
	worker w chain:a --device "$device:chain" --base base
	equal 'the first state' '0 ab' "$(call chain:a b)"
	equal 'it has moved on' '1 covey: nobody leads "chain:a"' "$(call chain:a b)"
	equal 'the second state' '0 abc' "$(call chain:ab c)"
	worker x chain:other --device "$device:chain"
	worker y chain:abcd --static --device "$device:chain" --base base
	equal 'a state that another leads' '0 abcd' "$(call chain:abc d)"
	ends w 1 'covey: the group of the new state is led by another'
	equal 'a static one' '0 ae 0 af' "$(call chain:abcd e) $(call chain:abcd f)"
	stop x
	stop y
}

test_worker_device_errors() {
	local what
	echo text >text.so
	for what in "$PWD/none.so:count|No such file" "text.so:count|text.so" "$device:nothing|nothing" "$device:refuse|did not begin" \
		"$device:empty|neither compute nor worker"; do
		covey_run worker g --device "${what%|*}"
		equal "$what" '125 ' "$status $out"
		contains "$what" "${what#*|}" "$err"
	done
	covey_run worker g --device "$device:count" --base none
	equal 'no base' '125 covey: none: No such file or directory' "$status $err"
	not_led g || fail 'it leads'
}

test_worker_usage() {
	local arguments
	for arguments in '' 'g' 'g --' 'g cat' "g --device" 'g --device x' 'g --device x:' 'g --device :x' 'g --device x:y -- cat' '--timeout 1s g -- a' \
		'--timeout -1 g -- a' '--answer-timeout x g -- a' '--throw g -- a' '--base f g -- a' 'g --device x:y --restart' \
		'g --device x:y --answer-timeout 5' '--nope g -- a' '-r' 'g h -- a'; do
		covey_run worker $arguments
		equal "worker $arguments" '125 ' "$status $out"
		contains "worker $arguments" 'usage: covey worker' "$err"
	done
	covey_run worker '' -- cat
	contains 'an empty group' 'GROUP is empty' "$err"
	covey_run worker --timeout soon g -- cat
	contains '--timeout' '--timeout takes milliseconds, such as 500, not "soon"' "$err"
	"$covey" worker --static --timeout 5000 -- -dashed -- cat 2>w.err &
	pid_of[w]=$!
	until_true 'a worker' led -dashed "${pid_of[w]}"
	equal 'a group with a dash' '0 x' "$(call -- -dashed x)"
	stop w
}

test_call() {
	local arguments
	equal 'no region' "1 covey: there is no region \"$COVEY_REGION\"" "$(call g x)"
	[[ ! -e /dev/shm/$COVEY_REGION ]] || fail 'it made a region'
	covey_run run k -- true
	equal 'no leader' '1 covey: nobody leads "g"' "$(call g x)"
	worker w g -- bash -c serve
	"$covey" call g hang >c.out 2>c.err &
	pid_of[c]=$!
	until_true 'a caller' have_waiters g 1
	equal '-t' '124 ' "$(call -t 0.05 g x)"
	equal '-t 0 -E' '9 ' "$(call -t 0 -E 9 g x)"
	equal '-t with -E 0' '0 ' "$(call --timeout=0.01 --conflict-exit-code=0 g x)"
	kill -KILL "${pid_of[w]}"
	finish w c
	for arguments in '' '-t' '-t x g' '-t -1 g' '-E 256 g' '--nope g' 'g a b'; do
		covey_run call $arguments
		equal "call $arguments" '125 ' "$status $out"
		contains "call $arguments" 'usage: covey call' "$err"
	done
	equal 'an empty group' "125 covey: call: GROUP is empty" "$(call '' x | head -n 1)"
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
  {\"pid\": ${pid_of[b]}, \"thread\": ${pid_of[b]}, \"command\": \"covey\", \"waits\": " "$out"
	touch go
	finish a b
	covey_run rm
	equal 'rm' '0 ' "$status $out$err"
	covey_run rm
	equal 'rm again' 1 "$status"
}

# The name is removed, by covey or by anybody: a leader and the inspector say so meanwhile, and who joined has the
# outcome.
test_name_removed() {
	local how watcher
	for how in "$covey rm" "rm /dev/shm/$COVEY_REGION"; do
		rm -f ready go
		start a key -- bash -c 'touch ready; until_true go test -e go; echo done'
		until_true 'the command' test -e ready
		start b key -- false
		until_true 'a waiter' have_waiters key 1
		"$covey" watch >watch.out 2>watch.err &
		watcher=$!
		until_true 'the first report' has_lines watch.out 2
		if command -v tmux >/dev/null; then
			trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
			terminal_open 120 24 "$covey top -n 0.1"
			until_true 'the groups' shows 'groups led 1 of'
			hides 'NAME WAS REMOVED' || fail "top before ${how%% *}"
		fi
		$how
		until_true "told by covey run -v, $how" grep -q "the name of region \"$COVEY_REGION\" was removed" a.err
		until_true "told by covey watch, $how" grep -q "this region's name was removed" watch.err
		if command -v tmux >/dev/null; then
			until_true "told by covey top, $how" shows "THIS REGION'S NAME WAS REMOVED"
			terminal_close
		fi
		touch go
		finish a b
		kill -TERM "$watcher"
		wait "$watcher" || fail "covey watch ends with $?"
		equal 'the outcome' 'done done' "$(cat a.out b.out | paste -sd' ')"
		equal 'told once' '1 1' "$(lines_like removed a.err) $(lines_like removed watch.err)"
		equal 'the last line' "covey: led" "$(tail -n 1 a.err)"
		equal 'the waiter' "covey: joined ${pid_of[a]}" "$(cat b.err)"
	done
}

# A command killed with all who could notice leaves its participant in the region.
make_corpse() {
	start corpse dead -- bash -c 'touch ready; exec sleep 600'
	until_true 'the command' test -e ready
	kill -KILL "${pid_of[corpse]}"
	finish corpse
}

test_stats() {
	local metrics
	covey_run stats
	equal 'stats without a region' 1 "$status"
	make_corpse
	start a key -- bash -c 'touch led; until_true go test -e go'
	until_true 'the command' test -e led
	covey_run stats
	equal 'stats' '0 led 2' "$status $(awk '$1 == "led" { print $1, $2 }' now.out)"
	covey_run stats --json
	equal 'stats --json' 0 "$status"
	contains 'stats --json' '"groups_led": 1, "groups_led_max": 16384' "$(tr '\n' ' ' <now.out | tr -s ' ')"
	contains 'stats --json, the counters' '"counters": {"led": 2, "joined": 0' "$out"
	contains 'stats --json, the processes' "{\"pid\": ${pid_of[a]}, \"alive\": true, \"command\": \"covey\"" "$out"
	covey_run stats --prometheus
	equal 'stats --prometheus' 0 "$status"
	contains 'stats --prometheus' "# TYPE covey_led_total counter
covey_led_total{region=\"$COVEY_REGION\"} 2" "$out"
	metrics=$(grep -vc '^#' now.out)
	equal 'each has its HELP and TYPE' "$metrics $metrics" \
		"$(grep -c '^# HELP' now.out) $(grep -cE '^# TYPE covey_[a-z_]+ (gauge|counter)$' now.out)"
	if command -v promtool >/dev/null; then
		promtool check metrics <now.out >lint.out 2>&1 || fail "promtool: $(cat lint.out)"
	fi
	covey_run stats --json --prometheus
	equal 'stats in two formats' 125 "$status"
	covey_run ls --prometheus
	equal 'ls --prometheus' 125 "$status"
	touch go
	finish a
}

test_verify_reap() {
	local file=/dev/shm/$COVEY_REGION nobody
	for nobody in verify reap; do
		covey_run $nobody
		equal "$nobody without a region" 1 "$status"
	done
	make_corpse
	covey_run verify
	equal 'verify of a corpse' 2 "$status"
	contains 'verify of a corpse' 'dead participant' "$out"
	covey_run reap
	equal 'reap' '0 reaped 1 of 1 dead participants' "$status $out"
	covey_run reap
	equal 'reap again' '0 reaped 0 of 0 dead participants' "$status $out"
	covey_run verify
	equal 'verify' "0 region \"$COVEY_REGION\" is whole" "$status $out"
	covey_run verify --json
	equal 'verify --json' "0 {\"region\": \"$COVEY_REGION\", \"whole\": true, \"damages\": [], \"more\": 0}" "$status $out"
	head -c 300000 /dev/zero | tr '\0' '\377' | dd of="$file" bs=4096 seek=1 conv=notrunc status=none
	covey_run verify
	equal 'verify of a scribbled region' 2 "$status"
	covey_run verify --json
	contains 'verify of a scribbled region' '"whole": false' "$out"
	head -c 64 /dev/zero | dd of="$file" conv=notrunc status=none
	covey_run verify
	equal 'verify of a region without a head' 2 "$status"
	contains 'verify of a region without a head' 'no region of this version' "$err"
}

# covey top, by its keys, in a terminal of tmux's.
# shellcheck source=tests/terminal.sh
source "${BASH_SOURCE[0]%/*}/terminal.sh"

test_top() {
	covey_run top
	equal 'top of no region' 1 "$status"
	start a key1 -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	covey_run top
	equal 'top without a terminal' 125 "$status"
	contains 'top without a terminal' 'needs a terminal' "$err"
	if ! command -v tmux >/dev/null; then
		echo 'top: its keys are not tried, for there is no tmux' >&2
		touch go
		finish a
		return
	fi
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	start b key2 -- bash -c 'touch ready2; until_true go test -e go'
	until_true 'the command' test -e ready2
	start c key1 -- false
	until_true 'a waiter' have_waiters key1 1
	terminal_open 80 24 \
		"bash -c '$covey top -n 0.1; echo \"top ended with \$?\"; read -r _; $covey top -n 0.1; echo \"the second ended with \$?\"; read -r _'"
	until_true 'the groups' shows 'groups led 2 of'
	until_true 'a waiter' shows 'waiters 1'
	[[ $(screen | sed -n 8p) == "key1 "*" ${pid_of[a]} "*" covey "* ]] || fail "top, by waiters: $(screen)"
	keys g
	until_true 'the order' shows 'by GROUP'
	keys Down Enter
	until_true 'one group' shows 'group key2'
	until_true 'its leader' shows "led by ${pid_of[b]} (covey"
	until_true 'its history' shows "registered"
	keys Escape
	until_true 'the list' shows 'by GROUP'
	keys / k e y 1 Enter
	until_true 'the filter' hides 'key2 '
	keys Escape
	until_true 'all' shows 'key2 '
	keys '?'
	until_true 'help' shows 'any key: back'
	keys x Space
	until_true 'a pause' shows PAUSED
	resize 200 50
	until_true 'a larger terminal' shows '? keys  q quit'
	equal 'lines' 50 "$(screen | wc -l)"
	resize 20 5
	keys Space q
	until_true 'its end' shows 'top ended with 0'
	resize 80 24
	keys Enter
	until_true 'the groups' shows 'groups led 2 of'
	truncate -s 4096 "/dev/shm/$COVEY_REGION"
	until_true 'the end of a region that was cut short' shows 'the second ended with 2'
	shows 'cut short' || fail "top of a region that was cut short: $(screen)"
	{ kill -KILL "${pid_of[a]}" "${pid_of[b]}" "${pid_of[c]}" || true; } 2>/dev/null
	{ wait || true; } 2>/dev/null
	touch go
}

# The inspector where its output is not taken, or is asked for in vain.
test_inspector_odd_places() {
	local command odd=$'ev\033il' reader watcher
	cp "$covey" "$odd"
	"./$odd" run key -- bash -c 'touch ready; until_true go test -e go' &
	until_true 'the command' test -e ready
	for command in help 'ls --help' ls 'ls --json' 'show key' 'show --json key' events 'events --json' stats 'stats --json' \
		'stats --prometheus' verify 'verify --json' reap; do
		status=0
		# shellcheck disable=SC2086
		"$covey" $command >/dev/full 2>now.err || status=$?
		equal "$command on a full disk" 125 "$status"
		contains "$command on a full disk" 'No space left' "$(cat now.err)"
		exec {pipe}> >(:)
		reader=$!
		wait "$reader" || true
		status=0
		# shellcheck disable=SC2086
		"$covey" $command >&"$pipe" 2>now.err || status=$?
		exec {pipe}>&-
		equal "$command without a reader" '141 ' "$status $(cat now.err)"
	done
	for command in ls 'show key' events; do
		covey_run $command
		contains "$command, the command's name" 'ev\x1bil' "$out"
		equal "$command, escapes" 0 "$(grep -c $'\033' now.out || true)"
	done
	covey_run ls --json
	contains 'ls --json, the command' '"command": "ev\u001bil"' "$out"
	covey_run show $'no\033\nne'
	contains 'show of nobody' 'nobody leads "no\x1b' "$err"
	covey_run show --json key
	contains 'show --json' '"alive": true, "command": "ev\u001bil", "generation": 1' "$out"
	"$covey" watch -n 1e300 >now.out &
	watcher=$!
	until_true 'a report of a watch with a period beyond all clocks' has_lines now.out 2
	kill -TERM "$watcher"
	wait "$watcher" || fail "watch -n 1e300 ends with $?"
	for command in 'top key' 'ls -n 1' 'show --prometheus key' 'stats key' 'verify --jso=n' 'events one two'; do
		covey_run $command
		equal "$command" 125 "$status"
		contains "$command" 'usage: covey' "$err"
	done
	if command -v tmux >/dev/null; then
		trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
		# ncurses does not free what it had begun for a terminal that it does not know
		terminal_open 80 24 "bash -c 'export ASAN_OPTIONS=detect_leaks=0; TERM=none-such $covey top; echo \"ended with \$?\"; env -u TERM $covey top; echo \"then with \$?\"; read -r _'"
		until_true 'both ends' shows 'then with 125'
		shows 'ended with 125' || fail "an unknown terminal: $(screen)"
		shows '("none-such") are not known' || fail "an unknown terminal: $(screen)"
	fi
	touch go
	wait
}

test_completion() {
	complete_to() { # words... (the last one is being typed): what it could become
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_covey
		printf '%s ' "${COMPREPLY[@]}"
	}
	PATH=$PWD:$PATH
	ln -s "$covey" covey
	# shellcheck source=tools/covey.bash
	source "$completion"
	start a key1 -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	equal 'a command' 'show ' "$(complete_to covey sh)"
	equal 'an option' '--region ' "$(complete_to covey show --r)"
	equal 'a group' 'key1 ' "$(complete_to covey show k)"
	equal 'a group of a region' 'key1 ' "$(complete_to covey show -r "$COVEY_REGION" '')"
	equal 'a region' "$COVEY_REGION " "$(complete_to covey ls -r "$COVEY_REGION")"
	equal 'a command of its own' 'covey ' "$(complete_to covey run k -- ./covey | tr -d ./)"
	touch go
	finish a
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

test_set_user_id() {
	local file
	((EUID == 0)) && file=$(mktemp /tmp/covey-cli-XXXXXX) || { echo "  (not root: set-user-id left out)"; return 0; }
	install -m 4755 "$covey" "$file"
	status=0
	COVEY_REGION=covey-of-the-caller setpriv --reuid 65534 --regid 65534 --clear-groups "$file" show covey-no-such-group \
		>now.out 2>now.err || status=$?
	rm -f "$file"
	equal 'a set-user-id program' '1 0' "$status $(grep -c covey-of-the-caller now.err)"
}

test_strange_regions() {
	echo 'no region at all' >"/dev/shm/$COVEY_REGION"
	covey_run run k -- echo never
	rm -f "/dev/shm/$COVEY_REGION"
	equal 'a foreign file' '125 ' "$status $out"
	contains 'a foreign file' "region \"$COVEY_REGION\"" "$err"
	covey_run run -r a/b/c k -- echo never
	equal 'a bad name' '125 ' "$status $out"
	mkdir -m 700 own
	covey_run run -r own/region k -- test -e own/region
	equal 'a path' 0 "$status"
	covey_run ls -r "$PWD/own/region"
	equal 'the same path' 0 "$status"
	chmod 777 own
	covey_run run -r own/region k -- echo never
	equal 'a path where others may write' '125 ' "$status $out"
	covey_run rm -r own/region
	equal 'rm of a path' 0 "$status"
	echo 'dear all' >own/letter
	covey_run rm -r own/letter
	equal 'rm of what is no region' '2 dear all' "$status $(cat own/letter)"
	start a key1 -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	printf '\001' | dd of="/dev/shm/$COVEY_REGION" bs=1 seek=8 conv=notrunc status=none # its layout's version
	covey_run run -v k -- echo alone
	equal 'beside another version' '0 alone' "$status $out"
	contains 'beside another version' 'of another version, in use; running alone' "$err"
	equal 'beside another version, the last line' 'covey: alone' "$(tail -n 1 <<<"$err")"
	touch go
	finish a
	covey_run run -v k -- echo again
	equal 'after another version' '0 again covey: led' "$status $out $err"
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
	rm -f "/dev/shm/$COVEY_REGION" # of a killed run whose pid this one has
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
