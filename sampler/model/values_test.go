package model

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler/tflite/tflitetest"
)

// own writes a file and reads it with a Call's flags.
func own(t testing.TB, data []byte, signature string, values, files []string) (*Model, error) {
	t.Helper()
	c, err := ParseCall(signature, nil, values, files)
	if err != nil {
		return nil, err
	}
	return FromFile(saved(t, "own.tflite", data), c)
}

func saved(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestValuesAreEncodedForTheirTensor(t *testing.T) {
	for _, c := range []struct{ element, value, want string }{
		{"float32", "1", "0000803f"}, {"float32", "-0.1", "cdccccbd"}, {"float64", "0.1", "9a9999999999b93f"},
		{"float16", "1", "003c"}, {"float16", "-65504", "fffb"}, {"float16", "6e-8", "0100"}, {"float16", "1e-9", "0000"},
		{"float16", "0.00006103515625", "0004"}, {"float16", "2049", "0068"}, {"float16", "2051", "0268"}, {"float16", "0.333251953125", "5535"},
		{"int8", "-1", "ff"}, {"uint8", "255", "ff"}, {"int16", "-2", "feff"}, {"uint16", "513", "0102"},
		{"int32", "-2", "feffffff"}, {"uint32", "4294967295", "ffffffff"}, {"int64", "-2", "feffffffffffffff"}, {"uint64", "1e3", "e803000000000000"},
		{"bool", "true", "01"}, {"bool", "false", "00"}, {"bool", "1", "01"},
		{"bfloat16", "1", "803f"}, {"bfloat16", "-2.5", "20c0"}, {"bfloat16", "1.00390625", "803f"}, {"bfloat16", "1.01171875", "823f"}, {"bfloat16", "3e38", "627f"},
		{"bfloat16", "1e-40", "0100"}, {"int4", "-8", "88"}, {"int4", "7", "77"}, {"int4", "-1", "ff"}, {"uint4", "15", "ff"},
		{"string", "7.0", "372e3000"}, {"string", "two words", "74776f20776f72647300"}, {"string", "true", "7472756500"},
		{"complex64", "1", "0000803f00000000"}, {"complex128", "1", "000000000000f03f0000000000000000"},
	} {
		m, err := own(t, tflitetest.Shown(c.element, 0), "", []string{"x=" + c.value}, nil)
		if err != nil {
			t.Errorf("%s %s: %v", c.element, c.value, err)
			continue
		}
		p := m.Ports[0]
		if hex.EncodeToString(p.Element) != c.want {
			t.Errorf("%s %s: %x, want %s", c.element, c.value, p.Element, c.want)
		}
		n := 4
		if strings.HasSuffix(c.element, "int4") {
			n = 2
		}
		if raw, err := p.Raw(); err != nil || !bytes.Equal(raw, bytes.Repeat(p.Element, n)) {
			t.Errorf("%s %s: the tensor is %x, %v", c.element, c.value, raw, err)
		}
	}
}

func TestValuesThatDoNotFit(t *testing.T) {
	for _, c := range []struct{ element, value, want string }{
		{"uint8", "300", "does not hold this value"}, {"uint8", "-1", "does not hold"}, {"int8", "128", "does not hold"},
		{"int32", "1.5", "input x is int32, which does not hold this value"}, {"int32", "3e9", "does not hold"}, {"int16", "-32769", "does not hold"},
		{"bool", "2", "does not hold"}, {"bool", "0.5", "does not hold"}, {"float32", "true", "input x is float32: give a number"}, {"int32", "false", "give a number"},
		{"float32", "1e39", "does not hold"}, {"float16", "65520", "does not hold"}, {"uint32", "-1", "does not hold"}, {"uint64", "-1", "does not hold"},
		{"int64", "9007199254740993", "by --input-file"}, {"int64", "0.5", "does not hold"}, {"int4", "8", "does not hold"}, {"int4", "-9", "does not hold"},
		{"uint4", "-1", "does not hold"}, {"bfloat16", "3.4e38", "does not hold"}, {"float32", "NaN", "want a finite number, true or false"}, {"int32", "one", "want a finite number"},
		{"float64", "1e999", "want a finite number"}, {"int2", "1", "cannot be given values"}, {"resource", "1", "cannot be given values"},
	} {
		if _, err := own(t, tflitetest.Shown(c.element, 0), "", []string{"x=" + c.value}, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--input-value x="+c.value[:1]) {
			t.Errorf("%s %s: got %v, want an error with %q", c.element, c.value, err, c.want)
		}
	}
}

// TestValuesOfONNX: an .onnx takes values as a .tflite does, of the executed shape.
func TestValuesOfONNX(t *testing.T) {
	for _, c := range []struct {
		input, shape, value, file string
		want                      string // the tensor in hex, or an error
	}{
		{"x 2", "", "1", "", "0000803f0000803f"},
		{"x/2 2", "", "255", "", "ffff"}, {"x/3 2", "", "-1", "", "ffff"}, {"x/4 2", "", "513", "", "01020102"}, {"x/5 2", "", "-2", "", "fefffeff"},
		{"x/6 2", "", "-2", "", "fefffffffeffffff"}, {"x/7 2", "", "-2", "", "fefffffffffffffffeffffffffffffff"}, {"x/9 2", "", "true", "", "0101"},
		{"x/10 2", "", "1", "", "003c003c"}, {"x/11 1", "", "0.1", "", "9a9999999999b93f"}, {"x/12 1", "", "7", "", "07000000"}, {"x/13 1", "", "7", "", "0700000000000000"},
		{"x/16 2", "", "1", "", "803f803f"}, {"x/22 3", "", "-1", "", "ffff"}, {"x/8 2", "", "a", "", "61006100"}, {"x/7", "", "5", "", "0500000000000000"},
		{"x/6 N 2", "", "1", "", "0100000001000000"}, {"x/6 N 2", "x=2x2", "1", "", "01000000010000000100000001000000"},
		{"x/9 2", "", "", "\x00\x01", "0001"}, {"x/2 1 H", "x=1x3", "", "abc", "616263"},
		{"x/7 2", "", "0.5", "", "input x is int64, which does not hold this value"}, {"x/17 2", "", "1", "", "input x is float8, which cannot be given values"},
		{"x 2", "", "true", "", "give a number"}, {"y 2", "", "1", "", `has no input "x"; did you mean "y"?; its inputs are y`}, {"x/9 2", "", "", "\x02\x00", "is bool, element 0 of the file is 2"},
		{"x/2 2", "", "", "abc", "takes 2 bytes, the file has 3"}, {"x/2 1 H", "", "", "abc", "leaves the size of input x open: give it by --input-shape x=1xN"},
	} {
		var shapes, values, files []string
		if c.shape != "" {
			shapes = []string{c.shape}
		}
		if c.value != "" {
			values = []string{"x=" + c.value}
		}
		if c.file != "" {
			files = []string{"x=" + saved(t, "x.raw", []byte(c.file))}
		}
		call, err := ParseCall("", shapes, values, files)
		if err != nil {
			t.Fatal(err)
		}
		var raw []byte
		m, err := FromFile(saved(t, "own.onnx", onnxWith(c.input)), call)
		if err == nil {
			raw, err = m.Ports[0].Raw()
		}
		if got := hex.EncodeToString(raw); err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
}

// TestTextIsIdentity: texts that are one number are different values.
func TestTextIsIdentity(t *testing.T) {
	ids := map[string]bool{}
	for _, v := range []string{"x=7", "x=7.0", "x=seven"} {
		m, err := own(t, tflitetest.Shown("string", 0), "", []string{v}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids[m.Identity] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d identities of 3 texts", len(ids))
	}
}

func TestNamesOfInputs(t *testing.T) {
	two := tflitetest.TwoSignatures()
	for _, c := range []struct {
		signature string
		values    []string
		want      string // of the error; empty = accepted
	}{
		{"", []string{"in=1"}, ""}, {"", []string{"x=1"}, ""}, {"eightfold", []string{"v=1"}, ""}, {"eightfold", []string{"in=1"}, ""},
		{"", []string{"v=1"}, `has no input "v"`}, {"", []string{"inn=1"}, `has no input "inn"; did you mean "in"?; its inputs are x, in`},
		{"", []string{"x=1", "in=2"}, "name the same input"}, {"", []string{"y=1"}, "has no input"},
		{"eightfoldd", nil, `no signature "eightfoldd"; did you mean "eightfold"?; it has double, eightfold`},
	} {
		_, err := own(t, two, c.signature, c.values, nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q %v: got %v, want %q", c.signature, c.values, err, c.want)
		}
	}
	if _, err := own(t, tflitetest.NoSignatures(), "double", nil, nil); err == nil || !strings.Contains(err.Error(), "it has no signatures") {
		t.Errorf("a signature of a file without any: %v", err)
	}
}

// TestSignatureIsDescribed: the Network, the Graph and the identity are those of the chosen signature.
func TestSignatureIsDescribed(t *testing.T) {
	identities := map[string]bool{}
	for _, c := range []struct {
		data     []byte
		key, ran string
		ops, sub int
		ports    string
	}{
		{tflitetest.TwoSignatures(), "", "double", 1, 0, "x  float32 1x4, in the signature in"},
		{tflitetest.TwoSignatures(), "eightfold", "eightfold", 3, 1, "v  float32 1x4, in the signature in"},
		{tflitetest.SecondFirst(), "", "eightfold", 3, 1, "v  float32 1x4, in the signature in"},
		{tflitetest.NoSignatures(), "", "", 1, 0, "x  float32 1x4"},
	} {
		m, err := own(t, c.data, c.key, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := m.Network
		if n.Signature != c.ran || n.SubGraph != c.sub || len(m.Graph.Ops) != c.ops || n.Inputs[0].String() != c.ports || (n.Runner != nil) != (c.sub > 0) {
			t.Errorf("%q: signature %q of subgraph %d with %d ops and input %s", c.key, n.Signature, n.SubGraph, len(m.Graph.Ops), n.Inputs[0])
		}
		identities[m.Identity] = true
	}
	if len(identities) != 4 {
		t.Errorf("%d identities of 4 models", len(identities))
	}
}

func npyOf(version, header string, data []byte) []byte {
	size := string([]byte{byte(len(header)), byte(len(header) >> 8)})
	if version != "\x01\x00" {
		size += "\x00\x00"
	}
	return append([]byte("\x93NUMPY"+version+size+header), data...)
}

func TestInputFiles(t *testing.T) {
	one, data := "\x01\x00", []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 255, 255, 255, 255}
	good := "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 4), }\n"
	for _, c := range []struct {
		name, file string
		content    []byte
		want       string // of the error; empty = accepted
	}{
		{"raw", "a.raw", data, ""},
		{"raw with any name", "a", data, ""},
		{"version 1", "a.npy", npyOf(one, good, data), ""},
		{"version 2", "a.npy", npyOf("\x02\x00", good, data), ""},
		{"version 3", "a.npy", npyOf("\x03\x00", good, data), ""},
		{"padded", "a.npy", npyOf(one, strings.TrimSpace(good)+strings.Repeat(" ", 50)+"\n", data), ""},
		{"other order of keys", "a.npy", npyOf(one, "{'shape': (1, 4), 'descr': '<i4', 'fortran_order': False}", data), ""},
		{"by content", "a.raw", npyOf(one, good, data), ""},
		{"raw too short", "a.raw", data[:15], "takes 16 bytes, the file has 15"},
		{"raw too long", "a.raw", append(data[:16:16], 0), "takes 16 bytes, the file has 17"},
		{"empty", "a.raw", nil, "takes 16 bytes, the file has 0"},
		{"raw called npy", "a.npy", data, "not a .npy file"},
		{"version 4", "a.npy", npyOf("\x04\x00", good, data), "version 4.0"},
		{"version 1.1", "a.npy", npyOf("\x01\x01", good, data), "version 1.1"},
		{"big-endian", "a.npy", npyOf(one, strings.Replace(good, "<i4", ">i4", 1), data), "big-endian"},
		{"another type", "a.npy", npyOf(one, strings.Replace(good, "<i4", "<f4", 1), data), "is int32, <i4 in NumPy; the file has <f4"},
		{"int64", "a.npy", npyOf(one, strings.Replace(good, "<i4", "<i8", 1), append(data[:16:16], data...)), "the file has <i8"},
		{"objects", "a.npy", npyOf(one, strings.Replace(good, "<i4", "|O", 1), data), "cannot be an input"},
		{"text", "a.npy", npyOf(one, strings.Replace(good, "<i4", "<U4", 1), data), "cannot be an input"},
		{"structure", "a.npy", npyOf(one, strings.Replace(good, "'<i4'", "[('a', '<i4')]", 1), data), "want descr"},
		{"Fortran order", "a.npy", npyOf(one, strings.Replace(good, "False", "True", 1), data), "Fortran order"},
		{"another shape", "a.npy", npyOf(one, strings.Replace(good, "(1, 4)", "(4, 1)", 1), data), "has shape 1x4, the file 4x1"},
		{"flat", "a.npy", npyOf(one, strings.Replace(good, "(1, 4)", "(4,)", 1), data), "has shape 1x4, the file 4"},
		{"no tuple", "a.npy", npyOf(one, strings.Replace(good, "(1, 4)", "(4)", 1), data), "not a tuple"},
		{"huge shape", "a.npy", npyOf(one, strings.Replace(good, "(1, 4)", "(4294967296, 4294967296)", 1), data), "at most"},
		{"missing bytes", "a.npy", npyOf(one, good, data[:12]), "needs 16 bytes, it has 12"},
		{"more bytes", "a.npy", npyOf(one, good, append(data[:16:16], 1)), "needs 16 bytes, it has 17"},
		{"a key twice", "a.npy", npyOf(one, "{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': (1, 4)}", data), "twice"},
		{"a key is missing", "a.npy", npyOf(one, "{'descr': '<i4', 'shape': (1, 4)}", data), "want descr, fortran_order and shape"},
		{"not a dictionary", "a.npy", npyOf(one, "[1]", data), "not a dictionary"},
		{"cut in the header", "a.npy", npyOf(one, good, nil)[:30], "ends in its header"},
		{"cut in the magic", "a.npy", []byte("\x93NUMPY"), "ends in its header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := saved(t, c.file, c.content)
			m, err := own(t, tflitetest.Shown("int32", 0), "", nil, []string{"x=" + file})
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			raw, err := m.Ports[0].Raw()
			if diff := cmp.Diff(data, raw); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
	for element, files := range map[string]map[string]string{ // a content, and what is wrong with it
		"string":   {"a\x00\x00b c\x00d\x00": "", "a\x00b\x00c\x00d": "takes 4 texts, each ended by a byte of 0; the file has 3", "": "takes 4 texts", "a\x00b\x00c\x00d\x00e": "takes 4 texts"},
		"int4":     {"\x12\xff": "", "\x12\xff\x00\x00": "takes 2 bytes", string(npyOf(one, strings.Replace(good, "<i4", "|i1", 1), data[:4])): "a .npy file cannot hold"},
		"bfloat16": {"\x80\x3f\x00\x00\x80\x3f\x00\x00": "", "1234": "takes 8 bytes", string(npyOf(one, strings.Replace(good, "<i4", "", 1), nil)): "cannot be an input"},
	} {
		for content, want := range files {
			m, err := own(t, tflitetest.Shown(element, 0), "", nil, []string{"x=" + saved(t, "file", []byte(content))})
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s of %q: %v, want an error with %q", element, content, err, want)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if raw, err := m.Ports[0].Raw(); err != nil || string(raw) != content {
				t.Errorf("%s of %q: %q, %v", element, content, raw, err)
			}
		}
	}
	_, err := own(t, tflitetest.Shown("bool", 0), "", nil, []string{"x=" + saved(t, "mask", []byte{0, 1, 2, 0})})
	if err == nil || !strings.Contains(err.Error(), "element 2 of the file is 2") {
		t.Errorf("a byte that is no bool: %v", err)
	}
}

// FuzzNpy: whatever is accepted is an array of its shape and type.
func FuzzNpy(f *testing.F) {
	good := "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2), }\n"
	for _, seed := range [][]byte{
		npyOf("\x01\x00", good, make([]byte, 8)), npyOf("\x02\x00", good, make([]byte, 8)), npyOf("\x01\x00", strings.Replace(good, "(1, 2)", "()", 1), make([]byte, 4)),
		npyOf("\x01\x00", strings.Replace(good, "(1, 2)", "(0,)", 1), nil), npyOf("\x03\x00", good, nil), []byte("\x93NUMPY\x01\x00\xff\xff"), nil,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseNpy(b)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("the error has control characters: %q", err)
			}
			return
		}
		n := 1
		for _, extent := range a.shape {
			if extent < 0 {
				t.Fatalf("shape %v", a.shape)
			}
			n *= extent
		}
		var size int
		if _, err := fmt.Sscanf(a.dtype[2:], "%d", &size); err != nil || n*size != len(a.data) || len(a.data) > len(b) {
			t.Errorf("%d bytes of shape %v of %s", len(a.data), a.shape, a.dtype)
		}
	})
}

// TestWarningsOfONNX: the body of a loop is read, and a value that is given needs no warning.
func TestWarningsOfONNX(t *testing.T) {
	path := filepath.Join("..", "onnx", "testdata", "decided_loop.onnx")
	for _, tt := range []struct {
		values []string
		want   []string
	}{
		{nil, []string{"the value of input m decides the number of runs of Loop", "the value of input n decides the size of Range"}},
		{[]string{"m=3"}, []string{"the value of input n decides the size of Range"}},
		{[]string{"m=3", "n=4"}, nil},
	} {
		call, err := ParseCall("", nil, tt.values, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := FromFile(path, call)
		if err != nil {
			t.Fatal(err)
		}
		got := m.Warnings()
		if len(got) != len(tt.want) {
			t.Fatalf("%v: %q", tt.values, got)
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(got[i], want+": ") {
				t.Errorf("%v: %q", tt.values, got[i])
			}
		}
	}
}
