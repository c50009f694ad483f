package main

import (
	"fmt"
	"slices"
)

// exportScope is the contents and formats that a flag of export applies to. Errors and
// docs/exports.md are generated from exportScopes; flags that it does not list apply to all.
type exportScope struct {
	flag   string
	of     exportContent
	also   exportContent // another content that it applies to, in every format
	only   string        // the only format; "" = all formats
	except string        // the format that does not support it
	why    string        // reason for except
}

func exportScopes() []exportScope {
	return []exportScope{
		{flag: "sweep", of: measurements, also: profiles},
		{flag: "device", of: measurements, also: profiles},
		{flag: "valid-only", of: measurements, except: "openmetrics", why: "it counts INVALID networks by reason"},
		{flag: "profiles", of: profiles},
		{flag: "unreachable", of: coefficients, only: "csv"},
		{flag: "dialect", of: coefficients, only: "lut"},
		{flag: "space", of: layerTables},
	}
}

func (s exportScope) takes(f exportFormat) bool {
	return s.also == f.of || s.of == f.of && (s.only == "" || s.only == f.name) && s.except != f.name
}

// String is "measurements (--db) except openmetrics, it counts ..." or "format csv of coefficients (--cost)".
func (s exportScope) String() string {
	text := fmt.Sprintf("%s (--%s)", s.of, s.of.flag)
	switch {
	case s.also != exportContent{}:
		return fmt.Sprintf("%s and %s (--%s)", text, s.also, s.also.flag)
	case s.only != "":
		return "format " + s.only + " of " + text
	case s.except != "":
		return fmt.Sprintf("%s except %s (%s)", text, s.except, s.why)
	}
	return text
}

func exportTakes(flag string, f exportFormat) bool {
	return !slices.ContainsFunc(exportScopes(), func(s exportScope) bool { return s.flag == flag && !s.takes(f) })
}

func (o *exportOptions) refuseUnused(f exportFormat) error {
	return o.flags().refuseUnused(fmt.Sprintf("format %s of %s", f.name, f.of), func(flag string) string {
		for _, s := range exportScopes() {
			if s.flag == flag && !s.takes(f) {
				return s.String()
			}
		}
		return ""
	})
}
