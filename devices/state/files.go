package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// folder holds proc and sys. Nothing outside of it is read: os.Root follows no link that
// leaves it.
type folder struct{ root *os.Root }

// text returns the beginning of a regular file, trimmed.
//
// It refuses pipes and devices without waiting for them. It reads with a single system call,
// because os.File would wait for ever for a driver that returns EAGAIN, as some switched-off
// sensors do.
func (d folder) text(path string) (string, error) {
	f, err := d.root.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%s: %w", path, fs.ErrInvalid))
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return "", err
	}
	var buf [maxText]byte
	var n int
	var readErr error
	if err := conn.Control(func(fd uintptr) { n, readErr = unix.Read(int(fd), buf[:]) }); err != nil {
		return "", err
	}
	if readErr != nil {
		return "", fmt.Errorf("%s: %w", path, readErr)
	}
	return strings.TrimSpace(string(buf[:n])), nil
}

func (d folder) entries(dir string) []string {
	f, err := d.root.OpenFile(dir, os.O_RDONLY|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	found, _ := f.ReadDir(maxEntries) // what was read before an error counts
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
