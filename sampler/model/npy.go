package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"latlab/internal/text"
)

// array is a NumPy array in a .npy file: little-endian elements in C order after a header.
type array struct {
	dtype string // NumPy's: "<f4", "|b1"
	shape []int
	data  []byte
}

const npyMagic = "\x93NUMPY"

// The text of a header, a Python dictionary with three keys. Only what NumPy's own writer forms is read, with the
// keys in any order; a general parser of Python literals was rejected.
//
// Source: numpy, numpy/lib/format.py.
var (
	npyHeader = regexp.MustCompile(`^\{(.*)\} *\n?$`)
	npyDescr  = regexp.MustCompile(`^'descr': *'([^']*)'(?:, *|$)`)
	npyOrder  = regexp.MustCompile(`^'fortran_order': *(True|False)(?:, *|$)`)
	npyShape  = regexp.MustCompile(`^'shape': *\(([0-9, ]*)\)(?:, *|$)`)
)

// parseNpy reads a .npy file of versions 1.0 to 3.0. It refuses Fortran order, big-endian elements, structures,
// objects and text.
func parseNpy(b []byte) (array, error) {
	rest, ok := bytes.CutPrefix(b, []byte(npyMagic))
	if !ok {
		return array{}, errors.New("it does not begin as a .npy file does")
	}
	if len(rest) < 2 {
		return array{}, errors.New("it ends in its header")
	}
	major, minor := rest[0], rest[1]
	size := 2
	if major > 1 {
		size = 4
	}
	switch rest = rest[2:]; {
	case major < 1 || major > 3 || minor != 0:
		return array{}, fmt.Errorf("version %d.%d of .npy, want 1.0, 2.0 or 3.0", major, minor)
	case len(rest) < size:
		return array{}, errors.New("it ends in its header")
	}
	length := uint64(binary.LittleEndian.Uint16(rest))
	if size == 4 {
		length = uint64(binary.LittleEndian.Uint32(rest))
	}
	if rest = rest[size:]; length > uint64(len(rest)) {
		return array{}, errors.New("it ends in its header")
	}
	if length > maxNpyHeader {
		return array{}, fmt.Errorf("a header of %d bytes, want at most %d", length, maxNpyHeader)
	}
	a, err := parseNpyHeader(string(rest[:length]))
	a.data = rest[length:]
	if err != nil {
		return array{}, fmt.Errorf("its header %q: %w", text.Clip(string(rest[:length])), err)
	}
	return a, a.check()
}

// maxNpyHeader is the limit that NumPy itself has.
const maxNpyHeader = 10000

func parseNpyHeader(header string) (a array, err error) {
	whole := npyHeader.FindStringSubmatch(header)
	if whole == nil {
		return a, errors.New("not a dictionary")
	}
	seen := map[string]bool{}
	for rest := strings.TrimSpace(whole[1]); rest != ""; {
		key := ""
		for _, field := range []struct {
			key  string
			form *regexp.Regexp
			take func(*array, string) error
		}{{"descr", npyDescr, (*array).setType}, {"fortran_order", npyOrder, (*array).setOrder}, {"shape", npyShape, (*array).setShape}} {
			f := field.form.FindStringSubmatch(rest)
			if f == nil {
				continue
			}
			if key = field.key; seen[key] {
				return a, fmt.Errorf("%s twice", key)
			}
			if err := field.take(&a, f[1]); err != nil {
				return a, err
			}
			rest = rest[len(f[0]):]
			break
		}
		if key == "" {
			return a, errors.New("want descr, fortran_order and shape, of a plain type")
		}
		seen[key] = true
	}
	if len(seen) < 3 {
		return a, errors.New("want descr, fortran_order and shape")
	}
	return a, nil
}

func (a *array) setType(s string) error {
	if strings.HasPrefix(s, ">") {
		return fmt.Errorf("type %s is big-endian: write little-endian", s)
	}
	for _, e := range elements {
		if s == e.dtype && s != "" {
			a.dtype = s
			return nil
		}
	}
	return fmt.Errorf("type %q cannot be an input", text.Clip(s))
}

func (a *array) setOrder(s string) error {
	if s == "True" {
		return errors.New("it is in Fortran order: write it in C order (numpy.ascontiguousarray)")
	}
	return nil
}

func (a *array) setShape(s string) error {
	s = strings.TrimSpace(s)
	a.shape = []int{}
	if s == "" {
		return nil
	}
	list := strings.Split(s, ",")
	if last := len(list) - 1; strings.TrimSpace(list[last]) == "" && last > 0 {
		list = list[:last]
	} else if last == 0 {
		return fmt.Errorf("shape (%s) is not a tuple", text.Clip(s))
	}
	count := 1
	for _, word := range list {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 || n > 0 && count > maxElements/n {
			return fmt.Errorf("shape (%s), want at most %d elements", text.Clip(s), maxElements)
		}
		count *= n
		a.shape = append(a.shape, n)
	}
	return nil
}

// check compares the bytes with the shape.
func (a *array) check() error {
	want := 1
	for _, n := range a.shape {
		want *= n
	}
	for _, e := range elements {
		if e.dtype == a.dtype {
			want *= e.size
			break
		}
	}
	if len(a.data) != want {
		return fmt.Errorf("its shape %s of %s needs %d bytes, it has %d", shapeText(a.shape), a.dtype, want, len(a.data))
	}
	return nil
}

// shapeText is "1x3", or "scalar".
func shapeText(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	words := make([]string, len(shape))
	for i, n := range shape {
		words[i] = strconv.Itoa(n)
		if n < 0 {
			words[i] = "?"
		}
	}
	return strings.Join(words, "x")
}
