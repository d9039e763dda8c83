# run.sh - covey run; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

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
	can_unshare --mount || return 0
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
	until_led k
	"$covey" run k2 -- bash -c 'echo 0; hold k2 1; cat expected' >&8 8>&- &
	local slow_leader=$!
	until_led k2
	start b k -- false
	start c k2 -- false
	finish a b c
	cmp expected b.out || fail 'the waiter of an ordinary leader'
	cmp expected0 c.out || fail 'the waiter of a leader whose reader is slow'
	head -c "$(stat -c %s expected0)" <&8 | cmp - expected0 || fail 'the slow reader'
	wait "$slow_leader"
	exec 8>&-

	{ "$covey" run k3 -- bash -c 'hold k3 1; seq 1 200000; exit 5' || echo $? >d.status; } | true &
	until_led k3
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
