package reader

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// Limits of a tensor. Runtimes count elements and bytes of a tensor in 31 bits or run out of memory long
// before. With these limits no product of two tensors overflows.
const (
	maxRank   = 8 // TFLite's own operators support up to 6
	maxTensor = 1 << 31
	noTensor  = -1
	noMaker   = -2 // value of tensor.maker: no operator computes it
)

// tensor is a tensor of the main subgraph.
type tensor struct {
	shape    []int // the file's, or the inferred one
	elements int64 // 0 if the shape is open
	open     bool  // an extent is missing in the file
	empty    bool  // open, but deliberately an empty list, like the shape of a scalar
	free     uint8 // by axis: the file's extent is only an example
	resized  bool  // an extent other than the batch is free
	doubtful bool  // resized, and its shape cannot be inferred from its operator
	inferred bool  // the shape follows from the inputs and is not the file's example
	certain  bool  // a run with the file's input sizes has this shape
	values   []int // the same in every run, for any input values; nil = unknown
	kind     schema.TensorType
	constant bool // it has data, or is computed once from constants
	variable bool // state between inferences
	sparse   bool
	bytes    int64 // of a constant's data
	source   int   // the constant that a folded one is computed from, otherwise itself
	maker    int   // the operator that computes it, or noMaker
	at       int   // index in Graph.Tensors, or noTensor
}

func (t *tensor) last() int {
	if len(t.shape) == 0 {
		return 1
	}
	return t.shape[len(t.shape)-1]
}

// activation reports whether the tensor is a value of an inference: not a constant, state or handle.
func (t *tensor) activation() bool {
	return !t.constant && !t.variable && t.kind != schema.TensorTypeRESOURCE
}

func (r *reader) readTensors() error {
	r.batch = r.freeBatch()
	r.tensors = make([]tensor, r.sub.TensorsLength())
	for i := range r.tensors {
		if err := r.readTensor(i); err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
	}
	// An input is never a constant, even if the file has a value for it.
	for i := range r.sub.InputsLength() {
		r.tensors[r.sub.Inputs(i)].constant = false
	}
	return nil
}

// resize gives inputs other shapes than the file's, as a runtime does before it allocates tensors.
func (r *reader) resize(shapes [][]int) error {
	for i, shape := range shapes[:min(len(shapes), r.sub.InputsLength())] {
		if shape == nil {
			continue
		}
		t := &r.tensors[r.sub.Inputs(i)]
		t.shape, t.elements, t.open = shape, 1, false
		for _, d := range shape {
			if t.elements *= int64(d); d < 1 || d > maxTensor || t.elements > maxTensor {
				return fmt.Errorf("input %d: shape with more than %d elements", i, int64(maxTensor))
			}
		}
		t.inferred, t.doubtful, t.certain = true, false, true
	}
	return nil
}

func (r *reader) readTensor(i int) error {
	var f schema.Tensor
	r.sub.Tensors(&f, i)
	t := &r.tensors[i]
	*t = tensor{kind: f.Type(), variable: f.IsVariable(), source: i, maker: noMaker, at: noTensor, elements: 1}
	if n := f.ShapeLength(); n > maxRank {
		return fmt.Errorf("%d axes, want at most %d", n, maxRank)
	}
	t.shape = make([]int, f.ShapeLength())
	for a := range t.shape {
		d := int(f.Shape(a))
		if d < -1 {
			return fmt.Errorf("axis %d has extent %d", a, d)
		}
		t.shape[a] = d
		t.open = t.open || d < 1
		if d > 0 {
			t.elements *= int64(d)
		}
		if t.elements > maxTensor {
			return fmt.Errorf("shape with more than %d elements", int64(maxTensor))
		}
	}
	r.readSignature(t, &f)
	t.certain = !t.resized
	if t.open {
		t.elements = 0
		t.empty = len(t.shape) == 1 && t.shape[0] == 0 && t.free == 0 && integer(t.kind)
	}
	return r.readConstant(t, &f)
}

// readSignature finds the extents for which the file has only an example, usually 1. For the batch it is what
// runs by default. For another axis it is unreliable, because converters write 1 for unknown extents.
func (r *reader) readSignature(t *tensor, f *schema.Tensor) {
	for a := range min(f.ShapeSignatureLength(), len(t.shape)) {
		if f.ShapeSignature(a) < 0 {
			t.free |= 1 << a
		}
	}
	if t.free != 0 {
		r.notes.dynamic++
	}
	t.resized = t.free > 1 || t.free == 1 && !r.batch
}

// freeBatch reports whether an input's first axis is free.
func (r *reader) freeBatch() bool {
	for i := range r.sub.InputsLength() {
		var f schema.Tensor
		r.sub.Tensors(&f, int(r.sub.Inputs(i)))
		if f.ShapeSignatureLength() > 0 && f.ShapeSignature(0) < 0 {
			return true
		}
	}
	return false
}

