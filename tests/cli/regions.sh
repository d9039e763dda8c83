# regions.sh - regions that are not as they should be; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

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
	covey_run run -v k -- echo alone
	rm -f "/dev/shm/$COVEY_REGION"
	equal 'a foreign file' '0 alone' "$status $out"
	contains 'a foreign file' "region \"$COVEY_REGION\"" "$err"
	covey_run run -v -r a/b/c k -- echo alone
	equal 'no such directory' '0 alone' "$status $out"
	contains 'no such directory' 'No such file or directory; running alone' "$err"
	covey_run run -r "$(printf 'x%.0s' {1..300})" k -- echo never
	equal 'a bad name' '125 ' "$status $out"
	mkdir -m 700 own
	covey_run run -r own/region k -- test -e own/region
	equal 'a path' 0 "$status"
	covey_run ls -r "$PWD/own/region"
	equal 'the same path' 0 "$status"
	chmod 777 own
	covey_run run -v -r own/region k -- echo alone
	equal 'a path where others may write' '0 alone' "$status $out"
	contains 'a path where others may write' 'running alone' "$err"
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
	covey_run run k -- echo alone
	equal 'beside another version, without -v' '0 alone ' "$status $out $err"
	touch go
	finish a
	covey_run run -v k -- echo again
	equal 'after another version' '0 again covey: led' "$status $out $err"
	can_unshare --mount || return 0
	status=0
	unshare --mount bash -c 'mount -t tmpfs -o size=64k tmpfs /dev/shm && "$covey" run -v k -- sh -c "echo fine; exit 3"' \
		>now.out 2>now.err || status=$?
	equal 'a /dev/shm that is too small' '3 fine' "$status $(cat now.out)"
	equal 'the last line' 'covey: alone' "$(tail -n 1 now.err)"
}

# The same name elsewhere, in a container that shares our network, is another region: neither waits for the other's COMMAND.
test_region_of_the_same_name() {
	((EUID == 0)) && unshare --mount true 2>/dev/null || { echo "  (no mount namespace to be had: left out)"; return 0; }
	unshare --mount bash -c 'mount -t tmpfs tmpfs /dev/shm; exec "$covey" run k -- bash -c "touch ready; until_true go test -e go"' &
	until_true 'the other leader' test -e ready
	status=0
	timeout 10 "$covey" run -v k -- echo fine >now.out 2>now.err || status=$? # less than the guard would be waited for
	touch go
	wait
	equal 'beside it' '0 fine covey: led' "$status $(cat now.out now.err | paste -sd' ')"
}
