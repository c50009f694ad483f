package lut

import (
	"fmt"
	"strings"

	"latlab/exporters"
	"latlab/regress"
	"latlab/sampler"
)

// notes lists what the table omits and the pitfalls of its readers.
func (t *table) notes(m *regress.CostModel, s *sampler.Space) exporters.Notes {
	n := exporters.Notes{Format: "lut/" + string(t.dialect), Cost: exporters.OriginOf(m), Lost: []exporters.Loss{
		{What: "intercept", Why: fmt.Sprintf("readers have none: add the mean of %s, %s ms, to their sum; rankings do not change",
			baseKey, number(t.rows[0].ms()))},
		{What: t.dialect.spread(), Why: "not computed, so null: a mean is a prediction, not an average of runs; count is how many networks of the fit used the entry. Readers use only mean"},
		{What: "intervals, figures", Why: "only in the cost model's JSON (--format json)"},
		t.gauge(),
	}}
	n.Lost = append(n.Lost, t.ownKeys(s)...)
	n.Lost = append(n.Lost, t.head(s)...)
	n.Lost = append(n.Lost, t.reader(s)...)
	return n
}

// gauge describes which of the equivalent tables this is.
func (t *table) gauge() exporters.Loss {
	why := "only sums are meaningful: constants can be moved between layers and " + baseKey + ". In this table a skipped layer costs nothing, as readers assume"
	if len(t.moved) > 0 {
		why = "only sums are meaningful: constants can be moved between layers and " + baseKey +
			". In this table a skipped layer costs nothing, as readers assume: the fitted weights of skips were added, by width, to the first layer of the stage (" + short(t.moved) + ")"
	}
	return exporters.Loss{What: "gauge", Why: why}
}

// ownKeys lists layers that the readers have no key for.
func (t *table) ownKeys(s *sampler.Space) []exporters.Loss {
	var lost []exporters.Loss
	if own := ownTypes(s); len(own) > 0 {
		lost = append(lost, exporters.Loss{What: "layers " + strings.Join(own, ", "),
			Why: "no reader has such layers; extend its query() for the keys fused_conv- and tucker_conv-"})
	}
	if t.doubled > 0 {
		lost = append(lost, exporters.Loss{What: "position", Why: fmt.Sprintf(
			"a key describes a shape, but layers of the same shape have different values in this fit (or differ in a property that is not in the key: a convolution's kernel, a squeeze-and-excite ratio): %d keys have -layer:NAME-choice:NAME appended, and unchanged readers do not find them. A fit with --method ops gives layers of the same shape the same value", t.doubled)})
	}
	if t.dialect == ProxylessNAS && (s.Activation == sampler.HSwish || hasSE(s)) {
		lost = append(lost, exporters.Loss{What: "activation, squeeze-and-excite", Why: "not in the keys of this dialect; use --dialect ofa"})
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
		return []exporters.Loss{{What: "detection head", Why: "readers know only classifiers: the cost of the branches on a tapped stage (" + strings.Join(s.Head.Taps, ", ") +
			") is in the keys of its first layer, the rest in " + baseKey}}
	case t.prices:
		return []exporters.Loss{{What: "classifier", Why: "its values come from the fit's op-level weights; it was not measured separately"}}
	case t.headless:
		return []exporters.Loss{{What: "classifier", Why: "the fit has no weights of single ops: its keys are 0, and its cost is in the last stage's first layer"}}
	}
	return nil
}

// reader lists the pitfalls of the programs that read the file.
func (t *table) reader(s *sampler.Space) []exporters.Loss {
	lost := []exporters.Loss{{What: "PyYAML 6 and later", Why: "readers call yaml.load(fp) without a loader, which is a TypeError there: change it to yaml.safe_load"}}
	if t.dialect == ProxylessNAS {
		return append(lost,
			exporters.Loss{What: "missing keys", Why: "if a key is missing, the search silently assumes 200 ms for the network: look for that figure"},
			exporters.Loss{What: "path", Why: "the project's reader downloads from a URL: serve the file, or use Once-for-All's ProxylessNASLatencyTable, which also opens a path"})
	}
	return append(lost,
		exporters.Loss{What: "resolution", Why: "one file per resolution: pass the list of resolutions [" + resolution(s) + "] to the reader, since its default begins with 160"},
		exporters.Loss{What: "missing keys", Why: "a network's latency also needs Conv_1, AvgPool2D, Conv_2 and Logits; if the space has no such layer, sum up the keys yourself"})
}

// short lists the first names and the number of the others.
func short(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
