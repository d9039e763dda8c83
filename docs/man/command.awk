# command.awk - a page of section 1, from what "covey COMMAND --help" prints
#
# usage: covey COMMAND --help | awk -v name=COMMAND -v summary=TEXT -v version=V -f escape.awk -f command.awk

BEGIN {
	printf ".\\\" From \"covey %s --help\"; do not edit.\n.TH COVEY\\-%s 1 \"\" \"covey %s\" \"covey\"\n", name, toupper(name), version
	printf ".SH NAME\ncovey\\-%s \\- %s\n.SH SYNOPSIS\n.nf\n", name, escape(summary)
	part = "synopsis"
}
part == "synopsis" && /^$/ {
	print ".fi\n.SH DESCRIPTION"
	part = "text"
	fresh = 1
	next
}
part == "synopsis" {
	sub(/^usage: |^       /, "")
	print escape($0)
	next
}
/^$/ {
	gap = 1
	next
}
/^  +-/ { # an option; its text stands right of it, or below
	line = $0
	sub(/^ +/, "", line)
	at = match(line, /   *[^ ]/)
	term = at ? substr(line, 1, at - 1) : line
	if (part != "options" && !options++)
		print ".SH OPTIONS"
	part = "options"
	printf ".TP\n.B %s\n", escape(term)
	if (at) {
		sub(/^ +/, "", line)
		rest = substr(line, at)
		sub(/^ +/, "", rest)
		print escape(rest)
	}
	gap = 0
	next
}
{
	if (part == "options" && gap) {
		print ".SH NOTES"
		part = "text"
		gap = 0
	}
	if (gap && !fresh)
		print ".PP"
	gap = fresh = 0
	line = $0
	sub(/^ +/, "", line)
	print escape(line)
}
END {
	print ".SH SEE ALSO\n.BR covey (1),\n.BR covey (3)"
}
