package web

import (
	"bytes"
	"encoding/json"
	"fmt"

	"latlab/internal/text"
	"latlab/sampler"
)

// archParser is a fast parser for indices of one space: sampler.ParseArch gives the same results
// with an allocation for every decision.
type archParser struct {
	space *sampler.Space
	radix []int // choices of each decision
}

func newArchParser(s *sampler.Space) archParser {
	// Space.Decisions also builds texts, which takes longer than the rest of a small request.
	return archParser{space: s, radix: s.Radices()}
}

// parse puts the indices of a text into dst, which has a place for each decision. The error is
// ParseArch's.
func (p archParser) parse(dst []int, text []byte) error {
	decision, digits, value := 0, 0, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] >= '0' && text[i] <= '9' && digits < 9 {
			value = 10*value + int(text[i]-'0')
			digits++
			continue
		}
		plain := digits == 1 || digits > 1 && text[i-digits] != '0'
		if !plain || i < len(text) && text[i] != ':' || decision == len(p.radix) || value >= p.radix[decision] {
			return p.refuse(text)
		}
		dst[decision] = value
		decision, digits, value = decision+1, 0, 0
	}
	if decision != len(p.radix) {
		return p.refuse(text)
	}
	return nil
}

// refuse describes the error.
func (p archParser) refuse(list []byte) error {
	if _, err := p.space.ParseArch(string(list)); err != nil {
		return err
	}
	return fmt.Errorf("indices %q are refused", text.Clip(string(list))) // not reached: the fuzz test says so
}

// textArray yields the texts of a JSON array without allocating strings. The JSON must be valid;
// an element that is not a string, and more than most elements, are errors that name the element.
func textArray(array []byte, most int, yield func(i int, text []byte) error) (n int, err error) {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(array), []byte("["))
	if !ok {
		return 0, fmt.Errorf(`indices: want a list of texts such as "0:3:1"`)
	}
	for ; ; n++ {
		rest = bytes.TrimLeft(rest, " \t\r\n,")
		if rest[0] == ']' {
			return n, nil
		}
		if n == most {
			return n, &tooManyError{most}
		}
		text, after, err := firstText(rest)
		if err == nil {
			err = yield(n, text)
		}
		if err != nil {
			return n, fmt.Errorf("indices[%d]: %w", n, err)
		}
		rest = after
	}
}

// tooManyError is a request for more architectures than the limit.
type tooManyError struct{ most int }

func (e *tooManyError) Error() string {
	return fmt.Sprintf("indices: more than %d architectures; send them in several requests", e.most)
}

// firstText is the string that a JSON text begins with, and what follows it.
func firstText(rest []byte) (text, after []byte, err error) {
	if rest[0] != '"' {
		return nil, nil, fmt.Errorf(`want a text such as "0:3:1"`)
	}
	end := 1
	escaped := false
	for rest[end] != '"' {
		if rest[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if !escaped {
		return rest[1:end], rest[end+1:], nil
	}
	var s string
	if err := json.Unmarshal(rest[:end+1], &s); err != nil {
		return nil, nil, err
	}
	return []byte(s), rest[end+1:], nil
}
