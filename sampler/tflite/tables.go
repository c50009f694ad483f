package tflite

import (
	"encoding/json"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// head builds the tables of a model.
type head struct {
	b     *flatbuffers.Builder
	g     *graph.Graph
	e     *encoding
	codes []schema.BuiltinOperator // by operator code index
	flat  []bool                   // tensors whose shape is [batch, channels]
}

// buildHead makes all of the file but the weights. slots are the places, in the order of
// encoding.blobs, where the offset to each blob's vector has to be written.
func buildHead(e *encoding) (data []byte, slots []int, err error) {
	h := &head{b: flatbuffers.NewBuilder(64 << 10), g: e.g, e: e, flat: flatTensors(e.g)}
	if err := h.build(); err != nil {
		return nil, nil, err
	}
	data = h.b.FinishedBytes()
	return data, blobSlots(data, h.blobCount()), nil
}

// blobSlots finds the data fields of buffers 1 to n.
func blobSlots(data []byte, n int) []int {
	m := schema.GetRootAsModel(data, 0)
	slots := make([]int, n)
	for i := range slots {
		var buf schema.Buffer
		m.Buffers(&buf, i+1)
		t := buf.Table()
		slots[i] = int(t.Pos) + int(t.Offset(4)) // 4 is the first field of a table
	}
	return slots
}

// blobCount is two for every op with weights.
func (h *head) blobCount() int {
	n := 0
	for _, op := range h.g.Ops {
		if op.HasWeights() {
			n += 2
		}
	}
	return n
}

func (h *head) build() error {
	buffers, err := h.buffers()
	if err != nil {
		return err
	}
	metadata := h.metadata(h.blobCount() + 1)
	operators := h.operators()
	subgraph := h.subgraph(operators)
	codes := h.operatorCodes()
	description := h.b.CreateString("latlab writer " + WriterRevision)
	subgraphs := h.b.CreateVectorOfTables([]flatbuffers.UOffsetT{subgraph})

	schema.ModelStart(h.b)
	schema.ModelAddVersion(h.b, 3)
	schema.ModelAddOperatorCodes(h.b, codes)
	schema.ModelAddSubgraphs(h.b, subgraphs)
	schema.ModelAddDescription(h.b, description)
	schema.ModelAddBuffers(h.b, buffers)
	schema.ModelAddMetadata(h.b, metadata)
	h.b.FinishWithFileIdentifier(schema.ModelEnd(h.b), []byte(Identifier))
	return nil
}

// buffers are: 0, empty, for all activations; one a blob; the metadata. Blobs are not
// there yet: their tables point to an empty vector whose offset newLayout overwrites.
func (h *head) buffers() (flatbuffers.UOffsetT, error) {
	text, err := h.metadataText()
	if err != nil {
		return 0, err
	}
	textAt := h.alignedBytes(text)
	placeholder := h.alignedBytes(nil)
	offsets := []flatbuffers.UOffsetT{h.buffer(0)}
	for range h.blobCount() {
		offsets = append(offsets, h.buffer(placeholder))
	}
	offsets = append(offsets, h.buffer(textAt))
	return h.b.CreateVectorOfTables(offsets), nil
}

func (h *head) buffer(data flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	schema.BufferStart(h.b)
	if data != 0 {
		schema.BufferAddData(h.b, data)
	}
	return schema.BufferEnd(h.b)
}

// alignedBytes does what force_align asks for and generated code does not. It also makes
// the whole head a multiple of 16 bytes long.
func (h *head) alignedBytes(p []byte) flatbuffers.UOffsetT {
	h.b.StartVector(1, len(p), 16)
	for i := len(p) - 1; i >= 0; i-- {
		h.b.PlaceByte(p[i])
	}
	return h.b.EndVector(len(p))
}

func (h *head) metadataText() ([]byte, error) {
	return json.Marshal(struct {
		Tool    string `json:"tool"`
		Writer  string `json:"writer"`
		Name    string `json:"name"`
		Space   string `json:"space,omitempty"`
		Indices string `json:"indices,omitempty"`
		// Files of float32 were there before this field.
		Precision string `json:"precision,omitempty"`
	}{"latlab " + WriterRelease, WriterRevision, h.g.Name, h.g.Space, h.g.Indices, h.e.precisionText()})
}

func (h *head) metadata(buffer int) flatbuffers.UOffsetT {
	name := h.b.CreateString(MetadataName)
	schema.MetadataStart(h.b)
	schema.MetadataAddName(h.b, name)
	schema.MetadataAddBuffer(h.b, uint32(buffer))
	entry := schema.MetadataEnd(h.b)
	return h.b.CreateVectorOfTables([]flatbuffers.UOffsetT{entry})
}

func (h *head) subgraph(operators flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	tensors := h.tensors()
	inputs, outputs := h.ints(h.inputs()), h.ints(h.g.Outputs)
	name := h.b.CreateString(h.g.Name)
	schema.SubGraphStart(h.b)
	schema.SubGraphAddTensors(h.b, tensors)
	schema.SubGraphAddInputs(h.b, inputs)
	schema.SubGraphAddOutputs(h.b, outputs)
	schema.SubGraphAddOperators(h.b, operators)
	schema.SubGraphAddName(h.b, name)
	return schema.SubGraphEnd(h.b)
}

// tensors are the graph's activations, with the same indices, then weights and bias of
// every op that has them, then uint8 inputs.
func (h *head) tensors() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	for i := range h.g.Tensors {
		offsets = append(offsets, h.activation(i, activation))
	}
	buffer := 1
	for i, op := range h.g.Ops {
		if !op.HasWeights() {
			continue
		}
		out := h.g.Out(op)[3]
		w := tensorEntry{name: op.Name + "/weights", shape: weightShape(h.g, op), buffer: buffer, role: weight}
		b := tensorEntry{name: op.Name + "/bias", shape: []int{out}, buffer: buffer + 1, role: bias}
		if h.e.int8 != nil {
			w.quantization, b.quantization = h.e.int8.ofWeights(i, op), h.e.int8.ofBias(i, op)
		}
		offsets = append(offsets, h.tensor(w), h.tensor(b))
		buffer += 2
	}
	if h.e.opts.UInt8Input {
		for _, t := range h.g.Inputs {
			offsets = append(offsets, h.activation(t, input))
		}
	}
	return h.b.CreateVectorOfTables(offsets)
}

