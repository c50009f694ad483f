package tool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"latlab/devices"
	"latlab/sampler/model"
)

// SHA256 is the hash of a file on this machine, in hexadecimal. It distinguishes two builds of a
// program that print the same version.
func SHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// SizeError is ReadFile's error for a file that is longer than its limit.
type SizeError int64

func (e SizeError) Error() string { return fmt.Sprintf("has %d bytes", int64(e)) }

// ReadFile reads a file on this machine that a program wrote.
func ReadFile(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(data)) > limit {
		size := int64(len(data))
		if info, serr := f.Stat(); serr == nil {
			size = max(size, info.Size())
		}
		return "", SizeError(size)
	}
	return string(data), err
}

// OpenModel opens a model's file on this machine.
func OpenModel(ctx context.Context, op string, m *model.Model) (*model.File, error) {
	f, err := m.Open(ctx)
	switch {
	case err == nil:
		return f, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, devices.ModelBytes(op, err)
}

// LookPath finds a program on this host: the file itself if the name has a slash, otherwise the first
// executable of that name in PATH.
func LookPath(name string) (string, error) {
	if filepath.Base(name) != name {
		return name, executable(name)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(dir, name); filepath.IsAbs(path) && executable(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in PATH: %w", name, fs.ErrNotExist)
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s: %w", path, fs.ErrPermission)
	}
	return nil
}
