package tunas

import (
	"fmt"
	"regexp"
	"strings"

	"latlab/internal/text"
)

// The names that a cost_model_data.py must have.
const (
	dtypeName  = "SERIALIZATION_DTYPE"
	kernelData = "KERNEL_DATA"
	biasData   = "BIAS_DATA"
)

// dtype is the only one that TuNAS has published: big-endian float32.
const dtype = ">f4"

// module is a parsed cost_model_data.py.
type module struct {
	file   string
	tables map[string]map[string]literal // KERNEL_DATA and BIAS_DATA: text by ssd
	lines  map[string]int                // of the statements of the names above
}

// literal is the text of a bytes literal and the line that it begins on.
type literal struct {
	text string
	line int
}

func (m *module) fail(line int, format string, args ...any) error {
	return &Error{m.file, line, fmt.Sprintf(format, args...)}
}

// parse reads the Python that such a module consists of, and nothing else:
//
//	module    = { comment | docstring | NAME "=" value }
//	value     = bytes | string | "{" [ string ":" ( bytes | NAME ) { "," string ":" ( bytes | NAME ) } [","] ] "}"
//	bytes     = "b" string
//	docstring = string
//	string    = '…' | "…" | '''…''' | """…""", without backslashes
//
// NAME in a table is that of an earlier statement with bytes.
func parse(data []byte, file string) (*module, error) {
	m := &module{file: file, tables: map[string]map[string]literal{}, lines: map[string]int{}}
	p := &parser{m: m, rest: string(data), line: 1, constants: map[string]literal{}}
	for p.next(); p.rest != ""; p.next() {
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{dtypeName, kernelData, biasData} {
		if m.lines[name] == 0 {
			return nil, m.fail(p.line, "no %s up to here; is this a cost_model_data.py?", name)
		}
	}
	return m, nil
}

// parser reads the text from the front.
type parser struct {
	m         *module
	rest      string
	line      int
	constants map[string]literal
}

func (p *parser) fail(format string, args ...any) error { return p.m.fail(p.line, format, args...) }

// skip moves on by n bytes.
func (p *parser) skip(n int) {
	p.line += strings.Count(p.rest[:n], "\n")
	p.rest = p.rest[n:]
}

// next moves on to the next token, over white space and comments.
func (p *parser) next() {
	for {
		p.skip(len(p.rest) - len(strings.TrimLeft(p.rest, " \t\r\n\ufeff")))
		if !strings.HasPrefix(p.rest, "#") {
			return
		}
		end := strings.IndexByte(p.rest, '\n')
		if end < 0 {
			end = len(p.rest)
		}
		p.skip(end)
	}
}

// take moves over a token, if it is the next one.
func (p *parser) take(token string) bool {
	if !strings.HasPrefix(p.rest, token) {
		return false
	}
	p.skip(len(token))
	p.next()
	return true
}

var nameStart = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// statement reads a docstring or an assignment.
func (p *parser) statement() error {
	if strings.HasPrefix(p.rest, `"`) || strings.HasPrefix(p.rest, "'") {
		_, err := p.quoted()
		return err
	}
	name, line := nameStart.FindString(p.rest), p.line
	if name == "" {
		return p.unexpected("NAME = VALUE")
	}
	p.skip(len(name))
	p.next()
	if !p.take("=") {
		p.rest, p.line = name+" "+p.rest, line
		return p.unexpected("NAME = VALUE")
	}
	_, again := p.constants[name]
	if again || p.m.lines[name] != 0 {
		return p.m.fail(line, "%s is assigned twice", text.Clip(name))
	}
	switch name {
	case dtypeName:
		p.m.lines[name] = line
		s, err := p.quoted()
		if err == nil && s.text != dtype {
			err = p.m.fail(line, "%s is '%s'; only '%s' is known", name, text.Clip(s.text), dtype)
		}
		return err
	case kernelData, biasData:
		p.m.lines[name] = line
		return p.table(name)
	}
	b, err := p.bytes()
	p.constants[name] = b
	return err
}

// table reads a dictionary from ssd to bytes.
func (p *parser) table(name string) error {
	entries := map[string]literal{}
	p.m.tables[name] = entries
	if !p.take("{") {
		return p.unexpected("{")
	}
	for !p.take("}") {
		ssd, err := p.quoted()
		if err != nil {
			return err
		}
		if !p.take(":") {
			return p.unexpected(":")
		}
		if _, twice := entries[ssd.text]; twice {
			return p.m.fail(ssd.line, "%s has '%s' twice", name, text.Clip(ssd.text))
		}
		if entries[ssd.text], err = p.entry(); err != nil {
			return err
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return p.unexpected(", or }")
		}
	}
	return nil
}

// entry reads bytes, or the name of some.
func (p *parser) entry() (literal, error) {
	name := nameStart.FindString(p.rest)
	if name == "" || name == "b" && len(p.rest) > 1 && strings.ContainsRune(`"'`, rune(p.rest[1])) {
		return p.bytes()
	}
	b, ok := p.constants[name]
	if !ok {
		return literal{}, p.fail("%s is not assigned before this line", text.Clip(name))
	}
	p.skip(len(name))
	p.next()
	return b, nil
}

func (p *parser) bytes() (literal, error) {
	if !strings.HasPrefix(p.rest, `b"`) && !strings.HasPrefix(p.rest, "b'") {
		return literal{}, p.unexpected("a bytes literal")
	}
	p.skip(1)
	return p.quoted()
}

// quoted reads a string. Its line is where it begins.
func (p *parser) quoted() (literal, error) {
	l := literal{line: p.line}
	for _, quote := range []string{`"""`, "'''", `"`, "'"} {
		inner, ok := strings.CutPrefix(p.rest, quote)
		if !ok {
			continue
		}
		end := strings.Index(inner, quote)
		if end < 0 || len(quote) == 1 && strings.Contains(inner[:end], "\n") {
			return l, p.fail("a text that begins here has no end: the file is cut off or damaged")
		}
		l.text = inner[:end]
		if i := strings.IndexByte(l.text, '\\'); i >= 0 {
			return l, p.m.fail(p.line+strings.Count(l.text[:i], "\n"), "a backslash in a text; a cost_model_data.py has none")
		}
		p.skip(2*len(quote) + end)
		p.next()
		return l, nil
	}
	return l, p.unexpected("a text in quotes")
}

// unexpected says what stands in the place of something else.
func (p *parser) unexpected(want string) error {
	line, _, _ := strings.Cut(p.rest, "\n")
	if line == "" {
		return p.fail("the file ends here; want %s", want)
	}
	return p.fail("want %s, not %q; is this a cost_model_data.py?", want, text.Clip(line))
}
