package features

import (
	"math"
	"strings"

	"latlab/sampler/graph"
)

// Prefix is the prefix of op-level features when they are stored beside a user's own, in the
// features of a listed model. A user's own feature must not begin with it.
const Prefix = "op:"

// GraphMACs is the name of MACs among the features of a graph.
const GraphMACs = Prefix + "macs"

// OfGraph are the op-level features of a whole network that is not in any search space, by
// name with Prefix. They are stored with the network, so that a fit does not need the model
// file again.
func OfGraph(g *graph.Graph) map[string]float64 {
	columns := listed()
	sums := make(map[string]float64, len(columns)+1)
	height := inputHeight(g)
	for _, of := range g.Ops {
		if len(of.Inputs) == 0 {
			continue // an op without input elements: no feature applies
		}
		p := g.PaidOp(of)
		if !hasShape(p) {
			continue
		}
		o := NewOp(p, height)
		for _, f := range columns {
			sums[Prefix+f.Name] += f.of(o)
		}
		sums[GraphMACs] += macs(o)
	}
	// A feature that no op has is 0, not missing: all networks have the same columns.
	for _, f := range columns {
		sums[Prefix+f.Name] += 0
	}
	sums[GraphMACs] += 0
	return sums
}

// listed are All plus those of ops that occur only in networks of other origin: ops
// of kinds that no space has.
func listed() []Feature {
	return append(All(),
		Feature{"macs/other", "multiply-accumulates of ops of any other kind", where(otherKind, macs)},
		Feature{"weights/other", "weight elements of ops of any other kind", where(otherKind, weights)},
		Feature{"out/other", "output elements of ops of any other kind", where(otherKind, outputs)},
		Feature{"ops/other", "number of ops of any other kind", where(otherKind, one)},
	)
}

func otherKind(o Op) bool {
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

// Error is a network whose features cannot be used.
type Error struct {
	Network string // empty if the error concerns only a feature
	Reason  string
}

func (e *Error) Error() string {
	if e.Network == "" {
		return e.Reason
	}
	return "network " + e.Network + ": " + e.Reason
}

// CheckOwn returns an error if a user's feature may not have this name or value.
func CheckOwn(name string, value float64) error {
	switch {
	case name == "":
		return &Error{Reason: "a feature name is empty"}
	case strings.HasPrefix(name, Prefix):
		return &Error{Reason: "feature " + name + ": names that begin with " + Prefix + " are reserved for latlab"}
	case math.IsNaN(value) || math.IsInf(value, 0):
		return &Error{Reason: "feature " + name + " is not a finite number"}
	}
	return nil
}
