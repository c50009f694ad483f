package tunas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"latlab/exporters"
	"latlab/regress"
	"latlab/sampler"
)

// Notes lists what the export omits.
func Notes(m *regress.CostModel, s *sampler.Space) exporters.Notes {
	n := exporters.Notes{Format: "tunas", Cost: exporters.OriginOf(m), Lost: []exporters.Loss{
		{What: "origin", Why: DataFile + " has no device, kind, figures or checksum; they are in " + ManifestFile + ", so keep the two together"},
		{What: "precision", Why: "weights are float32 milliseconds: about 7 digits"},
		{What: "intervals, verdicts", Why: "TuNAS reads one number per feature: intervals are in the cost model's JSON (--format json) if computed, verdicts in the export of measurements (--db)"},
		{What: "networks seen", Why: "entries that no network of the fit used are not marked; --format csv and json have the counts"},
		{What: "network input, head", Why: fmt.Sprintf("%s has only the backbone: build it at %dx%dx%d and with the space's %s head, whose cost is in the weights", SpecFile, s.Input.Height, s.Input.Width, s.Input.Channels, cmp.Or(s.Head.Type, sampler.NoHead))},
	}}
	if own := ownSpecs(s); len(own) > 0 {
		n.Lost = append(n.Lost, exporters.Loss{What: "layers", Why: "TuNAS has no " + strings.Join(own, ", ") + ": register such a namedtuple, add the space to ALL_SSDS and a branch to get_search_space_spec"})
	}
	return n
}

// ownSpecs are the namedtuples of the space that TuNAS does not have.
func ownSpecs(s *sampler.Space) []string {
	var own []string
	add := func(name string) {
		if !slices.Contains(own, name) {
			own = append(own, name)
		}
	}
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			for _, c := range l.Choices {
				switch {
				case c.Type == sampler.IBN && c.Expansion == 1:
					add("NoExpansionSpec")
				case c.Type == sampler.Fused:
					add("FusedConvSpec")
				case c.Type == sampler.Tucker:
					add("TuckerConvSpec")
				}
			}
		}
	}
	return own
}
