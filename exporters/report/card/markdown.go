package card

import (
	"fmt"
	"strings"

	"latlab/exporters/report"
	"latlab/exporters/report/describe"
)

// card is a text in the making.
type card struct {
	data  *report.Data
	store string // as commands name it
	text  strings.Builder
}

// word is text that is escaped when it is put into a line; other arguments of line are the
// program's own words and figures.
type word string

func (c *card) raw(s string) { c.text.WriteString(s) }

func (c *card) format(format string, args ...any) string {
	for i, a := range args {
		if w, ok := a.(word); ok {
			args[i] = escaped(string(w))
		}
	}
	return fmt.Sprintf(format, args...)
}

// line is a paragraph of its own.
func (c *card) line(format string, args ...any) { c.raw("\n" + c.format(format, args...) + "\n") }

func (c *card) heading(level int, format string, args ...any) {
	c.line(strings.Repeat("#", level)+" "+format, args...)
}

func (c *card) list(items ...string) { c.raw("\n- " + strings.Join(items, "\n- ") + "\n") }

// table escapes its cells.
func (c *card) table(head []string, rows ...[]string) {
	c.raw("\n| " + strings.Join(head, " | ") + " |\n|" + strings.Repeat("---|", len(head)) + "\n")
	for _, r := range rows {
		cells := make([]string, len(r))
		for i := range r {
			cells[i] = escaped(r[i])
		}
		c.raw("| " + strings.Join(cells, " | ") + " |\n")
	}
}

func (c *card) fields(fields []describe.Fact) {
	var rows [][]string
	for _, f := range fields {
		rows = append(rows, []string{f.Name, describe.OrNone(f.Value)})
	}
	c.table([]string{"", ""}, rows...)
}

// commands are a block of code: nothing in it is Markdown but a fence.
func (c *card) commands(lines ...string) {
	for i := range lines {
		lines[i] = describe.Plain(lines[i])
	}
	fence := "```"
	for strings.Contains(strings.Join(lines, "\n"), fence) {
		fence += "`"
	}
	c.raw("\n" + fence + "sh\n" + strings.Join(lines, "\n") + "\n" + fence + "\n")
}

func (c *card) made() string {
	if c.data.Made.IsZero() {
		return ""
	}
	return " on " + describe.Time(c.data.Made)
}

// escaped makes a text Markdown that shows just it. An underscore between letters or digits
// has no meaning in Markdown and stays bare: mobiledet_edgetpu stays readable.
func escaped(s string) string {
	runes := []rune(strings.TrimSpace(describe.Plain(s)))
	var b strings.Builder
	for i, r := range runes {
		switch {
		case strings.ContainsRune("\\`*{}[]<>#!|~&$@", r), r == '_' && !inWord(runes, i):
			b.WriteRune('\\')
		case (r == '-' || r == '+' || r == '=' || r == '.' || r == ')') && startsBlock(runes, i):
			b.WriteRune('\\')
		// GitHub makes links of these without being asked.
		case r == ':' && strings.HasPrefix(string(runes[i:]), "://"), r == '.' && strings.HasSuffix(strings.ToLower(string(runes[:i])), "www"):
			b.WriteRune('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func inWord(runes []rune, i int) bool {
	letter := func(k int) bool {
		if k < 0 || k >= len(runes) {
			return false
		}
		r := runes[k]
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return letter(i-1) && letter(i+1)
}

// startsBlock reports whether a mark would make the text a list, a rule or a heading's
// underline: a bullet or a number before a space, or a row of the same mark.
func startsBlock(runes []rune, i int) bool {
	spaceAfter := i+1 == len(runes) || runes[i+1] == ' '
	if i == 0 {
		return spaceAfter || runes[1] == runes[0]
	}
	return spaceAfter && (runes[i] == '.' || runes[i] == ')') && strings.Trim(string(runes[:i]), "0123456789") == ""
}
