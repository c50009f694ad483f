package tflite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/sampler/tflite"
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
