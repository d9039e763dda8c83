# terms.sh - on which terms a region is used and made; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

heap_max() { "$covey" stats --json | tr -d ' ,' | sed -n 's/.*"heap_bytes_max"://p'; }

test_heap_of_a_new_region() {
	local size bytes
	for size in 64M:67108864 2G:2147483648 1048576:1048576 100K:131072 64G:68719411200; do
		bytes=${size#*:} size=${size%:*}
		covey_run run -v --heap "$size" k -- echo fine
		equal "--heap $size" '0 fine covey: led' "$status $out $err"
		equal "what --heap $size makes" "$bytes" "$(heap_max)"
		"$covey" rm
	done
	for size in '' x 1x -1 0 64MB 1.5G 99999999999999999999 65G 20000000T; do
		covey_run run --heap "$size" k -- echo never
		equal "--heap \"$size\"" '125 ' "$status $out"
		contains "--heap \"$size\"" "run: --heap takes " "$err"
		contains "--heap \"$size\"" "not \"$size\"" "$err"
	done
	"$covey" worker --heap 3M w --heap 4M -- cat &
	until_led w
	equal 'what a worker makes' 4194304 "$(heap_max)"
	kill -TERM $!
	wait $!
	covey_run call --heap 1M w x
	equal 'call makes no region' '125 covey: call: unknown option --heap' "$status $(head -n 1 now.err)"
}

test_mode_of_a_new_region() {
	local mode file="/dev/shm/$COVEY_REGION"
	for mode in 600 0640 660 666; do
		covey_run run -v --mode "$mode" k -- echo fine
		equal "--mode $mode" '0 fine covey: led' "$status $out $err"
		equal "what --mode $mode makes" "${mode#0}" "$(stat -c %a "$file")"
		covey_run run -v --mode "$mode" k -- echo again
		equal "--mode $mode again" '0 again covey: led' "$status $out $err"
		[[ $mode == 66? ]] || { "$covey" rm; continue; }
		covey_run ls
		equal 'others may write, and nobody said so' 1 "$status"
		contains 'others may write, and nobody said so' '--shared' "$err"
		for what in ls 'show k' events stats verify reap; do
			# shellcheck disable=SC2086 # a command and its operand
			covey_run ${what%% *} --shared ${what#"${what%% *}"}
			[[ $what == show* || $status == 0 ]] || fail "$what --shared: $err"
			[[ $err != *'--shared'* ]] || fail "$what --shared: $err"
		done
		covey_run call --shared k x
		equal 'call' '1 covey: nobody leads "k"' "$status $err"
		"$covey" rm
	done
	for mode in '' x 8 60 777 1666 -1 0x180 440 '660 '; do
		covey_run run --mode "$mode" k -- echo never
		equal "--mode \"$mode\"" '125 ' "$status $out"
		contains "--mode \"$mode\"" "run: --mode takes octal permissions" "$err"
	done
	covey_run ls --mode 600
	equal 'ls makes no region' '125 covey: ls: unknown option --mode' "$status $(head -n 1 now.err)"
}

# Somebody else's region, which they share: who says so takes part in it.
test_region_of_another_user() {
	local file other
	((EUID == 0)) && file=$(mktemp /tmp/covey-cli-XXXXXX) || { echo '  (not root: another user left out)'; return 0; }
	install -m 755 "$covey" "$file"
	other="setpriv --reuid 65534 --regid 65534 --clear-groups env -C / $file"
	theirs() { [[ $("$covey" show --shared k | awk '$1 == "waiters" { print $2 }') == 1 ]]; }
	export -f theirs
	"$covey" run --mode 666 k -- bash -c 'until_true "a waiter" theirs; echo ours' >ours.out &
	until_led k --shared
	for what in '' --shared --foreign; do
		status=0
		$other ls $what >now.out 2>now.err || status=$?
		equal "ls $what" 1 "$status"
		contains "ls $what" '--foreign allows that' "$(cat now.err)"
	done
	$other ls --foreign --shared >now.out
	contains 'ls' 'k ' "$(cat now.out)"
	$other run -v --foreign --shared k -- echo theirs >theirs.out 2>theirs.err
	wait
	rm -f "$file"
	equal 'the output' 'ours ours' "$(cat ours.out theirs.out | paste -sd' ')"
	contains 'who joined' 'covey: joined' "$(cat theirs.err)"
}

test_completion_of_terms() {
	completion_begin
	"$covey" run --mode 660 key1 -- bash -c 'touch ready; until_true go test -e go' &
	until_true 'the command' test -e ready
	equal 'an option' '--foreign ' "$(complete_to covey show --f)"
	equal 'an option' '--mode ' "$(complete_to covey run --m)"
	equal 'an option' '--heap ' "$(complete_to covey worker --h | sed 's/--help //')"
	equal 'a mode' '660 666 ' "$(complete_to covey run --mode 66)"
	equal 'a group of a region that is shared' 'key1 ' "$(complete_to covey show --shared k)"
	equal 'and of one that is not said to be' ' ' "$(complete_to covey show k)"
	touch go
	wait
}
