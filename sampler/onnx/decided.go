package onnx

import "slices"

// Decision is an input whose value decides how much an op computes.
type Decision struct{ Op, Input, What string }

// decisive are the ops whose work depends on values: what is decided, and the inputs that decide it.
var decisive = map[string]struct {
	what   string
	inputs []int
}{
	"Loop": {"the number of runs", []int{0, 1}}, "If": {"the branch", []int{0}},
	"Range": {"the size", []int{0, 1, 2}}, "NonZero": {"the size", []int{0}}, "Unique": {"the size", []int{0}}, "Compress": {"the size", []int{1}},
	"Reshape": {"the size", []int{1}}, "Expand": {"the size", []int{1}}, "Tile": {"the size", []int{1}}, "ConstantOfShape": {"the size", []int{0}},
	"Slice": {"the size", []int{1, 2, 3, 4}}, "Resize": {"the size", []int{2, 3}}, "Upsample": {"the size", []int{1}}, "Pad": {"the size", []int{1}},
	"TopK": {"the size", []int{1}}, "OneHot": {"the size", []int{1}}, "Split": {"the size", []int{1}}, "CenterCropPad": {"the size", []int{1}},
	"NonMaxSuppression": {"the size", []int{2}},
}

// maxDecisions limits what is kept of a file, and the inputs that are told apart.
const maxDecisions = 16

// Decided finds the inputs whose values decide how much is computed. Sizes that are computed from other
// sizes (Shape) depend on no value. The graphs within a Loop or an If are not read: a Loop without a
// number of runs is taken to end by any value that it has.
func (n *Network) Decided() []Decision {
	from := map[string][]string{} // the inputs that a value depends on
	for i, x := range n.Inputs {
		if _, constant := n.Constants[x.Name]; !constant && i < maxDecisions {
			from[x.Name] = []string{x.Name}
		}
	}
	var found []Decision
	for _, op := range n.Ops {
		if op.Type == "Shape" || op.Type == "Size" {
			continue
		}
		var all []string
		for _, x := range op.Inputs {
			all = with(all, from[x])
		}
		d := decisive[op.Type]
		deciding := d.inputs
		if op.Type == "Loop" && (len(op.Inputs) == 0 || op.Inputs[0] == "") {
			for i := range op.Inputs {
				deciding = append(slices.Clone(deciding), i)
			}
		}
		for _, i := range deciding {
			if i >= len(op.Inputs) {
				continue
			}
			for _, input := range from[op.Inputs[i]] {
				if x := (Decision{op.Type, input, d.what}); !slices.Contains(found, x) && len(found) < maxDecisions {
					found = append(found, x)
				}
			}
		}
		for _, y := range op.Outputs {
			from[y] = all
		}
	}
	return found
}

// with adds names that are missing.
func with(list, more []string) []string {
	for _, name := range more {
		if !slices.Contains(list, name) {
			list = append(slices.Clone(list), name)
		}
	}
	return list
}
