package reader

import (
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// window holds the common options of Conv2D, DepthwiseConv2D, TransposeConv and Pool2D.
type window struct {
	kernel, stride, dilation [2]int // height, width
	valid                    bool
}

// maxWindow limits kernels, strides and dilations, so that no extent overflows.
const maxWindow = 1 << 20

func (w window) check() error {
	for _, list := range [][2]int{w.kernel, w.stride, w.dilation} {
		for _, n := range list {
			if n < 1 || n > maxWindow {
				return refuse("kernel %v, stride %v, dilation %v", w.kernel, w.stride, w.dilation)
			}
		}
	}
	return nil
}

// out is how many times the window fits into an extent.
func (w window) out(in, axis int) int {
	if !w.valid {
		return ceilDiv(in, w.stride[axis])
	}
	reach := (w.kernel[axis]-1)*w.dilation[axis] + 1
	return max(ceilDiv(in-reach+1, w.stride[axis]), 0)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// apply sets the op's fields. Padding and dilation are set only if they differ from those of a space's ops.
func (w window) apply(op *graph.Op, usual graph.Padding) {
	op.Kernel, op.Stride = w.kernel, w.stride
	padding := graph.Same
	if w.valid {
		padding = graph.Valid
	}
	if padding != usual {
		op.Padding = padding
	}
	if w.dilation != [2]int{1, 1} {
		op.Dilation = w.dilation
	}
}

// convOptions reads the options of CONV_2D and DEPTHWISE_CONV_2D.
func convOptions(s *step) (window, error) {
	var o interface {
		StrideH() int32
		StrideW() int32
		DilationHFactor() int32
		DilationWFactor() int32
		Padding() schema.Padding
	}
	var ok bool
	if s.class == convolution {
		o, ok = optionsOf[schema.Conv2DOptions](s, schema.BuiltinOptionsConv2DOptions)
	} else {
		o, ok = optionsOf[schema.DepthwiseConv2DOptions](s, schema.BuiltinOptionsDepthwiseConv2DOptions)
	}
	switch {
	case !s.BuiltinOptions(new(flatbuffers.Table)):
		return window{}, refuse("it has no options")
	case !ok:
		return window{}, refuse("its options are of another operator")
	}
	return window{
		stride:   [2]int{int(o.StrideH()), int(o.StrideW())},
		dilation: [2]int{int(o.DilationHFactor()), int(o.DilationWFactor())}, valid: o.Padding() == schema.PaddingVALID,
	}, nil
}

// weighted finds the input, weights and bias of an operator with a kernel.
func (r *reader) weighted(s *step, b *built, weights, bias int) (x, w *tensor, err error) {
	x, w = r.input(s, 0), r.input(s, weights)
	if s.class == transposed {
		x = r.input(s, 2)
	}
	if x == nil || w == nil || len(s.outputs) != 1 {
		return nil, nil, refuse("%d inputs and %d outputs", len(s.inputs), len(s.outputs))
	}
	if !x.activation() {
		return nil, nil, refuse("its input is a constant")
	}
	// In a Graph the activation is the first input; the format may have it elsewhere.
	b.Inputs = []int{x.at}
	b.weights = s.inputs[weights]
	if w.constant {
		b.constants = append(b.constants, b.weights)
	} else {
		if w.at == noTensor {
			return nil, nil, refuse("its weights are state")
		}
		b.DynamicWeights = true
		b.Inputs = append(b.Inputs, w.at)
	}
	v := r.input(s, bias)
	if b.NoBias = v == nil; !b.NoBias {
		if v.elements != int64(r.tensors[s.outputs[0]].last()) {
			return nil, nil, refuse("%d biases for %d channels", v.elements, r.tensors[s.outputs[0]].last())
		}
		if v.constant {
			b.constants = append(b.constants, s.inputs[bias])
		}
		// A Graph has no computed bias, and no bias beside computed weights.
		if !v.constant || b.DynamicWeights {
			b.NoBias = true
			if v.constant {
				b.Counted.Biases = v.elements
			}
		}
	}
	return x, w, nil
}

func (r *reader) convolution(s *step, b *built) error {
	win, err := convOptions(s)
	if err != nil {
		return err
	}
	x, w, err := r.weighted(s, b, 1, 2)
	if err != nil {
		return err
	}
	if len(x.shape) != 4 || len(w.shape) != 4 {
		return refuse("input %v, weights %v", x.shape, w.shape)
	}
	win.kernel = [2]int{w.shape[1], w.shape[2]}
	if err := win.check(); err != nil {
		return err
	}
	channels := w.shape[0]
	if s.class == depthwise {
		channels = w.shape[3]
		if w.shape[0] != 1 || channels%x.shape[3] != 0 {
			return refuse("depthwise weights %v for %d channels", w.shape, x.shape[3])
		}
	} else {
		groups := x.shape[3] / w.shape[3]
		if groups < 1 || groups*w.shape[3] != x.shape[3] || channels%groups != 0 {
			return refuse("weights %v for %d channels", w.shape, x.shape[3])
		}
		if groups > 1 {
			b.Groups = groups
		}
	}
	want := []int{x.shape[0], win.out(x.shape[1], 0), win.out(x.shape[2], 1), channels}
	win.apply(&b.Op, graph.Same)
	return r.wantShape(s, want)
}

// transposed reads TRANSPOSE_CONV: output shape, weights, input, bias. The forward convolution of the output
// must have the shape of the input.
func (r *reader) transposed(s *step, b *built) error {
	o, ok := optionsOf[schema.TransposeConvOptions](s, schema.BuiltinOptionsTransposeConvOptions)
	if !ok {
		return refuse("it has no options")
	}
	x, w, err := r.weighted(s, b, 1, 3)
	if err != nil {
		return err
	}
	y := &r.tensors[s.outputs[0]]
	if len(x.shape) != 4 || len(w.shape) != 4 || len(y.shape) != 4 {
		return refuse("shapes %v, weights %v, output %v", x.shape, w.shape, y.shape)
	}
	win := window{
		kernel: [2]int{w.shape[1], w.shape[2]}, stride: [2]int{int(o.StrideH()), int(o.StrideW())},
		dilation: [2]int{1, 1}, valid: o.Padding() == schema.PaddingVALID,
	}
	if err := win.check(); err != nil {
		return err
	}
	back := []int{y.shape[0], win.out(y.shape[1], 0), win.out(y.shape[2], 1), w.shape[3]}
	if !slices.Equal(back, x.shape) || y.shape[3] != w.shape[0] {
		return refuse("input %v, weights %v and output %v do not fit", x.shape, w.shape, y.shape)
	}
	win.apply(&b.Op, graph.Same)
	return nil
}

// fullyConnected accepts an input of any shape: it is split into rows of the weights' width.
func (r *reader) fullyConnected(s *step, b *built) error {
	x, w, err := r.weighted(s, b, 1, 2)
	if err != nil {
		return err
	}
	y := &r.tensors[s.outputs[0]]
	if len(w.shape) != 2 || x.elements%int64(w.shape[1]) != 0 {
		return refuse("weights %v for an input of %v", w.shape, x.shape)
	}
	if y.free != 0 {
		want := []int{int(x.elements / int64(w.shape[1])), w.shape[0]}
		if len(y.shape) > 2 && x.last() == w.shape[1] {
			want = append(slices.Clone(x.shape[:len(x.shape)-1]), w.shape[0])
		}
		if len(want) == len(y.shape) {
			return r.wantShape(s, want)
		}
	}
	if y.last() != w.shape[0] || y.elements != x.elements/int64(w.shape[1])*int64(w.shape[0]) {
		return refuse("input %v, weights %v and output %v do not fit", x.shape, w.shape, y.shape)
	}
	return nil
}

// convolution3D reads CONV_3D (input, weights [d h w in out], bias) and its transposed
// form (output shape, weights [d h w out in], input, bias).
func (r *reader) convolution3D(s *step, b *built) error {
	x, w, bias := r.input(s, 0), r.input(s, 1), r.input(s, 2)
	if s.code == schema.BuiltinOperatorCONV_3D_TRANSPOSE {
		x, bias = r.input(s, 2), r.input(s, 3)
	}
	y := &r.tensors[s.outputs[0]]
	if x == nil || w == nil || len(x.shape) != 5 || len(w.shape) != 5 || len(y.shape) != 5 || !w.constant || !x.activation() {
		return refuse("inputs or weights that are not of five axes")
	}
	at, in, out := y, w.shape[3], w.shape[4]
	if s.code == schema.BuiltinOperatorCONV_3D_TRANSPOSE {
		at, in, out = x, w.shape[4], w.shape[3]
	}
	if x.last() != in || y.last() != out {
		return refuse("input %v, weights %v and output %v do not fit", x.shape, w.shape, y.shape)
	}
	b.weights = s.inputs[1]
	b.constants = []int{b.weights}
	b.Counted = graph.Counts{MACs: w.elements * (at.elements / int64(at.last())), Weights: w.elements}
	if bias != nil && bias.constant {
		b.constants = append(b.constants, s.inputs[len(s.inputs)-1])
		b.Counted.Biases = bias.elements
	}
	return nil
}

// matrixProduct reads BATCH_MATMUL: [... m k] by [... k n], where either may be stored
// transposed.
func (r *reader) matrixProduct(s *step, b *built) error {
	x, y := r.input(s, 0), r.input(s, 1)
	out := &r.tensors[s.outputs[0]]
	if x == nil || y == nil || len(x.shape) < 2 || len(y.shape) < 2 || len(out.shape) < 2 {
		return refuse("matrices of less than two axes")
	}
	m, kx := matrix(x)
	ky, n := matrix(y)
	if o, ok := optionsOf[schema.BatchMatMulOptions](s, schema.BuiltinOptionsBatchMatMulOptions); ok {
		if o.AdjX() {
			m, kx = kx, m
		}
		if o.AdjY() {
			ky, n = n, ky
		}
	}
	if rows, columns := matrix(out); kx != ky || rows != m || columns != n {
		return refuse("%v times %v is not %v", x.shape, y.shape, out.shape)
	}
	b.Counted.MACs = out.elements * int64(kx)
	b.constants = r.parameters(s, 0)
	for _, c := range b.constants {
		b.weights = c
		b.Counted.Weights += r.tensors[c].elements
	}
	return nil
}

// matrix returns the last two extents.
func matrix(t *tensor) (rows, columns int) {
	return t.shape[len(t.shape)-2], t.shape[len(t.shape)-1]
}

// recurrent reads LSTM, RNN, SVDF and their sequences: every weight matrix is applied once per time step and
// batch entry. Vectors (peepholes, biases, layer norm) multiply element by element and, as elsewhere, do not
// count as multiply-accumulates.
func (r *reader) recurrent(s *step, b *built) error {
	x := r.input(s, 0)
	if x == nil || !x.activation() {
		return refuse("its input is missing or constant")
	}
	steps := x.elements / int64(x.last())
	for i, c := range s.inputs {
		if i == 0 || c < 0 || r.tensors[c].variable {
			continue
		}
		w := &r.tensors[c]
		switch {
		case !w.constant && w.maker != noMaker && len(w.shape) == 2:
			return refuse("its weights or its state are computed")
		case !w.constant:
		case len(w.shape) == 2:
			b.weights = c
			b.constants = append(b.constants, c)
			b.Counted.Weights += w.elements
		default:
			b.constants = append(b.constants, c)
			b.Counted.Biases += w.elements
		}
	}
	if b.Counted.Weights == 0 || b.Counted.Weights > maxTensor {
		return refuse("it has no constant weights")
	}
	b.Counted.MACs = steps * b.Counted.Weights
	return nil
}

func (r *reader) pool(s *step, b *built) error {
	o, ok := optionsOf[schema.Pool2DOptions](s, schema.BuiltinOptionsPool2DOptions)
	if !ok {
		return refuse("it has no options")
	}
	win := window{
		kernel: [2]int{int(o.FilterHeight()), int(o.FilterWidth())}, stride: [2]int{int(o.StrideH()), int(o.StrideW())},
		dilation: [2]int{1, 1}, valid: o.Padding() == schema.PaddingVALID,
	}
	if err := win.check(); err != nil {
		return err
	}
	x := r.input(s, 0)
	if x == nil || len(x.shape) != 4 {
		return refuse("its input is not of four axes")
	}
	win.apply(&b.Op, graph.Valid)
	return r.wantShape(s, []int{x.shape[0], win.out(x.shape[1], 0), win.out(x.shape[2], 1), x.shape[3]})
}
