# inspector.sh - what looks at a region; read by ../cli.sh, whose words it uses
# shellcheck shell=bash disable=SC2154

# ------------------------------------------------------------------------------------------------- the inspector

test_ls_show_rm() {
	local nobody
	for nobody in ls 'show k' rm; do
		covey_run $nobody
		equal "$nobody without a region" 1 "$status"
		contains "$nobody without a region" "there is no region \"$COVEY_REGION\"" "$err"
	done
	covey_run run k -- true
	covey_run ls
	equal 'an empty region' '0 1 GROUP' "$status $(wc -l <now.out) ${out%% *}"
	covey_run ls --json
	equal 'an empty region, as JSON' "{\"region\": \"$COVEY_REGION\", \"groups\": []}" "$out"
	covey_run show k
	equal 'show of nobody' 1 "$status"
	contains 'show of nobody' 'nobody leads "k"' "$err"
	covey_run show
	equal 'show of nothing' 125 "$status"
	covey_run ls k
	equal 'ls with an argument' 125 "$status"

	local odd=$'q"\\\n\xff\xc3\xa9'
	start a "$odd" -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	start b "$odd" -- false
	until_true 'a waiter' have_waiters "$odd" 1
	covey_run ls
	contains 'ls' 'q"\\\x0a\xffé ' "$out"
	contains 'ls, the leader' " $(leader "$odd") " "$out"
	covey_run ls --json
	contains 'ls --json' '"group": "q\"\\\u000a\u00ffé", "name_hex": "71225c0affc3a9"' "$out"
	contains 'ls --json' '"waiters": 1}' "$out"
	covey_run show "$odd"
	contains 'show' "waiters     1" "$out"
	contains 'show' " ${pid_of[b]}  false" "$out"
	covey_run show --json "$odd"
	contains 'show --json' "\"waiters\": [
  {\"pid\": ${pid_of[b]}, \"thread\": ${pid_of[b]}, \"command\": \"false\", \"waits\": " "$out"
	touch go
	finish a b
	covey_run rm
	equal 'rm' '0 ' "$status $out$err"
	covey_run rm
	equal 'rm again' 1 "$status"
}

command_of() { "$covey" show -- "$1" | sed -n 's/^command  *//p'; }

# What a group is led with is shown, in place of "covey"; for ps(1), covey stays covey.
test_shown_command() {
	start a key -- "$PWD/../$test_name/a name of many bytes" 2>/dev/null # not there: nothing of it is shown for long
	finish a
	ln -s "$(command -v bash)" 'a name of many bytes'
	start b key -- "./a name of many bytes" -c 'touch ready; until_true go test -e go'
	worker w served -- cat
	worker d device --device "$device:count"
	until_true 'the command' test -e ready
	equal 'of a program' 'a name of many ' "$(command_of key)"
	equal 'of a worker' cat "$(command_of served)"
	equal 'of a device' count "$(command_of device)"
	covey_run ls
	contains 'ls' ' a name of many  ' "$out"
	contains 'ls' ' cat  ' "$out"
	covey_run ls --json
	contains 'ls --json' '"command": "a name of many "' "$out"
	covey_run events key
	contains 'events of one who has left' " ${pid_of[a]}+ a name of many  " "$out"
	equal 'for ps' 'covey covey' "$(cat "/proc/${pid_of[b]}/comm" "/proc/${pid_of[w]}/comm" | paste -sd' ')"
	if command -v tmux >/dev/null; then
		trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
		terminal_open 80 24 "$covey top -n 0.1"
		until_true 'top' shows ' a name of many '
		until_true 'top' shows '  count '
	fi
	touch go
	finish b
	stop w
	stop d
}

# The name is removed, by covey or by anybody: a leader and the inspector say so meanwhile, and who joined has the
# outcome.
test_name_removed() {
	local how watcher
	for how in "$covey rm" "rm /dev/shm/$COVEY_REGION"; do
		rm -f ready go
		start a key -- bash -c 'touch ready; until_true go test -e go; echo done'
		until_true 'the command' test -e ready
		start b key -- false
		until_true 'a waiter' have_waiters key 1
		"$covey" watch >watch.out 2>watch.err &
		watcher=$!
		until_true 'the first report' has_lines watch.out 2
		if command -v tmux >/dev/null; then
			trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
			terminal_open 120 24 "$covey top -n 0.1"
			until_true 'the groups' shows 'groups led 1 of'
			hides 'NAME WAS REMOVED' || fail "top before ${how%% *}"
		fi
		$how
		until_true "told by covey run -v, $how" grep -q "the name of region \"$COVEY_REGION\" was removed" a.err
		until_true "told by covey watch, $how" grep -q "this region's name was removed" watch.err
		if command -v tmux >/dev/null; then
			until_true "told by covey top, $how" shows "THIS REGION'S NAME WAS REMOVED"
			terminal_close
		fi
		touch go
		finish a b
		kill -TERM "$watcher"
		wait "$watcher" || fail "covey watch ends with $?"
		equal 'the outcome' 'done done' "$(cat a.out b.out | paste -sd' ')"
		equal 'told once' '1 1' "$(lines_like removed a.err) $(lines_like removed watch.err)"
		equal 'the last line' "covey: led" "$(tail -n 1 a.err)"
		equal 'the waiter' "covey: joined ${pid_of[a]}" "$(tail -n 1 b.err)"
	done
}

# A command killed with all who could notice leaves its participant in the region.
make_corpse() {
	start corpse dead -- bash -c 'touch ready; exec sleep 600'
	until_true 'the command' test -e ready
	kill -KILL "${pid_of[corpse]}"
	finish corpse
}

test_stats() {
	local metrics
	covey_run stats
	equal 'stats without a region' 1 "$status"
	make_corpse
	start a key -- bash -c 'touch led; until_true go test -e go'
	until_true 'the command' test -e led
	covey_run stats
	equal 'stats' '0 led 2' "$status $(awk '$1 == "led" { print $1, $2 }' now.out)"
	covey_run stats --json
	equal 'stats --json' 0 "$status"
	contains 'stats --json' '"groups_led": 1, "groups_led_max": 16384' "$(tr '\n' ' ' <now.out | tr -s ' ')"
	contains 'stats --json, the counters' '"counters": {"led": 2, "joined": 0' "$out"
	contains 'stats --json, the processes' "{\"pid\": ${pid_of[a]}, \"alive\": true, \"command\": \"bash\"" "$out"
	covey_run stats --prometheus
	equal 'stats --prometheus' 0 "$status"
	contains 'stats --prometheus' "# TYPE covey_led_total counter
covey_led_total{region=\"$COVEY_REGION\"} 2" "$out"
	metrics=$(grep -vc '^#' now.out)
	equal 'each has its HELP and TYPE' "$metrics $metrics" \
		"$(grep -c '^# HELP' now.out) $(grep -cE '^# TYPE covey_[a-z_]+ (gauge|counter)$' now.out)"
	if command -v promtool >/dev/null; then
		promtool check metrics <now.out >lint.out 2>&1 || fail "promtool: $(cat lint.out)"
	fi
	covey_run stats --json --prometheus
	equal 'stats in two formats' 125 "$status"
	covey_run ls --prometheus
	equal 'ls --prometheus' 125 "$status"
	touch go
	finish a
}

test_verify_reap() {
	local file=/dev/shm/$COVEY_REGION nobody
	for nobody in verify reap; do
		covey_run $nobody
		equal "$nobody without a region" 1 "$status"
	done
	make_corpse
	covey_run verify
	equal 'verify of a corpse' 2 "$status"
	contains 'verify of a corpse' 'dead participant' "$out"
	covey_run reap
	equal 'reap' '0 reaped 1 of 1 dead participants' "$status $out"
	covey_run reap
	equal 'reap again' '0 reaped 0 of 0 dead participants' "$status $out"
	covey_run verify
	equal 'verify' "0 region \"$COVEY_REGION\" is whole" "$status $out"
	covey_run verify --json
	equal 'verify --json' "0 {\"region\": \"$COVEY_REGION\", \"whole\": true, \"damages\": [], \"more\": 0}" "$status $out"
	head -c 300000 /dev/zero | tr '\0' '\377' | dd of="$file" bs=4096 seek=1 conv=notrunc status=none
	covey_run verify
	equal 'verify of a scribbled region' 2 "$status"
	covey_run verify --json
	contains 'verify of a scribbled region' '"whole": false' "$out"
	head -c 64 /dev/zero | dd of="$file" conv=notrunc status=none
	covey_run verify
	equal 'verify of a region without a head' 2 "$status"
	contains 'verify of a region without a head' 'no region of this version' "$err"
}

# covey top, by its keys, in a terminal of tmux's.
# shellcheck source=tests/terminal.sh
source "${BASH_SOURCE[0]%/*}/../terminal.sh"

test_top() {
	covey_run top
	equal 'top of no region' 1 "$status"
	start a key1 -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	covey_run top
	equal 'top without a terminal' 125 "$status"
	contains 'top without a terminal' 'needs a terminal' "$err"
	if ! command -v tmux >/dev/null; then
		echo 'top: its keys are not tried, for there is no tmux' >&2
		touch go
		finish a
		return
	fi
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	start b key2 -- bash -c 'touch ready2; until_true go test -e go'
	until_true 'the command' test -e ready2
	start c key1 -- false
	until_true 'a waiter' have_waiters key1 1
	terminal_open 80 24 \
		"bash -c '$covey top -n 0.1; echo \"top ended with \$?\"; read -r _; $covey top -n 0.1; echo \"the second ended with \$?\"; read -r _'"
	until_true 'the groups' shows 'groups led 2 of'
	until_true 'a waiter' shows 'waiters 1'
	[[ $(screen | sed -n 8p) == "key1 "*" ${pid_of[a]} "*" bash "* ]] || fail "top, by waiters: $(screen)"
	keys g
	until_true 'the order' shows 'by GROUP'
	keys Down Enter
	until_true 'one group' shows 'group key2'
	until_true 'its leader' shows "led by ${pid_of[b]} (bash"
	until_true 'its history' shows "registered"
	keys Escape
	until_true 'the list' shows 'by GROUP'
	keys / k e y 1 Enter
	until_true 'the filter' hides 'key2 '
	keys Escape
	until_true 'all' shows 'key2 '
	keys '?'
	until_true 'help' shows 'any key: back'
	keys x Space
	until_true 'a pause' shows PAUSED
	resize 200 50
	until_true 'a larger terminal' shows '? keys  q quit'
	equal 'lines' 50 "$(screen | wc -l)"
	resize 20 5
	keys Space q
	until_true 'its end' shows 'top ended with 0'
	resize 80 24
	keys Enter
	until_true 'the groups' shows 'groups led 2 of'
	truncate -s 4096 "/dev/shm/$COVEY_REGION"
	until_true 'the end of a region that was cut short' shows 'the second ended with 2'
	shows 'cut short' || fail "top of a region that was cut short: $(screen)"
	{ kill -KILL "${pid_of[a]}" "${pid_of[b]}" "${pid_of[c]}" || true; } 2>/dev/null
	{ wait || true; } 2>/dev/null
	touch go
}

# On the terminal a word ends so many characters from the left, in the row that begins so.
word_ends() { # what the row begins with, word
	local LC_ALL=C.UTF-8 row
	row=$(screen | grep -- "^$1" | head -n 1)
	row=${row%%" $2 "*}
	echo "$((${#row} + 1 + ${#2}))"
}

# The pid of a group's row ends where its title does; so many characters more than columns.
aligned() { # group, pid, difference
	[[ $(word_ends "$1" "$2") == $(($(word_ends GROUP PID) + $3)) ]]
}

# Columns stand below each other whatever the characters of a name, in any locale, also one that is not there.
test_columns() {
	local locale wide=漢字/é/a combined=$'e\u0301\u0302x' wide_pid combined_pid
	ln -s "$(command -v bash)" 漢字sh
	start a "$wide" -- ./漢字sh -c 'touch ready1; until_true go test -e go'
	start b "$combined" -- bash -c 'touch ready2; until_true go test -e go'
	until_true 'the commands' test -e ready1 -a -e ready2
	wide_pid=$(printf '%7d' "${pid_of[a]}") combined_pid=$(printf '%7d' "${pid_of[b]}")
	for locale in nonsense en_XX.UTF-8 C.UTF-8 C POSIX ''; do
		out=$(env LC_ALL="$locale" "$covey" ls)
		contains "ls, LC_ALL=$locale: wide" "$wide$(printf '%41s' '')$wide_pid  漢字sh$(printf '%10s' '')" "$out"
		contains "ls, LC_ALL=$locale: combining" "$combined$(printf '%47s' '')$combined_pid  bash$(printf '%12s' '')" "$out"
		out=$(env LC_ALL="$locale" "$covey" show "$wide")
		contains "show, LC_ALL=$locale" 漢字sh "$out"
		out=$(env LC_ALL="$locale" "$covey" events "$wide")
		contains "events, LC_ALL=$locale" "  漢字sh$(printf '%10s' '')registered" "$out"
	done
	if command -v tmux >/dev/null; then
		trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
		for locale in nonsense C.UTF-8 C; do
			terminal_open 80 24 "LC_ALL=$locale $covey top -n 0.1"
			if [[ $locale == C ]]; then
				until_true 'top, LC_ALL=C: wide' aligned '????/?/a' "${pid_of[a]}" 0
				until_true 'top, LC_ALL=C: combining' aligned ex "${pid_of[b]}" 0
				until_true 'top, LC_ALL=C: a command' shows ' ????sh '
			else
				until_true "top, LC_ALL=$locale: wide" aligned "$wide" "${pid_of[a]}" -2
				until_true "top, LC_ALL=$locale: combining" aligned "$combined" "${pid_of[b]}" 2
				until_true "top, LC_ALL=$locale: a command" shows ' 漢字sh '
			fi
			terminal_close
		done
	fi
	touch go
	finish a b
}

# The RATE of a worker that is asked again and again; its generation stays.
test_rate_of_worker() {
	command -v tmux >/dev/null || return 0
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	worker w busy -- cat
	worker v idle -- cat
	(until [[ -e go ]]; do "$covey" call busy request >>answers || exit; done) &
	terminal_open 80 24 "$covey top -n 0.5"
	until_true 'a rate of answers' rate_is busy '>= 1'
	until_true 'none of the other' rate_is idle '== 0'
	touch go
	wait $!
	until_true 'no rate any more' rate_is busy '== 0'
	equal 'the generation' 1 "$("$covey" ls --json | sed -n 's/.*"group": "busy".*"generation": \([0-9]*\).*/\1/p')"
	stop w
	stop v
}
rate_is() { screen | awk -v group="$1" '$1 == group { found = 1; rate = $NF } END { exit !(found && rate != "-" && rate '"$2"') }'; }

# The inspector where its output is not taken, or is asked for in vain.
test_inspector_odd_places() {
	local command odd=$'ev\033il' reader watcher
	ln -s "$(command -v bash)" "$odd"
	"$covey" run key -- "./$odd" -c 'touch ready; until_true go test -e go' &
	until_true 'the command' test -e ready
	for command in help --help --version 'ls --help' 'top --help' 'help watch' ls 'ls --json' 'show key' 'show --json key' events 'events --json' stats 'stats --json' \
		'stats --prometheus' verify 'verify --json' reap; do
		status=0
		# shellcheck disable=SC2086
		"$covey" $command >/dev/full 2>now.err || status=$?
		equal "$command on a full disk" 125 "$status"
		contains "$command on a full disk" 'No space left' "$(cat now.err)"
		exec {pipe}> >(:)
		reader=$!
		wait "$reader" || true
		status=0
		# shellcheck disable=SC2086
		"$covey" $command >&"$pipe" 2>now.err || status=$?
		exec {pipe}>&-
		equal "$command without a reader" '141 ' "$status $(cat now.err)"
		status=0
		# shellcheck disable=SC2086
		"$covey" $command >&- 2>now.err || status=$?
		equal "$command without an output" '125 covey: standard output: Bad file descriptor' "$status $(cat now.err)"
	done
	for command in ls 'show key' events; do
		covey_run $command
		contains "$command, the command's name" 'ev\x1bil' "$out"
		equal "$command, escapes" 0 "$(grep -c $'\033' now.out || true)"
	done
	covey_run ls --json
	contains 'ls --json, the command' '"command": "ev\u001bil"' "$out"
	covey_run show $'no\033\nne'
	contains 'show of nobody' 'nobody leads "no\x1b' "$err"
	covey_run show --json key
	contains 'show --json' '"alive": true, "command": "ev\u001bil", "generation": 1' "$out"
	"$covey" watch -n 1e300 >now.out &
	watcher=$!
	until_true 'a report of a watch with a period beyond all clocks' has_lines now.out 2
	kill -TERM "$watcher"
	wait "$watcher" || fail "watch -n 1e300 ends with $?"
	for command in 'top key' 'ls -n 1' 'show --prometheus key' 'stats key' 'verify --jso=n' 'events one two'; do
		covey_run $command
		equal "$command" 125 "$status"
		contains "$command" 'usage: covey' "$err"
	done
	if command -v tmux >/dev/null; then
		trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
		# ncurses does not free what it had begun for a terminal that it does not know
		terminal_open 120 24 "bash -c 'export ASAN_OPTIONS=detect_leaks=0; until_true go2 test -e go2; \
			for TERM in none-such dumb hardcopy; do $covey top; echo \"\$TERM ended with \$?\"; done; \
			env -u TERM $covey top; echo \"without with \$?\"; read -r _'"
		tmux -L "$COVEY_REGION" pipe-pane -o "cat >'$PWD/sent'"
		touch go2
		until_true 'all ends' shows 'without with 125'
		for command in none-such dumb hardcopy; do
			shows "$command ended with 125" || fail "TERM=$command: $(screen)"
			shows "names (\"$command\"); use covey ls or covey watch" || fail "TERM=$command: $(screen)"
		done
		until_true 'what was sent' grep -q 'without with' sent
		equal 'escapes sent to terminals that cannot be drawn on' 0 "$(grep -c $'\033' sent || true)"
	fi
	touch go
	wait
}

# Nothing that looks at a region needs a large stack.
test_inspector_small_stack() {
	local command small=64 watcher
	grep -q __asan_init "$covey" && small=1024 # whose frames are larger
	make_corpse
	start a key -- bash -c 'touch led; until_true go test -e go'
	until_true 'the command' test -e led
	for command in help ls 'ls --json' 'show key' 'show --json key' events 'events --json' stats 'stats --json' \
		'stats --prometheus' reap verify 'verify --json'; do
		status=0
		# shellcheck disable=SC2086
		(ulimit -s $small && exec "$covey" $command) >now.out 2>now.err || status=$?
		equal "$command" '0 ' "$status $(cat now.err)"
	done
	(ulimit -s $small && exec "$covey" watch -n 0) >watch.out &
	watcher=$!
	until_true 'a report' has_lines watch.out 2
	start b key -- false
	until_true 'another' has_lines watch.out 3
	kill -TERM "$watcher"
	wait "$watcher" || fail "watch ends with $?"
	if command -v tmux >/dev/null; then
		trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
		terminal_open 80 24 "bash -c 'ulimit -s $small; $covey top -n 0.1; echo \"top ended with \$?\"; read -r _'"
		until_true 'the group' shows 'key '
		keys Enter
		until_true 'one group' shows 'registered'
		keys '?' x q
		until_true 'its end' shows 'top ended with 0'
	fi
	touch go
	finish a b
}

test_completion() {
	completion_begin
	start a key1 -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	equal 'a command' 'show ' "$(complete_to covey sh)"
	equal 'an option' '--region ' "$(complete_to covey show --r)"
	equal 'a group' 'key1 ' "$(complete_to covey show k)"
	equal 'a group of a region' 'key1 ' "$(complete_to covey show -r "$COVEY_REGION" '')"
	equal 'a region' "$COVEY_REGION " "$(complete_to covey ls -r "$COVEY_REGION")"
	equal 'a command of its own' 'covey ' "$(complete_to covey run k -- ./covey | tr -d ./)"
	touch go
	finish a
}

has_lines() { [[ $(wc -l <"$1") -ge $2 ]]; }

# covey watch: each change as a line; it ends with 0 when it is asked to.
test_watch() {
	local what watcher json
	start a key -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	"$covey" watch -n 0 >watch.out &
	watcher=$!
	"$covey" watch -n 0 --json key >json.out &
	json=$!
	until_true 'the first report' has_lines watch.out 2
	until_true 'the first report' has_lines json.out 1
	start b key -- false
	until_true 'the second report' has_lines watch.out 3
	until_true 'the second report' has_lines json.out 2
	touch go
	finish a b
	until_true 'the last report' has_lines json.out 3
	until_true 'the last report' grep -q vanished watch.out
	kill -TERM "$watcher"
	wait "$watcher" || fail "SIGTERM: covey watch ends with $?"
	kill -INT "$json" # which a background job of a script ignores unless it waits for it
	wait "$json" || fail "SIGINT: covey watch --json ends with $?"
	what=$(awk '{ print $2, $3, $4, $NF }' watch.out | sed -n '1,3p;$p')
	equal 'what was seen' "CHANGE PID GENERATION GROUP
appeared $(leader_of a) 1 key
changed $(leader_of a) 1 key
vanished $(leader_of a) 1 key" "$what"
	what=$(head -n 1 json.out)
	contains 'watch --json' '"change": "appeared", "group": "key", "name_hex": "6b6579", "was": null, "is": {"pid": ' "$what"
	contains 'watch --json' '"generation": 1, "waiters": 0, "queue": 0}}' "$what"
	contains 'watch --json' '"waiters": 1, "queue": 1}}' "$(sed -n 2p json.out)"
	contains 'watch --json' '"is": null}' "$(tail -n 1 json.out)"
	covey_run watch -n soon
	equal 'watch -n soon' 125 "$status"
	covey_run watch one two
	equal 'watch of two groups' 125 "$status"
	covey_run watch -r covey-there-is-none
	equal 'watch of no region' 1 "$status"
	status=0
	"$covey" watch >/dev/full || status=$?
	equal 'watch on a full disk' 125 "$status"
}

# When it was, and how long it took.
test_events_tell_times() {
	local begin end
	begin=$(date +%s)
	start a key -- bash -c 'hold key 1; sleep 0.3'
	until_led key
	start b key -- false
	finish a b
	end=$(date +%s)
	covey_run events
	equal 'text' 'registered -
waiting -
resolved y
answered y' "$(awk 'NR > 1 { print $4, ($7 ~ /^[0-9]+\.[0-9][0-9][0-9]s$/ && $7 + 0 > 0.2) ? "y" : $7 }' now.out)"
	equal 'the time of day' 4 "$(grep -cE '^([0-9][0-9]:){2}[0-9][0-9]\.[0-9]{3} ' now.out)"
	covey_run events --json
	sed -n 's/.*"time": \([0-9]*\)[.].*"took": \([a-z0-9.]*\).*/\1 \2/p' now.out >times
	equal 'JSON' '4 2' "$(wc -l <times) $(grep -c null times)"
	awk -v begin="$begin" -v end="$end" '$1 < begin - 1 || $1 > end + 1 || ($2 != "null" && ($2 < 0.2 || $2 > end - begin + 1)) {
		exit 1 }' times || fail "from $begin to $end: $(cat times)"
}

# How an execution ended: with COMMAND's status, whatever way the outcome takes.
test_events_tell_status() {
	local code
	for code in 0 3 143 255; do "$covey" run key -- bash -c "exit $code" || true; done
	"$covey" run key -- bash -c 'kill -TERM $$' || true
	start a key -- bash -c "hold key 1; head -c 1000000 /dev/zero; exit 7"
	until_led key
	start b key -- false
	finish a b
	equal 'who joined' 7 "$(cat b.status)"
	covey_run events key
	equal 'text' '0 3 143 255 143 7' "$(awk '$4 == "resolved" { print $8 }' now.out | paste -sd' ')"
	equal 'of the others' '-' "$(awk 'NR > 1 && $4 != "resolved" { print $8 }' now.out | sort -u)"
	covey_run events --json key
	equal 'JSON' 'false, "code": 0 false, "code": 3 false, "code": 143 false, "code": 255 false, "code": 143 false, "code": 7' \
		"$(sed -n 's/.*"event": "resolved".*"error": \(.*\)}.*/\1/p' now.out | paste -sd' ')"
	contains 'JSON of the others' '"took": null, "error": null, "code": null}' "$(grep registered now.out)"
}

# New events as they come, each once, until a signal.
test_events_follow() {
	local text json
	"$covey" run first -- true
	"$covey" events -f -n 0.1 >text.out 2>text.err &
	text=$!
	"$covey" events --follow --json -n 0.1 second >json.out &
	json=$!
	until_true 'what was' has_lines text.out 3
	"$covey" run second -- true
	until_true 'a text' has_lines text.out 5
	until_true 'JSON' has_lines json.out 2
	start a second -- bash -c 'hold second 1'
	until_led second
	start b second -- false
	finish a b
	until_true 'all' has_lines text.out 9
	until_true 'all as JSON' has_lines json.out 6
	"$covey" rm
	until_true 'told of removal' grep -q "this region's name was removed" text.err
	kill -TERM "$text"
	wait "$text" || fail "SIGTERM: covey events --follow ends with $?"
	kill -INT "$json"
	wait "$json" || fail "SIGINT: covey events --follow --json ends with $?"
	equal 'each once, in order' 'registered 1 first
resolved 1 first
registered 1 second
resolved 1 second
registered 2 second
waiting 2 second
resolved 2 second
answered 2 second' "$(awk 'NR > 1 { print $4, $5, $NF }' text.out)"
	equal 'the same as JSON' 'registered resolved registered waiting resolved answered' \
		"$(sed -n 's/^{"time": .*"event": "\([a-z]*\)".*}$/\1/p' json.out | paste -sd' ')"
	status=0
	"$covey" events --follow >/dev/full 2>now.err || status=$?
	equal 'of no region' 1 "$status"
	"$covey" run first -- true
	status=0
	"$covey" events --follow >/dev/full 2>now.err || status=$?
	equal 'on a full disk' 125 "$status"
}

# What came and went while covey watch did not look is counted.
test_watch_counts_missed() {
	local watcher json
	"$covey" run key -- true
	"$covey" watch -n 0 >watch.out &
	watcher=$!
	"$covey" watch -n 0 --json >json.out &
	json=$!
	until_true 'the header' has_lines watch.out 1
	start a key -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the first' has_lines watch.out 2
	until_true 'the first' has_lines json.out 1
	kill -STOP "$watcher" "$json"
	touch go
	finish a
	for _ in 1 2 3; do "$covey" run key -- true; done
	rm -f ready go
	start b key -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	kill -CONT "$watcher" "$json"
	until_true 'the second' has_lines watch.out 3
	until_true 'the second' has_lines json.out 2
	touch go
	finish b
	until_true 'the end' grep -q vanished watch.out
	until_true 'the end' grep -q vanished json.out
	kill -STOP "$watcher" "$json"
	for _ in 1 2; do "$covey" run key -- true; done
	rm -f ready go
	start c key -- bash -c 'touch ready; until_true go test -e go'
	until_true 'the command' test -e ready
	kill -CONT "$watcher" "$json"
	until_true 'the fourth' has_lines watch.out 5
	until_true 'the fourth' has_lines json.out 4
	equal 'what was shown and missed' 'appeared 2 0
changed 6 3
vanished 6 0
appeared 9 2' "$(awk 'NR > 1 { print $2, $4, $5 }' watch.out)"
	equal 'as JSON' '0 3 0 2' "$(sed -n 's/.*"missed": \([0-9]*\),.*/\1/p' json.out | paste -sd' ')"
	kill -TERM "$watcher" "$json"
	wait "$watcher" "$json"
	touch go
	finish c
}

# A region that is not there yet, and the next of a name that was removed.
test_wait_for_region() {
	local watcher region
	covey_run watch
	equal 'without --wait' 1 "$status"
	covey_run ls --wait
	equal 'ls --wait' 125 "$status"
	mkdir -m 700 own
	for region in "$COVEY_REGION" "$PWD/own/region"; do
		rm -f ready go
		"$covey" watch -r "$region" -n 0 --wait >watch.out 2>watch.err &
		watcher=$!
		until_true 'it waits' grep -q "waiting for region" watch.err
		start a -r "$region" first -- bash -c 'touch ready; until_true go test -e go'
		until_true 'the first region' grep -q 'appeared.* first$' watch.out
		"$covey" rm -r "$region"
		until_true 'its end' grep -q "name was removed .*, until there is another" watch.err
		start b -r "$region" second -- bash -c 'until_true go test -e go'
		until_true 'the second region' grep -q 'appeared.* second$' watch.out
		grep -q 'there is a new region' watch.err || fail "nothing is said of a new region: $(cat watch.err)"
		rm "${region/#covey/\/dev\/shm\/covey}"
		start c -r "$region" third -- bash -c 'until_true go test -e go'
		until_true 'the third region, after another way to remove it' grep -q 'appeared.* third$' watch.out
		kill -TERM "$watcher"
		wait "$watcher" || fail "watch --wait ends with $?"
		equal 'each once' '3 0' "$(grep -c appeared watch.out) $(grep -c vanished watch.out || true)"
		touch go
		finish a b c
		"$covey" rm -r "$region"
	done
	"$covey" watch --wait >watch.out 2>watch.err &
	watcher=$!
	until_true 'it waits' grep -q "waiting for region" watch.err
	kill -INT "$watcher"
	wait "$watcher" || fail "watch that waits ends with $? at SIGINT"
	echo 'no region' >"$PWD/own/region"
	covey_run watch -r "$PWD/own/region" --wait
	equal 'what is no region is not awaited' 2 "$status"
}

test_top_waits_for_region() {
	command -v tmux >/dev/null || return 0
	trap 'terminal_close; "$covey" rm 2>/dev/null || true' EXIT
	covey_run top --json
	equal 'top --json' 1 "$status" # of a region that is not there
	terminal_open 120 24 "bash -c '$covey top -n 0.1 --wait; echo \"top ended with \$?\"; read -r _'"
	until_true 'it waits' shows 'waiting for region'
	start a first -- bash -c 'until_true go test -e go'
	until_true 'the first region' shows 'first  '
	covey_run top --json
	equal 'top --json' 125 "$status"
	"$covey" rm
	until_true 'its end' shows "THIS REGION'S NAME WAS REMOVED"
	shows 'first  ' || fail "what goes on is still shown: $(screen)"
	start b second -- bash -c 'until_true go test -e go'
	until_true 'the second region' shows 'second  '
	until_true 'it is said' shows 'A NEW REGION SINCE'
	hides 'first  ' || fail "what was in the first region: $(screen)"
	keys q
	until_true 'its end' shows 'top ended with 0'
	touch go
	finish a b
}

leader_of() { echo "${pid_of[$1]}"; }

# covey events: the dead, their successors, in the order in which it happened.
test_events() {
	start a key -- bash -c 'touch ready; exec sleep 600'
	until_true 'the command' test -e ready
	start b key -- true
	until_true 'a waiter' have_waiters key 1
	kill -KILL "${pid_of[a]}"
	finish a b
	start c other -- true
	finish c
	covey_run events key
	equal 'events of a group' "${pid_of[a]}+ registered 1 -
${pid_of[b]}+ waiting 1 ${pid_of[a]}
${pid_of[b]}+ died 1 ${pid_of[a]}
${pid_of[b]}+ took-over 2 ${pid_of[a]}
${pid_of[b]}+ resolved 2 -" "$(awk 'NR > 1 { print $2, $4, $5, $6 }' <<<"$out")"
	covey_run events
	equal 'all events' 8 "$(wc -l <<<"$out")"
	contains 'all events' " ${pid_of[c]}+ true " "$out"
	covey_run events --json other
	contains 'events --json' '"event": "registered", "generation": 1, "peer": 0, "hash": "' "$out"
	contains 'events --json' '"group": "other", "name_hex": "6f74686572", "took": ' "$out"
	covey_run events nothing
	equal 'events of no group' '1 covey: nobody leads "nothing", and no event of it is known' "$status $out$err"
	covey_run events -n 1
	equal 'events -n' 125 "$status"
	contains 'events -n' '-n is for --follow' "$err"
	covey_run events -r covey-there-is-none
	equal 'events of no region' 1 "$status"
}
