package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"

	"latlab/sampler/graph"
	"latlab/sampler/weights"
)

// Write writes the graph. The bytes depend on nothing but the graph, the options and
// WriterRevision, on any machine. Memory use grows with the largest op, not with the model.
func Write(w io.Writer, g *graph.Graph, opts Options) (Result, error) {
	l, err := newLayout(g, opts)
	if err != nil {
		return Result{}, err
	}
	return l.write(w)
}

// Size is how many bytes Write would write.
func Size(g *graph.Graph, opts Options) (int64, error) {
	l, err := newLayout(g, opts)
	if err != nil {
		return 0, err
	}
	return l.size, nil
}

// layout is a file before it is written: its pieces in order. A protocol buffer's length precedes it, so
// all sizes must be known before the first value is drawn.
type layout struct {
	pieces []piece
	size   int64
}

// piece is some bytes, followed by a constant's values.
type piece struct {
	text   []byte
	size   int64 // of the values; 0 without values
	name   string
	values func() []byte
}

func newLayout(g *graph.Graph, opts Options) (*layout, error) {
	l, err := planLayout(g, opts)
	if err != nil {
		return nil, fmt.Errorf("onnx: cannot write %s: %w", g.Name, err)
	}
	return l, nil
}

func planLayout(g *graph.Graph, opts Options) (*layout, error) {
	set, err := weights.New(g)
	if err != nil {
		return nil, err
	}
	var quantized *weights.Quantized
	switch opts.Precision {
	case "", "float32":
	case "int8":
		quantized = set.Quantize()
	default:
		return nil, fmt.Errorf("precision %q is not supported, only float32 and int8", opts.Precision)
	}
	b := newBuilder(&source{g: g, set: set, quantized: quantized})
	b.build()
	l := &layout{}
	l.graph(b)
	// The limit of every protocol buffer; beyond it ONNX stores weights in other files.
	if l.size > math.MaxInt32 {
		return nil, fmt.Errorf("%d bytes, but a protocol buffer ends at 2 GiB", l.size)
	}
	return l, nil
}

// graph lays out the model: everything before the graph, the graph's tag and length, its fields.
func (l *layout) graph(b *builder) {
	l.add(piece{text: b.nodes})
	for _, c := range b.constants {
		l.constant(c)
	}
	l.add(piece{text: b.inputsAndOutputs()})
	head := b.model()
	head = append(head, opening(modelGraph, l.size)...)
	l.pieces = append([]piece{{text: head}}, l.pieces...)
	l.size += int64(len(head))
}

func (l *layout) add(p piece) {
	l.pieces = append(l.pieces, p)
	l.size += int64(len(p.text)) + p.size
}

func (l *layout) constant(c constant) {
	head, values := tensorHead(c.name, c.kind, c.dims)
	text := append(opening(graphInitializer, int64(len(head))+values), head...)
	l.add(piece{text: text, size: values, name: c.name, values: c.values})
}

// chunk is how many bytes are hashed and written at a time: few enough to stay in a core's second-level
// cache.
const chunk = 128 << 10

func (l *layout) write(w io.Writer) (Result, error) {
	hash := sha256.New()
	out := io.MultiWriter(hash, w)
	for _, p := range l.pieces {
		if err := writeChunks(out, p.text); err != nil {
			return Result{}, err
		}
		if p.size == 0 {
			continue
		}
		values := p.values()
		if int64(len(values)) != p.size {
			return Result{}, fmt.Errorf("onnx: %s: %d bytes of values, planned were %d", p.name, len(values), p.size)
		}
		if err := writeChunks(out, values); err != nil {
			return Result{}, err
		}
	}
	return Result{Bytes: l.size, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

func writeChunks(w io.Writer, p []byte) error {
	for part := range slices.Chunk(p, chunk) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
