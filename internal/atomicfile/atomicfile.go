// Package atomicfile writes a file completely or not at all: readers of the path see the old file or
// the new one, even after a crash of the machine. It refuses to write folders, and does not lock.
//
// The model cache (sampler/model) does not use it: it gives temporary files known names, to find those
// that killed writers left, and locks files before it renames them.
package atomicfile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Write replaces a file and keeps its permissions, or makes one with permissions 0644. It follows
// links. It writes directly to a device or a pipe, because renaming over /dev/stdout would break the host.
func Write(path string, write func(io.Writer) error) error {
	mode := fs.FileMode(0o644)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	switch info, err := os.Stat(path); {
	case err != nil:
	case info.Mode().IsRegular():
		mode = info.Mode().Perm()
	case info.IsDir():
		return &fs.PathError{Op: "write", Path: path, Err: syscall.EISDIR}
	default:
		return writeInto(path, write)
	}
	return Replace(path, mode, write)
}

func writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// Replace makes a file with these permissions and renames it to path, replacing a file or a link there.
// The temporary file is hidden, in the same folder, with a random name, so that two programs may write
// one path at once.
func Replace(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // also after a panic of write
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Chmod(mode), f.Sync()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	done = true
	syncFolder(dir)
	return f.Close()
}

// syncFolder makes the rename durable. It ignores errors, because some file systems do not support it
// and the file is already renamed.
func syncFolder(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
