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
		{"complex64", "1", "0000803f00000000"}, {"complex128", "1", "000000000000f03f0000000000000000"},
	} {
		m, err := own(t, tflitetest.Shown(c.element, 0), "", []string{"x=" + c.value}, nil)
		if err != nil {
			t.Errorf("%s %s: %v", c.element, c.value, err)
			continue
		}
		v, err := m.Values()
		if err != nil || len(v) != 1 || hex.EncodeToString(v[0].Element) != c.want {
			t.Errorf("%s %s: %x, %v, want %s", c.element, c.value, v[0].Element, err, c.want)
		}
		if raw, err := v[0].Raw(); err != nil || !bytes.Equal(raw, bytes.Repeat(v[0].Element, 4)) {
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
		{"int64", "9007199254740993", "by --input-file"}, {"int64", "0.5", "does not hold"}, {"string", "1", "cannot be given values"},
		{"int4", "1", "cannot be given values"}, {"resource", "1", "cannot be given values"},
	} {
		if _, err := own(t, tflitetest.Shown(c.element, 0), "", []string{"x=" + c.value}, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--input-value x="+c.value[:1]) {
			t.Errorf("%s %s: got %v, want an error with %q", c.element, c.value, err, c.want)
		}
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
			v, err := m.Values()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := v[0].Raw()
			if diff := cmp.Diff(data, raw); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
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
