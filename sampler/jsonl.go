package sampler

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"latlab/internal/text"
)

// maxLine limits a line of a JSON lines file, in bytes.
const maxLine = 1 << 20

// LineError is a line of a JSON lines file without a usable network.
type LineError struct {
	File string // as the caller named it
	Line int    // from 1
	Err  error
}

// Error is the position, "archs.jsonl:7: ", and the cause.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// archLine is the JSON form of a line.
type archLine struct {
	ID      string `json:"id"`
	Space   string `json:"space"`
	Indices string `json:"indices"`
}

// WriteJSONL writes one line {"id","space","indices"} for each network.
func WriteJSONL(w io.Writer, archs []Arch) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	for _, a := range archs {
		if err := enc.Encode(archLine{ID: a.ID(), Space: a.Space, Indices: a.String()}); err != nil {
			return err
		}
	}
	return b.Flush()
}

// ReadJSONL reads the output of WriteJSONL, one network or error at a time, as Lines does. resolve
// returns the space with a name and is called once per name. An id, if present, must match the space
// and indices. Unknown fields are accepted.
func ReadJSONL(r io.Reader, filename string, resolve func(space string) (*Space, error)) iter.Seq2[Arch, error] {
	type resolved struct {
		space *Space
		err   error
	}
	spaces := map[string]resolved{}
	once := func(name string) (*Space, error) {
		s, ok := spaces[name]
		if !ok {
			s.space, s.err = resolve(name)
		}
		if len(spaces) < 1000 { // only a broken file has more names
			spaces[name] = s
		}
		return s.space, s.err
	}
	return Lines(r, filename, func(_ int, line []byte) (Arch, error) { return parseLine(line, once) })
}

// Lines reads JSON lines of any form: parse gets each line that is not blank, with its number. Its
// error becomes a *LineError in the stream, and reading continues; any other error is the reader's
// own and ends the stream. Blank lines, CRLF and a UTF-8 byte order mark are accepted; a line may
// have 1 MiB.
func Lines[T any](r io.Reader, filename string, parse func(n int, line []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		in := bufio.NewReader(r)
		for n := 1; ; n++ {
			line, err := readLine(in)
			if n == 1 {
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			if errors.Is(err, errLongLine) {
				if !yield(none, &LineError{filename, n, err}) {
					return
				}
				continue
			}
			if line = bytes.TrimSpace(line); len(line) > 0 {
				v, bad := parse(n, line)
				if bad != nil {
					bad = &LineError{filename, n, bad}
				}
				if !yield(v, bad) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(none, fmt.Errorf("%s: %w", filename, err))
				return
			}
		}
	}
}

// shownLines is how many unusable lines of a file are reported before one that is usable.
const shownLines = 3

// BadLines reports the lines of a file that are unusable: all of them if any line is usable, otherwise
// the first few that are bad for different reasons, because the file is then likely of a different kind, or
// of one space that is not known. Call Good for a usable line, Bad for another.
type BadLines struct {
	Report func(error)
	Count  int
	good   bool
	held   []error
	causes []string // of the lines reported before a usable one
}

// Bad reports a line, or holds it back.
func (b *BadLines) Bad(err error) {
	b.Count++
	cause := err.Error()
	if line, ok := errors.AsType[*LineError](err); ok {
		cause = line.Err.Error()
	}
	switch {
	case b.good:
		b.Report(err)
	case len(b.causes) < shownLines && !slices.Contains(b.causes, cause):
		b.causes = append(b.causes, cause)
		b.Report(err)
	default:
		b.held = append(b.held, err)
	}
}

// Usable reports whether any line was usable.
func (b *BadLines) Usable() bool { return b.good }

// Shown is the end of a message about lines some of which were held back to the end: "; 3 of 60 bad lines are
// shown". It is "" where all were reported.
func (b *BadLines) Shown() string {
	shown, verb := b.Count-len(b.held), "are"
	if shown == 1 {
		verb = "is"
	}
	if len(b.held) == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of %d bad lines %s shown", shown, b.Count, verb)
}

// Good reports what was held back.
func (b *BadLines) Good() {
	b.good = true
	for _, err := range b.held {
		b.Report(err)
	}
	b.held = nil
}

var errLongLine = fmt.Errorf("line is longer than %d bytes", maxLine)

// readLine returns a line and never buffers more than the allowed length. With io.EOF or another
// error of the reader it returns the preceding text.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLongLine
		default:
			return line, err
		}
	}
}

// inJSON rewrites a type error without Go's type names.
func inJSON(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &kind):
		return err
	case kind.Field == "":
		return fmt.Errorf("%s, want an object", kind.Value)
	}
	return fmt.Errorf("%q is %s, want text", kind.Field, kind.Value)
}

func parseLine(line []byte, space func(name string) (*Space, error)) (Arch, error) {
	var l archLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Arch{}, fmt.Errorf("not a network in JSON: %w", inJSON(err))
	}
	switch {
	case l.Space == "":
		return Arch{}, errors.New(`"space" is missing`)
	case l.Indices == "":
		return Arch{}, errors.New(`"indices" is missing`)
	}
	s, err := space(l.Space)
	if err != nil {
		return Arch{}, err
	}
	a, err := s.ParseArch(l.Indices)
	if err != nil {
		return Arch{}, err
	}
	if l.ID != "" && l.ID != a.ID() {
		return Arch{}, fmt.Errorf("id is %q, but %s is the id of these indices in space %s", text.Clip(l.ID), a.ID(), s.Name)
	}
	return a, nil
}
