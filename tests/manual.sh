#!/usr/bin/env bash
#
# manual.sh - the manual has a page for every command and every call, and a formatter finds no fault with them
#
# usage: manual.sh PAGES COVEY COVEY_H
set -euo pipefail

pages=$1 covey=$2 header=$3

fail() {
	echo "manual: $*" >&2
	exit 1
}

for command in $("$covey" help | awk '/^  [a-z]/ { print $1 }'); do
	grep -q '^[.]SH SYNOPSIS' "$pages/covey-$command.1" || fail "covey $command has no page, or no synopsis"
	grep -q "covey\\\\-$command" "$pages/covey.1" || fail "covey(1) does not tell of $command"
done
count=0
for call in $(grep -A1 '^COVEY_API' "$header" | grep -oE '\bcovey_[a-z_]+\(' | tr -d '(' | sort -u); do
	page=$pages/$call.3
	[[ -s $page ]] || fail "$call has no page"
	read -r first <"$page"
	[[ $first != .so* ]] || page=$pages/${first#.so man3/}
	sed -n '/^[.]SH NAME/,/^[.]SH SYN/p' "$page" | grep -qw "$call" || fail "$page does not name $call"
	sed -n '/^[.]SH SYN/,/^[.]SH DESC/p' "$page" | grep -q "$call(" || fail "$page does not declare $call"
	count=$((count + 1))
done
((count > 40)) || fail "only $count calls were found in the header"
real=$(grep -LE '^[.]so ' "$pages"/*.[13])
if command -v mandoc >/dev/null; then
	# shellcheck disable=SC2086
	mandoc -T lint -W warning $real 2>&1 | grep -v 'missing date' >"$pages/lint" && fail "$(cat "$pages/lint")"
else
	# shellcheck disable=SC2086
	for page in $real; do
		groff -man -ww -z "$page" >"$pages/lint" 2>&1 && [[ ! -s $pages/lint ]] || fail "$(cat "$pages/lint")"
	done
fi
echo "$count calls and $("$covey" help | grep -c '^  [a-z]') commands have their pages"
