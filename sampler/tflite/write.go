package tflite

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"

	"latlab/sampler/graph"
)

// chunk is how many bytes are drawn, hashed and written at a time: small enough to stay in a
// core's second-level cache, so that the hash never waits for memory.
const chunk = 128 << 10

// Write writes the graph. The bytes depend on nothing but the graph, the options and
// WriterRevision, on any machine. Memory use does not grow with the model.
func Write(w io.Writer, g *graph.Graph, opts Options) (Result, error) {
	l, err := newLayout(g, opts, numbers)
	if err != nil {
		return Result{}, err
	}
	return l.write(w)
}

// Size is how many bytes Write would write. It draws no weights.
func Size(g *graph.Graph, opts Options) (int64, error) {
	l, err := newLayout(g, opts, sizesOnly)
	if err != nil {
		return 0, err
	}
	return l.size, nil
}

// filler draws the next bytes of a buffer. Only the last call may request a number of bytes that is not a
// multiple of 16.
type filler interface{ Fill(dst []byte) }

// blob is one buffer of weights after the tables.
type blob struct {
	at    int64 // position of its data in the file, a multiple of 16
	bytes int64
	open  func() filler // draws from the beginning
}

// layout is a file before it is written: its tables, and the weights that follow them.
//
// A FlatBuffer's offsets point forward, so the vectors of weights may follow all tables. The generated
// builder then creates only the small tables, and weights are streamed through one chunk of memory.
type layout struct {
	tables []byte
	blobs  []blob
	size   int64
}

// purpose says what a layout is used for: sizes do not depend on the values of scales.
type purpose bool

const (
	sizesOnly purpose = false
	numbers   purpose = true
)

func newLayout(g *graph.Graph, opts Options, p purpose) (*layout, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	e, err := newEncoding(g, opts, p)
	if err != nil {
		return nil, fmt.Errorf("tflite: cannot write %s: %w", g.Name, err)
	}
	l := &layout{blobs: e.blobs()}
	var slots []int
	if l.tables, slots, err = buildTables(e); err != nil {
		return nil, err
	}
	l.place()
	if l.size > math.MaxInt32 {
		return nil, fmt.Errorf("tflite: cannot write %s: %d bytes, but a FlatBuffer ends at 2 GiB", g.Name, l.size)
	}
	for i, b := range l.blobs {
		binary.LittleEndian.PutUint32(l.tables[slots[i]:], uint32(b.at-4-int64(slots[i])))
	}
	return l, nil
}

// place sets every blob's offset: 4 bytes of length, then data at a multiple of 16.
func (l *layout) place() {
	l.size = int64(len(l.tables))
	for i := range l.blobs {
		l.blobs[i].at = (l.size + 4 + 15) &^ 15
		l.size = l.blobs[i].at + l.blobs[i].bytes
	}
}

func (l *layout) write(w io.Writer) (Result, error) {
	hash := sha256.New()
	out := io.MultiWriter(hash, w)
	if _, err := out.Write(l.tables); err != nil {
		return Result{}, err
	}
	end := int64(len(l.tables))
	buf := make([]byte, chunk)
	for _, b := range l.blobs {
		if err := b.write(out, buf, b.at-end); err != nil {
			return Result{}, err
		}
		end = b.at + b.bytes
	}
	return Result{Bytes: l.size, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

// write writes gap bytes, the last four of them the length, then the weights.
func (b blob) write(w io.Writer, buf []byte, gap int64) error {
	clear(buf[:gap])
	binary.LittleEndian.PutUint32(buf[gap-4:], uint32(b.bytes))
	values := b.open()
	used := gap
	for left := b.bytes; left > 0; {
		n := min(left, (int64(len(buf))-used)&^15)
		values.Fill(buf[used : used+n])
		if _, err := w.Write(buf[:used+n]); err != nil {
			return err
		}
		left -= n
		used = 0
	}
	return nil
}
