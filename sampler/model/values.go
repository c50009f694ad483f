package model

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"latlab/internal/text"
)

// element is a type of an input's elements that a user can give values of.
type element struct {
	name  string // as files have it: "int32"
	dtype string // NumPy's, empty if it has none
	size  int    // bytes of encode's result
	// encode writes a value, two for types of 4 bits, or reports that the type does not hold it.
	encode func(v float64) ([]byte, bool)
}

var elements = []element{
	{"float32", "<f4", 4, func(v float64) ([]byte, bool) {
		f := float32(v)
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)), !math.IsInf(float64(f), 0)
	}},
	{"float64", "<f8", 8, func(v float64) ([]byte, bool) {
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), true
	}},
	{"float16", "<f2", 2, func(v float64) ([]byte, bool) {
		return float16(v, 10, 15)
	}},
	{"bfloat16", "", 2, func(v float64) ([]byte, bool) {
		return float16(v, 7, 127)
	}},
	{"int4", "", 1, func(v float64) ([]byte, bool) {
		b, ok := integer(1, -8, 7)(v)
		return pair(b), ok
	}},
	{"uint4", "", 1, func(v float64) ([]byte, bool) {
		b, ok := integer(1, 0, 15)(v)
		return pair(b), ok
	}},
	{textType, "", 1, nil},
	{"int8", "|i1", 1, integer(1, math.MinInt8, math.MaxInt8)},
	{"uint8", "|u1", 1, integer(1, 0, math.MaxUint8)},
	{"int16", "<i2", 2, integer(2, math.MinInt16, math.MaxInt16)},
	{"uint16", "<u2", 2, integer(2, 0, math.MaxUint16)},
	{"int32", "<i4", 4, integer(4, math.MinInt32, math.MaxInt32)},
	{"uint32", "<u4", 4, integer(4, 0, math.MaxUint32)},
	{"int64", "<i8", 8, integer(8, -maxExact, maxExact)},
	{"uint64", "<u8", 8, integer(8, 0, maxExact)},
	{"bool", "|b1", 1, integer(1, 0, 1)},
	{"complex64", "<c8", 8, func(v float64) ([]byte, bool) {
		f := float32(v)
		return binary.LittleEndian.AppendUint64(nil, uint64(math.Float32bits(f))), !math.IsInf(float64(f), 0)
	}},
	{"complex128", "<c16", 16, func(v float64) ([]byte, bool) {
		return append(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), make([]byte, 8)...), true
	}},
}

// maxExact is the largest integer that no other integer is rounded to in a float64.
const maxExact = 1<<53 - 1

func integer(size int, low, high float64) func(float64) ([]byte, bool) {
	return func(v float64) ([]byte, bool) {
		if v != math.Trunc(v) || v < low || v > high {
			return nil, false
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(int64(v)))[:size], true
	}
}

// float16 is the number of 16 bits nearest to v, ties to even; ok is false if v is too large.
func float16(v float64, fractionBits, bias int) (b []byte, ok bool) {
	sign := 0.0
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	bits := math.RoundToEven(math.Ldexp(v, bias-1+fractionBits)) // of a subnormal number
	if v >= math.Ldexp(1, 1-bias) {
		fraction, exponent := math.Frexp(v) // v = fraction * 2^exponent, 0.5 <= fraction < 1
		bits = math.Ldexp(float64(exponent+bias-2), fractionBits) + math.RoundToEven(math.Ldexp(fraction, fractionBits+1))
	}
	ok = bits < math.Ldexp(float64(2*bias+1), fractionBits)
	return binary.LittleEndian.AppendUint16(nil, uint16(sign+bits)), ok
}

// pair packs a number of 4 bits twice into a byte.
func pair(b []byte) []byte {
	if b == nil {
		return nil
	}
	return []byte{b[0]&15 | b[0]<<4}
}

// textType is a type whose elements are texts. Their bytes are the texts, each ended by a zero: the form that
// benchmark_model reads.
const textType = "string"

func (p *Port) element() (element, error) {
	i := slices.IndexFunc(elements, func(e element) bool { return e.name == p.Type })
	if i < 0 {
		return element{}, fmt.Errorf("input %s is %s, which cannot be given values", p.Name, cmp.Or(p.Type, "no tensor"))
	}
	return elements[i], nil
}

// TakesValues reports whether values of the Port's type can be given.
func (p *Port) TakesValues() bool {
	_, err := p.element()
	return err == nil
}

// HasValues reports whether the Call gives the Port's values.
func (p *Port) HasValues() bool { return p.Element != nil || p.given != nil && p.given.File != "" }

