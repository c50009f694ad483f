package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

// typed reports whether a flag was on the command line. What the environment and the
// configuration file set are defaults of many commands, and mean nothing to some of them.
func typed(c *cli.Context, name string) bool {
	line := *c
	line.Command = nil // by which the library finds what the environment set
	return slices.Contains(line.LocalFlagNames(), name)
}

// oneSource is the flag that names what a verb reads, of several that exclude each other; ""
// where none or more than one does. What was typed wins over what was set before.
func oneSource(c *cli.Context, flags ...string) string {
	named := func(typedOnly bool) []string {
		return slices.DeleteFunc(slices.Clone(flags), func(name string) bool {
			return c.String(name) == "" || typedOnly && !typed(c, name)
		})
	}
	given := named(true)
	if len(given) == 0 {
		given = named(false)
	}
	if len(given) != 1 {
		return ""
	}
	return given[0]
}

// refuseIdle refuses a flag that was typed and would change nothing: whoever types it thinks
// that it does. belongs says what a flag is of, or "" where it has its meaning here.
func refuseIdle(c *cli.Context, here string, belongs func(flag string) string) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if of := belongs(name); of != "" && typed(c, name) {
			return usagef("--%s is of %s, not of %s; leave it out", name, of, here)
		}
	}
	return nil
}

// exportScope is what a flag of export has a meaning for. Errors and docs/exports.md come from
// the table of them; flags that are not there have a meaning for all.
type exportScope struct {
	flag   string
	of     exportContent
	only   string // the one format of it; "" = all
	except string // the one format that cannot take it
	why    string // it cannot
}

func exportScopes() []exportScope {
	return []exportScope{
		{flag: "sweep", of: measurements},
		{flag: "device", of: measurements},
		{flag: "valid-only", of: measurements, except: "openmetrics", why: "it counts INVALID networks by reason"},
		{flag: "unreachable", of: coefficients, only: "csv"},
		{flag: "dialect", of: coefficients, only: "lut"},
		{flag: "space", of: layerTables},
	}
}

func (s exportScope) takes(f exportFormat) bool {
	return s.of == f.of && (s.only == "" || s.only == f.name) && s.except != f.name
}

// String is "measurements (--db) except openmetrics, it counts ..." or "format csv of coefficients (--cost)".
func (s exportScope) String() string {
	text := fmt.Sprintf("%s (--%s)", s.of, s.of.flag())
	switch {
	case s.only != "":
		return "format " + s.only + " of " + text
	case s.except != "":
		return fmt.Sprintf("%s except %s (%s)", text, s.except, s.why)
	}
	return text
}

// exportTakes reports whether a flag of export has a meaning for a format.
func exportTakes(flag string, f exportFormat) bool {
	return !slices.ContainsFunc(exportScopes(), func(s exportScope) bool { return s.flag == flag && !s.takes(f) })
}

func refuseIdleExport(c *cli.Context, f exportFormat) error {
	return refuseIdle(c, fmt.Sprintf("format %s of %s", f.name, f.of), func(flag string) string {
		for _, s := range exportScopes() {
			if s.flag == flag && !s.takes(f) {
				return s.String()
			}
		}
		return ""
	})
}

// fitSources are the two things that fit reads, and what flags have a meaning for one of them.
const (
	fitOfSweep   = "a sweep (--db)"
	fitOfForeign = "a foreign table (--csv)"
)

func fitScopes() map[string]string {
	return map[string]string{
		"sweep": fitOfSweep, "device": fitOfSweep, "include-invalid": fitOfSweep,
		"target": fitOfForeign, "features": fitOfForeign,
	}
}

func refuseIdleFit(c *cli.Context, here string) error {
	return refuseIdle(c, here, func(flag string) string {
		if of := fitScopes()[flag]; of != here {
			return of
		}
		return ""
	})
}
