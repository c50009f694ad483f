package model

import (
	"fmt"
	"io"

	"latlab/sampler/graph"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
)

// written describes a written file.
type written = tflite.Result

// writer is the interface of a format's package.
type writer struct {
	revision string
	write    func(io.Writer, *graph.Graph) (written, error)
	size     func(*graph.Graph) (int64, error)
}

// writerOf returns the writer of a form, or an error if there is none. Models of ONNX in int8 always have uint8
// inputs, so they have no Form.Input.
func writerOf(f Form) (writer, error) {
	switch f {
	case Form{Format: TFLite, Precision: Float32}, Form{Format: TFLite, Precision: Int8}, Form{Format: TFLite, Precision: Int8, Input: UInt8}:
		o := tflite.Options{Precision: string(f.Precision), UInt8Input: f.Input == UInt8}
		return writer{
			revision: tflite.WriterRevision,
			write:    func(w io.Writer, g *graph.Graph) (written, error) { return tflite.Write(w, g, o) },
			size:     func(g *graph.Graph) (int64, error) { return tflite.Size(g, o) },
		}, nil
	case Form{Format: ONNX, Precision: Float32}, Form{Format: ONNX, Precision: Int8}:
		o := onnx.Options{Precision: string(f.Precision)}
		return writer{
			revision: onnx.WriterRevision,
			write: func(w io.Writer, g *graph.Graph) (written, error) {
				r, err := onnx.Write(w, g, o)
				return written(r), err
			},
			size: func(g *graph.Graph) (int64, error) { return onnx.Size(g, o) },
		}, nil
	}
	return writer{}, fmt.Errorf("cannot write %s in %s", f.Format, f.suffix())
}

// WriterRevision is that of the format's writer, empty if there is no writer for the form.
func (f Form) WriterRevision() string {
	w, err := writerOf(f)
	if err != nil {
		return ""
	}
	return w.revision
}

// suffix is the end of a file's name.
func (f Form) suffix() string {
	if f.Input == "" {
		return string(f.Precision)
	}
	return string(f.Precision) + "-" + string(f.Input) + "-input"
}
