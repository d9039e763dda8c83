#!/usr/bin/env bash
#
# json.sh - what --json writes is what docs/json.md says, field by field; neither can change alone
#
# usage: json.sh COVEY SCENE DOCUMENT
#
# The commands look at a region with leaders, waiters, all kinds of names, and corpses (tests/scene.c).  What they write is
# held against the schemas of the document: each field must be documented, there, and of its type; and each documented field
# must have been written by something.  Then it is changed a little, to see that the test would notice.
set -euo pipefail

covey=$(realpath "$1") scene=$(realpath "$2") document=$(realpath "$3")
rules=$(realpath "${BASH_SOURCE[0]%/*}")/json.jq
command -v jq >/dev/null || { echo 'json: skipped, for there is no jq'; exit 77; }
export COVEY_REGION=covey-json-$$
work=$(mktemp -d)
cd "$work"
watcher='' follower=''
trap 'rm -rf "$work"; kill -KILL $watcher $follower 2>/dev/null || true; "$covey" rm 2>/dev/null || true' EXIT

fail() {
	printf 'json: %s\n' "$*" >&2
	exit 1
}

# The first JSON block below the heading of a command.
schema() {
	awk -v heading="## covey $1 --json" '/^## / { here = index($0, heading) == 1 } here && /^```$/ { exit }
		here && inside; here && /^```json$/ { inside = 1 }' "$document" >"$1.schema"
	[[ -s $1.schema ]] || fail "no schema of covey $1 in $document"
}

# judge COMMAND FILE: the problems of each object in the file
judge() {
	jq -r --slurpfile schema "$1.schema" -L "${rules%/*}" 'include "json"; problems($schema[0]; "")' "$2"
}

# look COMMAND STATUS [ARGUMENT...]
look() {
	local command=$1 expected=$2 status=0
	shift 2
	"$covey" "$command" --json "$@" >"$command.now" || status=$?
	[[ $status == "$expected" ]] || fail "covey $command --json: its exit status is $status"
	jq -c . "$command.now" >>"$command.all" || fail "covey $command --json: that is no JSON"
}

scene_says() {
	local line
	IFS= read -r line <&"${actors[0]}" || fail 'the scene has ended'
	[[ $line == "$1" ]] || fail "the scene is $line, not $1"
}

coproc actors { exec "$scene" "$COVEY_REGION" 420 20; }
scene_says lively
"$covey" watch --json -n 0 >watch.all &
watcher=$!
"$covey" events --follow --json -n 0.1 >'events --follow.all' &
follower=$!
look ls 0
look show 0 user/00000/avatar
look show 0 user/00101/avatar
look events 0
look stats 0
look verify 0
echo corpses >&"${actors[1]}"
scene_says held
look ls 0
look show 0 report/2026-01
look events 0
look events 0 report/2026-01
look stats 0
look verify 2
echo go >&"${actors[1]}"
scene_says lively
until grep -q '"change": "vanished", "group": "report/2026-01"' watch.all; do
	kill -0 "$watcher" || fail 'covey watch --json has ended'
	sleep 0.01
done
kill -TERM "$watcher"
wait "$watcher" || fail "covey watch --json: its exit status is $?"
watcher=
kill -TERM "$follower"
wait "$follower" || fail "covey events --follow --json: its exit status is $?"
follower=
echo end >&"${actors[1]}"
wait "$actors_PID" || fail "the scene ended with $?"

for command in ls show watch events 'events --follow' stats verify; do
	schema "$command"
	judge "$command" "$command.all" >problems
	[[ ! -s problems ]] || fail "covey $command --json: $(sort problems | uniq -c | sort -rn | head -n 20)"
	jq -r -L "${rules%/*}" 'include "json"; known(.; "")' "$command.schema" | sort -u >known
	jq -r -L "${rules%/*}" 'include "json"; seen("")' "$command.all" | sort -u >seen
	comm -23 known seen >never
	[[ ! -s never ]] || fail "covey $command --json never wrote $(tr '\n' ' ' <never)"
	# A field more, one less that must be there, and each with a value of another type, are noticed.
	head -n 1 "$command.all" >one
	jq -e --slurpfile schema "$command.schema" -L "${rules%/*}" 'include "json"; . as $whole |
		[keys[] as $k | ($whole | (select($schema[0].required | any(. == $k)) | del(.[$k])), (.[$k] = [[]]),
			(.[$k + "x"] = 1)) | [problems($schema[0]; "")] | length] |
		all(. > 0)' one >/dev/null || fail "covey $command --json: a changed field goes unnoticed"
	echo "covey $command --json: $(wc -l <"$command.all") outputs, $(wc -l <known) fields"
done

# Names: text where it is text, and the very bytes in any case.
name_is() { # hexadecimal digits that it begins with, as text
	jq -e --arg hex "^$1" "select(.groups) | .groups[] | select(.name_hex | test(\$hex)) | .group == $2" ls.all >/dev/null ||
		fail "a group is not written as $2"
}
name_is 62797465732ffffe80206f66206e6f20746578742f333037 '"bytes/\u00ff\u00fe\u0080 of no text/307"'
name_is 6c696e650a627265616b09616e64201b5b33316d7265642f323037 '"line\nbreak\tand \u001b[31mred/207"'
