# workers.sh - covey worker and covey call; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# ------------------------------------------------------------------------------------------------------- workers

# worker NAME GROUP ARGUMENT...: covey worker in the background, as start does it; it leads when this returns
worker() {
	local name=$1
	shift
	env --default-signal "$covey" worker "$@" >"$name.out" 2>"$name.err" & # bash has its background jobs ignore INT and QUIT
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

# asks NAME ARGUMENT...: covey call in the background, which "ends"
asks() {
	local name=$1
	shift
	"$covey" call "$@" >"$name.out" 2>"$name.err" &
	pid_of[$name]=$!
}

led() { [[ $(leader "$1" 2>/dev/null || true) == "$2" ]]; } # group, pid
not_led() { led "$1" ''; }
taken() { ((!(0x$(awk '/^ShdPnd/ { print $2 }' "/proc/$1/status") & 0x4002))); } # a TERM or INT that was sent to it

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
		two) env printf 'one\ntwo\n' ;; # by one write
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
	worker r g --restart --answer-timeout 100 -- bash -c 'read -r; exec cat /dev/zero'
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

out_of_step() { # answer, of which line
	contains "the answer: $2" "the command wrote what nobody asked for (\"$2\"): its answers cannot be told apart" "$1"
	[[ $1 == "1 "* ]] || fail "a status for an answer that is nobody's: $1"
}

# A line too many is never the next caller's answer: in one piece with the answer, behind it, and a while later.
test_worker_out_of_step() {
	local i
	worker r g --restart -- bash -c serve
	out_of_step "$(call g two)" two
	equal 'of a new one' '0 <x>' "$(call g x)"
	contains 'the worker says so' 'it is started again for the next request; see --answer-marker' "$(cat r.err)"
	stop r
	worker w g -- bash -c serve
	out_of_step "$(call g two)" two
	ends w 1 'covey: bash: the command wrote what nobody asked for ("two")'
	all_gone pids || fail 'the command is alive'

	worker r g --restart -- bash -c 'while read -r what; do echo "$what 1"; echo "$what 2"; done'
	for i in 1 2 3 4 5 6 7 8; do "$covey" call g "$i" >"c$i.out" 2>"c$i.err" & done
	wait $(jobs -p | grep -vx "${pid_of[r]}") || true
	for i in 1 2 3 4 5 6 7 8; do
		[[ $(cat "c$i.out") == "$i 1" || $(cat "c$i.err") == *"nobody asked for (\"$i 2\")"* ]] ||
			fail "$i was answered with $(cat "c$i.out" "c$i.err")"
	done
	stop r
}

# The second line comes after the next request has been sent, but before it is read.
test_worker_late_line() {
	worker w g -- bash -c 'read -r what; echo "$what 1"; until_true go test -e go; echo "$what 2"; while read -r what; do echo "$what"; done'
	equal 'the first' '0 a 1' "$(call g a)"
	asks b g b
	until_true 'the second waits' have_waiters g 1
	touch go
	ends b 1 'wrote what nobody asked for ("a 2")'
	ends w 1 'wrote what nobody asked for ("a 2")'
	equal 'no answer' '' "$(cat b.out)"

	rm go
	worker r g --restart -- bash -c 'read -r what; echo "$what 1"; [[ $what != a ]] || { until_true go test -e go; echo "$what 2"; }; cat'
	equal 'the first' '0 a 1' "$(call g a)"
	asks b g b
	until_true 'the second waits' have_waiters g 1
	touch go
	ends b 0 ''
	equal 'of a new one' 'b 1' "$(cat b.out)"
	stop r
}

test_worker_unasked() {
	worker w g -- bash -c 'echo welcome; touch said; cat'
	until_true 'a greeting' test -e said
	out_of_step "$(call g x)" welcome
	ends w 1 welcome
	worker r g --restart -- bash -c 'echo $$ >last; echo welcome; cat'
	until_true 'a greeting' test -e last
	contains 'each says it again' "the command wrote what nobody asked for" "$(call g x)"
	stop r
	worker w g -- bash -c 'read -r what; echo "$what"; touch late; printf "\0"; exec cat'
	equal 'an answer' '0 a' "$(call g a)"
	contains 'a control is not quoted' '1 covey worker: the command wrote what nobody asked for: its answers' "$(call g b)"
	ends w 1 'nobody asked for: its'
	worker w g -- bash -c 'read -r a; exec <&-; echo "$a"; touch closed; sleep 1000 & echo $! >>pids; wait'
	equal 'an answer' '0 a' "$(call g a)"
	until_true 'it reads no more' test -e closed
	equal 'no more input' '1 covey worker: the command closed its input' "$(call g b)"
	ends w 1 'the command closed its input'
	all_gone pids || fail 'the command is alive'
}

