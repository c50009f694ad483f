package reader

import (
	"errors"
	"fmt"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/precision"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
)

// step is an operator of the file.
type step struct {
	schema.Operator
	code    schema.BuiltinOperator
	name    string
	class   class
	inputs  []int // -1: an absent optional input
	outputs []int
}

// input is the i-th input, or nil if it is absent.
func (r *reader) input(s *step, i int) *tensor {
	if i >= len(s.inputs) || s.inputs[i] < 0 {
		return nil
	}
	return &r.tensors[s.inputs[i]]
}

// operators processes the list twice: ops refer to indices of the Graph's tensors, and these depend on which
// tensors turn out to be constants.
func (r *reader) operators() error {
	r.steps = make([]step, r.sub.OperatorsLength())
	all := map[string]int{}
	codes := r.codes()
	for i := range r.steps {
		s := &r.steps[i]
		r.sub.Operators(&s.Operator, i)
		s.code, s.name = codes[s.OpcodeIndex()].builtin, codes[s.OpcodeIndex()].name
		s.class = classOf(s.code)
		s.inputs, s.outputs = indices(s.InputsLength(), s.Inputs), indices(s.OutputsLength(), s.Outputs)
		all[s.name]++
		for _, y := range s.outputs {
			if r.tensors[y].maker != noMaker {
				return fmt.Errorf("operator %d computes tensor %d, which operator %d has computed", i, y, r.tensors[y].maker)
			}
			r.tensors[y].maker = i
		}
	}
	r.net.Operators = counts(all)
	if err := r.checkOrder(); err != nil {
		return err
	}
	used := r.fold()
	r.graphTensors(used)
	for i := range r.steps {
		known := len(r.net.Graph.Ops)
		if err := r.operator(&r.steps[i]); err != nil {
			return fmt.Errorf("operator %d (%s): %w", i, r.steps[i].name, err)
		}
		if len(r.net.Graph.Ops) > known {
			r.net.Nodes = append(r.net.Nodes, i)
		}
	}
	return nil
}

// code is the meaning of an operator code.
type code struct {
	builtin schema.BuiltinOperator
	name    string
}

func (r *reader) codes() []code {
	list := make([]code, min(r.m.OperatorCodesLength(), maxItems))
	for i := range list {
		var c schema.OperatorCode
		r.m.OperatorCodes(&c, i)
		b := max(schema.BuiltinOperator(c.DeprecatedBuiltinCode()), c.BuiltinCode())
		list[i] = code{b, tflite.OperatorName(int(b))}
		if b == schema.BuiltinOperatorCUSTOM {
			if name := r.string(c.CustomCode()); name != "" {
				list[i].name = name
			}
		}
	}
	return list
}

func indices(n int, at func(int) int32) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = int(at(i))
	}
	return list
}

// checkOrder refuses an operator that reads a tensor which the same or a later operator computes: runtimes run
// the list in order, and a Graph is in execution order.
func (r *reader) checkOrder() error {
	for i := range r.steps {
		for _, x := range r.steps[i].inputs {
			if x >= 0 && r.tensors[x].maker >= i && !r.tensors[x].variable {
				return fmt.Errorf("operator %d reads tensor %d, which operator %d computes after it", i, x, r.tensors[x].maker)
			}
		}
	}
	return nil
}

// fold also marks tensors that a runtime computes once from constants as constants, and returns which tensors
// the Graph needs.
func (r *reader) fold() []bool {
	used := make([]bool, len(r.tensors))
	mark := func(list []int) {
		for _, x := range list {
			if x >= 0 && r.tensors[x].activation() {
				used[x] = true
			}
		}
	}
	for i := range r.steps {
		s := &r.steps[i]
		if x := r.input(s, 0); s.class == folding && x != nil && x.constant && len(s.outputs) == 1 {
			y := &r.tensors[s.outputs[0]]
			y.constant, y.source = true, x.source
			y.sparse = x.sparse
			continue
		}
		mark(s.inputs)
		for _, y := range s.outputs {
			if s.class != stateful {
				r.tensors[y].constant = false // an operator computes it, so its buffer's data are unused
			}
		}
		mark(s.outputs)
	}
	for _, list := range [][]int{indices(r.sub.InputsLength(), r.sub.Inputs), indices(r.sub.OutputsLength(), r.sub.Outputs)} {
		for _, x := range list {
			used[x] = true
		}
	}
	return used
}

