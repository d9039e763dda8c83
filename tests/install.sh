#!/usr/bin/env bash
#
# install.sh - installed into an empty prefix, covey is found by pkg-config and by CMake, shared and static
#
# usage: install.sh BUILD README COMPILER
#
# The README's example is built in each of the four ways and run.  What the shared library shows is compared with what
# the header declares.
set -euo pipefail

build=$1 readme=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work" /dev/shm/readme' EXIT
prefix=$work/prefix

fail() {
	echo "install: $*" >&2
	exit 1
}

runs() { # what, program
	local said
	said=$("$2") || fail "$1: it ends with $?"
	[[ $said == forty-two ]] || fail "$1: it said: $said"
	echo "$1: $said"
}

cmake --install "$build" --prefix "$prefix" >"$work/log" || fail "$(cat "$work/log")"
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$readme" >"$work/example.c"
[[ -s $work/example.c ]] || fail "no C example in $readme"

pc=$(dirname "$(find "$prefix" -name covey.pc)")
lib=$(dirname "$pc")
pkg() { PKG_CONFIG_PATH=$pc pkg-config "$@" covey; }

# shellcheck disable=SC2046
"$compiler" -std=c11 "$work/example.c" $(pkg --cflags --libs) -o "$work/shared"
LD_LIBRARY_PATH=$lib runs 'pkg-config, shared' "$work/shared"
readelf -d "$work/shared" | grep -q 'NEEDED.*libcovey[.]so[.]0]' || fail 'the example does not ask for libcovey.so.0'
# shellcheck disable=SC2046
"$compiler" -std=c11 "$work/example.c" $(pkg --cflags) "$lib/libcovey.a" $(pkg --static --libs-only-l | sed 's/-lcovey//') \
	-o "$work/static"
runs 'pkg-config, static' "$work/static"

cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(example C)
find_package(covey 0.1 REQUIRED)
foreach(kind covey covey_static)
  add_executable(with_${kind} example.c)
  target_link_libraries(with_${kind} covey::${kind})
endforeach()
END
cmake -S "$work" -B "$work/b" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" >"$work/log" 2>&1 &&
	cmake --build "$work/b" >>"$work/log" 2>&1 || fail "$(cat "$work/log")"
runs 'CMake, shared' "$work/b/with_covey"
runs 'CMake, static' "$work/b/with_covey_static"

# Every call of the header is shown, with a version, and nothing else is.
nm -D --defined-only "$lib/libcovey.so" | awk '$2 != "A" { print $3 }' | sort >"$work/shown"
"$compiler" -E -P "$prefix/include/covey/covey.h" | tr '\n' ' ' |
	grep -oE 'visibility\("default"\)\)\)[^;]*' | grep -oE '\bcovey_[a-z_]+ ?\(' | tr -d ' (' | sort -u >"$work/declared"
[[ -s $work/declared ]] || fail 'no declarations found'
sed 's/$/@@COVEY_0/' "$work/declared" | diff - "$work/shown" || fail 'the header and the shared library differ'
echo "$(wc -l <"$work/declared") calls, each with its version; nothing else is shown"

# The tracepoints that shm/probe.h lists are there, where their header was.
if "$compiler" -E -include sys/sdt.h - </dev/null >/dev/null 2>&1; then
	readelf -n "$lib/libcovey.so" | awk '/Provider: covey/ { getline; print $2 }' | sort -u | tr '\n' ' ' >"$work/probes"
	expected='accepted answered died ended forwarded registered took_over unanswered waiting wake wake_one worker_ended worker_started '
	[[ $(cat "$work/probes") == "$expected" ]] || fail "tracepoints: $(cat "$work/probes")"
	echo "tracepoints: $expected"
fi
"$prefix/bin/covey" --version
