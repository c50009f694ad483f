package reader

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"latlab/sampler/graph"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
)

var errOverflow = errors.New("more multiply-accumulates than 63 bits count")

// Limits for damaged files. A file may share one table among all tensors or operators, or list one tensor as
// an input repeatedly: four bytes of the file would then take hundreds of bytes of memory and of JSON. The
// limits are far above the largest language models.
const (
	maxItems = 1 << 18 // tensors, operators
	maxPorts = 1 << 14 // inputs, outputs
)

// reader reads one file.
type reader struct {
	m   *schema.Model
	sub schema.SubGraph
	net *Network

	signature *signature // nil in a file without signatures

	tensors []tensor
	batch   bool // the first axis of an input is free
	steps   []step
	names   map[string]int  // op names, to keep them unique
	text    int             // remaining bytes of names that may be copied
	macs    int64           // sum so far
	work    map[types]int64 // multiply-accumulates by types
	counted map[int]bool    // constants that Params includes
	unknown map[string]int
	notes   noteCounts
}

// noteCounts counts how often each note of finish applies.
type noteCounts struct{ dynamic, sparse, outside, state, once, foldedOps, shared, refused, evaluated int }

func newReader(data []byte, o Options) (*reader, error) {
	r := &reader{
		m: schema.GetRootAsModel(data, 0), text: len(data),
		names: map[string]int{}, work: map[types]int64{}, counted: map[int]bool{}, unknown: map[string]int{},
	}
	r.net = &Network{Graph: &graph.Graph{}, SubGraphs: r.m.SubgraphsLength()}
	if err := r.chooseSignature(o.Signature); err != nil {
		return nil, err
	}
	r.m.Subgraphs(&r.sub, r.net.SubGraph)
	if n := max(r.sub.TensorsLength(), r.sub.OperatorsLength()); n > maxItems {
		return nil, fmt.Errorf("a list of %d tensors or operators, want at most %d", n, maxItems)
	}
	if n := max(r.sub.InputsLength(), r.sub.OutputsLength()); n > maxPorts {
		return nil, fmt.Errorf("a list of %d inputs or outputs, want at most %d", n, maxPorts)
	}
	r.net.Graph.Name = r.string(r.sub.Name())
	r.origin()
	if err := r.readTensors(); err != nil {
		return nil, err
	}
	return r, r.resize(o.Shapes)
}

// string copies a name and makes it safe to print on one line.
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

// origin reads latlab's entry of the metadata.
func (r *reader) origin() {
	for i := range min(r.m.MetadataLength(), maxItems) {
		var e schema.Metadata
		var b schema.Buffer
		r.m.Metadata(&e, i)
		if string(e.Name()) != tflite.MetadataName || !r.m.Buffers(&b, int(e.Buffer())) {
			continue
		}
		var o struct{ Tool, Name, Space, Indices string }
		if json.Unmarshal(b.DataBytes(), &o) != nil {
			r.note("the metadata entry %s is not in latlab's format", tflite.MetadataName)
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

// finish sets the fields that are known only after all operators are read.
func (r *reader) finish() {
	n := r.net
	n.UnknownOps = counts(r.unknown)
	n.MACsComplete = len(n.UnknownOps) == 0
	n.Precision, n.Activations = r.precision()
	r.nameSignature()
	r.findIdle()
	r.noteSignatures()
	n.Decided = r.decisions()
	for _, d := range n.Decided {
		r.note("%s", d)
	}
	f := r.notes
	for _, t := range []struct {
		n    int
		text string
	}{
		{f.dynamic, "%d tensors may be resized: the sizes here are those in the file"},
		{f.evaluated, "%d SHAPE operators read tensors that may be resized (a free batch too): shapes computed from them are for the inputs' sizes in the file, the default of runtimes"},
		{f.foldedOps, "%d operators only unpack weights (float16, sparse) and are not counted as layers"},
		{f.sparse, "%d constants are sparse: MACs and parameters are counted as if they were dense"},
		{f.outside, "%d constants are stored after the FlatBuffer"},
		{f.state, "%d operators keep state between inferences (variables) and are not counted as layers"},
		{f.once, "%d CALL_ONCE operators run before the first inference only and are not counted as layers"},
		{f.refused, "%d operators of known kinds count as unknown, because their cost is not certain"},
		{f.shared, "%d constants are shared with another layer: the number of parameters counts them once"},
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
	slices.SortFunc(list, func(a, b OpCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return list
}

// precision is that of most multiply-accumulates, or the output's type if there are none. The activations are of
// the type that most multiply-accumulates of this precision have.
func (r *reader) precision() (name, activations string) {
	if len(r.work) == 0 {
		t := r.outputType()
		return t, t
	}
	work, total := map[string]int64{}, int64(0)
	for t, n := range r.work {
		work[t.precision] += n
		total += n
	}
	name = "float32"
	names := slices.Sorted(maps.Keys(work))
	for _, one := range names {
		if work[one] > work[name] {
			name = one
		}
	}
	if work[name] < total {
		var parts []string
		for _, one := range names {
			parts = append(parts, fmt.Sprintf("%s %.3g %%", one, 100*float64(work[one])/float64(total)))
		}
		r.note("mixed precision, by MACs: %s", strings.Join(parts, ", "))
	}
	return name, r.activations(name)
}

func (r *reader) activations(precision string) string {
	best := types{"float32", precision}
	for t, n := range r.work {
		if more := n - r.work[best]; t.precision == precision && (more > 0 || more == 0 && t.activations < best.activations) {
			best = t
		}
	}
	return best.activations
}

func (r *reader) outputType() string {
	for _, y := range r.net.Outputs {
		switch y.Type {
		case "int8", "uint8", "int16":
			return y.Type
		}
	}
	return "float32"
}