// built is an op of the Graph with the data for counting it.
type built struct {
	graph.Op
	constants []int // its parameters
	weights   int   // its weight tensor, or noTensor
}

// refusal is the reason why an operator of a known kind is counted as unknown.
type refusal struct{ error }

func refuse(format string, a ...any) error { return refusal{fmt.Errorf(format, a...)} }

func (r *reader) operator(s *step) error {
	switch {
	case s.class == stateful && s.code == schema.BuiltinOperatorCALL_ONCE:
		r.notes.once++
		return nil
	case s.class == stateful:
		r.notes.state++
		return nil
	case s.class == folding && len(s.outputs) == 1 && r.tensors[s.outputs[0]].constant:
		r.notes.foldedOps++
		return nil
	case s.class == unknown:
		r.unknown[s.name]++
		r.doubt(s)
		return nil
	}
	b, err := r.build(s)
	var why refusal
	if errors.As(err, &why) {
		r.unknownFor(s, why)
		return nil
	}
	if err != nil {
		return err
	}
	r.evaluate(s)
	return r.add(s, b)
}

// doubt marks outputs of an unknown operator whose size cannot be inferred: operators that read them cannot be
// counted either.
func (r *reader) doubt(s *step) {
	if s.class == unknown && r.inferred(s) {
		return // its shape is known, though its cost is not
	}
	inferred := r.anyInput(s, func(t *tensor) bool { return t.inferred || t.doubtful })
	for _, y := range s.outputs {
		r.tensors[y].doubtful = r.tensors[y].resized || inferred && r.tensors[y].free != 0
	}
}

func (r *reader) anyInput(s *step, is func(*tensor) bool) bool {
	return slices.ContainsFunc(s.inputs, func(x int) bool { return x >= 0 && is(&r.tensors[x]) })
}

// unknownFor notes the reason for the first few operators; a file may have a thousand of them.
func (r *reader) unknownFor(s *step, why error) {
	const most = 3
	r.unknown[s.name]++
	r.doubt(s)
	if r.notes.refused++; r.notes.refused > most {
		return
	}
	name := "without output"
	if len(s.outputs) > 0 {
		name = r.tensorName(s.outputs[0])
	}
	r.note("%s %s is unknown: %v", s.name, name, why)
}

// emptyList reports whether the tensor is an empty list and the operator may read or create one.
func emptyList(s *step, t *tensor) bool {
	return t.empty && (s.class == plain || s.class == reshaping)
}

func (r *reader) build(s *step) (built, error) {
	b := built{weights: noTensor}
	if len(s.outputs) == 0 {
		return b, refuse("it has no output")
	}
	for _, list := range [][]int{s.inputs, s.outputs} {
		for _, x := range list {
			if x >= 0 && r.tensors[x].open && !emptyList(s, &r.tensors[x]) {
				return b, refuse("the shape %v of %s has an extent without a size", r.tensors[x].shape, r.tensorName(x))
			}
			if x >= 0 && r.tensors[x].doubtful {
				return b, refuse("the size of %s is known only when the network runs", r.tensorName(x))
			}
		}
	}
	b.Op = graph.Op{Kind: kindOf(s.code), Position: graph.Bias, Activation: activationOf(&s.Operator)}
	for _, x := range s.inputs {
		if x >= 0 && r.tensors[x].at != noTensor && !r.tensors[x].constant {
			b.Inputs = append(b.Inputs, r.tensors[x].at)
		}
	}
	var err error
	switch s.class {
	case convolution3D, matrixProduct, recurrent:
		if r.tensors[s.outputs[0]].free != 0 && r.anyInput(s, func(t *tensor) bool { return t.inferred }) {
			return b, refuse("the size of its output is known only when the network runs")
		}
	}
	switch s.class {
	case convolution, depthwise:
		err = r.convolution(s, &b)
	case transposed:
		err = r.transposed(s, &b)
	case fullyConnected:
		err = r.fullyConnected(s, &b)
	case convolution3D:
		err = r.convolution3D(s, &b)
	case matrixProduct:
		err = r.matrixProduct(s, &b)
	case recurrent:
		err = r.recurrent(s, &b)
	case pool:
		err = r.pool(s, &b)
	default:
		err = r.plain(s, &b)
	}
	return b, err
}

