# owners.awk - tells which packages own a file; each line of standard input is a path, and is answered with a line
#
# usage: gawk -f owners.awk /var/lib/dpkg/info/*.list -
#
# Reads the lists of all packages into memory before it reads the first path.  "pid" is answered with its process.

FNR == 1 {
	package = FILENAME
	sub(/.*\//, "", package)
	sub(/[.]list$/, "", package)
}

FILENAME != "-" {
	owners[$0] = $0 in owners ? owners[$0] ", " package : package
	next
}

{
	print $0 == "pid" ? PROCINFO["pid"] : $0 in owners ? owners[$0] : "no package"
	fflush()
}
