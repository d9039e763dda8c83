# messages.sh - what covey says, and where it says it; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# --------------------------------------------------------------------------------------- closed standard descriptors

closed() { # descriptor, COMMAND...
	local status=0
	case $1 in
	0) "${@:2}" <&- || status=$? ;;
	1) "${@:2}" >&- || status=$? ;;
	2) "${@:2}" 2>&- || status=$? ;;
	esac
	return $status
}

test_closed_output_is_told() {
	local command
	start a k -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	for command in help --version 'run --help' 'worker --help' 'call --help' ls 'show k'; do
		status=0
		# shellcheck disable=SC2086 # a command and its operands
		err=$(closed 1 "$covey" $command 2>&1) || status=$?
		equal "$command >&-" '125 covey: standard output: Bad file descriptor' "$status $err"
	done
	touch go
	finish a
	"$covey" worker w -- sed -u 's/^/answer to /' &
	until_true 'a leader of w' eval '"$covey" show w >/dev/null 2>&1'
	status=0
	err=$(closed 1 "$covey" call w x 2>&1) || status=$?
	equal 'call >&-' '125 covey: standard output: Bad file descriptor' "$status $err"
	status=0
	err=$(closed 0 "$covey" call w 2>&1) || status=$?
	equal 'call <&-' '125 covey: standard input: Bad file descriptor' "$status $err"
	kill -TERM $!
	wait $!
}

# COMMAND's output is there for all who join, so the caller's closed one fails when it is to be delivered.
test_closed_output_of_run() {
	equal 'nothing is printed' ' 0' "$(closed 1 "$covey" run k -- true 2>&1; echo " $?")"
	status=0
	err=$(closed 1 "$covey" run k -- echo lost 2>&1) || status=$?
	equal 'something is' '125 covey: standard output: Bad file descriptor' "$status $err"
	"$covey" run k -- bash -c 'hold k 1; echo here' >&- 2>lead.err &
	local pid=$!
	until_true 'a leader of k' eval '"$covey" show k >/dev/null 2>&1'
	covey_run run k -- false
	equal 'who joined' '0 here' "$status $out"
	status=0
	wait "$pid" || status=$?
	equal 'who led' '125 covey: standard output: Bad file descriptor' "$status $(cat lead.err)"
	status=0
	closed 2 "$covey" run k -- bash -c 'echo lost >&2; exit 0' || status=$?
	equal 'standard error has nowhere to go, as without covey' 0 "$status"
}

test_closed_input_of_run() {
	local tell='[[ -e /proc/self/fd/0 ]] && echo open || echo closed'
	equal 'standard input, without covey' closed "$(bash -c "$tell" <&-)"
	equal 'standard input of COMMAND' closed "$("$covey" run k -- bash -c "$tell" <&-)"
	equal 'cat <&-' "$(cat 2>&1 <&-; echo $?)" "$("$covey" run k -- cat 2>&1 <&-; echo $?)"
	equal 'a descriptor that was open' "$(echo text | cat)" "$(echo text | "$covey" run k -- cat)"
}
