package regress

import (
	"math"
	"strings"

	"latlab/sampler/graph"
)

// OpPrefix is the prefix of op-level features when they are stored beside a user's own, in the
// features of a listed model. A user's own feature must not begin with it.
const OpPrefix = "op:"

// opMACs is the feature of the macs method.
const opMACs = OpPrefix + "macs"

// GraphFeatures are the op-level features of a whole network that is not in any search space, by
// name with OpPrefix. They are stored with the network, so that a fit does not need the model
// file again.
func GraphFeatures(g *graph.Graph) map[string]float64 {
	features := listedFeatures()
	sums := make(map[string]float64, len(features)+1)
	height := inputHeight(g)
	for _, of := range g.Ops {
		if len(of.Inputs) == 0 {
			continue // an op without input elements: no feature applies
		}
		p := g.PaidOp(of)
		if !hasShape(p) {
			continue
		}
		o := op{PaidOp: p, level: level(height, p.Out[1])}
		for _, f := range features {
			sums[OpPrefix+f.Name] += f.of(o)
		}
		sums[opMACs] += macs(o)
	}
	// A feature that no op has is 0, not missing: all networks have the same columns.
	for _, f := range features {
		sums[OpPrefix+f.Name] += 0
	}
	sums[opMACs] += 0
	return sums
}

// listedFeatures are Features plus those of ops that occur only in networks of other origin: ops
// of kinds that no space has.
func listedFeatures() []Feature {
	return append(Features(),
		Feature{"macs/other", "multiply-accumulates of ops of any other kind", where(otherKind, macs)},
		Feature{"weights/other", "weight elements of ops of any other kind", where(otherKind, weights)},
		Feature{"out/other", "output elements of ops of any other kind", where(otherKind, outputs)},
		Feature{"ops/other", "number of ops of any other kind", where(otherKind, one)},
	)
}

func otherKind(o op) bool {
	return !conv(o) && !depthwise(o) && !elementwise(o) &&
		o.Kind != graph.FullyConnected && o.Kind != graph.AveragePool && o.Kind != graph.Add
}

// inputHeight is the height that resolutions are relative to: the largest input's.
func inputHeight(g *graph.Graph) int {
	height := 1
	for _, i := range g.Inputs {
		height = max(height, g.Tensors[i].Shape[1])
	}
	return height
}

// hasShape: a file from another tool may have an op without elements.
func hasShape(p graph.PaidOp) bool {
	for _, n := range append(p.In[:], p.Out[:]...) {
		if n < 1 {
			return false
		}
	}
	return true
}

// OwnFeature returns an error if a user's feature may not have this name or value.
func OwnFeature(name string, value float64) error {
	switch {
	case name == "":
		return &FeatureError{Reason: "a feature name is empty"}
	case strings.HasPrefix(name, OpPrefix):
		return &FeatureError{Reason: "feature " + name + ": names that begin with " + OpPrefix + " are reserved for latlab"}
	case math.IsNaN(value) || math.IsInf(value, 0):
		return &FeatureError{Reason: "feature " + name + " is not a finite number"}
	}
	return nil
}
