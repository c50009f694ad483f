package sampler

import (
	"slices"
	"strconv"
)

// By is what one decision of a layer decides, where several decisions together make its choice.
//
// In TuNAS's own spaces a layer is a tree of OneOfs: a kernel, an expansion and a squeeze-and-excite
// within a bottleneck, and a OneOf around it that may skip it. Each has an index of its own, children
// before their parent and single ones included (schema.map_oneofs), while the table has one row for each
// combination. So a layer keeps its flat list of choices, the product in the table's order with the
// skip last, and By only says how indices are translated to it. Positions, Entry, the lowering, all fits and
// exporters know nothing else; Space.Flat is all that readers of indices call.
//
// Rejected: a tree of OneOfs in Layer, because every reader of choices would walk it and could then hold
// spaces whose table is no product; and flat decisions with a translation in the exporter, because then
// the indices of latlab and TuNAS would differ, and so would how often a layer is skipped at random (1 of 2 in
// TuNAS, not 1 of 7).
type By string

// The decisions, in the order that TuNAS has them in a layer.
const (
	ByNone      By = "none" // alone: no decision, the layer has one choice
	ByKernel    By = "kernel"
	ByExpansion By = "expansion"
	BySE        By = "se"
	ByOp        By = "op" // the block or its skip, if it has one
)

// partial is one decision of a layer.
type partial struct {
	by    By // empty if it makes the whole choice
	names []string
}

// decisions lists a layer's decisions in the order of their indices.
func (l Layer) decisions() []partial {
	if l.By == nil {
		d := partial{}
		for _, c := range l.Choices {
			d.names = append(d.names, c.Name)
		}
		return []partial{d}
	}
	var ds []partial
	for _, by := range l.By {
		if by == ByNone {
			continue
		}
		d := partial{by: by}
		for _, c := range l.Values(by) {
			d.names = append(d.names, by.name(c))
		}
		ds = append(ds, d)
	}
	return ds
}

// name is what a decision for the choice's value is called.
func (by By) name(c Choice) string {
	switch by {
	case ByKernel:
		return "k" + strconv.Itoa(c.Kernel)
	case ByExpansion:
		return "e" + strconv.Itoa(c.Expansion)
	case BySE:
		if c.SE == 0 {
			return "no-se"
		}
		return "se"
	}
	return string(c.Type)
}

// take copies the decision's value from a choice.
func (by By) take(to *Choice, from Choice) {
	switch by {
	case ByKernel:
		to.Kernel = from.Kernel
	case ByExpansion:
		to.Expansion = from.Expansion
	case BySE:
		to.SE = from.SE
	}
}

// blocks are the choices without the skip.
func (l Layer) blocks() []Choice {
	if n := len(l.Choices); n > 0 && l.Choices[n-1].Type == Skip {
		return l.Choices[:n-1]
	}
	return l.Choices
}

// Values lists a choice for each value of a decision, in the order of the layer's choices.
func (l Layer) Values(by By) []Choice {
	var values []Choice
	for _, i := range l.firsts(nil, by) {
		values = append(values, l.Choices[i])
	}
	return values
}

// firsts appends the index of the first choice with each value of a decision. Radices, which every text of
// indices is checked against, takes most of its time here.
func (l Layer) firsts(dst []int, by By) []int {
	if by == ByOp {
		if dst = append(dst, 0); len(l.blocks()) < len(l.Choices) {
			dst = append(dst, len(l.Choices)-1)
		}
		return dst
	}
	value := by.value()
next:
	for i := range l.blocks() {
		x := value(&l.Choices[i])
		for _, first := range dst {
			if value(&l.Choices[first]) == x {
				continue next
			}
		}
		dst = append(dst, i)
	}
	return dst
}

// value returns what a choice has of the decision, as a number.
func (by By) value() func(*Choice) float64 {
	switch by {
	case ByKernel:
		return func(c *Choice) float64 { return float64(c.Kernel) }
	case ByExpansion:
		return func(c *Choice) float64 { return float64(c.Expansion) }
	}
	return func(c *Choice) float64 { return c.SE }
}

