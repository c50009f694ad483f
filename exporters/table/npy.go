package table

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// npz writes NumPy's archive: a zip file of .npy arrays
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Text is arrays of
// unicode, never of objects, so that np.load needs no pickle, which can execute code.
// close returns the first error.
type npz struct {
	zip *zip.Writer
	err error
}

func newNPZ(w io.Writer) *npz { return &npz{zip: zip.NewWriter(w)} }

func (n *npz) close() error {
	if n.err != nil {
		return n.err
	}
	return n.zip.Close()
}

// array adds an array whose elements write streams, rows first. dtype is NumPy's: "<f8".
func (n *npz) array(name, dtype string, shape []int, write func(w *bufio.Writer) error) {
	if n.err != nil {
		return
	}
	f, err := n.zip.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Deflate})
	if err != nil {
		n.err = err
		return
	}
	w := bufio.NewWriterSize(f, 1<<16)
	if _, err = w.Write(npyHeader(dtype, shape)); err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Flush()
	}
	n.err = err
}

// npyHeader pads the header so that the elements begin at a multiple of 64 bytes. Version 2
// has a wider length, for headers that version 1 cannot hold.
func npyHeader(dtype string, shape []int) []byte {
	var dims strings.Builder
	for _, d := range shape {
		fmt.Fprintf(&dims, "%d, ", d)
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, strings.TrimSuffix(dims.String(), " "))
	version, width := byte(1), 2
	if len(text)+64 > math.MaxUint16 {
		version, width = 2, 4
	}
	head := 8 + width
	text += strings.Repeat(" ", 63-(head+len(text))%64) + "\n"
	b := append([]byte("\x93NUMPY"), version, 0)
	if width == 2 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	}
	return append(b, text...)
}

func (n *npz) floats(name string, shape []int, xs []float64) {
	n.array(name, "<f8", shape, func(w *bufio.Writer) error { return writeAll(w, xs) })
}

func (n *npz) ints(name string, shape []int, xs []int64) {
	n.array(name, "<i8", shape, func(w *bufio.Writer) error { return writeAll(w, xs) })
}

func (n *npz) bools(name string, xs []bool) {
	n.array(name, "|b1", []int{len(xs)}, func(w *bufio.Writer) error { return writeAll(w, xs) })
}

// writeAll encodes a part at a time, because binary.Write has the bytes of all values in memory.
func writeAll[T any](w io.Writer, xs []T) error {
	for part := range slices.Chunk(xs, 1<<12) {
		if err := binary.Write(w, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	return nil
}

// text is one string, an array without dimensions: str(d["metadata"]).
func (n *npz) text(name, s string) { n.unicode(name, nil, []string{s}) }

func (n *npz) strings(name string, xs []string) { n.unicode(name, []int{len(xs)}, xs) }

// unicode writes strings of one width as UTF-32; shorter ones are padded with zeros.
func (n *npz) unicode(name string, shape []int, xs []string) {
	width := 1 // NumPy has no strings of width 0 in files
	for _, x := range xs {
		width = max(width, utf8.RuneCountInString(x))
	}
	n.array(name, fmt.Sprintf("<U%d", width), shape, func(w *bufio.Writer) error {
		padded := make([]rune, width)
		for _, x := range xs {
			clear(padded[copy(padded, []rune(x)):])
			if err := writeAll(w, padded); err != nil {
				return err
			}
		}
		return nil
	})
}
