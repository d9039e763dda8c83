# pipelines.sh - covey run between pipes: who goes on writing, who stops reading, what is kept; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# ------------------------------------------------------------------------------------- descendants that go on writing

test_output_of_descendants() {
	local i
	export -f gone
	for i in 1 2 3 4 5; do
		start "a$i" "k$i" -- bash -c "echo \$\$ >pid$i; exec > >(until_true end gone \$(cat pid$i); sed s/^/x:/); hold k$i 1; echo 42"
		until_true 'a leader' test -s "pid$i"
		until_led "k$i"
		start "b$i" "k$i" -- false
		finish "a$i" "b$i"
		equal "what came after COMMAND's end" 'x:42 x:42 0 0' \
			"$(cat "a$i.out" "b$i.out" "a$i.status" "b$i.status" | paste -sd' ')"
	done
}

test_daemon_left_behind() {
	covey_run run --drain 0.2 k -- bash -c 'sleep 100 & echo $! >pids; echo started'
	equal 'output' started "$out"
	contains 'message' 'keeps its output open' "$err"
	gone "$(cat pids)" && fail 'the daemon was killed'
	kill "$(cat pids)"
	covey_run run --drain 0 k -- bash -c 'sleep 100 & echo $! >pids; echo started'
	equal 'without a wait' '0 started ' "$status $out $err"
	kill "$(cat pids)"
	covey_run run k -- bash -c 'sleep 100 >/dev/null 2>&1 & echo $! >pids; echo started'
	equal 'of a good daemon' '0 started ' "$status $out $err"
	kill "$(cat pids)"
	covey_run run --drain soon k -- true
	equal 'a wrong value' 125 "$status"
}

# ---------------------------------------------------------------------------------------------- readers that leave

