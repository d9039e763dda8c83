# workers.sh - covey worker and covey call; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

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
		"$(cat r.status) $(tail -n 1 r.err)"
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