// setValues checks the values that the Call gives.
func (p *Port) setValues() (err error) {
	switch g := p.given; {
	case g == nil:
	case g.Word != "":
		if p.Element, err = p.encode(g); err != nil {
			return fmt.Errorf("--%s %s=%s: %w", GivenValue, g.Name, text.Clip(g.Word), err)
		}
	case g.File != "":
		if _, err = p.Raw(); err != nil {
			return fmt.Errorf("--%s %s=%s: %w", GivenFile, g.Name, g.File, err)
		}
	}
	return nil
}

func (p *Port) encode(g *Given) ([]byte, error) {
	e, err := p.element()
	switch {
	case err != nil:
		return nil, err
	case p.Type == textType:
		g.Text, g.Value = g.Word, nil
		return append([]byte(g.Text), 0), nil
	case g.Value == nil:
		return nil, errors.New("want a finite number, true or false")
	case (g.Word == "true" || g.Word == "false") && e.name != "bool":
		return nil, fmt.Errorf("input %s is %s: give a number", p.Name, p.Type)
	}
	b, ok := e.encode(*g.Value)
	switch {
	case !ok && strings.HasSuffix(e.name, "int64") && math.Abs(*g.Value) > maxExact:
		return nil, fmt.Errorf("input %s is %s: give integers beyond %d by --%s", p.Name, p.Type, int64(maxExact), GivenFile)
	case !ok:
		return nil, fmt.Errorf("input %s is %s, which does not hold this value", p.Name, p.Type)
	}
	return b, nil
}

// count is how often an Element is repeated.
func (p *Port) count() (int, error) {
	if p.Shape == nil {
		return 0, fmt.Errorf("the model leaves the size of input %s open: give it by --%s %s", p.Name, GivenShape, p.Example())
	}
	n := 1
	for _, extent := range p.Shape {
		if extent > 0 && n > maxElements/extent {
			return 0, fmt.Errorf("input %s has more than %d elements", p.Name, maxElements)
		}
		n *= extent
	}
	if p.Type == "int4" || p.Type == "uint4" {
		n = (n + 1) / 2
	}
	return n, nil
}

// Raw returns the bytes of the whole tensor: the Call's, or zeros. A file is read again, so that other values than
// those that were checked are never used.
func (p *Port) Raw() ([]byte, error) {
	e, err := p.element()
	if err != nil {
		return nil, err
	}
	n, err := p.count()
	switch {
	case err != nil:
		return nil, err
	case p.Element != nil:
		return bytes.Repeat(p.Element, n), nil
	case !p.HasValues():
		return make([]byte, n*e.size), nil
	}
	var raw []byte
	var badValues error
	err = mapped(p.given.File, func(data []byte) error {
		if hashOf(data) != p.given.SHA256 {
			return fmt.Errorf("input %s: %w since it was first read", p.given.File, ErrChanged)
		}
		raw, badValues = p.content(e, n, data)
		raw = bytes.Clone(raw)
		return nil
	})
	if err != nil {
		return nil, &FileError{p.given.File, err}
	}
	return raw, badValues
}

// content checks an input's file: a .npy of the tensor's type and shape, or its bytes.
func (p *Port) content(e element, n int, b []byte) ([]byte, error) {
	if !strings.HasPrefix(string(b), npyMagic) {
		switch {
		case strings.EqualFold(filepath.Ext(p.given.File), ".npy"):
			return nil, errors.New("it is not a .npy file: its first bytes are not those of NumPy's format")
		case p.Type == textType && (bytes.Count(b, []byte{0}) != n || !bytes.HasSuffix(b, []byte{0})):
			return nil, fmt.Errorf("input %s takes %d texts, each ended by a byte of 0; the file has %d such bytes", p.Name, n, bytes.Count(b, []byte{0}))
		case p.Type != textType && len(b) != n*e.size:
			return nil, fmt.Errorf("input %s (%s %s) takes %d bytes, the file has %d", p.Name, p.Type, shapeText(p.Shape), n*e.size, len(b))
		}
		return b, p.checkBools(b)
	}
	a, err := parseNpy(b)
	switch {
	case err != nil:
		return nil, err
	case e.dtype == "":
		return nil, fmt.Errorf("input %s is %s, which a .npy file cannot hold: give its bytes", p.Name, p.Type)
	case a.dtype != e.dtype:
		return nil, fmt.Errorf("input %s is %s, %s in NumPy; the file has %s", p.Name, p.Type, e.dtype, a.dtype)
	case !slices.Equal(a.shape, p.Shape):
		return nil, fmt.Errorf("input %s has shape %s, the file %s", p.Name, shapeText(p.Shape), shapeText(a.shape))
	}
	return a.data, p.checkBools(a.data)
}

// checkBools refuses bytes other than 0 and 1, with which compiled code does undefined things.
func (p *Port) checkBools(b []byte) error {
	if p.Type != "bool" {
		return nil
	}
	for i, x := range b {
		if x > 1 {
			return fmt.Errorf("input %s is bool, element %d of the file is %d", p.Name, i, x)
		}
	}
	return nil
}
