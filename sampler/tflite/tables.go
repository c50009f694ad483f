package tflite

import (
	"encoding/json"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// modelTables builds the FlatBuffer tables of a model.
type modelTables struct {
	b     *flatbuffers.Builder
	g     *graph.Graph
	e     *encoding
	codes []schema.BuiltinOperator // by operator code index
	flat  []bool                   // tensors whose shape is [batch, channels]
}

// buildTables creates the whole file without its weights. slots are the positions for the offset to each
// blob's vector, in the order of encoding.blobs.
func buildTables(e *encoding) (data []byte, slots []int, err error) {
	m := &modelTables{b: flatbuffers.NewBuilder(64 << 10), g: e.g, e: e, flat: flatTensors(e.g)}
	if err := m.build(); err != nil {
		return nil, nil, err
	}
	data = m.b.FinishedBytes()
	return data, blobSlots(data, m.blobCount()), nil
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
func (m *modelTables) blobCount() int {
	n := 0
	for _, op := range m.g.Ops {
		if op.HasWeights() {
			n += 2
		}
	}
	return n
}

func (m *modelTables) build() error {
	buffers, err := m.buffers()
	if err != nil {
		return err
	}
	metadata := m.metadata(m.blobCount() + 1)
	operators := m.operators()
	subgraph := m.subgraph(operators)
	codes := m.operatorCodes()
	description := m.b.CreateString("latlab writer " + WriterRevision)
	subgraphs := m.b.CreateVectorOfTables([]flatbuffers.UOffsetT{subgraph})

	schema.ModelStart(m.b)
	schema.ModelAddVersion(m.b, 3)
	schema.ModelAddOperatorCodes(m.b, codes)
	schema.ModelAddSubgraphs(m.b, subgraphs)
	schema.ModelAddDescription(m.b, description)
	schema.ModelAddBuffers(m.b, buffers)
	schema.ModelAddMetadata(m.b, metadata)
	m.b.FinishWithFileIdentifier(schema.ModelEnd(m.b), []byte(Identifier))
	return nil
}

// buffers are: 0, empty, for all activations; one for each blob; the metadata. The blobs' tables point to an
// empty vector, an offset that newLayout overwrites.
func (m *modelTables) buffers() (flatbuffers.UOffsetT, error) {
	text, err := m.metadataText()
	if err != nil {
		return 0, err
	}
	textAt := m.alignedBytes(text)
	placeholder := m.alignedBytes(nil)
	offsets := []flatbuffers.UOffsetT{m.buffer(0)}
	for range m.blobCount() {
		offsets = append(offsets, m.buffer(placeholder))
	}
	offsets = append(offsets, m.buffer(textAt))
	return m.b.CreateVectorOfTables(offsets), nil
}

func (m *modelTables) buffer(data flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	schema.BufferStart(m.b)
	if data != 0 {
		schema.BufferAddData(m.b, data)
	}
	return schema.BufferEnd(m.b)
}

// alignedBytes aligns a vector as required by the schema's force_align, which generated code ignores. It also
// makes the length of all tables a multiple of 16 bytes.
func (m *modelTables) alignedBytes(p []byte) flatbuffers.UOffsetT {
	m.b.StartVector(1, len(p), 16)
	for i := len(p) - 1; i >= 0; i-- {
		m.b.PlaceByte(p[i])
	}
	return m.b.EndVector(len(p))
}

func (m *modelTables) metadataText() ([]byte, error) {
	return json.Marshal(struct {
		Tool    string `json:"tool"`
		Writer  string `json:"writer"`
		Name    string `json:"name"`
		Space   string `json:"space,omitempty"`
		Indices string `json:"indices,omitempty"`
		// Empty for float32: its files are older than this field and keep their bytes.
		Precision string `json:"precision,omitempty"`
	}{"latlab " + WriterRelease, WriterRevision, m.g.Name, m.g.Space, m.g.Indices, m.e.precisionText()})
}

func (m *modelTables) metadata(buffer int) flatbuffers.UOffsetT {
	name := m.b.CreateString(MetadataName)
	schema.MetadataStart(m.b)
	schema.MetadataAddName(m.b, name)
	schema.MetadataAddBuffer(m.b, uint32(buffer))
	entry := schema.MetadataEnd(m.b)
	return m.b.CreateVectorOfTables([]flatbuffers.UOffsetT{entry})
}

func (m *modelTables) subgraph(operators flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	tensors := m.tensors()
	inputs, outputs := m.ints(m.inputs()), m.ints(m.g.Outputs)
	name := m.b.CreateString(m.g.Name)
	schema.SubGraphStart(m.b)
	schema.SubGraphAddTensors(m.b, tensors)
	schema.SubGraphAddInputs(m.b, inputs)
	schema.SubGraphAddOutputs(m.b, outputs)
	schema.SubGraphAddOperators(m.b, operators)
	schema.SubGraphAddName(m.b, name)
	return schema.SubGraphEnd(m.b)
}

// tensors are the graph's activations, with the same indices, then weights and bias of every op with weights,
// then uint8 inputs.
func (m *modelTables) tensors() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	for i := range m.g.Tensors {
		offsets = append(offsets, m.activation(i, activation))
	}
	buffer := 1
	for i, op := range m.g.Ops {
		if !op.HasWeights() {
			continue
		}
		out := m.g.Out(op)[3]
		w := tensorEntry{name: op.Name + "/weights", shape: weightShape(m.g, op), buffer: buffer, role: weight}
		b := tensorEntry{name: op.Name + "/bias", shape: []int{out}, buffer: buffer + 1, role: bias}
		if m.e.int8 != nil {
			w.quantization, b.quantization = m.e.int8.ofWeights(i, op), m.e.int8.ofBias(i, op)
		}
		offsets = append(offsets, m.tensor(w), m.tensor(b))
		buffer += 2
	}
	if m.e.opts.UInt8Input {
		for _, t := range m.g.Inputs {
			offsets = append(offsets, m.activation(t, input))
		}
	}
	return m.b.CreateVectorOfTables(offsets)
}

// inputs are the graph's inputs, or the uint8 tensors before them.
func (m *modelTables) inputs() []int {
	if !m.e.opts.UInt8Input {
		return m.g.Inputs
	}
	own := make([]int, len(m.g.Inputs))
	for i := range own {
		own[i] = len(m.g.Tensors) + m.blobCount() + i
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

// activation is graph tensor i, or the uint8 tensor before it.
func (m *modelTables) activation(i int, r role) flatbuffers.UOffsetT {
	t := tensorEntry{name: m.g.Tensors[i].Name, shape: m.g.Tensors[i].Shape[:], role: r}
	if m.flat[i] {
		t.shape = []int{t.shape[0], t.shape[3]}
	}
	if r == input {
		t.name += "/uint8"
	}
	if m.e.int8 != nil {
		t.quantization = m.e.int8.of(i, r)
	}
	return m.tensor(t)
}

func (m *modelTables) tensor(t tensorEntry) flatbuffers.UOffsetT {
	nameAt, shapeAt, quantizationAt := m.b.CreateString(t.name), m.ints(t.shape), m.quantization(t.quantization)
	schema.TensorStart(m.b)
	schema.TensorAddShape(m.b, shapeAt)
	schema.TensorAddType(m.b, m.e.typeOf(t.role))
	schema.TensorAddBuffer(m.b, uint32(t.buffer))
	schema.TensorAddName(m.b, nameAt)
	if quantizationAt != 0 {
		schema.TensorAddQuantization(m.b, quantizationAt)
	}
	return schema.TensorEnd(m.b)
}

// quantization creates the table, or none without scales.
func (m *modelTables) quantization(q quantization) flatbuffers.UOffsetT {
	if len(q.scales) == 0 {
		return 0
	}
	n := len(q.scales)
	schema.QuantizationParametersStartScaleVector(m.b, n)
	for i := n - 1; i >= 0; i-- {
		m.b.PrependFloat32(q.scales[i])
	}
	scales := m.b.EndVector(n)
	schema.QuantizationParametersStartZeroPointVector(m.b, n)
	for range n {
		m.b.PrependInt64(q.zero)
	}
	zeros := m.b.EndVector(n)
	schema.QuantizationParametersStart(m.b)
	schema.QuantizationParametersAddScale(m.b, scales)
	schema.QuantizationParametersAddZeroPoint(m.b, zeros)
	schema.QuantizationParametersAddQuantizedDimension(m.b, q.axis)
	return schema.QuantizationParametersEnd(m.b)
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

func (m *modelTables) operatorCodes() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	for _, c := range m.codes {
		schema.OperatorCodeStart(m.b)
		// Runtimes before 2.4 read only this field. All codes in use fit into it.
		schema.OperatorCodeAddDeprecatedBuiltinCode(m.b, int8(c))
		schema.OperatorCodeAddVersion(m.b, m.e.version(c))
		schema.OperatorCodeAddBuiltinCode(m.b, c)
		offsets = append(offsets, schema.OperatorCodeEnd(m.b))
	}
	return m.b.CreateVectorOfTables(offsets)
}

// operators creates the list of operators and collects their codes.
func (m *modelTables) operators() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	if m.e.opts.UInt8Input {
		for i, own := range m.inputs() {
			offsets = append(offsets, m.quantize(own, m.g.Inputs[i]))
		}
	}
	weights := len(m.g.Tensors)
	for _, op := range m.g.Ops {
		inputs := append([]int(nil), op.Inputs...)
		if op.HasWeights() {
			inputs = append(inputs, weights, weights+1)
			weights += 2
		}
		offsets = append(offsets, m.operator(operatorEntry{
			code: m.code(builtin(op.Kind)), inputs: inputs, output: op.Output,
			options: func() (schema.BuiltinOptions, flatbuffers.UOffsetT) { return m.options(op) },
		}))
	}
	return m.b.CreateVectorOfTables(offsets)
}

// quantize is the operator that TensorFlow's converter puts after a uint8 input: it subtracts 128.
func (m *modelTables) quantize(from, to int) flatbuffers.UOffsetT {
	return m.operator(operatorEntry{
		code: m.code(schema.BuiltinOperatorQUANTIZE), inputs: []int{from}, output: to,
		options: func() (schema.BuiltinOptions, flatbuffers.UOffsetT) {
			schema.QuantizeOptionsStart(m.b)
			return schema.BuiltinOptionsQuantizeOptions, schema.QuantizeOptionsEnd(m.b)
		},
	})
}

// code is the index of an operator code, which is added if it is new.
func (m *modelTables) code(c schema.BuiltinOperator) uint32 {
	at := slices.Index(m.codes, c)
	if at < 0 {
		at = len(m.codes)
		m.codes = append(m.codes, c)
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

func (m *modelTables) operator(o operatorEntry) flatbuffers.UOffsetT {
	inputsAt, outputsAt := m.ints(o.inputs), m.ints([]int{o.output})
	kind, options := o.options()
	schema.OperatorStart(m.b)
	schema.OperatorAddOpcodeIndex(m.b, o.code)
	schema.OperatorAddInputs(m.b, inputsAt)
	schema.OperatorAddOutputs(m.b, outputsAt)
	if kind != schema.BuiltinOptionsNONE {
		schema.OperatorAddBuiltinOptionsType(m.b, kind)
		schema.OperatorAddBuiltinOptions(m.b, options)
	}
	return schema.OperatorEnd(m.b)
}

func (m *modelTables) ints(xs []int) flatbuffers.UOffsetT {
	m.b.StartVector(4, len(xs), 4)
	for i := len(xs) - 1; i >= 0; i-- {
		m.b.PrependInt32(int32(xs[i]))
	}
	return m.b.EndVector(len(xs))
}
