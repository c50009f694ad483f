package tflite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/sampler/tflite"
	"latlab/sampler/tflite/internal/schema"
	"latlab/sampler/tflite/tflitetest"
)

func TestCheckAcceptsWrittenModels(t *testing.T) {
	for _, c := range cases(t) {
		if err := tflite.Check(mustBytes(t, c)); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// TestCheckRefusesTruncation cuts at every length: weights end the file, so no cut is
// harmless.
func TestCheckRefusesTruncation(t *testing.T) {
	data := mustBytes(t, cases(t)[0])
	for n := range data {
		if err := tflite.Check(data[:n:n]); !errors.Is(err, tflite.ErrNotTFLite) {
			t.Fatalf("cut at %d of %d: %v", n, len(data), err)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	good := mustBytes(t, cases(t)[0])
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "it is empty"},
		{"short", []byte("TFL3"), "identifier TFL3 is missing"},
		{"text", []byte("#!/bin/sh\necho no model\n"), "identifier TFL3 is missing"},
		{"identifier alone", []byte("\x00\x00\x00\x00TFL3"), "schema version 0, want 3"},
		{"half", good[:len(good)/2], "truncated or damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tflite.Check(tc.data)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
}

// TestCheckBuffers: what the runtime reads is accepted, what it cannot read is refused.
func TestCheckBuffers(t *testing.T) {
	outside := func(offset, size uint64) []byte {
		data := read(t, "outside.tflite") // 32 bytes of weights at byte 512, the last of the file
		var b schema.Buffer
		if schema.GetRootAsModel(data, 0).Buffers(&b, 1); !b.MutateOffset(offset) || !b.MutateSize(size) {
			t.Fatal("buffer 1 has no offset or no size")
		}
		return data
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"an empty table of buffers", read(t, "no_buffers.tflite"), ""},
		{"behind the FlatBuffer", outside(512, 32), ""},
		{"unaligned", outside(500, 32), ""},
		{"beyond the end", outside(513, 32), "buffer 1: its 32 bytes lie at byte 513 of 544: truncated"},
		{"beyond 4 GiB", outside(5<<30, 32), "lie at byte 5368709120 of 544: truncated"},
		{"more than 64 bits", outside(1<<64-16, 32), "truncated"},
		{"longer than the file", outside(512, 1<<63), "truncated"},
		{"an offset of 1 is none", outside(1, 1<<40), ""},
	} {
		err := tflite.Check(c.data)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzCheck requires no panic, and that the accessors can visit everything that passed. The evaluator is one such
// visit; operators that Check does not cover are left to runtimes.
func FuzzCheck(f *testing.F) {
	for _, c := range cases(f)[:3] {
		data := mustBytes(f, c)
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte("\x08\x00\x00\x00TFL3"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := tflite.Check(data)
		if err != nil {
			if !errors.Is(err, tflite.ErrNotTFLite) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		touch(data)
	})
}

func mustBytes(t testing.TB, c tflitetest.Case) []byte {
	t.Helper()
	data, err := tflitetest.Bytes(c.Graph, tflite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSchemaMatchesGenerated needs no flatc: it checks that the generated package has a file for every table and
// enum of the .fbs.
func TestSchemaMatchesGenerated(t *testing.T) {
	fbs, err := os.ReadFile("schema/latlab.fbs")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(fbs), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "table" && words[0] != "enum" && words[0] != "union" {
			continue
		}
		if _, err := os.Stat(filepath.Join("internal/schema", words[1]+".go")); err != nil {
			t.Errorf("%s %s: %v; run make generate", words[0], words[1], err)
		}
	}
}
