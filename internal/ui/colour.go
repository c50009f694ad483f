package ui

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
)

// The few things that are worth a colour, as SGR parameters. They are bold or dark enough to
// be read on a light and on a dark background (the green and yellow of the first 16 are not, on
// white: these two of the 256 are 4.5 to 1 against black and against white), and each stands beside a word that says the
// same: nobody has to see the difference of red and green.
const (
	colourBad  = "1;31"
	colourGood = "38;5;28"
	colourWarn = "38;5;130"
	colourKind = "1;35"
)

// paintedWords are the words that a colour makes hard to overlook, in the order in which they
// are tried at one place. What must stay plain, "0 INVALID", has no colour.
var paintedWords = []struct{ word, colour string }{
	{`0 (?:INVALID|failed)`, ""},
	{`INVALID`, colourBad},
	{`VALID`, colourGood},
	{`SIMULATED|ESTIMATED`, colourKind},
	{`WARNING:|warning:`, colourWarn},
	{`failed:|[1-9][0-9]* networks? failed|not ready|offline|unauthorized|missing`, colourBad},
	{`busy|hot`, colourWarn},
	{`ready`, colourGood},
}

// escapesWanted: https://no-color.org, and terminals that know no escape sequences.
func escapesWanted() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// WantsColour reports whether w is a terminal whose user wants colours.
func WantsColour(w io.Writer) bool { return IsTerminal(w) && escapesWanted() }

// A Painter colours finished lines, in one place: tables are aligned without colours, no verb
// can forget to leave them out, and names that contain an escape sequence are not affected.
// Text without an end of line waits for it, or for Flush.
type Painter struct {
	w       io.Writer
	words   *regexp.Regexp
	pending []byte
}

// NewPainter colours what is written to w.
func NewPainter(w io.Writer) *Painter {
	var alternatives []string
	for _, p := range paintedWords {
		alternatives = append(alternatives, "("+p.word+")")
	}
	return &Painter{w: w, words: regexp.MustCompile(`\b(?:` + strings.Join(alternatives, "|") + `)`)}
}

// Write implements io.Writer.
func (p *Painter) Write(b []byte) (int, error) {
	p.pending = append(p.pending, b...)
	end := bytes.LastIndexByte(p.pending, '\n') + 1
	if end == 0 {
		return len(b), nil
	}
	for line := range bytes.Lines(p.pending[:end]) {
		if _, err := io.WriteString(p.w, p.paint(string(line))); err != nil {
			return 0, err
		}
	}
	p.pending = append(p.pending[:0], p.pending[end:]...)
	return len(b), nil
}

// Flush writes what came without an end of line.
func (p *Painter) Flush() error {
	_, err := io.WriteString(p.w, p.paint(string(p.pending)))
	p.pending = nil
	return err
}

// paint leaves a table's header alone: INVALID is a column there and says nothing.
func (p *Painter) paint(line string) string {
	if strings.ToUpper(line) == line {
		return line
	}
	var b strings.Builder
	rest := 0
	for _, at := range p.words.FindAllStringSubmatchIndex(line, -1) {
		start, end := at[0], at[1]
		if !apart(line, start, end) {
			continue
		}
		for i, w := range paintedWords {
			if at[2*i+2] >= 0 && w.colour != "" {
				b.WriteString(line[rest:start] + "\x1b[" + w.colour + "m" + line[start:end] + "\x1b[0m")
				rest = end
			}
		}
	}
	return b.String() + line[rest:]
}

// apart reports whether a word is one of its own, not part of a name or a path.
func apart(line string, start, end int) bool {
	const part = "-_./:"
	before := start > 0 && (strings.IndexByte(part, line[start-1]) >= 0)
	after := false
	if end < len(line) && line[end-1] != ':' {
		c := line[end]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		after = letter || strings.IndexByte("-_/", c) >= 0
	}
	return !before && !after
}
