// Package profile says what the rows of a device's profile mean: it joins them with the operators of the
// model that they stand for, and sums them up by type of op and by position in the space.
//
// A row is joined by Layer.Nodes alone. A row without them, or with one that is not known, keeps what the
// device said of it, and nothing is guessed: the package knows no names of kernels or tools. It measures,
// stores and prints nothing; bench profiles networks, and exporters and cmd/latlab show the rows.
package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Op is an operator of a model.
type Op struct {
	Node int   `json:"node"`           // in the model's execution order, from 0
	From []int `json:"from,omitempty"` // the nodes that compute its inputs, each once
	graph.Row
}

// Space is the built-in space whose positions the ops of a model have: of a model that latlab wrote, such as a
// fixture, and of a file that it wrote. It is nil where there is none.
func Space(m *model.Model) *sampler.Space {
	g := m.Graph
	if m.Network != nil {
		g = m.Network.Graph
	}
	if g == nil || g.Space == "" {
		return nil
	}
	s, err := sampler.Builtin(g.Space)
	if err != nil || m.Network != nil && m.Network.PayBy(s) != nil {
		return nil
	}
	return s
}

// Ops are the known operators of a model. The space names their positions; it may be nil. Bytes are those of
// the file's own types for a user's .tflite, otherwise of the model's precision.
func Ops(m *model.Model, s *sampler.Space) []Op {
	g := m.Graph
	var rows []graph.Row
	switch {
	case m.Network != nil:
		g, rows = m.Network.Graph, m.Network.Rows(s)
	case g != nil:
		rows = g.Rows(s, elementSize(m.Precision))
	default:
		return nil
	}
	nodes, makers := m.Nodes(), map[int]int{}
	ops := make([]Op, len(rows))
	for i, op := range g.Ops {
		ops[i] = Op{Node: nodes[i], Row: rows[i]}
		for _, x := range op.Inputs {
			if maker, made := makers[x]; made && !slices.Contains(ops[i].From, maker) {
				ops[i].From = append(ops[i].From, maker)
			}
		}
		for _, y := range append([]int{op.Output}, op.MoreOutputs...) {
			makers[y] = nodes[i]
		}
	}
	return ops
}

func elementSize(p model.Precision) int {
	switch p {
	case model.Int8:
		return 1
	case "float16":
		return 2
	}
	return 4
}

// Row is a row of a profile and what is known of its operators. Figures that are not known are nil or 0.
type Row struct {
	devices.Layer
	// Type is the operators' kind with its window, "conv 3x3"; of several the kinds joined by "+"; the
	// device's own word where they are not known.
	Type     string `json:"type"`
	Position string `json:"position,omitempty"` // in the space; "bias" = part of every network
	// InputShape is that of the first operator, OutputShape of the last: batch, height, width, channels.
	InputShape  *[4]int `json:"input_shape,omitempty"`
	OutputShape *[4]int `json:"output_shape,omitempty"`
	// InputBytes and OutputBytes are activations read and written, without those between the row's operators.
	InputBytes  int64 `json:"input_bytes,omitempty"`
	OutputBytes int64 `json:"output_bytes,omitempty"`
	WeightBytes int64 `json:"weight_bytes,omitempty"`
	// Intensity is the arithmetic intensity, MACs per byte of activations and weights.
	Intensity *float64 `json:"macs_per_byte,omitempty"`
	Rate      *float64 `json:"macs_per_second,omitempty"`
	Rank      int      `json:"rank"`             // 1 = the slowest row
	Share     float64  `json:"share"`            // of the sum of all rows
	Upto      float64  `json:"cumulative_share"` // of this row and all slower ones
}

// Bytes are the activations and weights that the row reads and writes, 0 if unknown.
func (r *Row) Bytes() int64 { return r.InputBytes + r.OutputBytes + r.WeightBytes }

// Group is the sum of rows with something in common.
type Group struct {
	Name    string   `json:"name"`             // a type of op or a position; "" = rows without
	Kernel  string   `json:"kernel,omitempty"` // of all its rows, by type only
	Rows    int      `json:"rows"`
	Seconds float64  `json:"seconds"`
	Share   float64  `json:"share"`
	Upto    float64  `json:"cumulative_share"` // of this group and all slower ones
	MACs    int64    `json:"macs"`
	Bytes   int64    `json:"bytes,omitempty"`
	Rate    *float64 `json:"macs_per_second,omitempty"`
}

// Table is a profile that was joined with the operators of its model.
type Table struct {
	Rows       []Row   // in execution order
	Seconds    float64 // sum of the rows
	ByType     []Group // by type and kernel, the slowest first
	ByPosition []Group // the slowest first; empty if no row has a position
}

