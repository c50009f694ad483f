package model

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/sampler/onnx"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/tflitetest"
)

func TestIdentity(t *testing.T) {
	ms := models(t, nil, 20)
	seen := map[string]string{}
	for _, m := range ms {
		if other, ok := seen[m.Identity]; ok {
			t.Errorf("%s and %s have one identity", m.Name, other)
		}
		seen[m.Identity] = m.Name
		if m.Name != m.Graph.Name+"-float32" || m.FileName() != m.Name+".tflite" || len(m.Identity) != 64 {
			t.Errorf("name %s, file %s, identity %s", m.Name, m.FileName(), m.Identity)
		}
	}
	if again := models(t, NewCache(t.TempDir(), 0), 1)[0]; again.Identity != ms[0].Identity {
		t.Error("the identity depends on the cache")
	}
	form := Form{Format: TFLite, Precision: Float32}
	base := identity("h", form, "1")
	for _, other := range []string{
		identity("i", form, "1"), identity("h", Form{Format: ONNX, Precision: Float32}, "1"),
		identity("h", Form{Format: TFLite, Precision: Int8}, "1"), identity("h", form, "2"),
		identity("h", Form{Format: TFLite, Precision: Float32, Input: UInt8}, "1"),
	} {
		if other == base {
			t.Error("something does not count for the identity")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	g := models(t, nil, 1)[0].Graph
	for _, f := range []Form{{Format: "pb", Precision: Float32}, {Format: TFLite, Precision: "int4"}, {}} {
		if _, err := New(g, f, nil); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
	if _, err := models(t, nil, 1)[0].Open(context.Background()); err == nil {
		t.Error("a model without a cache was opened")
	}
}

func TestWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	for _, m := range models(t, nil, 3) {
		for range 2 { // the second replaces the first
			f, err := m.WriteFile(context.Background(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if f.Path != filepath.Join(dir, m.FileName()) {
				t.Errorf("path %s", f.Path)
			}
			if err := checkFile(m, f); err != nil {
				t.Error(err)
			}
			f.Close()
		}
	}
	noTemporaryFiles(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := models(t, nil, 4)[3]
	if _, err := m.WriteFile(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	noTemporaryFiles(t, dir)
	for _, name := range []string{"../x", "a/b", ".hidden"} {
		m.Name = name
		if _, err := m.WriteFile(context.Background(), dir); err == nil {
			t.Errorf("a file named %q was written", name)
		}
	}
}

func TestFromFile(t *testing.T) {
	m := models(t, nil, 1)[0]
	f, err := m.WriteFile(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "my net.bin") // content tells, not the name
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := FromFile(path, Call{})
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "my net" || u.Format != TFLite || u.Precision != Float32 || u.Identity != f.SHA256 || u.Network == nil {
		t.Errorf("got %+v", u)
	}
	if u.Graph == nil || u.Graph.Name != m.Graph.Name || u.Graph.TotalMACs() != m.Graph.TotalMACs() {
		t.Errorf("graph %+v, want that of %s", u.Graph, m.Graph.Name)
	}
	opened := open(t, u)
	if opened.Path != path || opened.SHA256 != f.SHA256 || opened.Size != f.Size || size(t, u) != f.Size {
		t.Errorf("opened %+v", opened)
	}
	opened.Close()
	if _, err := u.WriteFile(context.Background(), t.TempDir()); err == nil {
		t.Error("a user's file was written again")
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Open(context.Background()); !errors.Is(err, ErrChanged) {
		t.Errorf("a changed file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Open(context.Background()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed file: %v", err)
	}
}

// TestONNX writes a network in both of ONNX's forms through the cache, which evicts one for
// the other, and reads them back as a user's files.
func TestONNX(t *testing.T) {
	g := models(t, nil, 1)[0].Graph
	var ms []*Model
	c := NewCache(t.TempDir(), 1)
	for _, p := range []Precision{Float32, Int8} {
		m, err := New(g, Form{Format: ONNX, Precision: p}, c)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
		f := open(t, m)
		if want := g.Name + "-" + string(p) + ".onnx"; m.FileName() != want || f.Size != size(t, m) {
			t.Errorf("%s of %d bytes, want %s of %d", m.FileName(), f.Size, want, size(t, m))
		}
		data, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		path := filepath.Join(t.TempDir(), "mine.model") // content tells, not the name
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := FromFile(path, Call{})
		if err != nil {
			t.Fatal(err)
		}
		if u.Name != "mine" || u.Form != m.Form || u.Identity != f.SHA256 || u.Graph != nil {
			t.Errorf("read back: %+v", u)
		}
		if err := os.WriteFile(path, data[:len(data)-1], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := FromFile(path, Call{}); !errors.Is(err, onnx.ErrNotONNX) || strings.Contains(err.Error(), "\n") {
			t.Errorf("truncated: %v", err)
		}
	}
	if got := kept(c, ms); got[0] || !got[1] {
		t.Errorf("models kept: %v", got)
	}
	if _, err := New(g, Form{Format: ONNX, Precision: Int8, Input: UInt8}, c); err == nil {
		t.Error("a second name for what int8 is anyway was taken")
	}
}

func TestFromFileRefuses(t *testing.T) {
	data, err := tflitetest.Bytes(models(t, nil, 1)[0].Graph, tflite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "it is empty"},
		{"text", []byte("hello, I am no model"), "identifier TFL3 is missing"},
		{"truncated", data[:len(data)*2/3], "truncated or damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.tflite")
			if err := os.WriteFile(path, tc.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := FromFile(path, Call{})
			if !errors.Is(err, tflite.ErrNotTFLite) || !strings.Contains(err.Error(), tc.want) ||
				!strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with the path and %q", err, tc.want)
			}
		})
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none.tflite")} {
		if _, err := FromFile(path, Call{}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestLargeFile: the weights of a .tflite may lie behind its tables, at offsets of 64 bits.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it hashes 3 GiB")
	}
	const at = 3 << 30
	data, err := os.ReadFile(filepath.Join("..", "tflite", "testdata", "outside.tflite"))
	if err != nil {
		t.Fatal(err)
	}
	where := binary.LittleEndian.AppendUint64([]byte{32, 0, 0, 0, 0, 0, 0, 0}, 512) // size, offset
	if bytes.Count(data, where) != 1 {
		t.Fatal("the offset of the weights is not found")
	}
	tables := bytes.Replace(data[:512], where, binary.LittleEndian.AppendUint64(where[:8:8], at), 1)
	path := filepath.Join(t.TempDir(), "large.tflite")
	f, err := os.Create(path) // sparse
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, part := range []struct {
		bytes []byte
		at    int64
	}{{tables, 0}, {data[512:], at}} {
		if _, err := f.WriteAt(part.bytes, part.at); err != nil {
			t.Fatal(err)
		}
	}
	m, err := FromFile(path, Call{})
	if err != nil {
		t.Fatal(err)
	}
	if size(t, m) != at+32 || m.Graph == nil || m.Network.Params != 8 {
		t.Errorf("%d bytes, %+v", size(t, m), m.Network)
	}
	if err := f.Truncate(at + 31); err != nil {
		t.Fatal(err)
	}
	if _, err := FromFile(path, Call{}); err == nil || !strings.Contains(err.Error(), "its 32 bytes lie at byte 3221225472 of 3221225503: truncated") {
		t.Errorf("truncated: %v", err)
	}
	// An ONNX model is one protocol buffer.
	if _, err := f.WriteAt([]byte{0x08, 0x08, 0, 0, 0, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := FromFile(path, Call{}); !errors.Is(err, onnx.ErrNotONNX) || !strings.Contains(err.Error(), "protocol buffer above 2 GiB") {
		t.Errorf("ONNX: %v", err)
	}
}

// TestShorterWhileRead: reading beyond the end of a mapped file is an error and no crash.
func TestShorterWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	err := mapped(path, func(data []byte) error {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		hashOf(data)
		return nil
	})
	if !errors.Is(err, ErrChanged) {
		t.Errorf("error is %v", err)
	}
}

// TestComputed: "float16" is refused by devices that do not list it, of either format.
func TestComputed(t *testing.T) {
	for of, want := range map[string]Precision{
		"float32": Float32, "float16": "float16", "int8": Int8, "uint8": Int8, "int16": "int16", "bool": "bool",
	} {
		if got := computed(of); got != want {
			t.Errorf("a file with activations of %s is %s, want %s", of, got, want)
		}
	}
}

// TestFromFileUInt8Input: a file of latlab's own says again how it was written.
func TestFromFileUInt8Input(t *testing.T) {
	g := models(t, nil, 1)[0].Graph
	m, err := New(g, Form{Format: TFLite, Precision: Int8, Input: UInt8}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.WriteFile(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u, err := FromFile(f.Path, Call{})
	if err != nil {
		t.Fatal(err)
	}
	if u.Form != m.Form || u.Graph == nil || u.Graph.TotalMACs() != g.TotalMACs() {
		t.Errorf("read as %+v, graph %v", u.Form, u.Graph)
	}
}