// inputs are the graph's, or the uint8 ones in front of them.
func (h *head) inputs() []int {
	if !h.e.opts.UInt8Input {
		return h.g.Inputs
	}
	own := make([]int, len(h.g.Inputs))
	for i := range own {
		own[i] = len(h.g.Tensors) + h.blobCount() + i
	}
	return own
}

// tensorEntry is one entry of the tensor list.
type tensorEntry struct {
	name   string
	shape  []int
	buffer int
	role   role
	quantization
}

// activation is graph tensor i, or the uint8 one in front of it.
func (h *head) activation(i int, r role) flatbuffers.UOffsetT {
	t := tensorEntry{name: h.g.Tensors[i].Name, shape: h.g.Tensors[i].Shape[:], role: r}
	if h.flat[i] {
		t.shape = []int{t.shape[0], t.shape[3]}
	}
	if r == input {
		t.name += "/uint8"
	}
	if h.e.int8 != nil {
		t.quantization = h.e.int8.of(i, r)
	}
	return h.tensor(t)
}

func (h *head) tensor(t tensorEntry) flatbuffers.UOffsetT {
	nameAt, shapeAt, quantizationAt := h.b.CreateString(t.name), h.ints(t.shape), h.quantization(t.quantization)
	schema.TensorStart(h.b)
	schema.TensorAddShape(h.b, shapeAt)
	schema.TensorAddType(h.b, h.e.typeOf(t.role))
	schema.TensorAddBuffer(h.b, uint32(t.buffer))
	schema.TensorAddName(h.b, nameAt)
	if quantizationAt != 0 {
		schema.TensorAddQuantization(h.b, quantizationAt)
	}
	return schema.TensorEnd(h.b)
}

// quantization makes the table, or none where there are no scales.
func (h *head) quantization(q quantization) flatbuffers.UOffsetT {
	if len(q.scales) == 0 {
		return 0
	}
	n := len(q.scales)
	schema.QuantizationParametersStartScaleVector(h.b, n)
	for i := n - 1; i >= 0; i-- {
		h.b.PrependFloat32(q.scales[i])
	}
	scales := h.b.EndVector(n)
	schema.QuantizationParametersStartZeroPointVector(h.b, n)
	for range n {
		h.b.PrependInt64(q.zero)
	}
	zeros := h.b.EndVector(n)
	schema.QuantizationParametersStart(h.b)
	schema.QuantizationParametersAddScale(h.b, scales)
	schema.QuantizationParametersAddZeroPoint(h.b, zeros)
	schema.QuantizationParametersAddQuantizedDimension(h.b, q.axis)
	return schema.QuantizationParametersEnd(h.b)
}

