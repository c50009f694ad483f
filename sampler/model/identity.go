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

	"latlab/internal/atomicfile"
	"latlab/sampler/graph"
)

// New describes a network in a format and precision. Nothing is written until Open, which stores the
// bytes in the cache; a Model without a cache supports only WriteFile.
func New(g *graph.Graph, f Form, cache *Cache) (*Model, error) {
	w, err := writerOf(f)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", g.Name, err)
	}
	m := &Model{
		Name: g.Name + "-" + f.suffix(), Graph: g, Form: f,
		Identity: identity(g.Hash(), f, w.revision),
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

// FileName is the Model's name with the format's extension.
func (m *Model) FileName() string { return m.Name + "." + string(m.Format) }

// Size is the file's size in bytes, computed without writing it.
func (m *Model) Size() (int64, error) {
	if u, ok := m.source.(userFile); ok {
		return u.size, nil
	}
	w, err := writerOf(m.Form)
	if err != nil {
		return 0, err
	}
	return w.size(m.Graph)
}

// WriteFile writes the Model into dir under its FileName, bypassing the cache. It writes completely or
// not at all, and replaces an existing file. Close of the File does nothing.
func (m *Model) WriteFile(ctx context.Context, dir string) (*File, error) {
	if _, ok := m.source.(userFile); ok {
		return nil, fmt.Errorf("model %s: already a file", m.Name)
	}
	name := m.FileName()
	if filepath.Base(name) != name || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("model %q: not a valid file name", m.Name)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, &DiskError{Dir: dir, Err: err}
	}
	path := filepath.Join(dir, name)
	var res written
	err := atomicfile.Replace(path, 0o644, func(w io.Writer) (err error) {
		res, err = m.write(ctx, w)
		return err
	})
	if err != nil {
		return nil, diskError(dir, err)
	}
	return &File{Path: path, SHA256: res.SHA256, Size: res.Bytes}, nil
}

func (m *Model) write(ctx context.Context, file io.Writer) (written, error) {
	w, err := writerOf(m.Form)
	if err != nil {
		return written{}, err
	}
	return w.write(interruptible{ctx, file}, m.Graph)
}

// writeAndClose treats a failing Close as a failing write: some file systems report a full disk only
// there.
func (m *Model) writeAndClose(ctx context.Context, file io.WriteCloser) (written, error) {
	res, err := m.write(ctx, file)
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