# What ends in the middle of an answer has not answered.
test_worker_torn_answer() {
	worker r g --restart -- bash -c 'read -r how; printf "half of it"; eval "$how"'
	equal 'an exit status' '1 covey worker: the command ended with exit status 3 in the middle of an answer' "$(call g 'exit 3')"
	equal 'a signal' '1 covey worker: the command was ended by signal 9 in the middle of an answer' "$(call g 'kill -KILL $$')"
	equal 'a closed output' '1 covey worker: the command closed its output in the middle of an answer' \
		"$(call g 'exec >&-; read -r')"
	equal 'success' '0 half of it' "$(call g 'exit 0')"
	stop r
	worker r g --restart --answer-marker END -- bash -c 'read -r; echo "half of it"'
	contains 'without its marker' 'exit status 0 in the middle of an answer' "$(call g x)"
	stop r
}

test_worker_marker() {
	worker w g --answer-marker == -- bash -c 'while read -r a; do [[ $a == none ]] || a+="\n"; env printf "${a#none}==\n"; done'
	equal 'lines' $'0 a\n b' "$(call g 'a\n b')"
	equal 'no line' '0 ' "$(call g none)"
	equal 'a line of its own' '0 a ==' "$(call g 'a ==')"
	equal 'an empty line at the end' '610a0a' "$("$covey" call g 'a\n' | od -An -tx1 | tr -d ' ')"
	contains 'a marker in the answer' 'nobody asked for ("b")' "$(call g 'a\n==\nb')"
	ends w 1 'nobody asked for ("b")'
	[[ $(cat w.err) != *--answer-marker* ]] || fail 'it is told what it does'

	worker w g --answer-nul -- bash -c 'while read -r a; do printf "%b\0" "$a"; done'
	equal 'lines' $'0 a\nb' "$(call g 'a\nb')"
	"$covey" call -0 g 'a\n' | cmp - <(printf 'a\n') || fail 'the bytes'
	out_of_step "$(call g 'a\0b')" b
	ends w 1 ''
	head -c 300000 /dev/urandom | base64 >lines
	worker w g --answer-marker END --ask-marker 'echo END' -- bash
	"$covey" call g 'cat lines' | cmp - lines || fail 'a large answer'
	stop w
}

# A request that has no answer does not keep those who come after it waiting.
test_worker_ask_marker() {
	worker w sums --answer-marker END --ask-marker 'print "END\n"' -- bc -lq
	equal 'an answer' '0 42' "$(call sums 'x = 42; x')"
	equal 'no answer' '0 ' "$(call sums 1/0)"
	equal 'the reason' 1 "$(grep -ci 'divi' w.err)"
	equal 'a statement' '0 ' "$(call sums 'y = 1')"
	equal 'two answers' $'0 1\n2' "$(call sums '1; 2')"
	equal 'the state' '0 42' "$(call sums x)"
	stop w
}

# Who waits for an answer that never comes is not told; the worker's own user is.
test_worker_hint() {
	worker w sums -- bc -lq
	asks c -t 50 sums 1/0
	until_true 'a hint' grep -q 'bc: no answer to a request for 3 s; .*--answer-timeout.*--answer-marker' w.err
	stop w
	ends c 1 'covey worker: the worker was told to end before the command answered'
}

# Longer than the pipes, both ways: of a command that answers while it reads, and of one that reads all first.
test_worker_large() {
	head -c 500000 /dev/urandom | base64 -w0 >line
	worker w g --timeout 50000 -- cat
	worker s h --timeout 50000 -- sed -u 's/^/x/' # a byte at a time
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
	asks c g x
	until_true 'a caller' have_waiters g 1
	touch go
	ends c 1 'covey: "g" was led by a "covey run", which answers no requests'
	finish r
}

