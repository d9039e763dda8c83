#!/usr/bin/env bash
#
# docs.sh - every code block of the documents does what its document says
#
# usage: docs.sh BUILD COMPILER DOCUMENT...
#
# BUILD is installed into an empty prefix.  The blocks of a document are then run one after the other in a directory of the
# document's own, where covey, cc and pkg-config find that prefix; shm and build lead to the sources and to BUILD.
#
#      ```sh        run by bash -e; the region that $COVEY_REGION names is the run's own
#      ```c         a program.  With <!-- file: NAME --> on the line before, it is written to NAME, and a later sh block must
#                   compile (or, of a header, include) it; without, it is compiled and run here
#      ```text      what the block before it said, on both outputs.  A block that none follows must say nothing, so where no
#                   block was run before it, it is a drawing.
#                   "…" stands for anything within a line, and on a line of its own for any lines.  With
#                   <!-- any numbers --> on the line before, each number stands for any, and blanks for blanks
#      <!-- sh      run like sh, and not shown: what the reader's machine has and this one lacks, and further checks.
#      ...          It ends with a line that is just -->, and says nothing
#      -->
#
# cc is COMPILER with -std=c11 and all warnings as errors.  Blocks with one of the tags in `shown` are for the eye only and are
# told as such; any other tag, and none, is a mistake.  What a block left running is killed at the end of its document.
set -euo pipefail

shown=' text console json yaml dockerfile '
build=$(realpath "$1") compiler=$(command -v "$2") # not the cc that is made here
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
shift 2
work=$(mktemp -d)
sessions=()

cleanup() {
	local pid
	for pid in "${sessions[@]}"; do
		kill -KILL -- "-$pid" 2>/dev/null || true
	done
	rm -rf "$work" "/dev/shm/covey-docs-$$"* /dev/shm/readme
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ------------------------------------------------------------------------------------------------------ the blocks

# blocks DOCUMENT DIRECTORY - each block's text in a file of its number; a line each of: number, tag, line, name, marks
blocks() {
	awk -v to="$2/" '
	inside == "" && /^<!-- file: .* -->$/ { name = $3; next }
	inside == "" && /^<!-- any numbers -->$/ { mark = "numbers"; next }
	inside == "" && (/^<!-- sh$/ || /^```/) {
		inside = /^</ ? "-->" : "```"
		tag = /^</ ? "hidden" : substr($0, 4)
		file = sprintf("%s%03d", to, ++count)
		printf "%d %s %d %s %s\n", count, tag == "" ? "none" : tag, NR, name == "" ? "-" : name, mark == "" ? "-" : mark
		printf "" >file
		name = mark = ""
		next
	}
	inside != "" && $0 == inside { inside = ""; close(file); next }
	inside != "" { print >file; next }
	{ name = mark = "" }' "$1" >"$2/index"
}

# same EXPECTED SAID MARK
same() {
	awk -v mark="$3" '
	function plain(line) {
		if (mark == "numbers") {
			gsub(/[0-9]+([.][0-9]+)?/, "0", line)
			gsub(/ +/, " ", line)
		}
		sub(/[ \t]+$/, "", line)
		return line
	}
	function fits(line, pattern, n, part, i, at) { # the parts between the wildcards, one after the other
		n = split(pattern, part, "…")
		if (n < 2)
			return line == pattern
		if (substr(line, 1, length(part[1])) != part[1])
			return 0
		line = substr(line, length(part[1]) + 1)
		for (i = 2; i < n; i++) {
			at = index(line, part[i])
			if (at == 0)
				return 0
			line = substr(line, at + length(part[i]))
		}
		return length(line) >= length(part[n]) && substr(line, length(line) - length(part[n]) + 1) == part[n]
	}
	function matches(i, j, k) { # from the i-th line that is expected and the j-th that was said
		if (i > wanted)
			return j > said
		if (want[i] == "…") {
			for (k = j; k <= said + 1; k++) # none, or some
				if (matches(i + 1, k))
					return 1
			return 0
		}
		return j <= said && fits(have[j], want[i]) && matches(i + 1, j + 1)
	}
	FILENAME == ARGV[1] { want[++wanted] = plain($0); next }
	{ have[++said] = plain($0) }
	END { exit !matches(1, 1) }' "$1" "$2"
}

# ----------------------------------------------------------------------------------------------------- the machine

machine() {
	local log=$work/install
	cmake --install "$build" --prefix "$work/prefix" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
	PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name covey.pc)")
	LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
	mkdir "$work/bin"
	cat >"$work/bin/cc" <<-END
		#!/bin/sh
		for argument; do echo "\$argument"; done >>"\$COMPILED"
		exec "$compiler" -std=c11 -Wall -Wextra -Wpedantic -Werror "\$@"
	END
	chmod +x "$work/bin/cc"
	PATH=$work/bin:$work/prefix/bin:$PATH
	export PATH PKG_CONFIG_PATH LD_LIBRARY_PATH
	unset COVEY_PROGRAM
}

# ---------------------------------------------------------------------------------------------------- one document

fault() { # line, what
	echo "$document:$1: $2" >&2
	exit 1
}

# Run a file with bash in the document's directory; its session is killed later.  It says what it says into "$stage/said".
run() {
	local status=0
	(cd "$stage/here" && exec setsid -w timeout 120 bash -e "$1") </dev/null >"$stage/said" 2>&1 &
	sessions+=($!)
	wait $! || status=$?
	return $status
}

ran() { # line, tag, file: run it, and it is to end well
	local status=0
	run "$3" || status=$?
	((status == 0)) || fault "$1" "it ended with $status and said: $(cat "$stage/said")"
	echo "$document:$1: $2 ran"
}

