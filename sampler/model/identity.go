package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"latlab/sampler/graph"
)

// New names a network in a format and precision. Nothing is written until Open, which
// keeps the bytes in the cache; a Model without a cache has WriteFile only.
func New(g *graph.Graph, f Form, cache *Cache) (*Model, error) {
	w, err := writerOf(f)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", g.Name, err)
	}
	m := &Model{
		Name: g.Name + "-" + f.suffix(), Graph: g, Form: f,
		Identity: identity(g.Hash(), f, w.revision),
		source:   noCache{},
	}
	if cache != nil {
		m.source = cache
	}
	return m, nil
}

func identity(graphHash string, f Form, revision string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n", graphHash, f.Format, f.suffix(), revision))
	return hex.EncodeToString(sum[:])
}

type noCache struct{}

func (noCache) open(_ context.Context, m *Model) (*File, error) {
	return nil, fmt.Errorf("model %s: it has no cache to be written into", m.Name)
}

// FileName is the Model's name with the format's extension.
func (m *Model) FileName() string { return m.Name + "." + string(m.Format) }

// Size is how many bytes the file has, without writing it.
func (m *Model) Size() (int64, error) {
	if u, ok := m.source.(userFile); ok {
		return u.size, nil
	}
	w, err := writerOf(m.Form)
	if err != nil {
		return 0, err
	}
	return w.size(m.Graph, m.Form)
}

// WriteFile writes the Model into dir under its FileName, past the cache: whole or not at
// all, replacing a file of that name. Close of the File does nothing.
func (m *Model) WriteFile(ctx context.Context, dir string) (*File, error) {
	if _, ok := m.source.(userFile); ok {
		return nil, fmt.Errorf("model %s: it is a file already", m.Name)
	}
	name := m.FileName()
	if filepath.Base(name) != name || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("model %q: the name is none for a file", m.Name)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, &DiskError{Dir: dir, Err: err}
	}
	// Hidden and of a random name: two commands may write the same model at once.
	tmp, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return nil, &DiskError{Dir: dir, Err: err}
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	res, err := m.writeAndClose(ctx, tmp)
	if err == nil {
		err = publish(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return nil, diskError(dir, err)
	}
	return &File{Path: filepath.Join(dir, name), SHA256: res.SHA256, Size: res.Bytes}, nil
}

// publish gives a finished temporary file the permissions of ordinary files and its name.
func publish(tmp, path string) error {
	if err := os.Chmod(tmp, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// writeAndClose counts a failing Close as a failing write: some file systems report a
// full disk only there.
func (m *Model) writeAndClose(ctx context.Context, file io.WriteCloser) (written, error) {
	w, err := writerOf(m.Form)
	if err != nil {
		return written{}, errors.Join(err, file.Close())
	}
	res, err := w.write(interruptible{ctx, file}, m.Graph, m.Form)
	return res, errors.Join(err, file.Close())
}

// interruptible stops a write when its context ends: a large model takes a second.
type interruptible struct {
	ctx context.Context
	w   io.Writer
}

func (i interruptible) Write(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.w.Write(p)
}
