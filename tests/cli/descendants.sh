# descendants.sh - who dies with a leader, and who does not; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# In the three worlds: a /proc of one's own, one of another pid namespace, none.  The stand is a pid namespace with strangers in
# it, of which the numbers in a namespace below are those of COMMAND's tree.
test_strangers_live() {
	can_unshare --pid || return 0
	local world
	export -f strangers_live tree_of_command
	for world in 'mount -t proc proc /proc' : 'mount -t tmpfs tmpfs /proc'; do
		[[ $world != *tmpfs* ]] || ! ldd "$covey" | grep -q 'lib.san' || continue # the sanitizers need a /proc
		mkdir here
		cd here
		# shellcheck disable=SC2016
		world=$world unshare --pid --fork --mount-proc --kill-child bash -c 'strangers_live' || fail "with \"$world\""
		cd ..
		rm -r here
	done
}

tree_of_command() {
	(trap '' TERM; sleep 1000 & (sleep 1000 & touch deep; wait) & wait) &
	until_true 'the tree' test -e deep
	touch ready
	wait
}

strangers_live() {
	set -euo pipefail
	local i strangers=() left
	for i in {1..60}; do
		sleep 1000 &
		strangers+=($!)
	done
	unshare --mount --pid --fork bash -c "$world"'
		export COVEY_REGION=covey-cli-strangers
		"$covey" run -v k -- bash -c tree_of_command & leader=$!
		until_true "the tree" test -e ready
		"$covey" run -v k -- bash -c "touch successor; echo mine" >b.out 2>b.err & waiter=$!
		until_true "a waiter" have_waiters k 1
		kill -KILL "$leader"
		wait "$waiter"
		[[ $(cat b.out) == mine ]] || fail "the successor: $(cat b.err)"
		"$covey" rm'
	for i in "${strangers[@]}"; do
		kill -0 "$i" || fail "a stranger was killed"
	done
	left=$(pgrep -c -x sleep)
	[[ $left == 60 ]] || fail "$left processes sleep, of 60 strangers"
	kill "${strangers[@]}"
	wait || true
}

# Children that a shell had before it became covey are not COMMAND's.
test_children_from_before() {
	"$BASH" -c 'sleep 1000 & echo $! >stranger; exec "$covey" run k -- bash -c "sleep 1000 & echo \$! >deep; echo \$PPID >supervisor; wait"' &
	local leader=$!
	until_true 'the tree' test -s supervisor
	kill -KILL "$(cat supervisor)"
	wait "$leader" && status=0 || status=$?
	equal 'status' 137 "$status"
	until_true 'the end of the tree' gone "$(cat deep)"
	gone "$(cat stranger)" && fail 'a stranger was killed'
	kill "$(cat stranger)"
}