program() { # line, file, name
	if [[ $3 != - ]]; then
		cp "$2" "$stage/here/$3"
		echo "$1 $3" >>"$stage/named"
		echo "$document:$1: c written to $3"
		return
	fi
	grep -q '^int main(' "$2" || fault "$1" 'it has no name, and is no program'
	cp "$2" "$stage/here/block$1.c"
	# shellcheck disable=SC2016
	echo "cc block$1.c \$(pkg-config --cflags --libs covey) -o block$1 && ./block$1" >"$stage/run"
	ran "$1" c "$stage/run"
}

silent() { # line of the block that has said something
	[[ ! -s $stage/said ]] || fault "$1" "it says what the document does not: $(cat "$stage/said")"
}

# Whatever has a name is used by what comes later.
used() {
	local line name
	while read -r line name; do
		if [[ $name == *.c ]]; then
			grep -qxF "$name" "$COMPILED" || fault "$line" "$name is never compiled"
		else
			grep -qF "$name" "$stage"/[0-9]* || fault "$line" "$name is never used"
		fi
	done <"$stage/named"
}

block() { # number, tag, line, name, mark
	local file
	printf -v file '%s/%03d' "$stage" "$1"
	if [[ $2 == text ]] && ((speaker)); then
		same "$file" "$stage/said" "$5" ||
			fault "$3" "the block at line $speaker says otherwise:"$'\n'"$(diff "$file" "$stage/said")"
		speaker=0
		((texts += 1))
		return
	fi
	((speaker == 0)) || silent "$speaker"
	speaker=0
	case $2 in
	sh | hidden)
		ran "$3" "$2" "$file"
		speaker=$3
		;;
	c)
		program "$3" "$file" "$4"
		[[ $4 != - ]] || speaker=$3
		;;
	*)
		[[ $shown == *" $2 "* ]] || fault "$3" "no such tag: $2"
		echo "$document:$3: $2 not run"
		;;
	esac
	((count += 1))
}

# check_document DOCUMENT - ends the shell at the first fault
check_document() {
	local number tag line name mark speaker=0 count=0 texts=0
	document=$1 stage=$(mktemp -d "$work/XXXXXX")
	export COMPILED=$stage/compiled COVEY_REGION=covey-docs-$$-${stage##*/}
	mkdir "$stage/here"
	touch "$stage/said" "$stage/named" "$COMPILED"
	ln -s "$source/shm" "$build" "$stage/here"
	[[ -e $stage/here/build ]] || ln -s "$build" "$stage/here/build"
	blocks "$1" "$stage"
	while read -r number tag line name mark <&3; do
		block "$number" "$tag" "$line" "$name" "$mark"
	done 3<"$stage/index"
	((speaker == 0)) || silent "$speaker"
	used
	# None was overlooked: the fences are counted in another way.
	[[ $(grep -cE '^[[:space:]]*(```|~~~|<!-- sh)' "$1") -eq $((2 * (count + texts) - $(grep -c '^<!-- sh$' "$1"))) ]] ||
		fault 1 'its fences are not in pairs, or are indented'
	echo "$document: $count blocks and $texts outputs"
}

# ---------------------------------------------------------------------------------------------- what is to be found

# A document with a mistake must be told so.
must_fail() { # a part of the complaint; the document on standard input
	local bad=$work/bad.md
	cat >"$bad"
	if (check_document "$bad") >"$work/told" 2>&1; then
		echo "docs: not found: $1" >&2
		exit 1
	fi
	grep -qF "$1" "$work/told" || { echo "docs: in place of \"$1\": $(cat "$work/told")" >&2; exit 1; }
}

mistakes() {
	must_fail 'ended with 3' <<<$'```sh\n(exit 3)\necho not reached\n```'
	must_fail 'no such tag: none' <<<$'```\nls\n```'
	must_fail 'no such tag: shell' <<<$'```shell\nls\n```'
	must_fail 'says otherwise' <<<$'```sh\necho 12 a\n```\n```text\n13 a\n```'
	must_fail 'says otherwise' <<<$'```sh\necho 12 a\n```\n<!-- any numbers -->\n```text\n13 b\n```'
	must_fail 'says otherwise' <<<$'```sh\necho a.b\necho c\n```\n```text\na…\n```'
	must_fail 'says otherwise' <<<$'```sh\necho axb\n```\n```text\na.b\n```'
	must_fail 'says what the document does not' <<<$'```sh\necho more\n```'
	must_fail 'says what the document does not' <<<$'```sh\necho a\n```\n```console\na\n```\n```text\na\n```'
	must_fail 'never compiled' <<<$'<!-- file: x.c -->\n```c\nint main(void) { return 0; }\n```'
	must_fail 'no name' <<<$'```c\nx = 1;\n```'
	must_fail 'unused' <<<$'```c\nint main(void)\n{\n\tint i;\n\treturn 0;\n}\n```'
	must_fail 'ended with 7' <<<$'```c\nint main(void)\n{\n\treturn 7;\n}\n```'
	must_fail 'pairs' <<<$'  ```sh\n  ls\n  ```'
	printf '%s\n' '```sh' 'echo "a [x] 12  \ ^$ (7)"; echo b; echo c; echo ddd' '```' 'words' '<!-- any numbers -->' \
		'```text' 'a [x] 4 \ …$ (12.5)' '…' 'd…d' '```' >"$work/good.md"
	check_document "$work/good.md" >"$work/told" || { echo 'docs: finds fault with what is right' >&2; exit 1; }
}

# ------------------------------------------------------------------------------------------------------------ main

machine
mistakes
for document in "$@"; do
	check_document "$document"
done