// add adds an op to the Graph and counts it.
func (r *reader) add(s *step, b built) error {
	g := r.net.Graph
	op := b.Op
	for i, y := range s.outputs {
		at := r.tensors[y].at
		switch {
		case at == noTensor: // a handle
			return fmt.Errorf("output %d is not a value", i)
		case i == 0:
			op.Output = at
		default:
			op.MoreOutputs = append(op.MoreOutputs, at)
		}
	}
	op.Name = r.unique(g.Tensors[op.Output].Name)
	g.Ops = append(g.Ops, op)
	n := g.MACs(op)
	if r.macs += n; n < 0 || r.macs < 0 {
		return errOverflow
	}
	if n > 0 {
		r.work[r.typesOf(s, b)] += n
	}
	r.net.bytes = append(r.net.bytes, r.bytesOf(s, b))
	for _, x := range b.constants {
		if r.counted[r.tensors[x].source] {
			r.notes.shared++
			continue
		}
		r.counted[r.tensors[x].source] = true
		r.net.Params += r.tensors[x].elements
	}
	return nil
}

// unique makes op names differ, as a Graph requires.
func (r *reader) unique(name string) string {
	r.names[name]++
	if n := r.names[name]; n > 1 {
		return r.unique(fmt.Sprintf("%s#%d", name, n))
	}
	return name
}

func (r *reader) bytesOf(s *step, b built) opBytes {
	var n opBytes
	size := func(x int) int64 { return max(tensorBytes(r.tensors[x].kind, r.tensors[x].elements), 0) }
	for _, x := range s.inputs {
		if x >= 0 && r.tensors[x].at != noTensor && !r.tensors[x].constant {
			n.in += size(x)
		}
	}
	for _, y := range s.outputs {
		n.out += size(y)
	}
	for _, x := range b.constants {
		n.weights += r.tensors[r.tensors[x].source].bytes
	}
	return n
}

// types are the type of an op's output, and its precision.
type types struct{ activations, precision string }

func (r *reader) typesOf(s *step, b built) types {
	flow := r.tensors[s.outputs[0]].kind
	weights := flow
	if b.weights != noTensor {
		weights = r.tensors[r.tensors[b.weights].source].kind
	}
	return types{typeName(flow), precision.Of(typeName(flow), typeName(weights), bits(weights))}
}

// parameters are the constant arithmetic inputs, starting at an index.
func (r *reader) parameters(s *step, from int) []int {
	var list []int
	for _, x := range s.inputs[min(from, len(s.inputs)):] {
		if x >= 0 && r.tensors[x].constant && arithmetic(r.tensors[x].kind) {
			list = append(list, x)
		}
	}
	return list
}

// activationOf reads the fused activation of any options table that has the field.
func activationOf(op *schema.Operator) graph.Activation {
	var t flatbuffers.Table
	if !op.BuiltinOptions(&t) {
		return graph.Linear
	}
	slot, ok := activationSlots[op.BuiltinOptionsType()]
	if !ok {
		return graph.Linear
	}
	// The generated accessors of this field differ only in the slot.
	a := schema.ActivationFunctionType(t.GetInt8Slot(slot, 0))
	if name, ok := activations[a]; ok {
		return name
	}
	return graph.Activation(fmt.Sprintf("activation %d", a))
}

var activations = map[schema.ActivationFunctionType]graph.Activation{
	schema.ActivationFunctionTypeNONE:         graph.Linear,
	schema.ActivationFunctionTypeRELU:         graph.ReLU,
	schema.ActivationFunctionTypeRELU6:        graph.ReLU6,
	schema.ActivationFunctionTypeRELU_N1_TO_1: graph.ReLUN1To1,
	schema.ActivationFunctionTypeTANH:         graph.Tanh,
	schema.ActivationFunctionTypeSIGN_BIT:     graph.SignBit,
}

// activationSlots are 4 + twice the field's number.
var activationSlots = map[schema.BuiltinOptions]flatbuffers.VOffsetT{
	schema.BuiltinOptionsConv2DOptions:          4 + 2*3,
	schema.BuiltinOptionsTransposeConvOptions:   4 + 2*3,
	schema.BuiltinOptionsDepthwiseConv2DOptions: 4 + 2*4,
	schema.BuiltinOptionsConv3DOptions:          4 + 2*4,
	schema.BuiltinOptionsPool2DOptions:          4 + 2*5,
	schema.BuiltinOptionsConcatenationOptions:   4 + 2*1,
	schema.BuiltinOptionsFullyConnectedOptions:  4,
	schema.BuiltinOptionsAddOptions:             4,
	schema.BuiltinOptionsMulOptions:             4,
	schema.BuiltinOptionsSubOptions:             4,
	schema.BuiltinOptionsDivOptions:             4,
}
