package describe

import (
	"fmt"

	"latlab/exporters/report"
	"latlab/internal/ui"
)

// ProfileName is what a network with a profile is called.
func ProfileName(s *report.Sweep, p *report.Profile) string {
	name := Clip(s.Networks.Label(p.Row), 40)
	if p.Which == "" {
		return name
	}
	return p.Which + ": " + name
}

// ProfilesShown says which of the profiled networks are shown, "" where all are.
func ProfilesShown(s *report.Sweep) string {
	if s.Profiled == len(s.Profiles) {
		return ""
	}
	return fmt.Sprintf(" Of %s the fastest, the median and the slowest are shown.", ui.Plural(s.Profiled, "profiled network"))
}
