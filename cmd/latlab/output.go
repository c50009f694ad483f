package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// jsonSchema is the version of every --json document.
const jsonSchema = 1

// printJSON writes one document on one line. It is for programs and for people who look
// into a log, not for HTML: an advice's && stays as it is typed.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printDoc writes a --json result: the fields of v behind schema_version.
func printDoc(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) < 2 || body[0] != '{' {
		return fmt.Errorf("a --json document must be an object, not %T", v)
	}
	comma := ","
	if len(body) == 2 {
		comma = ""
	}
	_, err = fmt.Fprintf(w, "{\"schema_version\":%d%s%s\n", jsonSchema, comma, body[1:])
	return err
}

// printTable writes rows with aligned columns; the first is the header.
func printTable(w io.Writer, rows [][]string) error {
	return printTableOf(w, rows, make([]string, len(rows)))
}

// printTableOf is printTable with lines of text below each row.
func printTableOf(w io.Writer, rows [][]string, below []string) error {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// Rows whose last cells are empty would end in blanks.
	i := 0
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprint(w, strings.TrimRight(line, " \n"), "\n", below[i]); err != nil {
			return err
		}
		i++
	}
	return nil
}

// printFacts writes rows of a name and what is to be said of it, wrapped behind the names. A
// value that cannot be wrapped, a hash, has a line of its own: it is there to be copied.
func printFacts(w io.Writer, rows [][2]string) {
	names := 0
	for _, r := range rows {
		names = max(names, utf8.RuneCountInString(r[0]))
	}
	for _, r := range rows {
		head := fmt.Sprintf("%-*s ", names, r[0])
		words := strings.Fields(r[1])
		for len(words) > 0 {
			n := fitting(words, terminalColumns-names-2)
			line := head + " " + strings.Join(words[:n], " ")
			if utf8.RuneCountInString(line) > terminalColumns {
				fmt.Fprintln(w, strings.TrimRight(head, " "))
				line = "    " + words[0]
			}
			fmt.Fprintln(w, line)
			head, words = strings.Repeat(" ", names+1), words[n:]
		}
	}
}

// fitting is how many words fit into columns; one always does.
func fitting(words []string, columns int) int {
	width := utf8.RuneCountInString(words[0])
	for n, w := range words[1:] {
		if width += 1 + utf8.RuneCountInString(w); width > columns {
			return n + 1
		}
	}
	return len(words)
}

// printType says what to type, so that it can be copied from a narrow terminal too: commands
// that need each other stand on lines of their own, joined as a shell reads them, and what is
// a comment for the shell is one on each of its lines.
func printType(w io.Writer, margin, text string) {
	head := margin + "type: "
	indent := strings.Repeat(" ", len(head))
	if utf8.RuneCountInString(head+text) <= terminalColumns {
		fmt.Fprintln(w, head+text)
		return
	}
	commands, comment, _ := strings.Cut(text, "  # ")
	fmt.Fprintln(w, head+strings.ReplaceAll(commands, " && ", " && \\\n"+indent))
	for words := strings.Fields(comment); len(words) > 0; {
		n := fitting(words, terminalColumns-len(indent)-2)
		fmt.Fprintln(w, indent+"# "+strings.Join(words[:n], " "))
		words = words[n:]
	}
}

// millis prints seconds for people: 3 digits and the unit.
func millis(seconds float64) string { return digits(seconds*1e3, 4) + " ms" }

// digits prints x with n significant digits and no exponent.
func digits(x float64, n int) string {
	if x == 0 {
		return "0"
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	if err != nil {
		return strconv.FormatFloat(x, 'g', n, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

func percent(x float64) string { return strconv.FormatFloat(100*x, 'f', 1, 64) + " %" }

// optional prints a figure that may not have been computed.
func optional(x *float64, format func(float64) string) string {
	if x == nil {
		return "not computed"
	}
	return format(*x)
}

// roughly prints a duration as a person says it.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", max(d.Seconds(), 0.1))
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// thousands prints a count with separators: 4,620.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// prefixJSON marshals v, an object, with one more field in front. Embedding v would do,
// were it not that an embedded MarshalJSON hides the outer fields.
func prefixJSON(name, value string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	field, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		return nil, err
	}
	return append(append(field[:len(field)-1], ','), body[1:]...), nil
}

// writeError names the file that was asked for, where the error is about a temporary one.
func writeError(path string, err error) error {
	var where *fs.PathError
	switch {
	case !errors.As(err, &where):
		return err
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("cannot write %s: the disk is full; what was there before is kept", path)
	}
	return fmt.Errorf("cannot write %s: %w", path, where.Err)
}

// plural is "1 network" or "3 networks".
func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
