package ui

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// Columns is the width of text where no terminal says its own.
const Columns = 80

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

// Column is a column of a table that leaves out what has no room.
type Column struct {
	Head  string
	Cells []string
	// Weight orders the columns: those of a lower weight are left out first, of 0 never.
	Weight int
}

// FittingTable is Table with those columns that fit into a width, the most important first. Columns without
// any text are left out.
func FittingTable(w io.Writer, width int, columns []Column) error {
	const gap = 2
	room, shown := width+gap, map[int]bool{}
	add := func(i int) {
		c, empty := columns[i], true
		need := utf8.RuneCountInString(c.Head)
		for _, cell := range c.Cells {
			need, empty = max(need, utf8.RuneCountInString(cell)), empty && cell == ""
		}
		if fits := room >= need+gap; !empty && (fits || c.Weight == 0) {
			shown[i] = true
			room -= need + gap
		}
	}
	order := make([]int, len(columns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if columns[a].Weight == 0 || columns[b].Weight == 0 {
			return cmp.Compare(columns[a].Weight, columns[b].Weight)
		}
		return cmp.Compare(columns[b].Weight, columns[a].Weight)
	})
	for _, i := range order {
		add(i)
	}
	var rows [][]string
	for i, c := range columns {
		if !shown[i] {
			continue
		}
		for k, cell := range append([]string{c.Head}, c.Cells...) {
			if k == len(rows) {
				rows = append(rows, nil)
			}
			rows[k] = append(rows[k], cell)
		}
	}
	return Table(w, rows)
}

// Wrap prints head and words on lines of at most the given columns, all but the first indented
// by three. A longer word has a line of its own, so that paths can be copied. Libraries such as
// go-wordwrap do not support a first line of a different width.
func Wrap(head string, words []string, columns int) string {
	return WrapIndented(head, words, "  ", columns)
}

// WrapIndented is Wrap with a different indent, to which it adds a blank.
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

// Facts writes rows of a name and a value, wrapped to the right of the names. A long value that
// cannot be wrapped, such as a hash, has a line of its own.
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

// Command writes a command so that it can be copied from a narrow terminal: each command of a
// chain with && has its own line, and each line of a trailing shell comment begins with #.
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

// Middle replaces the middle of a text that is longer than n runes by "..", because names of
// layers differ at both ends.
func Middle(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	head := (n - 2) / 2
	return string(r[:head]) + ".." + string(r[len(r)-(n-2-head):])
}
