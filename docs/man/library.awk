# library.awk - the manual's pages of section 3, one a topic, from the comments of covey.h
#
# usage: awk -v out=DIRECTORY -v version=V -f escape.awk -f library.awk covey.h
#
# A topic begins with a comment that is a row of dashes and its title.  In SYNOPSIS stands what the header declares there; in
# DESCRIPTION what its comments say: a paragraph's line of the form "term  text" begins an item, and lines that are set in
# below it belong to that.  Further pages, one a function, lead to the topic's.

function emphasize(text)
{
	text = escape(text)
	return gensub(/\<(covey_[a-z_]+)\(\)/, "\\\\fB\\1\\\\fP()", "g", text)
}

function add_code(line)
{
	code = code line "\n"
}

# One comment, its lines in said[1..lines]; about: the functions that it documents, or none.
function add_text(about,	i, line, item)
{
	while (lines && said[lines] ~ /^ *$/)
		lines--
	if (about != "")
		text = text ".SS " about "\n"
	else if (text != "")
		text = text ".PP\n"
	for (i = 1; i <= lines; i++) {
		line = said[i]
		if (line ~ /^ *$/) {
			text = text ".PP\n"
			item = 0
		} else if (match(line, /^ *[a-z_]+(, [a-z_]+)*   */) && line !~ /^ *[a-z_]+ [^ ]/) {
			text = text ".TP\n.I " escape(gensub(/^ +| +$/, "", "g", substr(line, 1, RLENGTH))) "\n" \
				emphasize(gensub(/^ +/, "", 1, substr(line, RLENGTH + 1))) "\n"
			item = 1
		} else {
			if (item && line !~ /^   /) {
				text = text ".PP\n"
				item = 0
			}
			if (item && line ~ /^ +COVEY_[A-Z_, ]*( .*)?:/)
				text = text ".br\n"
			text = text emphasize(gensub(/^ +/, "", 1, line)) "\n"
		}
	}
	lines = 0
}

function functions_of(declaration,	names, found)
{
	names = ""
	while (match(declaration, /covey_[a-z_]+\(/)) {
		found = substr(declaration, RSTART, RLENGTH - 1)
		declaration = substr(declaration, RSTART + RLENGTH)
		if (names == "") { # the first is the function; what follows are types of its arguments
			names = found
			known[++functions] = found
		}
	}
	return names
}

function page_end(	file, i, list, summary)
{
	if (topic == "")
		return
	file = out "/covey_" topic ".3"
	for (i = 1; i <= functions; i++)
		list = list (i > 1 ? ", " : "") known[i]
	if (list == "")
		list = "covey_" topic
	else if (!(("covey_" topic) in shown))
		list = "covey_" topic ", " list
	printf ".\\\" From covey.h; do not edit.\n.TH COVEY_%s 3 \"\" \"covey %s\" \"covey: library\"\n", toupper(topic), version >file
	printf ".SH NAME\n%s \\- %s\n", escape(list), escape(title) >file
	printf ".SH SYNOPSIS\n.nf\n.B #include <covey.h>\n.PP\n%s.fi\n", code >file
	printf ".SH DESCRIPTION\n%s", text >file
	printf ".SH SEE ALSO\n.BR covey (1),\n.BR covey (3)\n" >file
	close(file)
	for (i = 1; i <= functions; i++)
		if (known[i] != "covey_" topic) {
			printf ".so man3/covey_%s.3\n", topic >(out "/" known[i] ".3")
			close(out "/" known[i] ".3")
		}
}

function page_begin(name)
{
	page_end()
	topic = name
	sub(/ .*/, "", topic)
	title = titles[topic] != "" ? titles[topic] : name
	code = text = ""
	functions = 0
	delete shown
}

# Comments and declarations: a comment waits for what follows it.
function flush_comment(about)
{
	if (lines && topic != "")
		add_text(about)
	lines = 0
}

BEGIN {
	titles["answers"] = "roles, outcomes and errors of covey"
	titles["time"] = "deadlines"
	titles["region"] = "attach to a region, leave it, remove its name"
	titles["names"] = "names of groups"
	titles["lead"] = "lead a group, or learn who does"
	titles["results"] = "what leaders publish and waiters get"
	titles["await"] = "wait for a leader's answer"
	titles["answering"] = "answer waiters, give a group up, hand it over"
	titles["resolve"] = "compute, or take the result of whoever does"
	titles["workers"] = "persistent workers and their hosts"
	titles["monitor"] = "reports of what changed"
	titles["events"] = "histories of participants, living and dead"
	titles["inspect"] = "look at a region, check it, free what the dead hold"
}

/^\/\* -+ / {
	flush_comment("")
	line = $0
	closed = line ~ /\*\/$/
	gsub(/^\/\* -+ | *\*\/$/, "", line)
	page_begin(line)
	comment = !closed
	next
}
comment || /^\/\*/ {
	if (!comment) {
		flush_comment("")
		comment = 1
	}
	line = $0
	ended = line ~ /\*\/$/
	sub(/^\/\*+ ?/, "", line)
	sub(/^ +\* ?/, "", line)
	sub(/ *\*\/$/, "", line)
	if (line != "" || (lines && !ended))
		if (line !~ /^\/?$/ || lines)
			said[++lines] = line == "/" ? "" : line
	if (ended)
		comment = 0
	next
}
/^#|^extern "C"|^}$/ { # the preprocessor's; a define stays
	if (/^#define COVEY_[A-Z_]+ / && !/COVEY_API|COVEY_COUNTER|COVEY_EVENT\(/)
		add_code(escape($0))
	next
}
/^$/ {
	if (!declaring)
		flush_comment("")
	next
}
{
	line = $0
	api = line ~ /^COVEY_API/
	if (!api && !declaring && lines) { # of a type: it stays beside it
		for (i = 1; i <= lines; i++)
			add_code((i == 1 ? "/* " : " * ") escape(said[i]) (i == lines ? " */" : ""))
		lines = 0
	}
	sub(/^COVEY_API /, "", line)
	if (api)
		declaring = 1
	declaration = declaration line
	gsub(/\t/, "    ", line)
	add_code(escape(line))
	if (line ~ /;( *\/\*.*)?$/ && (declaring || line ~ /^[^ ]/)) {
		if (api || declaring) {
			about = functions_of(declaration)
			shown[about] = 1
			flush_comment(about)
		} else {
			flush_comment("")
		}
		declaring = 0
		declaration = ""
	}
}
END {
	flush_comment("")
	page_end()
}
