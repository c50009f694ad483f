// Package version is latlab's own version, which the agent and its client compare.
package version

// Version of latlab; the agent must be built from the same one.
const Version = "0.1.0"
