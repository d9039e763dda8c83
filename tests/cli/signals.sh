# signals.sh - signals at covey run, as without covey; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# how_it_ends COMMAND...: "signal N" or "status N", which a shell cannot tell apart
how_it_ends() {
	perl -e 'system { $ARGV[0] } @ARGV; print $? & 127 ? "signal " . ($? & 127) : "status " . ($? >> 8), "\n"' "$@"
}

# What a shell starts in the background ignores INT and QUIT; here it is not to.
as_in_front() {
	perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec { $ARGV[0] } @ARGV' "$@"
}

# COMMAND of a leader, with a descendant; each notes what it gets.  USR1 at COMMAND is the end.
# shellcheck disable=SC2016
noting='
	note() { local s; for s in TERM INT HUP QUIT USR2 WINCH CONT; do trap "echo $1 $s >>got" "$s"; done; }
	(note below; trap "exit 0" USR1; touch below; while :; do sleep 0.02; done) & below=$!
	note command
	trap "end=1" USR1
	until [[ -e below ]]; do sleep 0.01; done
	touch ready
	until [[ ${end-} ]]; do sleep 0.02; done
	kill -USR1 $below
	wait
	exit 3'
export noting

lead_noting() { # NAME: how it ends is NAME.end
	rm -f got below ready
	how_it_ends "$covey" run "k$1" -- bash -c "$noting" 2>"$1.err" >"$1.end" &
	until_true "COMMAND of $1" test -e ready
	leading=$(leader "k$1")
}

# Sent to covey alone: COMMAND gets it once, and of what ends a job its descendants do.
test_signals_to_the_leader() {
	local s
	for s in TERM INT HUP QUIT USR2 WINCH; do
		lead_noting "$s"
		kill -"$s" "$leading"
		until_true "$s at COMMAND" eval '[[ -s got ]] && grep -q command got'
		case $s in USR2 | WINCH) ;; *) until_true "$s at its descendant" grep -q below got ;; esac
		kill -USR1 "$leading"
		wait
		case $s in
		USR2 | WINCH) equal "who gets $s" "command $s" "$(cat got)" ;;
		*) equal "who gets $s" "below $s command $s" "$(sort got | paste -sd' ')" ;;
		esac
		equal "the end after $s" 'status 3' "$(cat "$s.end")"
	done
}

# Sent to the process group: everybody has it already, and gets it no second time.
test_signals_to_the_group() {
	local s group
	for s in TERM INT HUP QUIT USR2 WINCH; do
		rm -f got below ready
		as_in_front setsid -w "$covey" run "k$s" -- bash -c "$noting" >"$s.out" 2>"$s.err" &
		until_true "COMMAND of $s" test -e ready
		leading=$(leader "k$s")
		group=$(ps -o pgid= -p "$leading" | tr -d ' ')
		equal 'its group' "$leading" "$group"
		kill -"$s" -- "-$group"
		until_true "$s at both" eval '[[ $(wc -l <got) -ge 2 ]]' 2>/dev/null
		kill -USR1 "$leading"
		wait
		equal "who gets $s" "below $s command $s" "$(sort got | paste -sd' ')"
	done
}

