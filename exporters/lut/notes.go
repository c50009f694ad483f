package lut

import (
	"fmt"
	"strings"

	"latlab/exporters"
	"latlab/regress"
	"latlab/sampler"
)

// notes are what the table cannot say, and what its readers trip over.
func (t *table) notes(m *regress.CostModel, s *sampler.Space) exporters.Notes {
	n := exporters.Notes{Format: "lut/" + string(t.dialect), Cost: exporters.OriginOf(m), Lost: []exporters.Loss{
		{What: "intercept", Why: fmt.Sprintf("readers have none: add the mean of %s, %s ms, once to what they add up; it changes no ranking",
			baseKey, number(t.rows[0].ms()))},
		{What: t.dialect.spread(), Why: "not computed, so null: a mean here is predicted, not the average of so many runs; count is how many networks of the fit used the entry. Readers read only mean"},
		{What: "intervals, figures", Why: "the cost model's own JSON has them (--format json)"},
		t.gauge(),
	}}
	n.Lost = append(n.Lost, t.ownKeys(s)...)
	n.Lost = append(n.Lost, t.head(s)...)
	n.Lost = append(n.Lost, t.reader(s)...)
	return n
}

// gauge says which of the equivalent tables this is.
func (t *table) gauge() exporters.Loss {
	why := "only sums mean something: constants can move between layers and " + baseKey + ". Written is the fit's own table, in which a skipped layer costs nothing, as readers take it"
	if len(t.moved) > 0 {
		why = "only sums mean something: constants can move between layers and " + baseKey +
			". A skipped layer costs nothing here, as readers take it: what the fit gave to skips moved, by width, into the first layer of the stage (" + short(t.moved) + ")"
	}
	return exporters.Loss{What: "gauge", Why: why}
}

// ownKeys are what the readers have no key for.
func (t *table) ownKeys(s *sampler.Space) []exporters.Loss {
	var lost []exporters.Loss
	if own := ownTypes(s); len(own) > 0 {
		lost = append(lost, exporters.Loss{What: "layers " + strings.Join(own, ", "),
			Why: "no reader has such a layer; their keys (fused_conv-, tucker_conv-) take a query() of your own"})
	}
	if t.doubled > 0 {
		lost = append(lost, exporters.Loss{What: "position", Why: fmt.Sprintf(
			"a key is a shape, but layers of one shape differ in this fit (or in what a key does not say: a convolution's kernel, a squeeze-and-excite ratio): the entries of %d keys carry -layer:NAME-choice:NAME behind the key, and a reader as it is finds none of them. A fit with --method ops gives layers of one shape one value", t.doubled)})
	}
	if t.dialect == ProxylessNAS && (s.Activation == sampler.HSwish || hasSE(s)) {
		lost = append(lost, exporters.Loss{What: "activation, squeeze-and-excite", Why: "keys of this dialect cannot say them; --dialect ofa can"})
	}
	return lost
}

func ownTypes(s *sampler.Space) []string {
	var own []string
	for _, typ := range []sampler.LayerType{sampler.Fused, sampler.Tucker} {
		if has(s, func(c sampler.Choice) bool { return c.Type == typ }) {
			own = append(own, string(typ))
		}
	}
	return own
}

func hasSE(s *sampler.Space) bool {
	return has(s, func(c sampler.Choice) bool { return c.SE > 0 })
}

func has(s *sampler.Space, is func(sampler.Choice) bool) bool {
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			for _, c := range l.Choices {
				if is(c) {
					return true
				}
			}
		}
	}
	return false
}

func (t *table) head(s *sampler.Space) []exporters.Loss {
	switch {
	case s.Head.Type == sampler.SSDLite:
		return []exporters.Loss{{What: "detection head", Why: "readers know classifiers only: the branches on a tapped stage (" + strings.Join(s.Head.Taps, ", ") +
			") are in the keys of its first layer, the rest is in " + baseKey}}
	case t.prices:
		return []exporters.Loss{{What: "classifier", Why: "its keys are priced by the fit's op-level weights, not measured alone"}}
	case t.headless:
		return []exporters.Loss{{What: "classifier", Why: "the fit knows no price of a single op: its keys are 0 and the last stage's first layer pays"}}
	}
	return nil
}

// reader is what stands between the file and the program that reads it.
func (t *table) reader(s *sampler.Space) []exporters.Loss {
	lost := []exporters.Loss{{What: "PyYAML 6 and later", Why: "readers call yaml.load(fp) without a loader, which is a TypeError there: use yaml.safe_load; the file needs no more"}}
	if t.dialect == ProxylessNAS {
		return append(lost,
			exporters.Loss{What: "missing keys", Why: "the search takes a network of which a key is missing for 200 ms and says nothing: look for that figure"},
			exporters.Loss{What: "path", Why: "the project's own reader downloads from a URL: serve the file, or take Once-for-All's ProxylessNASLatencyTable, which opens a path too"})
	}
	return append(lost,
		exporters.Loss{What: "resolution", Why: "one file a resolution: give the reader the list of resolutions [" + resolution(s) + "], its own begins with 160"},
		exporters.Loss{What: "missing keys", Why: "a network's latency asks for Conv_1, AvgPool2D, Conv_2 and Logits too; where the space has no such layer, add up the keys yourself"})
}

// short lists a few names and how many more there are.
func short(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
