package state

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxText bounds what is read of a file. The longest that is wanted is a first line.
	maxText = 4096
	// maxEntries bounds a folder, and maxSensors the list made of it.
	maxEntries = 8192
	maxSensors = 512
	// maxName bounds what a sensor calls itself.
	maxName = 64
)

// tree is a folder that holds proc and sys. Nothing outside of it is read: os.Root follows
// no link that leaves it.
type tree struct{ root *os.Root }

// text is the beginning of a regular file, without the space around it.
//
// Pipes and devices are refused without waiting for them. The read is one system call and
// no more: where a driver says EAGAIN, as some sensors that are switched off do, os.File
// would wait for ever.
func (t tree) text(path string) (string, error) {
	f, err := t.root.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
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

// number is a file that holds one whole number and nothing else.
func (t tree) number(path string) (int64, error) {
	s, err := t.text(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// optional is number, nil where there is none.
func (t tree) optional(path string) *int64 {
	n, err := t.number(path)
	if err != nil {
		return nil
	}
	return &n
}

// entries lists the names in a folder, sorted.
func (t tree) entries(dir string) []string {
	f, err := t.root.OpenFile(dir, os.O_RDONLY|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
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

// numbered lists the entries of a folder that are the prefix and a number, by number:
// cpu0, cpu1, cpu10.
func (t tree) numbered(dir, prefix string) []string {
	var names []string
	for _, name := range t.entries(dir) {
		if n, ok := strings.CutPrefix(name, prefix); ok && isNumber(n) {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	return names[:min(len(names), maxSensors)]
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// name is what a sensor or driver calls itself: one short line of printable characters.
func (t tree) name(path string) string {
	s, err := t.text(path)
	if err != nil {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if r == '\uFFFD' || !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), maxName)], "")
}
