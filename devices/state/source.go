package state

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxText bounds what is read of a file. The longest that is wanted is a first line.
	maxText = 1024
	// maxEntries bounds a folder, and maxSensors the list made of it.
	maxEntries = 8192
	maxSensors = 512
	// maxName bounds what a sensor calls itself.
	maxName = 64
)

// source is where files of /proc and /sys come from: a folder of this machine, or what a
// shell on another one printed. Paths are relative to the root, without a slash in front.
type source interface {
	// text is the beginning of a regular file, at most maxText bytes, without the space
	// around it. One that is not there is fs.ErrNotExist; all other errors mean that it is
	// there and cannot be read.
	text(path string) (string, error)
	// entries lists the names in a folder, sorted; none where it cannot be read.
	entries(dir string) []string
}

// tree reads figures from a source. It is the same for this machine and for others.
type tree struct{ source }

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
