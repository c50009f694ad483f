package reader

import (
	"fmt"
	"slices"
	"strings"

	"latlab/internal/text"
	"latlab/sampler/tflite/internal/schema"
)

// A device fills inputs with values of its own, integers with zeros. Where an input's value decides how
// often a loop runs, which branch is taken or how large a tensor is, the latency is that of these values:
// a loop that runs zero times takes no time. So it is followed which values depend on the values of which
// input. A shape that is computed from shapes (SHAPE) depends on no value.

// Decision is an input whose value decides how much an operator computes.
type Decision struct {
	Op    string `json:"op"`    // "WHILE", or a custom operator's name
	Input string `json:"input"` // name of the tensor
	What  string `json:"what"`  // what is decided: "how often it runs"
}

// String is a sentence for a note or a warning.
func (d Decision) String() string {
	return fmt.Sprintf("the value of input %s decides %s of %s: the latency is that of the value that the device chooses",
		text.Clip(d.Input), d.What, d.Op)
}

// What an input decides.
const (
	repeats = "the number of runs"
	branch  = "the branch"
	extent  = "the size"
)

// sized are the operators whose work depends on values, by the inputs that have them.
var sized = map[schema.BuiltinOperator][]int{
	schema.BuiltinOperatorRESHAPE: {1}, schema.BuiltinOperatorFILL: {0}, schema.BuiltinOperatorTILE: {1}, schema.BuiltinOperatorBROADCAST_TO: {1},
	schema.BuiltinOperatorPAD: {1}, schema.BuiltinOperatorPADV2: {1}, schema.BuiltinOperatorMIRROR_PAD: {1},
	schema.BuiltinOperatorRESIZE_BILINEAR: {1}, schema.BuiltinOperatorRESIZE_NEAREST_NEIGHBOR: {1},
	schema.BuiltinOperatorRANGE: {0, 1, 2}, schema.BuiltinOperatorWHERE: {0}, schema.BuiltinOperatorUNIQUE: {0},
	schema.BuiltinOperatorONE_HOT: {1}, schema.BuiltinOperatorTOPK_V2: {1}, schema.BuiltinOperatorSPARSE_TO_DENSE: {1},
	schema.BuiltinOperatorSCATTER_ND: {2}, schema.BuiltinOperatorTRANSPOSE_CONV: {0}, schema.BuiltinOperatorCONV_3D_TRANSPOSE: {0},
	schema.BuiltinOperatorBATCH_TO_SPACE_ND: {1, 2}, schema.BuiltinOperatorSPACE_TO_BATCH_ND: {1, 2}, schema.BuiltinOperatorSPLIT_V: {1},
	schema.BuiltinOperatorRFFT2D: {1}, schema.BuiltinOperatorRANDOM_UNIFORM: {0}, schema.BuiltinOperatorRANDOM_STANDARD_NORMAL: {0},
	schema.BuiltinOperatorMULTINOMIAL: {1}, schema.BuiltinOperatorSEGMENT_SUM: {1},
	schema.BuiltinOperatorUNSORTED_SEGMENT_SUM: {2}, schema.BuiltinOperatorUNSORTED_SEGMENT_PROD: {2},
	schema.BuiltinOperatorUNSORTED_SEGMENT_MAX: {2}, schema.BuiltinOperatorUNSORTED_SEGMENT_MIN: {2},
	schema.BuiltinOperatorMEAN: {1}, schema.BuiltinOperatorSUM: {1}, schema.BuiltinOperatorREDUCE_MAX: {1}, schema.BuiltinOperatorREDUCE_MIN: {1},
	schema.BuiltinOperatorREDUCE_PROD: {1}, schema.BuiltinOperatorREDUCE_ANY: {1}, schema.BuiltinOperatorREDUCE_ALL: {1},
	schema.BuiltinOperatorNON_MAX_SUPPRESSION_V4: {2}, schema.BuiltinOperatorNON_MAX_SUPPRESSION_V5: {2},
}

// controls are TensorFlow's names of operators whose work depends on values; converters keep them as
// custom operators, with "Flex" before them.
var controls = map[string]string{
	"While": repeats, "StatelessWhile": repeats, "LoopCond": repeats, "If": branch, "StatelessIf": branch, "Case": branch, "StatelessCase": branch,
	"Switch": branch, "Where": extent, "Unique": extent, "Range": extent,
}

