package tunas

import (
	"fmt"
	"slices"
	"strings"

	"latlab/exporters"
	"latlab/sampler"
)

// Notes is the side file: what is not in manifest.json already. Where the numbers come from
// is there, so the notes have no origin.
func Notes(s *sampler.Space) exporters.Notes {
	n := exporters.Notes{Format: "tunas", Lost: []exporters.Loss{
		{What: "origin", Why: DataFile + " says no device, kind, figure or checksum; " + ManifestFile + " does, keep the two together"},
		{What: "precision", Why: "weights are float32 milliseconds: some 7 digits"},
		{What: "intervals, verdicts", Why: "TuNAS reads one number a feature: the cost model's own JSON (--format json) has what there is, verdicts are with the measurements (--db)"},
		{What: "networks seen", Why: "an entry that no network of the fit used looks like any other; --format csv and json have the counts"},
		{What: "network input, head", Why: fmt.Sprintf("%s has the backbone only: build it at %dx%dx%d and with the space's %s head, which the weights pay for", SpecFile, s.Input.Height, s.Input.Width, s.Input.Channels, headName(s))},
	}}
	if own := ownSpecs(s); len(own) > 0 {
		n.Lost = append(n.Lost, exporters.Loss{What: "layers", Why: "TuNAS has no " + strings.Join(own, ", ") + ": register such a namedtuple, add the space to ALL_SSDS and a branch to get_search_space_spec"})
	}
	return n
}

func headName(s *sampler.Space) string {
	if s.Head.Type == "" {
		return string(sampler.NoHead)
	}
	return string(s.Head.Type)
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
