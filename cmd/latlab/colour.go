package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
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

// paintedVerbs are those whose result is for people. A file that is written to stdout is not.
var paintedVerbs = []string{"compare", "devices", "doctor", "fit", "show", "sweep", "time", "verify"}

// escapesWanted: https://no-color.org, and terminals that know no escape sequences.
func escapesWanted() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// painted is w in colour where somebody sees it, else w itself. Colour is put on finished
// lines, in this one place: tables are aligned without it, no verb can forget to leave it
// out, and names that contain an escape sequence are no concern of it.
func painted(w io.Writer, args []string) io.Writer {
	verb := len(args) > 1 && slices.Contains(paintedVerbs, args[1])
	if !verb || !isTerminal(w) || !escapesWanted() || wantsJSON(args) || wantsQuiet(args) {
		return w
	}
	return newPainter(w)
}

func wantsQuiet(args []string) bool {
	asked, _ := strconv.ParseBool(os.Getenv("LATLAB_QUIET"))
	return asked || slices.Contains(args, "--quiet") || slices.Contains(args, "-quiet")
}

// painter puts whole lines through paint. What has no end of line yet waits for it.
type painter struct {
	w       io.Writer
	words   *regexp.Regexp
	pending []byte
}

func newPainter(w io.Writer) *painter {
	var alternatives []string
	for _, p := range paintedWords {
		alternatives = append(alternatives, "("+p.word+")")
	}
	return &painter{w: w, words: regexp.MustCompile(`\b(?:` + strings.Join(alternatives, "|") + `)`)}
}

func (p *painter) Write(b []byte) (int, error) {
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

// flush writes what came without an end of line.
func (p *painter) flush() error {
	_, err := io.WriteString(p.w, p.paint(string(p.pending)))
	p.pending = nil
	return err
}

// paint leaves a table's header alone: INVALID is a column there and says nothing.
func (p *painter) paint(line string) string {
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