// origins are the inputs, by index, whose values a value depends on. It is sorted.
type origins []int

func (o origins) with(more origins) origins {
	for _, x := range more {
		if at, found := slices.BinarySearch(o, x); !found && len(o) < maxOrigins {
			o = slices.Insert(slices.Clone(o), at, x)
		}
	}
	return o
}

// maxOrigins limits the work on damaged files: the inputs that a value is known to depend on, and what is found.
const maxOrigins = 16

// follower follows values through the subgraphs of a model.
type follower struct {
	r     *reader
	codes []code
	left  int          // operators that may still be visited
	found []Decision   // in order of discovery
	depth map[int]bool // subgraphs that are being followed
}

// decisions finds what the values of the main subgraph's inputs decide.
func (r *reader) decisions() []Decision {
	f := &follower{r: r, codes: r.codes(), left: 16 * maxItems, depth: map[int]bool{}}
	n := r.sub.InputsLength()
	in := make([]origins, n)
	for i := range in {
		in[i] = origins{i}
	}
	f.subgraph(r.net.SubGraph, in, true)
	return f.found
}

// note adds a decision once an input.
func (f *follower) note(op, what string, by origins) {
	for _, i := range by {
		t := int(f.r.sub.Inputs(i))
		d := Decision{Op: op, Input: f.r.tensorName(t), What: what}
		if !slices.Contains(f.found, d) && len(f.found) < maxOrigins {
			f.found = append(f.found, d)
		}
	}
}

// subgraph follows values from a subgraph's inputs to its outputs. Decisions are noted only if asked
// for: a loop's body is followed several times. It returns nil for a subgraph that cannot be followed.
func (f *follower) subgraph(index int, in []origins, noting bool) []origins {
	var g schema.SubGraph
	if index < 0 || index >= f.r.m.SubgraphsLength() || f.depth[index] || !f.r.m.Subgraphs(&g, index) {
		return nil
	}
	f.depth[index] = true
	defer delete(f.depth, index)
	from := make(map[int32]origins, g.InputsLength())
	for i := range min(g.InputsLength(), len(in)) {
		from[g.Inputs(i)] = from[g.Inputs(i)].with(in[i])
	}
	for i := range g.OperatorsLength() {
		if f.left--; f.left < 0 {
			return nil
		}
		var op schema.Operator
		g.Operators(&op, i)
		f.operator(&g, &op, from, noting)
	}
	out := make([]origins, g.OutputsLength())
	for i := range out {
		out[i] = from[g.Outputs(i)]
	}
	return out
}

// operator follows values through an operator.
func (f *follower) operator(g *schema.SubGraph, op *schema.Operator, from map[int32]origins, noting bool) {
	c := f.codes[op.OpcodeIndex()]
	in := make([]origins, op.InputsLength())
	var all origins
	for i := range in {
		in[i] = from[op.Inputs(i)]
		all = all.with(in[i])
	}
	note := func(what string, by origins) {
		if noting {
			f.note(c.name, what, by)
		}
	}
	var out []origins
	switch c.builtin {
	case schema.BuiltinOperatorSHAPE, schema.BuiltinOperatorRANK, schema.BuiltinOperatorZEROS_LIKE:
		return
	case schema.BuiltinOperatorWHILE:
		out = f.loop(op, in, all, note, noting)
	case schema.BuiltinOperatorIF:
		out = f.branches(op, in, note, noting)
	case schema.BuiltinOperatorSLICE:
		if len(in) == 3 {
			note(extent, in[2])
			if !f.fixed(g, op.Inputs(2)) {
				note(extent, in[1])
			}
		}
	case schema.BuiltinOperatorSTRIDED_SLICE:
		if len(in) == 4 && f.stretches(g, op) {
			note(extent, in[1].with(in[2]).with(in[3]))
		}
	case schema.BuiltinOperatorCUSTOM:
		if what := controls[strings.TrimPrefix(c.name, "Flex")]; what != "" {
			note(what, all)
		}
	default:
		for _, i := range sized[c.builtin] {
			if i < len(in) {
				note(extent, in[i])
			}
		}
	}
	for i := range op.OutputsLength() {
		if out == nil {
			from[op.Outputs(i)] = all
		} else if i < len(out) {
			from[op.Outputs(i)] = out[i]
		}
	}
}

