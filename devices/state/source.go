package state

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxText bounds what is read of a file. The longest that is wanted is the list of cgroups.
	maxText = 4096
	// maxEntries bounds a folder, and maxSensors the list made of it.
	maxEntries = 8192
	maxSensors = 512
	// maxName bounds what a sensor calls itself.
	maxName = 64
)

// source provides files of /proc and /sys: from a folder of this host, or from what a shell on
// a different machine printed. Paths are relative to the root, without a leading slash.
type source interface {
	// text returns the beginning of a regular file, at most maxText bytes, trimmed. A missing
	// file is fs.ErrNotExist; all other errors mean that the file exists and cannot be read.
	text(path string) (string, error)
	// entries lists the names in a folder, sorted; empty if the folder cannot be read.
	entries(dir string) []string
}

// tree reads figures from a source, in the same way for this host and for others.
type tree struct{ source }

// number reads a file that holds one whole number and nothing else.
func (t tree) number(path string) (int64, error) {
	s, err := t.text(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// optional is number, but returns nil if it fails.
func (t tree) optional(path string) *int64 {
	n, err := t.number(path)
	if err != nil {
		return nil
	}
	return &n
}

// numbered lists the entries of a folder that consist of the prefix and a number, sorted by
// number: cpu0, cpu1, cpu10.
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

// name reads the name of a sensor or driver: one short line of printable characters.
func (t tree) name(path string) string {
	s, err := t.text(path)
	if err != nil {
		return ""
	}
	return printable(s)
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\uFFFD' || !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), maxName)], "")
}