test_worker_ends_gracefully() {
	worker w g --grace 50000 -- bash -c serve
	asks c g slow
	until_true 'the request' test -e computing
	asks d g other
	until_true 'another caller' have_waiters g 2
	kill -TERM "${pid_of[w]}"
	until_true 'the signal is taken' taken "${pid_of[w]}"
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
	worker w g --grace 0 -- bash -c serve
	asks c g hang
	until_true 'the request' eval '[[ $(wc -l <pids) == 2 ]]'
	kill -TERM "${pid_of[w]}"
	until_true 'the signal is taken' taken "${pid_of[w]}"
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

# COMMAND does not answer, nor end: one TERM is enough, for it and all it started.
test_worker_ends_in_time() {
	local signal
	worker w g --grace 10 -- bash -c 'trap "" TERM; echo $$ >>pids; read -r; setsid sleep 1000 & echo $! >>pids; touch computing; sleep 1000'
	asks c g x
	until_true 'a request' test -e computing
	stop w
	ends c 1 'covey worker: the worker was told to end before the command answered'
	all_gone pids || fail 'a process is left'
	for signal in TERM INT HUP; do
		rm -f computing heard
		worker w g --grace 10 -- bash -c 'trap "echo TERM >>heard; exit" TERM; read -r; touch computing; while :; do sleep 0.1; done'
		asks c g x
		until_true 'a request' test -e computing
		kill -"$signal" "${pid_of[w]}"
		ends w 0 ''
		ends c 1 'told to end'
		equal 'it was told, once' TERM "$(cat heard)"
	done
}

test_worker_device_ends_in_time() {
	worker w g --grace 10 --device "$device:stuck"
	asks c g x
	until_true 'a request' have_waiters g 1
	until_true 'it computes' test -e stuck
	kill -TERM "${pid_of[w]}"
	ends w 1 'covey: "g": the device did not finish its request within 10 ms'
	ends c 1 'died'
}

# What signals do to COMMAND (in a process group of its own) and its descendants: they come to the worker alone.
test_worker_signals() {
	local signal name
	worker w g -- bash -c 'for s in USR1 USR2 WINCH CONT; do trap "echo $s >>heard" $s; done
		(for s in USR1 USR2 WINCH CONT; do trap "echo $s >>heard.below" $s; done; touch ready; while :; do sleep 0.02; done) &
		while :; do read -r -t 0.02 a; (($? > 128)) || { [[ $a ]] || exit 0; echo "$a"; }; done'
	until_true 'the command' test -e ready
	for signal in USR1 USR2 WINCH CONT; do
		kill -"$signal" "${pid_of[w]}"
		for name in heard heard.below; do until_true "$signal in $name" grep -qx "$signal" "$name"; done
	done
	equal 'each once' 'USR1 USR2 WINCH CONT' "$(xargs <heard)"
	equal 'each once, below' 'USR1 USR2 WINCH CONT' "$(xargs <heard.below)"
	equal 'it works on' '0 x' "$(call g x)"
	stop w
	worker w g -- bash -c serve
	kill -USR1 "${pid_of[w]}"
	ends w 1 'the command was ended by signal 10'
	all_gone pids || fail 'the command is alive'
	worker w g -- bash -c serve
	kill -QUIT "${pid_of[w]}"
	ends w 131 ''
	until_true 'the end of the command' all_gone pids
}

state() { awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null; }
in_state() { [[ $(state "$1") == "$2" ]]; }
not_in_state() { ! in_state "$1" "$2"; }

# At a terminal: Ctrl-Z stops all, and fg makes all go on; Ctrl-C is for the worker, and its caller has its answer.
test_worker_terminal() {
	local pid command
	command -v tmux >/dev/null || fail 'tmux is not installed'
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	export -f serve
	terminal_open 100 20 'PS1="$ " bash --norc'
	until_true 'a shell' shows '$'
	keys '"$covey" worker g --timeout 0 --grace 50000 -- bash -c serve' Enter
	until_led g
	pid=$(leader g) command=$(cat pids)
	keys C-z
	until_true 'the worker stops' in_state "$pid" T
	until_true 'the command stops' in_state "$command" T
	keys fg Enter
	until_true 'the worker goes on' not_in_state "$pid" T
	until_true 'the command goes on' not_in_state "$command" T
	equal 'an answer' '0 <x>' "$(call g x)"
	asks c g slow
	until_true 'a request' test -e computing
	keys C-c
	until_true 'the signal' shows '^C'
	until_true 'the signal is taken' taken "$pid"
	touch go
	ends c 0 ''
	equal 'the answer' 'done' "$(cat c.out)"
	keys 'echo "ended with $?"' Enter
	until_true 'the end' shows 'ended with 0'
	all_gone pids || fail 'the command is alive'
}

# A group in which nobody could make it go on is not stopped, and its command neither.
test_worker_orphaned() {
	setsid "$covey" worker g -- bash -c serve 2>w.err &
	until_led g
	pid_of[w]=$(leader g)
	kill -TSTP "${pid_of[w]}"
	equal 'an answer' '0 <x>' "$(call -t 50 g x)"
	kill -TERM "${pid_of[w]}"
	until_true 'the end' all_gone pids
}

# The first process of a container is told nothing by signals that it leaves to the kernel.
as_first() { # NAME ARGUMENT...: covey with pid 1; NAME.first is its pid outside
	local name=$1
	shift
	env --default-signal unshare -pf --kill-child --mount-proc "$covey" "$@" >"$name.out" 2>"$name.err" &
	pid_of[$name]=$!
	until_true "$name" eval "awk '{ print \$1 }' /proc/$!/task/$!/children >$name.first; [[ -s $name.first ]]"
}

test_worker_first_process() {
	local signal
	can_unshare --pid || return 0
	for signal in TERM INT HUP QUIT; do
		as_first w worker g -- bash -c serve
		until_led g
		equal 'an answer' '0 <x>' "$(call g x)"
		(sleep 0.01 & exec nsenter -t "$(cat w.first)" -p -m bash -c 'sleep 0 & disown') # an orphan
		kill -"$signal" "$(cat w.first)"
		[[ $signal == QUIT ]] || ends w 0 ''
		[[ $signal != QUIT ]] || ends w 131 ''
		equal 'nobody leads' '1 covey: nobody leads "g"' "$(call g x | sed 's/the leader.*/nobody leads "g"/')"
	done
	rm -f pids
	as_first w worker g --grace 0 -- bash -c serve
	until_led g
	asks c g hang
	until_true 'a request' has_lines pids 2
	kill -TERM "$(cat w.first)"
	until_true 'the signal is taken' taken "$(cat w.first)"
	kill -TERM "$(cat w.first)"
	ends w 143 ''
	ends c 1 'died'
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
		'--answer-nul --answer-marker x g -- a' '--ask-marker x g -- a' 'g --device x:y --answer-nul' '--grace x g -- a' \
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
	asks c g hang
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

# A request may begin with a dash; "--" behind GROUP is left out, once.
test_call_dashes() {
	worker w g -- bash -c serve
	equal 'behind GROUP' '0 <-5>' "$(call g -5)"
	equal 'behind a --' '0 <-5>' "$(call g -- -5)"
	equal 'behind options and a --' '0 <-t>' "$(call -t 50 g -- -t)"
	equal 'a -- in front' '0 <-5>' "$(call -- g -5)"
	equal 'a -- as a request' '0 <-->' "$(call g -- --)"
	equal 'a -- as a request' '0 <-->' "$(call -- g --)"
	equal 'no request' '<x>' "$(echo x | "$covey" call g --)"
	contains 'an option too late' '125 covey: call: unexpected argument "5"; options come before GROUP' "$(call g -t 5)"
	contains 'several words' '125 covey: call: unexpected argument "b"; quote' "$(call g a b)"
	stop w
}

test_call_signals() {
	local signal number
	worker w g --grace 10 -- bash -c 'read -r; echo $$ >computing; sleep 1000'
	for signal in TERM:143 INT:130 HUP:129 QUIT:131 USR1:138 USR2:140; do
		number=${signal#*:}
		env --default-signal "$covey" call g x 2>c.err &
		pid_of[c]=$!
		until_true 'a caller' have_waiters g 1
		kill -WINCH "${pid_of[c]}"
		kill -"${signal%:*}" "${pid_of[c]}"
		ends c "$number" ''
	done
	if can_unshare --pid; then
		for signal in TERM:143 INT:130 HUP:129 QUIT:131; do
			as_first c call g x
			until_true 'a caller' have_waiters g 1
			kill -"${signal%:*}" "$(cat c.first)"
			ends c "${signal#*:}" ''
		done
	fi
	until_true 'no caller' eval '! have_waiters g 1'
	stop w
}

# Ctrl-Z stops a caller, and fg makes it go on; Ctrl-C ends it, and the shell's loop around it.
test_call_terminal() {
	local pid
	command -v tmux >/dev/null || fail 'tmux is not installed'
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	worker w g --timeout 0 -- bash -c serve
	terminal_open 100 20 'PS1="$ " bash --norc'
	until_true 'a shell' shows '$'
	keys '"$covey" call g slow' Enter
	until_true 'a request' test -e computing
	keys C-z
	until_true 'it stops' shows Stopped
	touch go
	equal 'another' '0 <x>' "$(call g x)"
	keys fg Enter
	until_true 'its answer' shows 'done'
	keys clear Enter
	keys 'for i in 1 2 3; do "$covey" call g hang; echo "went on"; done; echo "ended with $?"' Enter
	until_true 'a caller' have_waiters g 1
	keys C-c
	until_true 'it ends' eval '! have_waiters g 1'
	keys 'echo of-$((6 * 7))' Enter
	until_true 'the shell is back' shows of-42
	hides 'went on' || shows 'echo "went on"' || fail 'the loop went on'
	kill -KILL "${pid_of[w]}"
	finish w
	until_true 'the end of the command' all_gone pids
}

test_call_waits() {
	equal 'no region' "1 covey: there is no region \"$COVEY_REGION\"" "$(call -w 0.05 g x)"
	[[ ! -e /dev/shm/$COVEY_REGION ]] || fail 'it made a region'
	equal '-t is the bound of all' '124 ' "$(call -w inf -t 0.05 g x)"
	asks c --wait 50 g first # the region is not there yet
	until_true 'it watches' eval 'ls -l "/proc/${pid_of[c]}/fd" | grep -q inotify'
	worker w g -- bash -c serve
	ends c 0 ''
	equal 'the answer' '<first>' "$(cat c.out)"
	stop w
	equal 'no leader' '1 covey: nobody leads "g"' "$(call -w 0.05 g x)"
	asks c -w 50 g second # nobody leads
	until_true 'it watches' eval 'grep -sq covey-monitor /proc/${pid_of[c]}/task/*/comm'
	worker w g -- bash -c serve
	ends c 0 ''
	equal 'the answer' '<second>' "$(cat c.out)"
	kill -KILL "${pid_of[w]}" # a dead one is as good as none
	finish w
	asks c -w 50 g third
	until_true 'it watches' eval 'grep -sq covey-monitor /proc/${pid_of[c]}/task/*/comm'
	worker w g -- bash -c serve
	ends c 0 ''
	equal 'the answer' '<third>' "$(cat c.out)"
	stop w
}

# The worker ends before it took the request; and the region is another one when the next worker comes.
test_call_waits_for_another() {
	worker w g --grace 50000 -- bash -c serve
	asks s g slow
	until_true 'a request' test -e computing
	asks c -w 50 g x
	until_true 'another caller' have_waiters g 2
	kill -TERM "${pid_of[w]}"
	until_true 'the signal is taken' taken "${pid_of[w]}"
	touch go
	ends s 0 ''
	ends w 0 ''
	until_true 'it watches' eval 'grep -sq covey-monitor /proc/${pid_of[c]}/task/*/comm'
	"$covey" rm
	worker w g -- bash -c serve
	ends c 0 ''
	equal 'the answer' '<x>' "$(cat c.out)"
	stop w
	mkdir here
	COVEY_REGION=here/region "$covey" call -w 50 g x >c.out 2>c.err &
	pid_of[c]=$!
	until_true 'it watches' eval 'ls -l "/proc/${pid_of[c]}/fd" | grep -q inotify'
	COVEY_REGION=here/region "$covey" worker g -- bash -c serve 2>w.err &
	pid_of[w]=$!
	ends c 0 ''
	equal 'of a path' '<x>' "$(cat c.out)"
	stop w
}

test_call_output() {
	worker w g -- bash -c serve
	status=0
	"$covey" call g x >/dev/full 2>now.err || status=$?
	equal 'a full device' '125 covey: standard output: No space left on device' "$status $(cat now.err)"
	status=0
	{ until_true 'a closed pipe' test -e closed; "$covey" call g x || echo $? >piped; } |
		{ exec <&-; touch closed; until_true 'a status' test -s piped; }
	equal 'nobody reads' 141 "$(cat piped)"
	(ulimit -s 64 && "$covey" call g x) >now.out || fail 'a small stack'
	equal 'a small stack' '<x>' "$(cat now.out)"
	stop w
	(ulimit -s 64 && exec "$covey" worker g -- bash -c 'ulimit -s unlimited; serve') 2>w.err &
	pid_of[w]=$!
	until_true 'a worker' led g "${pid_of[w]}"
	equal 'a worker with a small stack' '0 <x>' "$(call g x)"
	stop w
}
