// Package version is latlab's own version, which the agent and its client compare.
package version

import "runtime/debug"

// Version of latlab; the agent must be built from the same one.
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
