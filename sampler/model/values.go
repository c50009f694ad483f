package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"latlab/internal/text"
	"latlab/sampler/tflite/reader"
)

// element is a type of an input's elements that a user can give values of.
type element struct {
	name  string // of a .tflite's tensor: "int32"
	dtype string // NumPy's
	size  int    // in bytes
	// encode writes a value, or reports that the type does not hold it.
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
		h := half(v)
		return binary.LittleEndian.AppendUint16(nil, h), h&0x7c00 != 0x7c00
	}},
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

// half is the float16 nearest to v, ties to even; infinite if v is too large.
func half(v float64) uint16 {
	var sign uint16
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	if v < 0x1p-14 { // subnormal: multiples of 2^-24
		return sign | uint16(math.RoundToEven(v*0x1p24))
	}
	fraction, exponent := math.Frexp(v) // v = fraction * 2^exponent, 0.5 <= fraction < 1
	m := math.RoundToEven(fraction * 0x1p11)
	if bits := float64(exponent+13)*1024 + m; bits < 0x7c00 {
		return sign | uint16(bits)
	}
	return sign | 0x7c00
}

func elementOf(p reader.Port) (element, error) {
	i := slices.IndexFunc(elements, func(e element) bool { return e.name == p.Type })
	if i < 0 {
		return element{}, fmt.Errorf("input %s is %s, which cannot be given values", p.Name, p.Type)
	}
	return elements[i], nil
}

// Values is what a user gives for one input of a .tflite, as the runtime stores it.
type Values struct {
	Port reader.Port
	// Element is the value of every element; nil if File has one for each. Raw returns the file's.
	Element []byte
	given   Given
}

// Zeros are the Values of an input that a user gives nothing for; ok is false if its type is not known.
func Zeros(p reader.Port) (v Values, ok bool) {
	e, err := elementOf(p)
	return Values{Port: p, Element: make([]byte, e.size)}, err == nil
}

// Values returns what the Call gives for the inputs of a .tflite, checked against them.
func (m *Model) Values() ([]Values, error) {
	if m.Network == nil {
		return nil, nil
	}
	var list []Values
	for _, g := range m.Call.Inputs {
		p, err := m.input(g.Name)
		if err != nil {
			return nil, err
		}
		v := Values{Port: *p, given: g}
		switch {
		case g.Value != nil:
			if v.Element, err = g.element(*p); err != nil {
				return nil, fmt.Errorf("--%s %s=%s: %w", GivenValue, g.Name, g.word(), err)
			}
		case g.File != "":
			if _, err = v.Raw(); err != nil {
				return nil, fmt.Errorf("--%s %s=%s: %w", GivenFile, g.Name, g.File, err)
			}
		default:
			continue
		}
		list = append(list, v)
	}
	return list, nil
}

