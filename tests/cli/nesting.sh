# nesting.sh - commands that would wait for themselves, or for each other; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2034,SC2154

# Which of the commands of a circle is told is not said, but one of them is, and all of them end: "timeout" is there so
# that a hang fails the test.

own_circle='would wait for itself'
circle='would close a circle of waits'

# In a COMMAND: once all of the files are there, run the rest; its status and what it said are kept under its own name.
then_wait() { # NAME FILES COMMAND...
	local name=$1 files=$2 file status=0
	touch "$name.leads"
	for file in $files; do until_true "$file" test -e "$file.leads"; done
	"${@:3}" 2>"$name.said" || status=$?
	echo "$status" >"$name.inner"
}
export -f then_wait

# Start NAME: lead it, and wait inside for OTHER when all of FILES lead.  With more words the inner one is run by them.
lead_and_wait() { # NAME OTHER FILES [WORD...]
	timeout -k 1 60 "$covey" run "$1" -- bash -c "then_wait $1 '$3' ${*:4} $covey run -r $COVEY_REGION $2 -- true" \
		>"$1.out" 2>"$1.err" &
	pid_of[$1]=$!
}

# That so many at least of these were told of a circle, and the others were answered.
told_of_circle() { # NAMES...
	local name told=0
	finish "$@"
	for name in "$@"; do
		[[ $(cat "$name.status") == 0 ]] || fail "$name ended with $(cat "$name.status"): $(cat "$name.err")"
		case $(cat "$name.inner") in
		125) contains "$name" "$circle" "$(cat "$name.said")"; told=$((told + 1)) ;;
		0) ;;
		*) fail "$name was told $(cat "$name.inner"): $(cat "$name.said")" ;;
		esac
	done
	((told > 0)) || fail 'nobody was told'
}

test_two_commands_wait_for_each_other() {
	lead_and_wait a b 'a b'
	lead_and_wait b a 'a b'
	told_of_circle a b
}

# The second comes when the first has long been asleep: it sees the circle at once, and alone.
test_the_last_wait_closes_the_circle() {
	lead_and_wait a b b
	lead_and_wait b a 'b go'
	hold b 1
	touch go.leads
	told_of_circle a b
	equal 'who was told' '0 125' "$(cat a.inner) $(cat b.inner)"
}

test_three_commands_wait_for_each_other() {
	lead_and_wait a b 'a b c'
	lead_and_wait b c 'a b c'
	lead_and_wait c a 'a b c'
	told_of_circle a b c
}

test_circle_without_the_environment() {
	lead_and_wait a b 'a b' env -i
	lead_and_wait b a 'a b' env -i
	told_of_circle a b
	lead_and_wait d e 'd e' setsid -w env -i setsid -w
	lead_and_wait e d 'd e' env -i sh -c "'\"\$@\" & wait \$!'" _
	told_of_circle d e
}

test_circle_through_deeper_levels() {
	lead_and_wait a c 'a c' "$covey" run b --
	lead_and_wait c a 'a c' "$covey" run d -- env -i "$covey" run -r "$COVEY_REGION" e --
	told_of_circle a c
}

test_itself_without_the_environment() {
	covey_run run k -- env -i timeout 60 "$covey" run -r "$COVEY_REGION" k -- echo never
	equal 'env -i' '125 ' "$status $out"
	contains 'env -i' "\"k\" is led by the very command that asks: it $own_circle" "$err"
	covey_run run k -- env -i setsid -w sh -c "timeout 60 $covey run -r $COVEY_REGION k -- echo never & wait \$!"
	equal 'another session' '125 ' "$status $out"
	contains 'another session' "$own_circle" "$err"
	covey_run run k -- env -i "$covey" run -r "$COVEY_REGION" k2 -- \
		env -i timeout 60 "$covey" run -r "$COVEY_REGION" k -- echo never
	equal 'deeper' '125 ' "$status $out"
	covey_run run k -- env -i timeout 60 "$covey" call -r "$COVEY_REGION" k x
	equal 'call' '125 ' "$status $out"
	contains 'call' "$own_circle" "$err"
	covey_run run k -- env -i "$covey" run -r "$COVEY_REGION" k2 -- echo fine
	equal 'another key' '0 fine' "$status $out"
}

