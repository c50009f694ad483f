package tflite

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode"

	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/tflite/internal/schema"
)

// Network is what a .tflite says of itself: of its main subgraph, the first one, which is
// what a runtime runs unless told otherwise.
type Network struct {
	// Graph has the operators that are known, in execution order: those whose shapes and
	// multiply-accumulates are certain. Where UnknownOps is not empty it is a part, and no
	// op makes the tensors that an unknown one does. Every op is paid by graph.Bias until
	// PayBy finds the positions of a space.
	//
	// Batch norm is folded in a file: Op.BatchNorm is never set. Constants are no tensors
	// of the Graph, nor are operators that a runtime runs once, on constants alone
	// (weights kept as float16 or sparse), ops of it.
	Graph *graph.Graph

	// MACsComplete says that all operators are known, so that MACs are those of the
	// network.
	MACsComplete bool
	UnknownOps   []OpCount // by name; of custom operators, their own name
	Operators    []OpCount // all, as in the file, most frequent first

	// Params counts the elements of the known ops' constants: weights, biases, slopes,
	// tables; each once, also where several ops share it. Shapes and indices are none.
	Params int64
	// Precision is what most of the multiply-accumulates are done in, or the type of the
	// outputs where there are none: "float32"; "float16"
	// and "dynamic_range" where float32 networks have weights of 16 bits, or of 8 and
	// fewer; "int8", "uint8", "int16x8" (activations x weights) where all is integer.
	Precision string

	Inputs, Outputs []Port
	SubGraphs       int
	Signatures      []string // how the model may be called by name
	Description     string
	Tool            string // what wrote it, where that was latlab
	Notes           []string

	bytes []opBytes // by op of Graph
}

// OpCount is how often an operator is in a network.
type OpCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Port is an input or output.
type Port struct {
	Name  string `json:"name"`
	Type  string `json:"type"`  // "float32", "uint8"
	Shape []int  `json:"shape"` // -1 where it may be set
	Given []int  `json:"-"`     // Shape with what the file gives where it may be set: often 1, a mere example
	// Scale and ZeroPoint are nil where values are not quantized: value = scale * (q - zero).
	Scale     *float64 `json:"scale"`
	ZeroPoint *int64   `json:"zero_point"`
}

// opBytes are the bytes of an op's tensors as the file's types make them.
type opBytes struct{ in, out, weights int64 }

// Read describes a .tflite. Its errors are those of Check, and of what a whole file must
// not say: shapes that overflow, constants whose bytes do not fit their shape, operators
// that read what is computed after them. Operators that it does not know are no error.
// Work and memory are bounded by len(data), whatever it holds.
func Read(data []byte) (*Network, error) {
	if err := Check(data); err != nil {
		return nil, err
	}
	r, err := newReader(data)
	if err == nil {
		err = r.operators()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotTFLite, err)
	}
	r.finish()
	return r.net, nil
}

// Rows is Graph.Rows with the bytes of the file's own types. The space names positions
// and may be nil.
func (n *Network) Rows(s *sampler.Space) []graph.Row {
	rows := n.Graph.Rows(s, 4)
	for i, b := range n.bytes {
		rows[i].InputBytes, rows[i].OutputBytes, rows[i].WeightBytes = b.in, b.out, b.weights
	}
	return rows
}

// PayBy gives the ops the positions that pay for them in the space that the file says it
// is a point of. What latlab wrote comes back as it was lowered, but for batch norm, which
// is folded, and with QUANTIZE ops that int8 brings, which the bias pays. It is an error
// if the file is no point of the space or its ops are not those of the point.
func (n *Network) PayBy(s *sampler.Space) error {
	if n.Graph.Space == "" {
		return fmt.Errorf("%s does not say that it is a point of a space, of %s neither", n.Graph.Name, s.Name)
	}
	if n.Graph.Space != s.Name {
		return fmt.Errorf("%s is of space %q, not of %s", n.Graph.Name, n.Graph.Space, s.Name)
	}
	arch, err := s.ParseArch(n.Graph.Indices)
	if err != nil {
		return err
	}
	lowered, err := graph.Lower(s, arch)
	if err != nil {
		return err
	}
	positions := map[string]graph.PaidOp{}
	for _, op := range lowered.Ops {
		positions[op.Name] = lowered.PaidOp(op)
	}
	found := 0
	for i, op := range n.Graph.Ops {
		paid, ok := positions[op.Name]
		if !ok || paid.Kind != op.Kind || paid.In != n.Graph.In(op) || paid.Out != n.Graph.Out(op) {
			continue
		}
		n.Graph.Ops[i].Position = paid.Position
		found++
	}
	if found != len(lowered.Ops) {
		return fmt.Errorf("%s says it is %s of %s, but has %d of its %d ops", n.Graph.Name, n.Graph.Indices, s.Name, found, len(lowered.Ops))
	}
	return nil
}

// Damaged files may share one table among all tensors or operators, or list one tensor as
// input again and again, so that four bytes of the file would ask for hundreds of memory
// and of JSON. The bounds are far above what the largest language models have.
const (
	maxItems = 1 << 18 // tensors, operators
	maxPorts = 1 << 14 // inputs, outputs
)

// reader goes through one file.
type reader struct {
	m    *schema.Model
	sub  schema.SubGraph
	size int // of the file
	net  *Network

	tensors []tensor
	batch   bool // the first axis of an input may be set
	steps   []step
	names   map[string]int // op names, to keep them unique
	text    int            // bytes of names that may still be copied
	macs    int64          // sum so far
	work    map[string]int64
	counted map[int]bool // constants that Params has
	unknown map[string]int
	flags   flags
}

