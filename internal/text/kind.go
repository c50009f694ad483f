package text

import (
	"bytes"
	"fmt"
	"os"
	"unicode/utf8"
)

// FileKind is a kind of file that a command reads.
type FileKind string

// The kinds that the beginning of a file shows.
const (
	Model     FileKind = "a model file"
	Store     FileKind = "a store of sweeps"
	CostModel FileKind = "a cost model"
	Networks  FileKind = "a list of networks"
	ModelList FileKind = "a list of models"
	Table     FileKind = "a CSV table"
	SpaceFile FileKind = "a search space"
	folder    FileKind = "a folder"
)

// uses are the flags that take a kind of file, and the verbs that have them.
var uses = map[FileKind][2]string{
	Model:     {"--model", "time, sweep and describe"},
	Store:     {"--db", "show, fit, export and report"},
	CostModel: {"--cost", "predict, verify, export and report"},
	Networks:  {"--archs", "time, sweep, compile and verify"},
	ModelList: {"--models", "sweep"},
	Table:     {"--csv", "fit"},
	SpaceFile: {"--space", "sample, time, sweep and describe"},
	folder:    {"--model", "time and sweep, if it is a folder of models"},
}

// use says what to type to use a file of this kind.
func (k FileKind) use(path string) string {
	return fmt.Sprintf("type %s %s (%s)", uses[k][0], ShellWord(path), uses[k][1])
}

// headBytes is how much of a file KindOf needs.
const headBytes = 4096

// KindOf is the kind of a file by its first bytes, "" if it is none of those above.
func KindOf(head []byte) FileKind {
	head = head[:min(len(head), headBytes)]
	line, _, _ := bytes.Cut(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff"))), []byte("\n"))
	has := func(part string) bool { return bytes.Contains(line, []byte(part)) }
	switch {
	case len(head) >= 8 && string(head[4:8]) == "TFL3", isONNX(head):
		return Model
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return Store
	case !isText(head):
		return ""
	case bytes.HasPrefix(line, []byte("{")):
		switch {
		case has(`"indices"`) && has(`"space"`):
			return Networks
		case has(`"path"`):
			return ModelList
		case len(line) == 1 && bytes.Contains(head, []byte(`"schema_version"`)): // the others are lines
			return CostModel
		}
	case bytes.Contains(head, []byte("\nstages:")) || bytes.Contains(head, []byte("\nchoices:")):
		return SpaceFile
	case bytes.Count(line, []byte(",")) > 1 && !has(": ") && !has("["):
		return Table
	}
	return ""
}

// isONNX looks at the protocol buffer's first fields: a version of one byte, then a text.
func isONNX(head []byte) bool {
	return len(head) > 4 && head[0] == 0x08 && head[1] < 0x20 && (head[2] == 0x12 || head[2] == 0x3a)
}

func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && len(head) >= utf8.UTFMax || r == 0 {
			return false
		}
		head = head[n:]
	}
	return true
}

// WrongKind says what a file is that is not of the kind that was wanted, and what to type instead; "" if
// it may be of that kind.
func WrongKind(head []byte, path string, want FileKind) string {
	is := KindOf(head)
	if is == "" || is == want {
		return ""
	}
	return fmt.Sprintf("it is %s; %s", is, is.use(path))
}

// CheckKind refuses a folder, and a file that is of a different kind than the one wanted. It does not move
// the file's position, and knows nothing of pipes.
func CheckKind(f *os.File, want FileKind) error {
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("%s is not %s: it is %s; %s", f.Name(), want, folder, folder.use(f.Name()))
	}
	head := make([]byte, headBytes)
	n, _ := f.ReadAt(head, 0) // its error is that of the next read
	if why := WrongKind(head[:n], f.Name(), want); why != "" {
		return fmt.Errorf("%s is not %s: %s", f.Name(), want, why)
	}
	return nil
}