# A process whose parent has died is the supervisor's child.
test_itself_as_an_orphan() {
	covey_run run k -- bash -c "
		(env -i timeout 60 $covey run -r $COVEY_REGION k -- echo never >said 2>&1; echo \$? >inner) & disown
		bash -c 'until_true \"an orphan to be told\" test -s inner'"
	equal 'an orphan' 125 "$(cat inner)"
	contains 'an orphan' "$own_circle" "$(cat said)"
}

# Each asks the next one's worker while it answers.
test_workers_wait_for_each_other() {
	local name
	ask() { # NAME OTHER
		local line
		while read -r line; do
			touch "$1.leads"
			until_true both test -e "a.leads" -a -e "b.leads"
			"$covey" call -t 50 -E 99 "$2" "$line" >"$1.said" 2>&1 && echo fine || echo "told $?"
		done
	}
	export -f ask
	"$covey" worker --timeout 60000 a -- bash -c 'ask a b' 2>a.err &
	"$covey" worker --timeout 60000 b -- bash -c 'ask b a' 2>b.err &
	for name in a b; do until_led "$name"; done
	"$covey" call -t 50 b x >b.out &
	covey_run call -t 50 a x
	wait $!
	contains 'the answers' 'told 125' "$out $(cat b.out)"
	[[ $(cat a.said b.said) == *"$circle"* ]] || fail "neither was told of the circle: $(cat a.said b.said)"
	kill -TERM "$(leader a)" "$(leader b)"
	wait
}

# Many nest, and many wait, but in no circle: all are answered.
test_no_circle() {
	local name
	start d d -- bash -c 'hold d 3; echo d; hold a 2'
	until_led d
	for name in a b c; do
		start "$name" "$name" -- bash -c "echo $name; $covey run d -- false"
	done
	until_led a
	start a1 a -- false
	start ba ba -- env -i "$covey" run -r "$COVEY_REGION" a -- false
	finish a b c d a1 ba
	equal 'outputs' 'a d b d c d d a d a d' "$(cat a.out b.out c.out d.out a1.out ba.out | paste -sd' ')"
	equal 'statuses' 0 "$(cat a.status b.status c.status d.status a1.status ba.status | sort -u)"
}

# What an execution left behind may ask for its group when that is over.
test_a_daemon_asks_later() {
	export -f until_true
	covey_run run k -- bash -c "env -i bash -c 'until test -e go; do sleep 0.01; done
		exec $covey run -r $COVEY_REGION k -- echo fine' >daemon.out 2>&1 & disown"
	equal 'who left it behind' 0 "$status"
	start l k -- bash -c 'hold k 1; echo joined'
	until_led k
	touch go
	finish l
	until_true 'the daemon to be answered' test -s daemon.out
	equal 'the daemon' joined "$(cat daemon.out)"
}

# Numbers of other pid namespaces are others' numbers: a leader is number 1 there, and number 1 here is above the caller.
test_pid_namespaces() {
	can_unshare --pid || return 0
	local apart='unshare --pid --fork --mount-proc'
	$apart "$covey" run k -- bash -c 'touch ready; until_true go test -e go; echo there' >led.out &
	until_true 'the command' test -e ready
	$apart "$covey" run k2 -- env -i "$covey" run -r "$COVEY_REGION" k -- false >joined.out 2>joined.err &
	local pid=$!
	hold k 1
	touch go
	wait "$pid" || fail "it was not answered: $(cat joined.err)"
	equal 'who has a leader of the same number' there "$(cat joined.out)"
	wait
	# Where /proc is another namespace's, or none, the environment still tells.
	covey_run run k -- unshare --pid --fork timeout 60 "$covey" run k -- echo never
	contains "another namespace's /proc" "$own_circle" "$err"
	covey_run run k -- unshare --mount bash -c 'mount -t tmpfs tmpfs /proc && timeout 60 "$covey" run k -- echo never'
	contains 'no /proc' "$own_circle" "$err"
}