test_reader_that_leaves() {
	local ends=''
	"$covey" run p -- yes | head -n 1 >first || ends="${PIPESTATUS[*]}"
	equal 'yes | head' 'y 141 0' "$(cat first) $ends"
	# COMMAND is told as by any pipe, and goes on if it wants to; but what it did after that is nobody's outcome.
	start_reader() { "$covey" run q -- bash -c 'trap "" PIPE; echo $$ >pid; while echo y; do :; done 2>/dev/null
		touch told; hold q 1; exit 3' | true; }
	start_reader &
	until_true 'COMMAND is told' test -e told
	start b q -- echo anew
	finish b
	wait
	equal 'who came after' '0 anew' "$(cat b.status b.out | paste -sd' ')"
	equal 'its part' 'covey: led' "$(tail -n 1 b.err)"
	# Standard error goes on without standard output.
	"$covey" run r -- bash -c 'trap "" PIPE; while echo y; do :; done 2>/dev/null; echo still here >&2' 2>err | true || true
	equal 'standard error' 'still here' "$(cat err)"
}

# A terminal that nobody reads, or that was told to stand still: who waits does not wait for it, and signals arrive.
on_a_dead_terminal() {
	# shellcheck disable=SC2016
	perl -e '$^F = 9; open my $master, "+<", "/dev/ptmx" or die; my $n = pack "i", 0; ioctl $master, 0x40045431, $n or die;
		ioctl $master, 0x80045430, $n or die; open STDOUT, ">", "/dev/pts/" . unpack "i", $n or die; exec @ARGV' "$@"
}

test_terminal_that_stands_still() {
	local leading
	on_a_dead_terminal "$covey" run k -- bash -c 'hold k 1; seq 50000; exit 3' 2>a.err &
	until_true 'a leader' eval '"$covey" show k >/dev/null 2>&1'
	leading=$(leader k)
	start b k -- false
	finish b
	equal 'a waiter' "3 $(seq 50000 | cksum)" "$(cat b.status) $(cksum <b.out)"
	kill "$leading"
	on_a_dead_terminal "$covey" run k2 -- bash -c 'trap "touch told; exit 9" TERM; seq 50000; touch ready; while :; do sleep 0.02; done' &
	until_true 'all is taken' test -e ready
	leading=$(leader k2)
	kill "$leading"
	until_true 'COMMAND is told' test -e told
	until_true 'its end' eval '! "$covey" show k2 >/dev/null 2>&1'
	kill "$leading"
	wait
}

# ------------------------------------------------------------------------------------------------- what is kept

test_spool_limit() {
	"$covey" run -v --spool-limit 10K k -- bash -c 'hold k 1; exec yes' >a.out 2>a.err &
	pid_of[a]=$!
	until_led k
	start b k -- false
	finish a b
	equal 'statuses' '125 125' "$(cat a.status b.status | paste -sd' ')"
	equal 'bytes at the leader' 10240 "$(wc -c <a.out)"
	equal 'bytes at the waiter' 0 "$(wc -c <b.out)"
	contains 'the leader' '"bash" wrote more than --spool-limit allows, and was ended' "$(cat a.err)"
	contains 'the waiter' "\"k\", run by ${pid_of[a]}, wrote more than --spool-limit allows" "$(cat b.err)"
	covey_run run --spool-limit 10K k -- head -c 10240 /dev/zero
	equal 'just as much' 0 "$status"
	covey_run run --spool-limit 10KB k -- true
	equal 'a wrong size' 125 "$status"
	contains 'a wrong size' 'takes a size, such as' "$err"
}

test_full_disk() {
	can_unshare --mount || return 0
	mkdir small
	unshare --mount bash -c 'mount -t tmpfs -o size=256k tmpfs small
		export TMPDIR=$PWD/small
		"$covey" run -v k -- bash -c "hold k 1; head -c 1000000 /dev/zero; exit 3" >a.out 2>a.err & a=$!
		until_led k
		"$covey" run -v k -- echo never >b.out 2>b.err && b=0 || b=$?
		wait "$a" && a=0 || a=$?
		echo "$a $b" >statuses'
	equal 'statuses' '3 125' "$(cat statuses)"
	equal 'bytes at the leader' 1000000 "$(wc -c <a.out)"
	contains 'the leader' 'could not be kept for others: No space left on device' "$(cat a.err)"
	equal 'bytes at the waiter' 0 "$(wc -c <b.out)"
	contains 'the waiter' 'could not be kept: No space left on device' "$(cat b.err)"
}

# --------------------------------------------------------------------------------------------------- the order

# COMMAND writes to one stream, and to the other once covey has read that: so the order is certain.
test_order_across_outputs() {
	local i
	export -f taking_turns seen
	start a k -- bash -c 'hold k 2; taking_turns a.out a.err'
	until_led k
	"$covey" run k -- false >b.both 2>&1 &
	"$covey" run k -- false 2>&1 >c.out | cat >c.err &
	finish a
	wait
	for i in {1..20}; do printf 'out %d\nerr %d\nand %d\n' "$i" "$i" "$i"; done >expected
	cmp expected b.both || fail 'a waiter with both in one'
	cmp c.out a.out || fail 'standard output of a waiter with both apart'
	cmp c.err <(grep -v '^covey:' a.err) || fail 'standard error of a waiter with both apart'
	"$covey" run k -- bash -c 'taking_turns both both' >both 2>&1
	cmp expected both || fail 'a leader with both in one'
}
seen() { [[ $(tail -n 1 "$1") == "$2" ]]; }
taking_turns() { # FILE of standard output, FILE of standard error
	local i
	for i in {1..20}; do
		echo "out $i"
		until_true "out $i" seen "$1" "out $i"
		echo "err $i" >&2
		until_true "err $i" seen "$2" "err $i"
		printf 'and '
		echo "$i"
		until_true "and $i" seen "$1" "and $i"
	done
}

# As fast as COMMAND can: each write is told of, so lines are put in order by themselves, but for one that covey reads in
# the instant before it is told.
test_order_of_fast_lines() {
	local i file
	# shellcheck disable=SC2016
	local lines='$| = 1; select STDERR; $| = 1; for (1..500) { print STDOUT "out $_\n"; print STDERR "err $_\n"; }'
	for i in {1..500}; do printf 'out %d\nerr %d\n' "$i" "$i"; done >expected
	"$covey" run k -- bash -c 'hold k 1; exec "$@"' bash perl -e "$lines" >a.both 2>&1 &
	until_led k
	"$covey" run k -- false >b.both 2>&1
	wait
	cmp a.both b.both || fail 'a waiter has another order than its leader'
	for file in out err; do
		cmp <(grep $file expected) <(grep $file a.both) || fail "the order of $file by itself"
	done
	i=$(diff expected a.both | grep -c '^>' || true)
	((i <= 50)) || fail "$i of 1000 lines are out of order"
}

# What COMMAND writes before covey can be told of it puts nothing in disorder that comes later.
test_order_after_a_late_start() {
	local i wrong slowly=(strace -o trace -e trace=fcntl -e inject=fcntl:delay_enter=30000)
	"${slowly[@]}" true 2>/dev/null || { echo "  (no strace to be had: left out)"; return 0; }
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 "${slowly[@]}" "$covey" run k -- perl -e '$| = 1; select STDERR; $| = 1;
		for (1..500) { print STDOUT "out $_\n"; print STDERR "err $_\n"; select undef, undef, undef, 0.01 if $_ < 50 }' >both 2>&1
	for i in {1..500}; do printf 'out %d\nerr %d\n' "$i" "$i"; done >expected
	wrong=$(diff expected both | grep -c '^>' || true)
	((wrong <= 50)) || fail "$wrong of 1000 lines are out of order"
}

# Who tells of each write takes of what all processes of a user may have pending: no more than a part, if nobody listens.
test_pending_signals() {
	local leading pending
	"$covey" run k -- perl -e 'open F, ">ready"; close F; select undef, undef, undef, 0.01 until -e "go"; syswrite STDOUT, "x" for 1..30000; open F, ">written"' >a.out &
	until_true 'the command' test -e ready
	leading=$(leader k)
	kill -STOP "$leading"
	touch go
	until_true 'all is written' test -e written
	pending=$(awk '$1 == "SigQ:" { print $2 + 0 }' "/proc/$leading/status")
	kill -CONT "$leading"
	wait
	equal 'bytes' 30000 "$(wc -c <a.out)"
	((pending < 20000)) || fail "$pending signals are pending"
	equal 'the limit is of no concern to COMMAND' "$(ulimit -i)" "$("$covey" run k -- bash -c 'ulimit -i')"
}

# The same where the region cannot carry it, and the files change hands.
test_order_apart() {
	can_unshare --mount || return 0
	export -f taking_turns seen
	unshare --mount bash -c 'mount -t tmpfs -o size=64M tmpfs /dev/shm
		"$covey" run k -- bash -c "hold k 1; taking_turns a.out a.err; head -c 60000000 /dev/zero" >a.out 2>a.err &
		until_led k
		"$covey" run k -- false 2>&1 | head -n 60 >b.both || true
		wait'
	for i in {1..20}; do printf 'out %d\nerr %d\nand %d\n' "$i" "$i" "$i"; done | cmp - b.both || fail 'the order'
}