// flags are what Notes tells once.
type flags struct{ dynamic, sparse, outside, state, once, foldedOps, shared, refused, evaluated int }

func newReader(data []byte) (*reader, error) {
	r := &reader{
		m: schema.GetRootAsModel(data, 0), size: len(data), text: len(data),
		names: map[string]int{}, work: map[string]int64{}, counted: map[int]bool{}, unknown: map[string]int{},
	}
	r.m.Subgraphs(&r.sub, 0)
	if n := max(r.sub.TensorsLength(), r.sub.OperatorsLength()); n > maxItems {
		return nil, fmt.Errorf("a list of %d tensors or operators, want at most %d", n, maxItems)
	}
	if n := max(r.sub.InputsLength(), r.sub.OutputsLength()); n > maxPorts {
		return nil, fmt.Errorf("a list of %d inputs or outputs, want at most %d", n, maxPorts)
	}
	r.net = &Network{Graph: &graph.Graph{}, SubGraphs: r.m.SubgraphsLength(), Description: r.string(r.m.Description())}
	r.net.Graph.Name = r.string(r.sub.Name())
	r.origin()
	if err := r.readTensors(); err != nil {
		return nil, err
	}
	return r, nil
}

// string copies a name, made safe to print on one line.
func (r *reader) string(b []byte) string {
	const longest = 256
	if len(b) > longest {
		b = b[:longest]
	}
	if r.text -= len(b); r.text < 0 {
		return ""
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(string(b), "?"))
}

// origin reads latlab's own entry of the metadata.
func (r *reader) origin() {
	for i := range min(r.m.MetadataLength(), maxItems) {
		var e schema.Metadata
		var b schema.Buffer
		r.m.Metadata(&e, i)
		if string(e.Name()) != MetadataName {
			continue
		}
		r.m.Buffers(&b, int(e.Buffer()))
		var o struct{ Tool, Name, Space, Indices string }
		if json.Unmarshal(b.DataBytes(), &o) != nil {
			r.note("the metadata entry %s is not what latlab writes", MetadataName)
			return
		}
		g := r.net.Graph
		r.net.Tool = r.string([]byte(o.Tool))
		g.Name, g.Space, g.Indices = r.string([]byte(o.Name)), r.string([]byte(o.Space)), r.string([]byte(o.Indices))
		return
	}
}

func (r *reader) note(format string, a ...any) {
	r.net.Notes = append(r.net.Notes, fmt.Sprintf(format, a...))
}

// finish fills in what is known only after all operators.
func (r *reader) finish() {
	n := r.net
	n.UnknownOps = counts(r.unknown)
	n.MACsComplete = len(n.UnknownOps) == 0
	n.Precision = r.precision()
	for i := range min(r.m.SignatureDefsLength(), maxItems) {
		var s schema.SignatureDef
		r.m.SignatureDefs(&s, i)
		n.Signatures = append(n.Signatures, r.string(s.SignatureKey()))
	}
	if n.SubGraphs > 1 {
		r.note("%d subgraphs: described is the first, which runtimes run by default", n.SubGraphs)
	}
	f := r.flags
	for _, t := range []struct {
		n    int
		text string
	}{
		{f.dynamic, "%d tensors may be resized: described at the sizes in the file"},
		{f.evaluated, "%d SHAPE of what may be resized (a free batch too): what is computed of them is taken at the inputs' sizes in the file, as runtimes do unless told otherwise"},
		{f.foldedOps, "%d operators only unpack weights (float16, sparse): they are no layers"},
		{f.sparse, "%d constants are sparse: MACs and parameters are counted as of dense ones"},
		{f.outside, "%d constants lie behind the FlatBuffer"},
		{f.state, "%d operators keep state between inferences (variables): they are no layers"},
		{f.once, "%d CALL_ONCE, before the first inference only: they are no layers"},
		{f.refused, "%d operators of known kinds count as unknown, for what they cost is not certain"},
		{f.shared, "%d constants are shared with another layer: the sum of parameters has them once"},
	} {
		if t.n > 0 {
			r.note(t.text, t.n)
		}
	}
}

// counts sorts by count, then name.
func counts(m map[string]int) []OpCount {
	list := make([]OpCount, 0, len(m))
	for name, n := range m {
		list = append(list, OpCount{name, n})
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Count != list[j].Count {
			return list[i].Count > list[j].Count
		}
		return list[i].Name < list[j].Name
	})
	return list
}

// precision is the one that most of the work is done in; of a network without
// multiply-accumulates, the type of its output.
func (r *reader) precision() string {
	if len(r.work) == 0 {
		return r.outputPrecision()
	}
	best, total := "float32", int64(0)
	var names []string
	for name, n := range r.work {
		names = append(names, name)
		total += n
	}
	sort.Strings(names)
	for _, name := range names {
		if r.work[name] > r.work[best] {
			best = name
		}
	}
	if n := r.work[best]; n < total {
		var parts []string
		for _, name := range names {
			parts = append(parts, fmt.Sprintf("%s %.3g %%", name, 100*float64(r.work[name])/float64(total)))
		}
		r.note("mixed precision, by MACs: %s", strings.Join(parts, ", "))
	}
	return best
}

func (r *reader) outputPrecision() string {
	for _, y := range r.net.Outputs {
		switch y.Type {
		case "int8", "uint8", "int16":
			return y.Type
		}
	}
	return "float32"
}

var errOverflow = errors.New("more multiply-accumulates than 63 bits count")
