#!/usr/bin/env bash
#
# cli.sh - the command line, as its users see it
#
# usage: cli.sh COVEY [TEST...]
#
# Each test is a function of a file in cli/, and runs in a region and a directory of its own.  Nothing is timed: a command under test holds
# its leader until the waiters that the test is about are there ("hold"), and the test holds itself until what it wants
# to see has come about ("until_true").  Both give up, loudly, after a minute.
set -euo pipefail

covey=$(realpath "$1")
shift
export covey
callers=${COVEY_CLI_CALLERS:-200} # of one key at once
large=${COVEY_CLI_LARGE:-300000000} # bytes of a large output
device=$(realpath "${COVEY_CLI_DEVICE:-${covey%/*}/../tests/test_device.so}") # tests/device.c
completion=$(realpath "${BASH_SOURCE[0]%/*}/../tools/covey.bash")
top=$(mktemp -d)
unset COVEY_LEADS
trap 'rm -rf "$top"' EXIT

# --------------------------------------------------------------------------------------------------- the stand

fail() {
	printf '%s: %s\n' "${test_name:-cli}" "$*" >&2
	exit 1
}

equal() { # what, expected, got
	[[ $2 == "$3" ]] || fail "$1: expected \"$2\", got \"$3\""
}

contains() { # what, part, text
	[[ $3 == *"$2"* ]] || fail "$1: expected \"$2\" in \"$3\""
}

until_true() { # what, command...
	local what=$1 deadline=$((SECONDS + 60))
	shift
	until "$@"; do
		((SECONDS < deadline)) || fail "never came about: $what"
		sleep 0.01
	done
}

waiters() {
	"$covey" show -- "$1" 2>/dev/null | awk '$1 == "waiters" { n = $2 } END { print n + 0 }' || true
}

leader() { # of a key; and options of covey show
	"$covey" show "${@:2}" -- "$1" | awk '$1 == "leader" { print $2 }'
}

have_waiters() { [[ $(waiters "$1") -ge $2 ]]; }
is_led() { [[ $(leader "$@" 2>/dev/null) ]]; }
until_led() { until_true "a leader of $1" is_led "$@"; }
gone() { ! kill -0 "$1" 2>/dev/null; }
all_gone() { local pid; for pid in $(cat "$1"); do gone "$pid" || return 1; done; }

# In a command under test: go on when so many wait for the key.
hold() {
	until_true "$2 waiters of $1" have_waiters "$1" "$2"
}
export -f fail until_true waiters have_waiters hold leader is_led until_led gone all_gone

# start NAME ARGUMENT...: covey run -v in the background; NAME.out, NAME.err and, by finish, NAME.status
declare -A pid_of
start() {
	local name=$1
	shift
	"$covey" run -v "$@" >"$name.out" 2>"$name.err" &
	pid_of[$name]=$!
}

finish() {
	local name status
	for name in "$@"; do
		status=0
		{ wait "${pid_of[$name]}" || status=$?; } 2>/dev/null
		echo "$status" >"$name.status"
	done
}

# run ARGUMENT...: covey, in the foreground; sets status, out and err
covey_run() {
	status=0
	"$covey" "$@" >now.out 2>now.err </dev/null || status=$?
	out=$(cat now.out)
	err=$(cat now.err)
}

lines_like() { # pattern, file...
	local pattern=$1
	shift
	cat "$@" | { grep -c -- "$pattern" || true; }
}

# Leave a test out where it may not have namespaces of its own: --mount or --pid.
can_unshare() {
	local of=(--mount)
	[[ $1 == --mount ]] || of=(--pid --fork --mount-proc)
	((EUID == 0)) && unshare "${of[@]}" true 2>/dev/null && return
	echo "  (no ${1#--} namespace to be had: left out)"
	return 1
}

# What completion makes of the words, of which the last one is being typed.
completion_begin() {
	PATH=$PWD:$PATH
	ln -s "$covey" covey
	# shellcheck source=tools/covey.bash
	source "$completion"
}
complete_to() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_covey
	printf '%s ' "${COMPREPLY[@]}"
}

# --------------------------------------------------------------------------------------------------- the tests

for file in "${BASH_SOURCE[0]%/*}"/cli/*.sh; do
	source "$file"
done

# ---------------------------------------------------------------------------------------------------------- main

one() {
	test_name=$1
	export COVEY_REGION=covey-cli-$$-$1
	rm -f "/dev/shm/$COVEY_REGION" # of a killed run whose pid this one has
	mkdir "$top/$1"
	cd "$top/$1"
	trap '"$covey" rm 2>/dev/null || true' EXIT
	"$1"
}

(($#)) || mapfile -t tests < <(declare -F | awk '$3 ~ /^test_/ && $3 != "test_tight" { print $3 }')
(($#)) && tests=("$@")
failed=0
for name in "${tests[@]}"; do
	begin=$SECONDS
	result=ok
	set +e
	(
		set -e
		one "$name"
	) 2>"$top/said"
	code=$?
	set -e
	if ((code)); then
		result=FAILED
		failed=$((failed + 1))
		cat "$top/said" >&2
		tail -n 3 "$top/$name"/*.err >&2 2>/dev/null || true
	fi
	printf '%-6s %-40s %3d s\n' "$result" "${name#test_}" $((SECONDS - begin))
done
((failed == 0)) || { printf '%d of %d failed\n' "$failed" "${#tests[@]}"; exit 1; }
printf 'all %d passed\n' "${#tests[@]}"