# A leader that is interrupted ends as COMMAND does, and nobody is handed that: one of those who wait runs it anew.
test_interrupted_leader() {
	local s n
	for s in TERM:15 INT:2 HUP:1 QUIT:3 USR1:10; do
		n=${s#*:}
		s=${s%:*}
		rm -f ready pids
		(how_it_ends "$covey" run -v "k$s" -- perl -e 'open F, ">ready"; close F; my $p = fork; exec "sleep", "1000" if !$p; open F, ">pids"; print F "$p\n"; close F; waitpid $p, 0; sleep 1000' \
			2>a.err >a.end) &
		until_true "COMMAND of $s" test -s pids
		leading=$(leader "k$s")
		start b "k$s" -- bash -c "hold k$s 1; echo anew"
		start c "k$s" -- bash -c "hold k$s 1; echo anew"
		until_true 'two waiters' have_waiters "k$s" 2
		kill -"$s" "$leading"
		finish b c
		wait
		equal "how a leader ends by $s" "signal $n" "$(cat a.end)"
		equal "what waiters get after $s" '0 0 anew anew' "$(cat b.status c.status b.out c.out | paste -sd' ')"
		contains "the leader after $s" 'interrupted; gave up' "$(cat a.err)"
		[[ $s == USR1 ]] && kill "$(cat pids)" # as without covey
		until_true "the end of the tree after $s" all_gone pids
	done
}

# A waiter ends by what ends any process, and nobody else notices.
test_signals_to_a_waiter() {
	local s
	start a k -- bash -c 'touch ready; until_true go test -e go; echo done'
	until_true 'the command' test -e ready
	for s in TERM:15 INT:2 HUP:1 QUIT:3 USR1:10 USR2:12; do
		as_in_front perl -e 'system { $ARGV[0] } @ARGV; print "signal ", $? & 127, "\n"' "$covey" run k -- false >end &
		until_true 'a waiter' have_waiters k 1
		kill -"${s%:*}" "$("$covey" show k | awk '$1 == "WAITER" { getline; print $1 }')"
		wait $!
		equal "the end of a waiter by ${s%:*}" "signal ${s#*:}" "$(cat end)"
		until_true 'no waiter' eval '[[ $(waiters k) == 0 ]]'
	done
	start b k -- false
	until_true 'a waiter' have_waiters k 1
	kill -WINCH "${pid_of[b]}"
	kill -CONT "${pid_of[b]}"
	touch go
	finish a b
	equal 'who waited on' '0 done 0 done' "$(cat a.status a.out b.status b.out | paste -sd' ')"
}

# With an error of its own after a signal: no outcome for others either.  With success: COMMAND made nothing of it.
test_signal_that_command_handles() {
	start a k -- bash -c 'trap "echo got TERM; exit 9" TERM; touch ready; while :; do sleep 0.02; done'
	until_true 'the command' test -e ready
	start b k -- echo anew
	until_true 'a waiter' have_waiters k 1
	kill -TERM "$(leader k)"
	finish a b
	equal 'statuses' '9 0' "$(cat a.status b.status | paste -sd' ')"
	equal 'outputs' 'got TERM anew' "$(cat a.out b.out | paste -sd' ')"
	rm ready
	start a k -- bash -c 'trap "echo got HUP; end=1" HUP; touch ready; until [[ ${end-} ]]; do sleep 0.02; done; echo done'
	until_true 'the command' test -e ready
	start b k -- false
	until_true 'a waiter' have_waiters k 1
	kill -HUP "$(leader k)"
	finish a b
	equal 'statuses' '0 0' "$(cat a.status b.status | paste -sd' ')"
	equal 'outputs' 'got HUP done got HUP done' "$(cat a.out b.out | paste -sd' ')"
}

test_timeout_of_the_leader() {
	timeout 100 "$covey" run k -- bash -c 'touch ready; sleep 1000' &
	local timer=$!
	until_true 'the command' test -e ready
	start b k -- echo anew
	until_true 'a waiter' have_waiters k 1
	kill -ALRM "$timer" # its time is up
	finish b
	wait "$timer" && status=0 || status=$?
	equal 'timeout' 124 "$status"
	equal 'the waiter' '0 anew' "$(cat b.status b.out | paste -sd' ')"
	equal 'its part' 'covey: led' "$(tail -n 1 b.err)"
}

# What the caller ignores stays ignored, and interrupts nothing.
test_ignored_signals() {
	(trap '' HUP; exec "$covey" run k -- bash -c 'touch ready; until_true go test -e go; echo done; exit 4') >a.out &
	local leading=$!
	until_true 'the command' test -e ready
	start b k -- false
	until_true 'a waiter' have_waiters k 1
	kill -HUP "$leading"
	touch go
	finish b
	wait "$leading" && status=0 || status=$?
	equal 'both' '4 done 4 done' "$status $(cat a.out b.status b.out | paste -sd' ')"
}

# A stopped COMMAND is a stopped job, and goes on with it.
state_of() { [[ $(ps -o stat= -p "$1") == $2* ]]; }
test_stop_and_continue() {
	local who
	# In a group of its own below this shell's: in one that nobody could make go on the kernel stops nobody.
	perl -e 'setpgrp(0, 0); exec { $ARGV[0] } @ARGV' "$covey" run k -- bash -c 'echo $$ >pid; until [[ -e go ]]; do sleep 0.02; done; echo done' \
		>a.out 2>a.err &
	pid_of[a]=$!
	until_true 'the command' test -s pid
	leading=$(leader k)
	for who in "$leading" "$(cat pid)"; do
		kill -TSTP "$who"
		until_true 'COMMAND is stopped' state_of "$(cat pid)" T
		until_true 'covey is stopped' state_of "$leading" T
		kill -CONT "$who"
		until_true 'COMMAND goes on' state_of "$(cat pid)" S
		until_true 'covey goes on' state_of "$leading" S
	done
	touch go
	finish a
	equal 'the end' '0 done' "$(cat a.status a.out | paste -sd' ')"
}

test_terminal() {
	command -v tmux >/dev/null || { echo "  (no tmux: left out)"; return 0; }
	local turn
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	terminal_open 80 24 "env PS1='prompt> ' bash --norc -i"
	until_true 'a prompt' shows 'prompt>'
	keys "for i in 1 2 3; do echo turn \$i; $covey run k -- bash -c 'touch ready; sleep 1000'; done; echo \"loop \"ended" Enter
	until_true 'the command' test -e ready
	start b k -- echo anew
	until_true 'a waiter' have_waiters k 1
	keys C-c
	finish b
	equal 'the waiter' '0 anew' "$(cat b.status b.out | paste -sd' ')"
	keys Enter "echo \"prompt \"again" Enter
	until_true 'a prompt' shows 'prompt again'
	hides 'turn 2' || fail "the loop went on: $(screen)"
	keys "$covey run k2 -- bash -c 'echo \$\$ >pid; read -r line; echo \"read \$line\"'" Enter
	until_true 'the command' test -s pid
	keys C-z
	until_true 'a stopped job' shows 'Stopped'
	until_true 'COMMAND is stopped' state_of "$(cat pid)" T
	keys "fg" Enter
	until_true 'COMMAND goes on' state_of "$(cat pid)" S
	keys "some words" Enter
	until_true 'what it read' shows 'read some words'
	# In the background, stopped for it reads the terminal, and once only.
	for turn in 1 2 3; do
		rm -f pid
		keys "$covey run k4 -- bash -c 'echo \$\$ >pid; read -r line; echo \"read \$line\"' &" Enter
		until_true 'the command' test -s pid
		until_true 'COMMAND is stopped' state_of "$(cat pid)" T
		leading=$(leader k4)
		until_true 'covey is stopped' state_of "$leading" T
		keys "fg" Enter
		until_true 'COMMAND goes on' state_of "$(cat pid)" S
		until_true 'covey goes on' state_of "$leading" S
		keys "words $turn" Enter
		until_true "what it read in turn $turn" shows "read words $turn"
	done
	# A waiter in the terminal.
	rm -f ready
	start a k3 -- bash -c 'touch ready; until_true go test -e go; echo done'
	until_true 'the command' test -e ready
	keys "for i in 1 2 3; do echo wait \$i; $covey run k3 -- false; done; echo \"loop \"ended" Enter
	until_true 'a waiter' have_waiters k3 1
	keys C-c
	until_true 'its end' eval '[[ $(waiters k3) == 0 ]]'
	keys Enter "echo \"prompt \"there" Enter
	until_true 'a prompt' shows 'prompt there'
	hides 'wait 2' || fail "the loop went on: $(screen)"
	touch go
	finish a
}

# The first process of a pid namespace has no default action for signals.
test_first_process() {
	can_unshare --pid || return 0
	local s first outer
	for s in TERM:15 INT:2; do
		rm -f ready
		as_in_front unshare --pid --fork --mount-proc "$covey" run k -- bash -c 'touch ready; sleep 1000' &
		outer=$!
		until_true 'the command' test -e ready
		first=$(pgrep -P "$(pgrep -P "$outer")")
		start b k -- bash -c 'touch ready2; until_true go test -e go; echo anew'
		until_true 'a waiter' have_waiters k 1
		kill -"${s%:*}" "$first"
		wait "$outer" && status=0 || status=$?
		equal "a leader that is the first, by $s" $((128 + ${s#*:})) "$status"
		until_true 'the successor' test -e ready2
		as_in_front unshare --pid --fork --mount-proc "$covey" run k -- false &
		outer=$!
		until_true 'a waiter' have_waiters k 1
		first=$(pgrep -P "$(pgrep -P "$outer")")
		kill -"${s%:*}" "$first"
		wait "$outer" && status=0 || status=$?
		equal "a waiter that is the first, by $s" $((128 + ${s#*:})) "$status"
		touch go
		finish b
		equal 'the successor' '0 anew' "$(cat b.status b.out | paste -sd' ')"
		rm -f go ready2
	done
}
