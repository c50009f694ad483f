// Package version has latlab's version, which the agent and devices/agent compare. It refuses to hold
// versions of formats and schemas, which belong to their packages.
package version

import "runtime/debug"

// Version of latlab. latlab refuses an agent of a different version.
const Version = "0.1.0"

// Commit is the revision that the program was built from, "unknown" where the build did not
// record it.
func Commit() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