// Join joins a profile with the operators of its model.
func Join(p *devices.Profile, ops []Op) Table {
	byNode := make(map[int]*Op, len(ops))
	readers := map[int][]int{}
	for i := range ops {
		byNode[ops[i].Node] = &ops[i]
		for _, from := range ops[i].From {
			readers[from] = append(readers[from], ops[i].Node)
		}
	}
	t := Table{Seconds: p.Total()}
	for _, l := range p.Layers {
		r := Row{Layer: l, Type: l.Op, Share: share(l.Seconds, t.Seconds)}
		if of := known(l.Nodes, byNode); of != nil {
			r.describe(of, readers)
		}
		r.Rate = ratio(float64(r.MACs), r.Seconds)
		r.Intensity = ratio(float64(r.MACs), float64(r.Bytes()))
		t.Rows = append(t.Rows, r)
	}
	upto := 0.0
	for rank, i := range t.bySeconds() {
		upto += t.Rows[i].Share
		t.Rows[i].Rank, t.Rows[i].Upto = rank+1, min(upto, 1)
	}
	t.ByType = t.groups(func(r *Row) [2]string { return [2]string{r.Type, r.Kernel} })
	if slices.ContainsFunc(t.Rows, func(r Row) bool { return r.Position != "" }) {
		t.ByPosition = t.groups(func(r *Row) [2]string { return [2]string{r.Position} })
	}
	return t
}

// Slowest are the rows, the slowest first.
func (t *Table) Slowest() []Row {
	rows := slices.Clone(t.Rows)
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Rank, b.Rank) })
	return rows
}

func (t *Table) bySeconds() []int {
	order := make([]int, len(t.Rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.Rows[b].Seconds, t.Rows[a].Seconds) })
	return order
}

// known are the operators of a row; nil if it has none or one of them is unknown.
func known(nodes []int, byNode map[int]*Op) []*Op {
	var of []*Op
	for _, n := range nodes {
		op := byNode[n]
		if op == nil {
			return nil
		}
		of = append(of, op)
	}
	return of
}

func (r *Row) describe(of []*Op, readers map[int][]int) {
	inside := map[int]bool{}
	for _, op := range of {
		inside[op.Node] = true
	}
	var types, positions []string
	var macs int64
	for _, op := range of {
		types, positions = append(types, typeOf(op)), append(positions, op.Position)
		macs += op.MACs
		r.WeightBytes += op.WeightBytes
		r.InputBytes += op.InputBytes
		for _, other := range of {
			if slices.Contains(op.From, other.Node) {
				r.InputBytes -= other.OutputBytes
			}
		}
		outside := func(n int) bool { return !inside[n] }
		if readers[op.Node] == nil || slices.ContainsFunc(readers[op.Node], outside) {
			r.OutputBytes += op.OutputBytes
		}
	}
	r.InputBytes = max(r.InputBytes, 0)
	r.Type, r.Position = together(types, "ops"), together(positions, "positions")
	r.InputShape, r.OutputShape = &of[0].Input, &of[len(of)-1].Output
	if r.MACs == 0 {
		r.MACs = macs
	}
}

// typeOf is the kind of an op, with the window of those that have weights: a 1x1 convolution is a matrix
// product, a 3x3 one is not.
func typeOf(op *Op) string {
	switch op.Kind {
	case graph.Conv2D, graph.DepthwiseConv, graph.TransposeConv:
		return fmt.Sprintf("%s %dx%d", op.Kind, op.Kernel[0], op.Kernel[1])
	}
	return string(op.Kind)
}

// together joins what differs of a fused row's operators; of many it is their number.
func together(words []string, noun string) string {
	slices.Sort(words)
	distinct := slices.Compact(slices.Clone(words))
	if len(distinct) > 3 {
		return fmt.Sprintf("%d %s", len(distinct), noun)
	}
	return strings.Join(distinct, "+")
}

// groups sums rows by a name and a kernel.
func (t *Table) groups(key func(*Row) [2]string) []Group {
	var all []Group
	at := map[[2]string]int{}
	for i := range t.Rows {
		r := &t.Rows[i]
		k := key(r)
		if _, seen := at[k]; !seen {
			at[k] = len(all)
			all = append(all, Group{Name: k[0], Kernel: k[1]})
		}
		g := &all[at[k]]
		g.Rows++
		g.Seconds += r.Seconds
		g.MACs += r.MACs
		g.Bytes += r.Bytes()
	}
	slices.SortStableFunc(all, func(a, b Group) int { return cmp.Compare(b.Seconds, a.Seconds) })
	upto := 0.0
	for i := range all {
		g := &all[i]
		g.Share, g.Rate = share(g.Seconds, t.Seconds), ratio(float64(g.MACs), g.Seconds)
		upto += g.Share
		g.Upto = min(upto, 1)
	}
	return all
}

// Overhead is what observing the ops cost, relative to inferences that were not observed; nil if unknown.
func Overhead(p *devices.Profile) *float64 {
	if p.WholeSeconds == nil || p.PlainSeconds == nil {
		return nil
	}
	r := ratio(*p.WholeSeconds, *p.PlainSeconds)
	if r != nil {
		*r--
	}
	return r
}

func share(x, of float64) float64 {
	if of > 0 {
		return x / of
	}
	return 0
}

// ratio is nil where it means nothing: no MACs, no bytes, a time below the device's resolution.
func ratio(x, by float64) *float64 {
	if x > 0 && by > 0 {
		return new(x / by)
	}
	return nil
}
