// Package atomicfile writes a file as a whole or not at all: whoever reads the path sees the old file or
// the new one, after a crash of the machine too.
//
// The cache of models (sampler/model) does not use it: there the names of temporary files are known, so
// that what killed writers left is found, and files are locked before they get their names.
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

// Write replaces the file, or makes one with permissions 0644. A link is followed, a file keeps its
// permissions. A device or a pipe is written to as it is: renaming over /dev/stdout would break the host.
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

// Replace puts a file with these permissions in the place of what has that name, a link itself included.
// The temporary file is hidden, beside it, and of a random name: two programs may write one path at once.
func Replace(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	whole := false
	defer func() {
		if !whole { // a panic of write's included
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
	whole = true
	syncFolder(dir)
	return f.Close()
}

// syncFolder makes the new name last. Some file systems cannot, and the file is in its place already:
// it is no error.
func syncFolder(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
