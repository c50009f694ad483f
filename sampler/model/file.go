package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"latlab/internal/filemark"
	"latlab/internal/text"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/reader"
)

// ErrChanged is wrapped by Open's error if a user's file has changed since FromFile.
var ErrChanged = errors.New("the file has changed")

// FromFile is a Model of a user's own file. Its identity is the sha256 of its bytes; its format is
// detected by content, not by name. Incomplete models are refused.
//
// Its Precision is the type of the activations, which is what a device must support, by one rule for both
// formats (sampler/precision): Float32 also if weights are stored as float16 or int8 (Network.Precision
// has the difference), Int8 also if values are unsigned, "float16" only if the network computes in it.
//
// The call says how the file is executed; the identity is then that of the file and the call. A shape must fit
// the file's.
func FromFile(path string, call Call) (*Model, error) {
	call.Inputs = slices.Clone(call.Inputs) // values are completed by the types of the inputs
	m := &Model{
		Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)),
		Call: call,
	}
	u := userFile{path: path, hashed: new(atomic.Pointer[filemark.Mark])}
	mark, begin := markOf(path), time.Now()
	err := mapped(path, func(data []byte) error {
		if err := m.read(data); err != nil {
			if why := text.WrongKind(data, path, text.Model); why != "" {
				err = errors.New(why)
			}
			return fmt.Errorf("model %s: %w", path, err)
		}
		u.size, u.sha256 = int64(len(data)), hashOf(data) // last, since a refused file does not need it
		return nil
	})
	if err != nil {
		return nil, err
	}
	u.believe(mark, begin)
	m.source, m.Identity = u, m.Call.identity(u.sha256)
	return m, nil
}

func hashOf(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}

// read detects a file's format by its content and reads its properties.
func (m *Model) read(data []byte) error {
	if onnx.Detect(data) && !tflite.Detect(data) {
		info, err := onnx.Check(data)
		if err != nil {
			return err
		}
		if m.Call.Signature != "" {
			return fmt.Errorf("an .onnx file has no signatures, so none is named %q", text.Clip(m.Call.Signature))
		}
		m.ONNX, m.Form = &info, Form{Format: ONNX, Precision: computed(info.Activations)}
		for _, in := range info.Inputs {
			m.Ports = append(m.Ports, onnxPort(in))
		}
		if n, err := onnx.Read(data); err == nil {
			for _, d := range n.Decided() {
				m.Decided = append(m.Decided, reader.Decision(d))
			}
		}
		return m.take()
	}
	n, err := reader.ReadAs(data, reader.Options{Signature: m.Call.Signature})
	if err != nil {
		return err
	}
	m.Network = n
	for _, in := range n.Inputs {
		m.Ports = append(m.Ports, tflitePort(in))
	}
	if err := m.take(); err != nil {
		return err
	}
	if shapes := m.SetShapes(); shapes != nil {
		if n, err = reader.ReadAs(data, reader.Options{Signature: m.Call.Signature, Shapes: shapes}); err != nil {
			return err
		}
		m.Network = n
	}
	m.Form = Form{Format: TFLite, Precision: computed(n.Activations), Input: inputOf(n)}
	if n.MACsComplete {
		m.Graph = n.Graph
	}
	return nil
}

// computed is the precision of a file whose activations have a type. One that latlab does not write is
// kept: devices that do not list it refuse it.
func computed(activations string) Precision {
	if activations == "uint8" {
		return Int8
	}
	return Precision(activations)
}

// inputOf detects integer networks with uint8 inputs.
func inputOf(n *reader.Network) Input {
	if computed(n.Activations) == Int8 && len(n.Inputs) > 0 && n.Inputs[0].Type == "uint8" {
		return UInt8
	}
	return ""
}

// unreadable names the file once: the system's error has its path too.
func unreadable(path string, err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		err = named.Err
	}
	return fmt.Errorf("model %s cannot be read: %w", path, err)
}

// mapped calls f with a file's bytes, which are valid until f returns. The file is mapped and not read,
// because it may be larger than the memory. It must be a regular file: opening a pipe would never end,
// and the error for a folder would be unclear.
func mapped(path string, f func(data []byte) error) (err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("model %s: %w", path, fs.ErrNotExist)
	case err != nil:
		return unreadable(path, err)
	case info.IsDir():
		return fmt.Errorf("model %s: it is a folder; name a file", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("model %s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return unreadable(path, err)
	}
	if info.Size() == 0 { // the kernel maps no empty file
		return f(nil)
	}
	if !info.Mode().IsRegular() || info.Size() > math.MaxInt {
		return fmt.Errorf("model %s: not a regular file", path)
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return unreadable(path, err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(data)) }()
	defer guard(path, &err)()
	return f(data)
}

// guard turns the fault of reading a mapped file that became shorter, or whose disk fails, into an
// error. The returned function is to be deferred.
func guard(path string, err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		r := recover()
		if r == nil {
			return
		}
		if fault, ok := r.(interface{ Addr() uintptr }); !ok || fault.Addr() == 0 {
			panic(r)
		}
		*err = fmt.Errorf("model %s: %w while it was read, or cannot be read", path, ErrChanged)
	}
}

// userFile is a file of the user: it is never copied, evicted or changed.
type userFile struct {
	path   string
	size   int64
	sha256 string // hex
	// hashed is the mark of the file when it was last hashed.
	hashed *atomic.Pointer[filemark.Mark]
}

// FileSHA256 is the hash of a user's own file without its Call, in hex; empty for other models.
func (m *Model) FileSHA256() string {
	u, _ := m.source.(userFile)
	return u.sha256
}

// FileError is a user's own file that has become unusable since it was first read. Only this model is
// affected.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// open reads the file again, unless its mark proves that it did not change, so that a measurement is never
// attributed to older bytes.
func (u userFile) open(ctx context.Context, _ *Model) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mark, begin := markOf(u.path), time.Now()
	file := &File{Path: u.path, SHA256: u.sha256, Size: u.size}
	if known := u.hashed.Load(); known != nil && *known == mark {
		return file, nil
	}
	var hash string
	if err := mapped(u.path, func(data []byte) error { hash = hashOf(data); return nil }); err != nil {
		return nil, &FileError{u.path, err}
	}
	if hash != u.sha256 {
		return nil, &FileError{u.path, fmt.Errorf("model %s: %w since it was first read", u.path, ErrChanged)}
	}
	u.believe(mark, begin)
	return file, nil
}

// believe keeps the mark that the file had before it was hashed, if it proves that these were its bytes.
func (u userFile) believe(mark filemark.Mark, begin time.Time) {
	if !mark.Recent(begin) && mark != (filemark.Mark{}) && markOf(u.path) == mark {
		u.hashed.Store(&mark)
	}
}

// markOf is the mark of a file, the zero Mark if it has none.
func markOf(path string) filemark.Mark {
	mark, _ := filemark.Of(path)
	return mark
}