// loop follows a WHILE: the condition decides how often it runs, by the variables of the loop, which its
// body computes from each other.
func (f *follower) loop(op *schema.Operator, in []origins, all origins, note func(string, origins), noting bool) []origins {
	cond, body, ok := subgraphsOf(op, schema.BuiltinOptionsWhileOptions)
	if !ok {
		note(repeats, all)
		return nil
	}
	vars := slices.Clone(in)
	for changed := true; changed; {
		changed = false
		next := f.subgraph(body, vars, false)
		if next == nil {
			note(repeats, all)
			return nil
		}
		for i := range min(len(vars), len(next)) {
			if grown := vars[i].with(next[i]); len(grown) > len(vars[i]) {
				vars[i], changed = grown, true
			}
		}
	}
	f.subgraph(body, vars, noting)
	until := f.subgraph(cond, vars, noting)
	if len(until) != 1 {
		note(repeats, all)
		return nil
	}
	note(repeats, until[0])
	for i := range vars {
		vars[i] = vars[i].with(until[0])
	}
	return vars
}

// branches follows an IF.
func (f *follower) branches(op *schema.Operator, in []origins, note func(string, origins), noting bool) []origins {
	if len(in) == 0 {
		return nil
	}
	note(branch, in[0])
	then, other, ok := subgraphsOf(op, schema.BuiltinOptionsIfOptions)
	if !ok {
		return nil
	}
	a, b := f.subgraph(then, in[1:], noting), f.subgraph(other, in[1:], noting)
	if len(a) != op.OutputsLength() || len(b) != len(a) {
		return nil
	}
	for i := range a {
		a[i] = a[i].with(b[i]).with(in[0])
	}
	return a
}

// subgraphsOf are the two subgraphs of an IF or WHILE.
func subgraphsOf(op *schema.Operator, kind schema.BuiltinOptions) (first, second int, ok bool) {
	s := step{Operator: *op}
	if kind == schema.BuiltinOptionsIfOptions {
		o, ok := optionsOf[schema.IfOptions](&s, kind)
		if !ok {
			return 0, 0, false
		}
		return int(o.ThenSubgraphIndex()), int(o.ElseSubgraphIndex()), true
	}
	o, ok := optionsOf[schema.WhileOptions](&s, kind)
	if !ok {
		return 0, 0, false
	}
	return int(o.CondSubgraphIndex()), int(o.BodySubgraphIndex()), true
}

// fixed reports whether the sizes of a SLICE are constants, none of which means "to the end".
func (f *follower) fixed(g *schema.SubGraph, tensor int32) bool {
	var t schema.Tensor
	var b schema.Buffer
	if tensor < 0 || !g.Tensors(&t, int(tensor)) || t.Buffer() == 0 || !f.r.m.Buffers(&b, int(t.Buffer())) || b.DataLength() == 0 {
		return false
	}
	width := max(int(bits(t.Type())/8), 1)
	data := b.DataBytes()
	for at := width - 1; at < len(data); at += width {
		if data[at] >= 0x80 {
			return false
		}
	}
	return true
}

// stretches reports whether the size of a STRIDED_SLICE depends on its bounds: not if every axis is one
// index, or without bounds.
func (f *follower) stretches(g *schema.SubGraph, op *schema.Operator) bool {
	o, ok := optionsOf[schema.StridedSliceOptions](&step{Operator: *op}, schema.BuiltinOptionsStridedSliceOptions)
	var t schema.Tensor
	if !ok || op.Inputs(1) < 0 || !g.Tensors(&t, int(op.Inputs(1))) || t.ShapeLength() != 1 || t.Shape(0) > 31 {
		return true
	}
	single := o.ShrinkAxisMask() | o.BeginMask()&o.EndMask() | o.NewAxisMask() | o.EllipsisMask()
	all := int32(1)<<max(t.Shape(0), 0) - 1
	return single&all != all
}
