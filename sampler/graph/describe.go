package graph

import "latlab/sampler"

// Row is one op for display, also printed by `latlab describe --json`.
type Row struct {
	Name        string     `json:"name"`
	Kind        Kind       `json:"kind"`
	Kernel      [2]int     `json:"kernel"` // 0, 0 for ops without a kernel
	Stride      [2]int     `json:"stride"`
	Input       [4]int     `json:"input_shape"` // of the first input
	Output      [4]int     `json:"output_shape"`
	Activation  Activation `json:"activation"`
	Position    string     `json:"position"` // a position's name, "bias", or "" where unknown
	MACs        int64      `json:"macs"`
	Params      int64      `json:"params"`
	InputBytes  int64      `json:"input_bytes"` // of all inputs
	OutputBytes int64      `json:"output_bytes"`
	WeightBytes int64      `json:"weight_bytes"` // bias included

	// Set only for networks read from files, and omitted if empty.
	Padding  Padding `json:"padding,omitempty"`
	Dilation *[2]int `json:"dilation,omitempty"`
	Groups   int     `json:"groups,omitempty"`
}

// Rows describes every op in order. elementSize is 4 bytes for float32 and 1 for int8. The space
// names the positions; without one (nil), as for a file that is not in any search space, they are
// empty.
func (g *Graph) Rows(s *sampler.Space, elementSize int) []Row {
	names := positionNames(s)
	rows := make([]Row, len(g.Ops))
	for i, op := range g.Ops {
		rows[i] = Row{
			Name: op.Name, Kind: op.Kind, Kernel: op.Kernel, Stride: op.Stride,
			Input: g.In(op), Output: g.Out(op), Activation: op.Activation,
			Position: names[op.Position], MACs: g.MACs(op), Params: g.Params(op),
			InputBytes:  g.InputElements(op) * int64(elementSize),
			OutputBytes: g.OutputElements(op) * int64(elementSize),
			WeightBytes: g.WeightBytes(op, elementSize),
			Padding:     op.Padding, Groups: op.Groups,
		}
		if op.Dilation != [2]int{} {
			rows[i].Dilation = &op.Dilation
		}
	}
	return rows
}

// positionNames maps Op.Position to a name; a missing name reads as "".
func positionNames(s *sampler.Space) map[int]string {
	if s == nil {
		return nil
	}
	names := map[int]string{Bias: "bias"}
	for i, p := range s.Positions() {
		names[i] = p.Name
	}
	return names
}
