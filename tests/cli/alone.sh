# alone.sh - covey run where it cannot work for others, or COMMAND cannot be started; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# However few descriptors there are: COMMAND runs once, and whole.
test_few_descriptors() {
	local n
	for n in {8..28}; do # with fewer the loader may lack them, as some are inherited
		status=0
		(ulimit -n "$n"; exec "$covey" run k -- sh -c 'echo fine; exit 3') >now.out 2>now.err </dev/null || status=$?
		equal "with $n descriptors" '3 fine ' "$status $(cat now.out) $(cat now.err)"
	done
	covey_run run -v k -- true
	equal 'with many' 'covey: led' "$err"
}

test_little_memory() {
	local kib
	! ldd "$covey" | grep -q 'lib.san' || { echo "  (the sanitizers need more: left out)"; return 0; }
	for kib in 20000 60000 200000; do
		status=0
		(ulimit -v "$kib"; exec "$covey" run -v k -- sh -c 'echo fine; exit 3') >now.out 2>now.err || status=$?
		equal "with $kib KiB" '3 fine' "$status $(cat now.out)"
		contains "with $kib KiB" 'running alone' "$(cat now.err)"
	done
}

test_no_shared_memory() {
	can_unshare --mount || return 0
	local how
	for how in 'mount -t tmpfs -o ro tmpfs /dev/shm' 'mount -t tmpfs tmpfs /dev'; do
		status=0
		unshare --mount bash -c "$how"'; exec "$covey" run -v k -- sh -c "echo fine; exit 3"' >now.out 2>now.err </dev/null || status=$?
		equal "$how" '3 fine' "$status $(cat now.out)"
		contains "$how" 'running alone' "$(cat now.err)"
	done
}

test_foreign_region() {
	((EUID == 0)) || { echo "  (not root: left out)"; return 0; }
	"$covey" run k -- true
	chown 65534 "/dev/shm/$COVEY_REGION"
	covey_run run -v k -- echo fine
	equal "another user's region" '0 fine' "$status $out"
	contains "another user's region" "another user's" "$err"
	chown 0 "/dev/shm/$COVEY_REGION"
}

# A limit of processes: for whatever covey lacks one, COMMAND runs, once, and waiters are not told of covey's own trouble.
test_few_processes() {
	((EUID == 0)) || { echo "  (not root: left out)"; return 0; }
	local n user=64321 home
	home=$(mktemp -d /tmp/covey-cli-XXXXXX)
	chown "$user" "$home"
	install -m 755 "$covey" "$home/covey"
	for n in {1..8}; do
		(cd "$home" && exec prlimit --nproc="$n" setpriv --reuid "$user" --regid "$user" --clear-groups \
			./covey run -r ./region k -- "$BASH" -c 'echo begun >>begun; echo fine') >now.out 2>now.err </dev/null || fail "with $n processes: $(cat now.err)"
		equal "with $n processes" 'fine 1' "$(cat now.out) $(wc -l <"$home/begun")"
		rm "$home/begun"
	done
	rm -rf "$home"
}

# It has begun to lead when no process is to be had for COMMAND: the waiter runs its own.
test_waiter_of_who_cannot_start() {
	((EUID == 0)) || { echo "  (not root: left out)"; return 0; }
	local user=64322 home leader
	home=$(mktemp -d /tmp/covey-cli-XXXXXX)
	chown "$user" "$home"
	install -m 755 "$covey" "$home/covey"
	for n in 2 3; do # the leader, the library's thread, and a supervisor or none
		(cd "$home" && exec prlimit --nproc="$n" setpriv --reuid "$user" --regid "$user" --clear-groups ./covey run -v -r ./region k -- \
			"$BASH" -c 'echo fine; exit 7') >a.out 2>a.err </dev/null && status=0 || status=$?
		equal "the outcome with $n processes" '7 fine' "$status $(cat a.out)"
		contains "why, with $n processes" 'Resource temporarily unavailable; running alone' "$(cat a.err)"
		leader=$(setpriv --reuid "$user" --regid "$user" --clear-groups "$home/covey" ls -r "$home/region" | wc -l)
		equal 'groups led after that' 1 "$leader"
	done
	rm -rf "$home"
}

test_no_input() {
	equal 'standard input' data "$(echo data | "$covey" run k -- cat)"
	equal 'without' '' "$(echo data | "$covey" run --no-input k -- cat)"
	equal 'without, alone' '' "$(echo data | (ulimit -n 4; exec "$covey" run --no-input k -- cat))"
}