// readConstant refuses a constant whose number of bytes does not match its type and shape, as TFLite does: a
// kernel would read past the end of a shorter one.
func (r *reader) readConstant(t *tensor, f *schema.Tensor) error {
	if t.empty {
		t.constant = true // reset by fold if an operator computes it
		return nil
	}
	if f.Buffer() == 0 {
		return nil // buffer 0 is always empty: an operator computes the tensor
	}
	var b schema.Buffer
	r.m.Buffers(&b, int(f.Buffer()))
	t.bytes = int64(b.DataLength())
	if t.bytes == 0 && b.Offset() > 1 {
		t.bytes = int64(b.Size()) // Check has verified that it is inside the file
		r.notes.outside++
	}
	if t.bytes == 0 {
		return nil
	}
	t.constant = true
	if f.Sparsity(nil) != nil {
		t.sparse = true
		r.notes.sparse++
		return nil
	}
	if need := tensorBytes(t.kind, t.elements); need >= 0 && need != t.bytes && !t.open {
		return fmt.Errorf("%s: its shape %v of %s needs %d bytes, its buffer has %d",
			r.string(f.Name()), t.shape, typeName(t.kind), need, t.bytes)
	}
	return nil
}

// bits of an element; 0 if elements have no fixed size.
func bits(k schema.TensorType) int64 {
	switch k {
	case schema.TensorTypeINT2:
		return 2
	case schema.TensorTypeINT4, schema.TensorTypeUINT4:
		return 4
	case schema.TensorTypeBOOL, schema.TensorTypeINT8, schema.TensorTypeUINT8,
		schema.TensorTypeFLOAT8_E4M3FN, schema.TensorTypeFLOAT8_E5M2:
		return 8
	case schema.TensorTypeINT16, schema.TensorTypeUINT16, schema.TensorTypeFLOAT16, schema.TensorTypeBFLOAT16:
		return 16
	case schema.TensorTypeINT32, schema.TensorTypeUINT32, schema.TensorTypeFLOAT32:
		return 32
	case schema.TensorTypeINT64, schema.TensorTypeUINT64, schema.TensorTypeFLOAT64, schema.TensorTypeCOMPLEX64:
		return 64
	case schema.TensorTypeCOMPLEX128:
		return 128
	}
	return 0
}

// tensorBytes rounds a packed tensor up to whole bytes. It is -1 for types without a size.
func tensorBytes(k schema.TensorType, elements int64) int64 {
	b := bits(k)
	if b == 0 {
		return -1
	}
	return (elements*b + 7) / 8
}

func typeName(k schema.TensorType) string {
	if name, known := schema.EnumNamesTensorType[k]; known {
		return strings.ToLower(name)
	}
	return fmt.Sprintf("type %d", k)
}

// arithmetic reports whether a type is for values, not for shapes, indices, conditions or text.
func arithmetic(k schema.TensorType) bool {
	switch k {
	case schema.TensorTypeINT32, schema.TensorTypeUINT32, schema.TensorTypeINT64, schema.TensorTypeUINT64,
		schema.TensorTypeBOOL, schema.TensorTypeSTRING, schema.TensorTypeRESOURCE, schema.TensorTypeVARIANT:
		return false
	}
	return true
}

// graphTensors adds the activations to the Graph, in the file's order: tensors of a file that latlab wrote get
// the indices of the original Graph.
func (r *reader) graphTensors(used []bool) {
	g := r.net.Graph
	for i := range r.tensors {
		if !used[i] {
			continue
		}
		t := &r.tensors[i]
		t.at = len(g.Tensors)
		g.Tensors = append(g.Tensors, graph.Tensor{Name: r.tensorName(i), Shape: graph.Shape4(closed(t))})
	}
	g.Inputs, r.net.Inputs = r.ports(r.sub.InputsLength(), r.sub.Inputs)
	g.Outputs, r.net.Outputs = r.ports(r.sub.OutputsLength(), r.sub.Outputs)
}

// closed is the shape with 0 for missing extents, so that nothing is counted with them.
func closed(t *tensor) []int {
	if !t.open {
		return t.shape
	}
	shape := make([]int, len(t.shape))
	for a, d := range t.shape {
		shape[a] = max(d, 0)
	}
	return shape
}

func (r *reader) tensorName(i int) string {
	var f schema.Tensor
	r.sub.Tensors(&f, i)
	if name := r.string(f.Name()); name != "" {
		return name
	}
	return fmt.Sprintf("tensor%d", i)
}

func (r *reader) ports(n int, tensorOf func(int) int32) ([]int, []Port) {
	indices, ports := make([]int, n), make([]Port, n)
	for i := range n {
		t := &r.tensors[tensorOf(i)]
		indices[i], ports[i] = t.at, r.port(int(tensorOf(i)))
	}
	return indices, ports
}

func (r *reader) port(i int) Port {
	var f schema.Tensor
	r.sub.Tensors(&f, i)
	t := &r.tensors[i]
	p := Port{Name: r.net.Graph.Tensors[t.at].Name, Type: typeName(t.kind), Shape: append([]int{}, t.shape...), Given: slices.Clone(t.shape)}
	if f.ShapeSignatureLength() == len(p.Shape) {
		for a := range p.Shape {
			p.Shape[a] = int(max(f.ShapeSignature(a), -1))
		}
	}
	if q := f.Quantization(nil); q != nil && q.ScaleLength() == 1 && arithmetic(t.kind) {
		scale := float64(q.Scale(0))
		if scale > 0 && !math.IsInf(scale, 0) {
			zero := int64(0)
			if q.ZeroPointLength() > 0 {
				zero = q.ZeroPoint(0)
			}
			p.Scale, p.ZeroPoint = &scale, &zero
		}
	}
	return p
}