// radices are the numbers of values of the layer's decisions.
func (l Layer) radices() []int {
	if l.By == nil {
		return []int{len(l.Choices)}
	}
	var rs []int
	for _, by := range l.By {
		if by != ByNone {
			var stack [8]int
			rs = append(rs, len(l.firsts(stack[:0], by)))
		}
	}
	return rs
}

// product reports whether the choices are every combination of the decisions' values, the first
// decision's changing slowest.
func (l Layer) product() bool {
	blocks, n := l.blocks(), 1
	var inner []By
	var values [][]Choice
	for _, by := range l.By {
		if by != ByNone && by != ByOp {
			inner, values = append(inner, by), append(values, l.Values(by))
			n *= len(values[len(values)-1])
		}
	}
	if len(blocks) != n || len(l.Choices) > n && !slices.Contains(l.By, ByOp) {
		return false
	}
	for i, c := range blocks {
		want := blocks[0]
		want.Name = c.Name
		rest := i
		for d := len(inner) - 1; d >= 0; d-- {
			inner[d].take(&want, values[d][rest%len(values[d])])
			rest /= len(values[d])
		}
		if c != want {
			return false
		}
	}
	return true
}

// Flattener translates the indices of an Arch to flat indices: for each stage one index a layer, its
// choice, and then one for its width. They are the same where every layer is one decision: then it is nil,
// and may be used. It is safe for concurrent use.
type Flattener struct {
	layers []flatLayer // of all stages, each stage's width a layer too
}

// flatLayer is the decisions of a layer.
type flatLayer struct {
	radices []int // of those that make the product
	op      bool  // a last one chooses between the product and the skip
	skip    int   // the skip's choice, behind the product
}

// Flattener returns a new one, for callers that translate many networks.
func (s *Space) Flattener() *Flattener {
	if s.flat() {
		return nil
	}
	f := &Flattener{}
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			fl := flatLayer{radices: l.radices(), skip: len(l.blocks()), op: slices.Contains(l.By, ByOp)}
			if fl.op {
				fl.radices = fl.radices[:len(fl.radices)-1]
			}
			f.layers = append(f.layers, fl)
		}
		f.layers = append(f.layers, flatLayer{radices: []int{len(st.Widths)}})
	}
	return f
}

// flat reports whether every layer is one decision.
func (s *Space) flat() bool {
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			if l.By != nil {
				return false
			}
		}
	}
	return true
}

// Append appends the flat indices to dst, or returns indices themselves where they are flat.
func (f *Flattener) Append(dst, indices []int) []int {
	if f == nil {
		return indices
	}
	for i := range f.layers {
		l := &f.layers[i]
		choice := 0
		for d, r := range l.radices {
			choice = choice*r + indices[d]
		}
		indices = indices[len(l.radices):]
		if l.op {
			if indices[0] == 1 {
				choice = l.skip
			}
			indices = indices[1:]
		}
		dst = append(dst, choice)
	}
	return dst
}

// Flat returns the flat indices of an Arch that has been checked.
func (s *Space) Flat(indices []int) []int { return s.Flattener().Append(nil, indices) }

// Indices is the inverse of Append. Decisions within a layer that is skipped are 0.
func (f *Flattener) Indices(flat []int) []int {
	return f.unflat(flat, func(int) int { return 0 })
}

// unflat is the inverse of Append. A skip leaves the decisions within its layer open: open returns an
// index below a number for each of them.
func (f *Flattener) unflat(flat []int, open func(below int) int) []int {
	if f == nil {
		return flat
	}
	var indices []int
	for i, l := range f.layers {
		digits, rest := make([]int, len(l.radices)), flat[i]
		skip := l.op && flat[i] == l.skip
		for d := len(digits) - 1; d >= 0; d-- {
			digits[d] = rest % l.radices[d]
			rest /= l.radices[d]
		}
		if skip {
			for d, r := range l.radices {
				digits[d] = open(r)
			}
		}
		indices = append(indices, digits...)
		if l.op {
			outer := 0
			if skip {
				outer = 1
			}
			indices = append(indices, outer)
		}
	}
	return indices
}