// input finds an input of a .tflite by the name of its tensor or by its name in the signature.
func (m *Model) input(name string) (*reader.Port, error) {
	var names []string
	var found []*reader.Port
	for i := range m.Network.Inputs {
		p := &m.Network.Inputs[i]
		names = append(names, p.Name)
		if p.SignatureName != "" && p.SignatureName != p.Name {
			names = append(names, p.SignatureName)
		}
		if p.SignatureName == name {
			return p, nil
		}
		if p.Name == name {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0 && len(names) == 0:
		return nil, fmt.Errorf("model %s has no inputs, so none is named %q", m.Name, text.Clip(name))
	case len(found) == 0:
		return nil, fmt.Errorf("model %s has no input %q%s; its inputs are %s", m.Name, text.Clip(name), text.DidYouMean(name, names), text.ClipTo(strings.Join(names, ", "), 400))
	case len(found) > 1:
		return nil, fmt.Errorf("model %s has %d inputs named %q", m.Name, len(found), text.Clip(name))
	}
	return found[0], nil
}

// named checks the names of a Call's inputs.
func (m *Model) named() error {
	seen := map[int]string{}
	for _, g := range m.Call.Inputs {
		p, err := m.input(g.Name)
		if err != nil {
			return err
		}
		if other, twice := seen[p.Index]; twice {
			return fmt.Errorf("%s and %s name the same input of model %s", other, g.Name, m.Name)
		}
		seen[p.Index] = g.Name
	}
	return nil
}

// word is the value as it was given.
func (g Given) word() string {
	if g.Truth {
		return strconv.FormatBool(*g.Value == 1)
	}
	return strconv.FormatFloat(*g.Value, 'g', -1, 64)
}

func (g Given) element(p reader.Port) ([]byte, error) {
	e, err := elementOf(p)
	if err != nil {
		return nil, err
	}
	if g.Truth && e.name != "bool" {
		return nil, fmt.Errorf("input %s is %s: give a number", p.Name, p.Type)
	}
	b, ok := e.encode(*g.Value)
	if !ok {
		if strings.HasSuffix(e.name, "int64") && math.Abs(*g.Value) > maxExact {
			return nil, fmt.Errorf("input %s is %s: give integers beyond %d by --%s", p.Name, p.Type, int64(maxExact), GivenFile)
		}
		return nil, fmt.Errorf("input %s is %s, which does not hold this value", p.Name, p.Type)
	}
	return b, nil
}

// Raw returns the bytes of the whole tensor. A file is read again, so that other values than those that were
// checked are never used.
func (v Values) Raw() ([]byte, error) {
	e, err := elementOf(v.Port)
	if err != nil {
		return nil, err
	}
	n := 1
	for _, extent := range v.Port.Given {
		if extent = max(extent, 1); n > maxElements/extent { // an open batch is 1
			return nil, fmt.Errorf("input %s has more than %d elements", v.Port.Name, maxElements)
		}
		n *= extent
	}
	if v.Element != nil {
		return slices.Repeat(v.Element, n), nil
	}
	var raw []byte
	var badValues error
	err = mapped(v.given.File, func(data []byte) error {
		if hashOf(data) != v.given.SHA256 {
			return fmt.Errorf("input %s: %w since it was first read", v.given.File, ErrChanged)
		}
		raw, badValues = tensorBytes(v.Port, e, v.given.File, data)
		raw = bytes.Clone(raw)
		return nil
	})
	if err != nil {
		return nil, &FileError{v.given.File, err}
	}
	return raw, badValues
}

// tensorBytes checks the content of an input's file: a .npy of the tensor's type and shape, or its bytes.
func tensorBytes(p reader.Port, e element, file string, b []byte) ([]byte, error) {
	shape := make([]int, len(p.Given))
	size := e.size
	for i, n := range p.Given {
		shape[i] = max(n, 1)
		size *= shape[i]
	}
	if !strings.HasPrefix(string(b), npyMagic) {
		switch {
		case strings.EqualFold(filepath.Ext(file), ".npy"):
			return nil, errors.New("it is not a .npy file: its first bytes are not those of NumPy's format")
		case len(b) != size:
			return nil, fmt.Errorf("input %s (%s %s) takes %d bytes, the file has %d", p.Name, p.Type, shapeText(shape), size, len(b))
		}
		return b, checkBools(p, e, b)
	}
	a, err := parseNpy(b)
	switch {
	case err != nil:
		return nil, err
	case a.dtype != e.dtype:
		return nil, fmt.Errorf("input %s is %s, %s in NumPy; the file has %s", p.Name, p.Type, e.dtype, a.dtype)
	case !slices.Equal(a.shape, shape):
		return nil, fmt.Errorf("input %s has shape %s, the file %s", p.Name, shapeText(shape), shapeText(a.shape))
	}
	return a.data, checkBools(p, e, a.data)
}

// checkBools refuses bytes other than 0 and 1, with which compiled code does undefined things.
func checkBools(p reader.Port, e element, b []byte) error {
	if e.name != "bool" {
		return nil
	}
	for i, x := range b {
		if x > 1 {
			return fmt.Errorf("input %s is bool, element %d of the file is %d", p.Name, i, x)
		}
	}
	return nil
}
