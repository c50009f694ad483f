package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive writes a zip with the members and makes its checksum the expected one.
func archive(t *testing.T, name string, members map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for member, text := range members {
		w, err := z.Create(member)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestUnpack(t *testing.T) {
	jar := archive(t, "a.jar", map[string]string{"org/x/libjnitensorflowlite.so": "library", "META-INF/x": "no"})
	aar := archive(t, "b.aar", map[string]string{"headers/tensorflow/lite/c/c_api.h": "header", "headers/../../evil.h": "no", "classes.jar": "no"})
	sums := map[string]string{"a.jar": sumOf(t, jar), "b.aar": sumOf(t, aar)}
	out := filepath.Join(t.TempDir(), "tflite")
	if err := unpack(sums, jar, aar, out); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"lib/libtensorflowlite_c.so": "library", "include/tensorflow/lite/c/c_api.h": "header"} {
		if got, err := os.ReadFile(filepath.Join(out, file)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", file, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(out), "evil.h")); err == nil {
		t.Error("a member was written outside the folder")
	}
}

func TestUnpackRefusesAWrongChecksum(t *testing.T) {
	jar := archive(t, "a.jar", map[string]string{"libjnitensorflowlite.so": "library"})
	aar := archive(t, "b.aar", map[string]string{"headers/x.h": "header"})
	for _, tt := range []struct {
		sums map[string]string
		text string
	}{
		{map[string]string{"a.jar": strings.Repeat("0", 64), "b.aar": sumOf(t, aar)}, "want 0000"},
		{map[string]string{"b.aar": sumOf(t, aar)}, "no checksum is known"},
	} {
		out := filepath.Join(t.TempDir(), "tflite")
		err := unpack(tt.sums, jar, aar, out)
		if err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error is %v, want %q", err, tt.text)
		}
		if _, err := os.Stat(out); err == nil {
			t.Error("something was unpacked all the same")
		}
	}
}
