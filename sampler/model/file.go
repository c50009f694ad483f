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
	"strings"

	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
)

// ErrChanged is wrapped by Open of a user's file that is no longer what FromFile read.
var ErrChanged = errors.New("the file has changed")

// FromFile is a Model of a user's own file: its identity is the sha256 of its bytes, its
// format is told by its content and not by its name. What is no whole model is refused.
func FromFile(path string) (*Model, error) {
	data, err := readModel(path)
	if err != nil {
		return nil, err
	}
	form, err := formOf(data)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	hash := sha256.Sum256(data)
	identity := hex.EncodeToString(hash[:])
	return &Model{
		Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)),
		Form: form, Identity: identity,
		source: userFile{path: path, size: int64(len(data))},
	}, nil
}

// formOf tells a file's format and precision by its content.
func formOf(data []byte) (Form, error) {
	if onnx.Looks(data) && !tflite.Looks(data) {
		info, err := onnx.Check(data)
		return Form{Format: ONNX, Precision: Precision(info.Precision)}, err
	}
	if err := tflite.Check(data); err != nil {
		return Form{}, err
	}
	return Form{Format: TFLite, Precision: Precision(tflite.Precision(data))}, nil
}

// readModel asks for a regular file before it reads: a pipe would never end, a folder
// would give a puzzling error.
func readModel(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("model %s: %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("model %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("model %s: it is no file", path)
	case info.Size() > math.MaxInt32:
		return nil, fmt.Errorf("model %s: %d bytes, but a model ends at 2 GiB", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model %w", err)
	}
	return data, nil
}

// userFile is a file that belongs to the user: it is never copied, evicted or changed.
type userFile struct {
	path string
	size int64
}

// FileError is a user's own file that can no longer be used as it was first read. Only
// that model is lost by it.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// open reads the file again: a measurement must not be booked on bytes that were there
// before.
func (u userFile) open(ctx context.Context, m *Model) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := readModel(u.path)
	if err != nil {
		return nil, &FileError{u.path, err}
	}
	if hash := sha256.Sum256(data); hex.EncodeToString(hash[:]) != m.Identity {
		return nil, &FileError{u.path, fmt.Errorf("model %s: %w since it was first read", u.path, ErrChanged)}
	}
	return &File{Path: u.path, SHA256: m.Identity, Size: u.size}, nil
}
