package ui

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
)

// Colours as SGR parameters, readable on light and on dark backgrounds: the green and yellow of
// the 16 basic colours are not readable on white, these two of the 256 have a contrast of 4.5 to 1
// against both. Only words are coloured, so no information depends on seeing colours.
const (
	colourBad  = "1;31"
	colourGood = "38;5;28"
	colourWarn = "38;5;130"
	colourKind = "1;35"
)

// paintedWords are the coloured words, in the order of priority. "0 INVALID" is listed without a
// colour so that it stays plain.
var paintedWords = []struct{ word, colour string }{
	{`0 (?:INVALID|IMPRECISE|failed)`, ""},
	{`INVALID`, colourBad},
	{`IMPRECISE`, colourWarn},
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

// A Painter colours words in finished lines. So tables are aligned without escape sequences, and
// no verb needs to know about colours. It holds an incomplete line back until its end or Flush.
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

// Flush writes an incomplete last line.
func (p *Painter) Flush() error {
	_, err := io.WriteString(p.w, p.paint(string(p.pending)))
	p.pending = nil
	return err
}

// paint colours a line, except for a table's header, where INVALID is only a column.
func (p *Painter) paint(line string) string {
	if strings.ToUpper(line) == line {
		return line
	}
	var b strings.Builder
	rest := 0
	for _, at := range p.words.FindAllStringSubmatchIndex(line, -1) {
		start, end := at[0], at[1]
		if !isWholeWord(line, start, end) {
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

// isWholeWord reports whether line[start:end] is not part of a name or a path.
func isWholeWord(line string, start, end int) bool {
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