func weightShape(g *graph.Graph, op graph.Op) []int {
	in, out := g.In(op)[3], g.Out(op)[3]
	switch op.Kind {
	case graph.DepthwiseConv:
		return []int{1, op.Kernel[0], op.Kernel[1], out}
	case graph.FullyConnected:
		return []int{out, in}
	}
	return []int{out, op.Kernel[0], op.Kernel[1], in}
}

func (h *head) operatorCodes() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	for _, c := range h.codes {
		schema.OperatorCodeStart(h.b)
		// Runtimes before 2.4 know this field alone. All of our codes fit into it.
		schema.OperatorCodeAddDeprecatedBuiltinCode(h.b, int8(c))
		schema.OperatorCodeAddVersion(h.b, h.e.version(c))
		schema.OperatorCodeAddBuiltinCode(h.b, c)
		offsets = append(offsets, schema.OperatorCodeEnd(h.b))
	}
	return h.b.CreateVectorOfTables(offsets)
}

// operators makes the op list and, on the way, the list of codes it needs.
func (h *head) operators() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	if h.e.opts.UInt8Input {
		for i, own := range h.inputs() {
			offsets = append(offsets, h.quantize(own, h.g.Inputs[i]))
		}
	}
	weights := len(h.g.Tensors)
	for _, op := range h.g.Ops {
		inputs := append([]int(nil), op.Inputs...)
		if op.HasWeights() {
			inputs = append(inputs, weights, weights+1)
			weights += 2
		}
		offsets = append(offsets, h.operator(operatorEntry{
			code: h.code(builtin(op.Kind)), inputs: inputs, output: op.Output,
			options: func() (schema.BuiltinOptions, flatbuffers.UOffsetT) { return h.options(op) },
		}))
	}
	return h.b.CreateVectorOfTables(offsets)
}

// quantize is what TensorFlow's converter puts behind a uint8 input: the same values, 128
// less.
func (h *head) quantize(from, to int) flatbuffers.UOffsetT {
	return h.operator(operatorEntry{
		code: h.code(schema.BuiltinOperatorQUANTIZE), inputs: []int{from}, output: to,
		options: func() (schema.BuiltinOptions, flatbuffers.UOffsetT) {
			schema.QuantizeOptionsStart(h.b)
			return schema.BuiltinOptionsQuantizeOptions, schema.QuantizeOptionsEnd(h.b)
		},
	})
}

// code is the index of an operator code, a new one where it is the first of its kind.
func (h *head) code(c schema.BuiltinOperator) uint32 {
	at := slices.Index(h.codes, c)
	if at < 0 {
		at = len(h.codes)
		h.codes = append(h.codes, c)
	}
	return uint32(at)
}

// operatorEntry is one entry of the operator list.
type operatorEntry struct {
	code    uint32
	inputs  []int
	output  int
	options func() (schema.BuiltinOptions, flatbuffers.UOffsetT)
}

func (h *head) operator(o operatorEntry) flatbuffers.UOffsetT {
	inputsAt, outputsAt := h.ints(o.inputs), h.ints([]int{o.output})
	kind, options := o.options()
	schema.OperatorStart(h.b)
	schema.OperatorAddOpcodeIndex(h.b, o.code)
	schema.OperatorAddInputs(h.b, inputsAt)
	schema.OperatorAddOutputs(h.b, outputsAt)
	if kind != schema.BuiltinOptionsNONE {
		schema.OperatorAddBuiltinOptionsType(h.b, kind)
		schema.OperatorAddBuiltinOptions(h.b, options)
	}
	return schema.OperatorEnd(h.b)
}

func (h *head) ints(xs []int) flatbuffers.UOffsetT {
	h.b.StartVector(4, len(xs), 4)
	for i := len(xs) - 1; i >= 0; i-- {
		h.b.PrependInt32(int32(xs[i]))
	}
	return h.b.EndVector(len(xs))
}
