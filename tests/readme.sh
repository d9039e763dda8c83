#!/usr/bin/env bash
#
# readme.sh - the README's C example compiles and says what it should
#
# usage: readme.sh README HEADERS LIBRARY COMPILER [FLAG...]
set -euo pipefail

readme=$1 headers=$2 library=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work" /dev/shm/readme' EXIT

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$readme" >"$work/example.c"
[[ -s $work/example.c ]] || { echo "no C example in $readme" >&2; exit 1; }
"$@" -std=c11 -Wall -Wextra -Werror -I"$headers" "$work/example.c" "$library" -lb2 -lpthread -o "$work/example"
said=$("$work/example")
[[ $said == forty-two ]] || { echo "it said: $said" >&2; exit 1; }
echo "the example says $said"
