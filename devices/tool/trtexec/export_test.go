package trtexec

// RuntimeName is how a version is told.
func RuntimeName(version int) string { return program{version: version}.runtime() }
