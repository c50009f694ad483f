package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ids.raw")
	if err := os.WriteFile(file, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ParseCall("run", []string{"x=1x3x32x32"}, []string{"flag=true", "n=-2.5"}, []string{"ids=" + file})
	if err != nil {
		t.Fatal(err)
	}
	want := Call{Signature: "run", Inputs: []Given{
		{Name: "flag", Value: new(1.0), Word: "true"},
		{Name: "ids", File: file, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{Name: "n", Value: new(-2.5), Word: "-2.5"},
		{Name: "x", Shape: []int{1, 3, 32, 32}},
	}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]CallOption{GivenSignature, GivenShape, GivenValue, GivenFile}, c.Options()); diff != "" {
		t.Error(diff)
	}
	if got := (Call{}).identity("abc"); got != "abc" {
		t.Errorf("the zero Call changes the identity: %q", got)
	}
	if a, b := c.identity("abc"), (Call{Signature: "run"}).identity("abc"); a == b || a == "abc" {
		t.Errorf("identities of different calls: %q, %q", a, b)
	}
}

func TestParseCallRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want            string
		shapes, values, files []string
	}{
		{name: "no name", shapes: []string{"=1x2"}, want: "--input-shape \"=1x2\": want NAME="},
		{name: "no value", values: []string{"x"}, want: "--input-value \"x\": want NAME="},
		{name: "open extent", shapes: []string{"x=1x-1"}, want: "want positive extents"},
		{name: "empty extent", shapes: []string{"x=1xx3"}, want: "want positive extents"},
		{name: "overflow", shapes: []string{"x=4294967296x4294967296x4294967296"}, want: "at most"},
		{name: "twice", shapes: []string{"x=1", "x=2"}, want: "has a shape already"},
		{name: "value twice", values: []string{"x=1", "x=2"}, want: "has a value already"},
		{name: "no file", files: []string{"x=/nowhere/at/all"}, want: "does not exist"},
		{name: "folder", files: []string{"x=" + t.TempDir()}, want: "it is a folder; name a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseCall("", c.shapes, c.values, c.files)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
