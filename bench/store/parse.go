package store

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// parser reads JSON that json.Marshal wrote. Two fifths of the time of reading a store through were
// encoding/json's, which looks every key up and reads the text twice.
//
// It knows less than encoding/json on purpose: whatever is not as this program writes it (a space,
// a key that it does not know or in another place, a number out of range) sets bad, and the caller
// gives the whole text to encoding/json, which takes it or says what is wrong. So this can be slow,
// but not wrong, unless it took for good what encoding/json reads otherwise: FuzzDetail.
type parser struct {
	text  string
	at    int
	bad   bool
	words words
}

// words keeps one copy of the strings that come again with every block.
type words map[string]string

// The bounds of words: what does not fit gets a copy each time.
const (
	maxWords    = 1000
	maxWordSize = 200
)

// intern never returns a part of the text: a name would keep all of it in memory.
func (w words) intern(s string) string {
	if kept, ok := w[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	if len(w) < maxWords && len(s) <= maxWordSize {
		w[s] = s
	}
	return s
}

// takes reports whether the text goes on so, and passes it.
func (p *parser) takes(s string) bool {
	if !strings.HasPrefix(p.text[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

func (p *parser) need(s string) {
	if !p.takes(s) {
		p.bad = true
	}
}

// null stands for what is not there. To encoding/json it is no value either: what is no pointer,
// list or map stays as it was, zero.
func (p *parser) null() bool { return p.takes("null") }

// field is a key of an object and how its value is read.
type field[T any] struct {
	key  string // with its quotes and colon
	read func(*parser, *T)
}

// object reads keys in the order of the fields, which is that of the struct: no key then comes
// twice. Any may be missing.
func object[T any](p *parser, to *T, fields []field[T]) {
	if p.null() {
		return
	}
	p.need("{")
	for first := true; !p.bad && !p.takes("}"); first = false {
		if !first {
			p.need(",")
		}
		for len(fields) > 0 && !p.takes(fields[0].key) {
			fields = fields[1:]
		}
		if len(fields) == 0 {
			p.bad = true
			return
		}
		fields[0].read(p, to)
		fields = fields[1:]
	}
}

// list is nil for null, and not for [].
func list[T any](p *parser, to *[]T, read func(*parser, *T)) {
	if p.null() {
		return
	}
	p.need("[")
	*to = []T{}
	for !p.bad && !p.takes("]") {
		if len(*to) > 0 {
			p.need(",")
		}
		var x T
		read(p, &x)
		*to = append(*to, x)
	}
}

// table is a map by name.
func table[T any](p *parser, to *map[string]T, read func(*parser, *T)) {
	if p.null() {
		return
	}
	p.need("{")
	*to = map[string]T{}
	for first := true; !p.bad && !p.takes("}"); first = false {
		if !first {
			p.need(",")
		}
		var key string
		var x T
		p.name(&key)
		p.need(":")
		read(p, &x)
		(*to)[key] = x
	}
}

// optional is nil for null.
func optional[T any](p *parser, to **T, read func(*parser, *T)) {
	if p.null() {
		return
	}
	*to = new(T)
	read(p, *to)
}

func (p *parser) float(to *float64) {
	if p.null() {
		return
	}
	x, err := strconv.ParseFloat(p.number(), 64)
	p.bad = p.bad || err != nil
	*to = x
}

func (p *parser) floatOrNull(to **float64) { optional(p, to, (*parser).float) }

func (p *parser) int64(to *int64) {
	if p.null() {
		return
	}
	n, err := strconv.ParseInt(p.number(), 10, 64)
	p.bad = p.bad || err != nil
	*to = n
}

func (p *parser) int(to *int) {
	var n int64
	p.int64(&n)
	*to = int(n)
	p.bad = p.bad || int64(*to) != n
}

// number passes a number of JSON's grammar, which is stricter than strconv's.
func (p *parser) number() string {
	start := p.at
	p.takes("-")
	if !p.takes("0") {
		p.digits()
	}
	if p.takes(".") {
		p.digits()
	}
	if p.takes("e") || p.takes("E") {
		if !p.takes("+") {
			p.takes("-")
		}
		p.digits()
	}
	return p.text[start:p.at]
}

// digits passes one or more.
func (p *parser) digits() {
	start := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	p.bad = p.bad || p.at == start
}

func (p *parser) bool(to *bool) {
	switch {
	case p.null():
	case p.takes("true"):
		*to = true
	case !p.takes("false"):
		p.bad = true
	}
}

func (p *parser) string(to *string) {
	if !p.null() {
		p.name(to)
	}
}

// name reads a string. One that does not stand for itself is left to encoding/json.
func (p *parser) name(to *string) {
	token, plain := p.quoted()
	switch {
	case p.bad:
	case plain:
		*to = p.words.intern(token[1 : len(token)-1])
	default:
		p.bad = json.Unmarshal([]byte(token), to) != nil
	}
}

func (p *parser) time(to *time.Time) {
	if p.null() {
		return
	}
	token, _ := p.quoted()
	p.bad = p.bad || to.UnmarshalJSON([]byte(token)) != nil
}

// skip passes over a value by its brackets and strings, whatever is between them.
func (p *parser) skip() {
	for depth := 0; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '"':
			p.quoted()
			p.at-- // its last quote, which the loop passes
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return
			}
		}
		if depth < 0 {
			return
		}
	}
	p.bad = true
}

// quoted passes a string with its quotes. It is plain where nothing in it means something else.
func (p *parser) quoted() (token string, plain bool) {
	start := p.at
	p.need(`"`)
	for plain = true; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[start:p.at], plain
		case c == '\\':
			plain = false
			p.at++ // whatever comes next does not end the string
		case c < ' ' || c > '~':
			plain = false
		}
	}
	p.bad, p.at = true, len(p.text)
	return "", false
}
