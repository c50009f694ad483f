package tflite

import (
	"encoding/json"

	flatbuffers "github.com/google/flatbuffers/go"

	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// head builds the tables of a model.
type head struct {
	b     *flatbuffers.Builder
	g     *graph.Graph
	codes []schema.BuiltinOperator // by operator code index
	flat  []bool                   // tensors whose shape is [batch, channels]
}

// buildHead makes all of the file but the weights. slots are the places, in the order of
// blobsOf, where the offset to each blob's vector has to be written.
func buildHead(g *graph.Graph) (data []byte, slots []int, err error) {
	h := &head{b: flatbuffers.NewBuilder(64 << 10), g: g, flat: flatTensors(g)}
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
	}{"latlab " + WriterRelease, WriterRevision, h.g.Name, h.g.Space, h.g.Indices})
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
	inputs, outputs := h.ints(h.g.Inputs), h.ints(h.g.Outputs)
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
// every op that has them.
func (h *head) tensors() flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	for i, t := range h.g.Tensors {
		shape := t.Shape[:]
		if h.flat[i] {
			shape = []int{t.Shape[0], t.Shape[3]}
		}
		offsets = append(offsets, h.tensor(t.Name, shape, 0))
	}
	buffer := 1
	for _, op := range h.g.Ops {
		if !op.HasWeights() {
			continue
		}
		out := h.g.Out(op)[3]
		offsets = append(offsets,
			h.tensor(op.Name+"/weights", weightShape(h.g, op), buffer),
			h.tensor(op.Name+"/bias", []int{out}, buffer+1))
		buffer += 2
	}
	return h.b.CreateVectorOfTables(offsets)
}

func (h *head) tensor(name string, shape []int, buffer int) flatbuffers.UOffsetT {
	nameAt, shapeAt := h.b.CreateString(name), h.ints(shape)
	schema.TensorStart(h.b)
	schema.TensorAddShape(h.b, shapeAt)
	schema.TensorAddType(h.b, schema.TensorTypeFLOAT32)
	schema.TensorAddBuffer(h.b, uint32(buffer))
	schema.TensorAddName(h.b, nameAt)
	return schema.TensorEnd(h.b)
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
		schema.OperatorCodeAddVersion(h.b, 1)
		schema.OperatorCodeAddBuiltinCode(h.b, c)
		offsets = append(offsets, schema.OperatorCodeEnd(h.b))
	}
	return h.b.CreateVectorOfTables(offsets)
}

// operators makes the op list and, on the way, the list of codes it needs.
func (h *head) operators() flatbuffers.UOffsetT {
	index := map[schema.BuiltinOperator]uint32{}
	weights := len(h.g.Tensors)
	var offsets []flatbuffers.UOffsetT
	for _, op := range h.g.Ops {
		inputs := append([]int(nil), op.Inputs...)
		if op.HasWeights() {
			inputs = append(inputs, weights, weights+1)
			weights += 2
		}
		code := builtin(op.Kind)
		at, known := index[code]
		if !known {
			at = uint32(len(h.codes))
			index[code] = at
			h.codes = append(h.codes, code)
		}
		offsets = append(offsets, h.operator(op, at, inputs))
	}
	return h.b.CreateVectorOfTables(offsets)
}

func (h *head) operator(op graph.Op, code uint32, inputs []int) flatbuffers.UOffsetT {
	inputsAt, outputsAt := h.ints(inputs), h.ints([]int{op.Output})
	kind, options := h.options(op)
	schema.OperatorStart(h.b)
	schema.OperatorAddOpcodeIndex(h.b, code)
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
