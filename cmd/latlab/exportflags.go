package main

import (
	"fmt"
	"slices"
)

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

// refuseIdle refuses a typed flag that means nothing for the format.
func (o *exportOptions) refuseIdle(f exportFormat) error {
	return o.flags().refuseIdle(fmt.Sprintf("format %s of %s", f.name, f.of), func(flag string) string {
		for _, s := range exportScopes() {
			if s.flag == flag && !s.takes(f) {
				return s.String()
			}
		}
		return ""
	})
}
