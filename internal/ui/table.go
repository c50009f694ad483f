package ui

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// Widths of text: a terminal's 80 columns, or less than 100 for tables with names of layers.
const (
	Columns     = 80
	WideColumns = 98
)

// Table writes rows with aligned columns; the first is the header.
func Table(w io.Writer, rows [][]string) error {
	return TableWithNotes(w, rows, make([]string, len(rows)))
}

// TableWithNotes is Table with whole lines of text below each row.
func TableWithNotes(w io.Writer, rows [][]string, below []string) error {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	i := 0
	for line := range strings.Lines(text.String()) {
		// Rows whose last cells are empty would end in blanks.
		if _, err := fmt.Fprint(w, strings.TrimRight(line, " \n"), "\n", below[i]); err != nil {
			return err
		}
		i++
	}
	return nil
}

// Wrap puts words behind a head, on lines of at most so many columns, all but the first
// indented by two. A word that is longer has a line of its own: paths are copied whole. A
// library's wrapping (go-wordwrap) has no first line of another width.
func Wrap(head string, words []string, columns int) string {
	return WrapIndented(head, words, "  ", columns)
}

// WrapIndented is Wrap with another indent, which a blank follows.
func WrapIndented(head string, words []string, indent string, columns int) string {
	var b strings.Builder
	line := head
	for _, word := range words {
		if n := utf8.RuneCountInString(line) + 1 + utf8.RuneCountInString(word); n > columns && line != indent {
			fmt.Fprintln(&b, line)
			line = indent
		}
		line += " " + word
	}
	fmt.Fprintln(&b, line)
	return b.String()
}

// Facts writes rows of a name and its value, wrapped behind the names. A value that cannot
// be wrapped, such as a hash, has a line of its own.
func Facts(w io.Writer, rows [][2]string) {
	names := 0
	for _, r := range rows {
		names = max(names, utf8.RuneCountInString(r[0]))
	}
	for _, r := range rows {
		head, words := fmt.Sprintf("%-*s ", names, r[0]), strings.Fields(r[1])
		if len(words) == 1 && names+2+utf8.RuneCountInString(words[0]) > Columns {
			fmt.Fprintf(w, "%s\n    %s\n", strings.TrimRight(head, " "), words[0])
			continue
		}
		if len(words) > 0 {
			fmt.Fprint(w, WrapIndented(head, words, strings.Repeat(" ", names+1), Columns))
		}
	}
}

// Command writes what to type, so that it can be copied from a narrow terminal too: commands
// joined by && stand on lines of their own, and a shell comment behind them is one on each of
// its lines.
func Command(w io.Writer, margin, text string) {
	head := margin + "type: "
	if utf8.RuneCountInString(head+text) <= Columns {
		fmt.Fprintln(w, head+text)
		return
	}
	indent := strings.Repeat(" ", len(head))
	commands, comment, _ := strings.Cut(text, "  # ")
	fmt.Fprintln(w, head+strings.ReplaceAll(commands, " && ", " && \\\n"+indent))
	if words := strings.Fields(comment); len(words) > 0 {
		fmt.Fprint(w, WrapIndented(indent+"#", words, indent+"#", Columns))
	}
}

// Middle leaves out the middle of a text that is longer than n runes: names of layers differ
// at both ends.
func Middle(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	head := (n - 2) / 2
	return string(r[:head]) + ".." + string(r[len(r)-(n-2-head):])
}
