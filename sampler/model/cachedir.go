package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"latlab/internal/private"
)

// DefaultCacheDir is the folder of the user's models. Without a home, as of a daemon, it is below the
// folder for temporary files, where the Cache refuses one that another user made before.
func DefaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("latlab-%d", os.Getuid()))
	}
	return filepath.Join(dir, "latlab", "models")
}

// ErrFreeUnknown is of a folder that can be written, on a disk whose free space cannot be read.
var ErrFreeUnknown = errors.New("free space unknown")

// CheckCacheDir makes the folder, checks that it is the user's own, and writes a file there, as the cache
// will. It returns the bytes free.
func CheckCacheDir(dir string) (free int64, err error) {
	if err := private.Folder(dir); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(dir, ".check-")
	if err != nil {
		return 0, err
	}
	f.Close()
	os.Remove(f.Name())
	return freeBytes(dir)
}

// freeBytes is what the user may still write on the folder's disk. The error wraps ErrFreeUnknown.
func freeBytes(dir string) (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("%s: %w: %w", dir, ErrFreeUnknown, err)
	}
	return int64(disk.Bavail) * disk.Bsize, nil
}
