package csvtable

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	utf "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// limits of a table hold before anything is parsed: a compressed file of 300 kB may expand to
// gigabytes of fields.
type limits struct {
	bytes   int // decompressed
	line    int // bytes
	columns int
	rows    int
	cells   int // rows times columns
}

func standardLimits() limits {
	return limits{bytes: 256 << 20, line: 1 << 20, columns: 4096, rows: 5_000_000, cells: 32 << 20}
}

// maxValues is how many values a category has at most.
const maxValues = 256

// decoded returns the text in UTF-8, without a byte order mark: spreadsheets write it in UTF-8 and
// in UTF-16. Without a mark the text is taken for UTF-8; checkText refuses other encodings.
func decoded(r io.Reader, maxLine int) *bufio.Reader {
	return bufio.NewReaderSize(transform.NewReader(r, utf.BOMOverride(encoding.Nop.NewDecoder())), maxLine)
}

// dialect is how a table is written, by its first line.
type dialect struct {
	separator rune
	oldEnds   bool // lines end in a lone carriage return, as old spreadsheets write them
}

// dialectOf finds what separates the fields of the first line outside of quotes: comma, semicolon
// or tab, whichever is there most often. Spreadsheets write semicolons where the decimal separator
// is a comma, and some begin with a line "sep=;", which is consumed.
func dialectOf(r *bufio.Reader) (dialect, error) {
	head, err := r.Peek(r.Size())
	if len(head) == 0 && !errors.Is(err, io.EOF) {
		return dialect{}, err
	}
	line, rest := head, []byte(nil)
	if i := bytes.IndexAny(head, "\r\n"); i >= 0 {
		line, rest = head[:i], head[i:]
	}
	d := dialect{separator: ',', oldEnds: len(rest) > 1 && rest[0] == '\r' && rest[1] != '\n'}
	if s := string(line); len(s) == len("sep=;") && strings.EqualFold(s[:4], "sep=") {
		d.separator = rune(s[4])
		_, err := r.Discard(len(line))
		return d, err
	}
	counts := map[byte]int{}
	quoted := false
	for _, b := range line {
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[b]++
		}
	}
	for _, c := range ";\t" {
		if counts[byte(c)] > counts[byte(d.separator)] {
			d.separator = c
		}
	}
	return d, nil
}

// guard fails before a line or the whole text exceeds the limits.
type guard struct {
	r           io.Reader
	file        string
	max         limits
	oldEnds     bool // lines end in a lone carriage return
	total, line int
	lines       int // ended so far
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	for i, b := range p[:n] {
		if g.oldEnds && b == '\r' {
			b, p[i] = '\n', '\n'
		}
		if g.line++; b == '\n' {
			g.line = 0
			g.lines++
		} else if g.line > g.max.line {
			return 0, &Error{File: g.file, Line: g.lines + 1, Reason: fmt.Sprintf("the line is longer than %d bytes", g.max.line)}
		}
	}
	if g.total += n; g.total > g.max.bytes {
		return 0, &Error{File: g.file, Reason: fmt.Sprintf("larger than %d MiB", g.max.bytes>>20)}
	}
	return n, err
}

// checkText refuses fields that are not text, with the reason.
func checkText(fields []string) string {
	for _, f := range fields {
		switch {
		case strings.ContainsRune(f, 0):
			return "it has NUL bytes, so it is not a CSV in UTF-8: save it as UTF-8"
		case !utf8.ValidString(f):
			return fmt.Sprintf("%q is not UTF-8: save the file as UTF-8", f)
		}
	}
	return ""
}

// trimmed removes blanks and invisible characters around a name or a value.
func trimmed(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
}

// invisible reports whether a character of a name would not be seen: a control or format
// character, such as a zero-width space or a byte order mark.
func invisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }
