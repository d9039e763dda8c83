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
	until_led w
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
	until_led k
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

# ------------------------------------------------------------------------------------------------ one line, one write

# Each of them says one line, or with its usage several, and fails.
complaining=('run k' 'run --no-such-option' 'run -t x k -- true' 'nonsense' 'show' 'ls one' 'worker' 'call'
	'call nobody x' 'run k -- ./no-such-command')

complain_in_every_way() {
	local words
	for words in "${complaining[@]}"; do
		# shellcheck disable=SC2086 # a command and its operands
		"$covey" $words </dev/null || true
	done
}

test_lines_are_whole_in_a_shared_log() {
	local i
	"$covey" run k -- true # makes the region
	complain_in_every_way >one 2>&1
	equal 'lines of covey' "${#complaining[@]}" "$(grep -c '^covey: ' one)"
	sort -u one >expected
	for ((i = 0; i < 30; i++)); do
		complain_in_every_way >>log 2>&1 &
	done
	wait
	sort -u log | cmp - expected || fail 'lines were mixed'
	equal 'lines' $((30 * $(wc -l <one))) "$(wc -l <log)"
}

# Of the processes in the trace, for COMMAND's own complaint is handed on by the leader.
most_writes() { awk '/writev?\(2, / && ++n[$1] > most { most = n[$1] } END { print most + 0 }' trace; }

test_a_complaint_is_one_write() {
	local words
	command -v strace >/dev/null && strace -o trace true 2>/dev/null || { echo '  (no strace: left out)'; return 0; }
	"$covey" run k -- true
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 # which refuses to be traced
	for words in "${complaining[@]}"; do
		# shellcheck disable=SC2086
		strace -f -e trace=write,writev -e signal=none -o trace "$covey" $words </dev/null 2>said || true
		equal "writes of \"$words\"" 1 "$(most_writes)"
		grep -q . said || fail "\"$words\" says nothing"
	done
	"$covey" worker w -- cat &
	until_led w
	strace -f -e trace=write,writev -e signal=none -o trace "$covey" call w $'two\nlines' 2>said || true
	equal 'writes of an answer that is an error' 1 "$(most_writes)"
	contains 'the error' 'covey worker: the request holds a newline' "$(cat said)"
	kill -TERM $!
	wait $!
}

# ------------------------------------------------------------------------------------------- what messages quote

test_quoted_bytes_do_not_steer() {
	local evil=$'a\nb\e[31m\x7f' words
	local -a each=("run|$evil|sh" "run|k|--|$evil" "run|-v|-r|$evil/$evil|k|--|false" "run|-t|$evil|k|--|true"
		"run|--$evil" "worker|w|--|$evil" "worker|w|--device|$evil" "worker|w|--device|$evil:x"
		"worker|w|--base|$evil|--device|$device:chain"
		"worker|$evil|$evil" "call|$evil|x" "call|k|x|$evil" "show|$evil" "ls|$evil" "ls|-r|$evil" "rm|-r|$evil" "$evil")
	"$covey" run k -- true
	for words in "${each[@]}"; do
		local -a one=()
		while IFS= read -r -d '|' words_of; do one+=("$words_of"); done <<<"$words|"
		covey_run "${one[@]}"
		[[ $status != 0 ]] || fail "\"$words\" succeeds"
		contains "${one[*]@Q}" 'a\x0ab\x1b[31m\x7f' "$err"
		[[ ${err//$'\n'/} != *[[:cntrl:]]* ]] || fail "a control in the message of ${one[*]@Q}"
		grep -vq '^covey: \|^usage: \|^ \|^"covey' now.err && fail "a line that is not covey's: $err"
	done
	covey_run run k -- "$(printf 'x%.0s' {1..3000})"$'\n'
	equal 'a long COMMAND' '126 1' "$status $(wc -l <now.err)"
	contains 'the reason' '...: File name too long' "$err"
	covey_run run k -- "./käse"
	contains 'what is printable' 'covey: ./käse: No such file' "$err"
}

# --------------------------------------------------------------------------------------------------- little stacks

# A stack of 64 KiB, as of some containers' threads; the arguments lie on it too.
test_small_stack() {
	local command
	for command in help $("$covey" help | awk '/^  [a-z]/ { print $1 }'); do
		(ulimit -s 64 && "$covey" "$command" --help >now.out 2>&1) || [[ $command == help ]] || fail "$command --help: $?"
	done
	(
		ulimit -s 64
		covey_run run -v k -- bash -c 'head -c 300000 /dev/zero; echo said >&2; exit 3'
		equal 'run' '3 300000 said covey: led' "$status $(wc -c <now.out) $(paste -sd' ' now.err)"
		covey_run run outer -- "$covey" run inner -- env -i "$covey" run -r "$COVEY_REGION" outer -- echo never
		contains 'run, nested' 'would wait for itself' "$err"
		"$covey" worker w -- cat &
		until_led w
		covey_run call w "$(printf 'x%.0s' {1..3000})"
		equal 'call' '0 3001' "$status $(wc -c <now.out)"
		kill -TERM $!
		wait $!
	)
}
