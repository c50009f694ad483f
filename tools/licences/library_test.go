package main

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"latlab/internal/testenv"

	"github.com/google/go-cmp/cmp"
)

func TestOwner(t *testing.T) {
	for symbol, want := range map[string]string{
		"xnn_initialize":                                 "xnn_initialize",
		"_ZN4absl12lts_202508145Mutex4lockEv":            "absl::",
		"_ZNK6tflite22StablehloGatherOptions6VerifyEv":   "tflite::",
		"_ZTVN6tflite3ops7builtin28BuiltinOpResolverE":   "tflite::",
		"_ZZN4absl12lts_2025081418container_internal1fE": "absl::",
		"_ZNSt6vectorIiSaIiEE17_M_realloc_insertIiEEvv":  "",
		"_Z29CreateNnApiFromSupportLibraryPKv":           "",
		"_ZN9999999999999999999999x":                     "",
		"_ZN9short":                                      "",
	} {
		if got := owner(symbol); got != want {
			t.Errorf("%s is of %q, want %q", symbol, got, want)
		}
	}
}

// TestStrangers: a part that has no terms here is told, once.
func TestStrangers(t *testing.T) {
	got := strangers([]string{"rdft2d", "makewt", "makewturn", "kai_run_matmul", "_ZN8protobuf7MessageD1Ev", "_ZN8protobuf7MessageD2Ev", "_ZN3re23RE2C1Ev", "_ZN10farmhashna4HashEv"})
	if diff := cmp.Diff([]string{"makewturn", "kai_run_matmul", "protobuf::", "re2::"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLibrary: the library that the agent is linked with has parts with terms alone.
func TestLibrary(t *testing.T) {
	out := filepath.Join(t.TempDir(), "licences", "tensorflow-lite")
	lib := filepath.Join(filepath.Dir(testenv.Agent(t)), "libtensorflowlite_c.so")
	for range 2 { // into a folder that is there, too
		if err := run(t.Context(), options{out: out, library: lib}); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, out); !slices.Contains(got, "XNNPACK.txt") || !slices.Contains(got, "README.md") {
		t.Errorf("files are %v", got)
	}
	if err := run(t.Context(), options{out: out, library: filepath.Join(out, "README.md")}); err == nil {
		t.Error("a text is a library")
	}
}

// TestTexts: each part is in the list, and the list names all texts and no other.
func TestTexts(t *testing.T) {
	list, err := fs.ReadFile(texts, "runtime/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| ([^|]+) \\| [^|]+ \\| `([^`]+)` \\| [^|]+ \\|$").FindAllStringSubmatch(string(list), -1)
	named := map[string]bool{"README.md": true}
	var listed []string
	for _, r := range rows {
		listed = append(listed, r[1])
		if r[2] != "LICENSE" { // of the runtime's folder
			named[r[2]] = true
		}
	}
	entries, err := fs.ReadDir(texts, "runtime")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	if diff := cmp.Diff(named, there); diff != "" {
		t.Errorf("texts (-listed +there):\n%s", diff)
	}
	for part := range parts() {
		if !slices.ContainsFunc(listed, func(row string) bool { return strings.HasPrefix(row, part) }) {
			t.Errorf("%s is not in the list", part)
		}
	}
}
