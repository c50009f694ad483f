package trtexec

// RuntimeName is how a version is printed.
func RuntimeName(version int) string { return program{version: version}.runtime() }
