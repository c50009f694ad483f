package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/internal/testenv"
)

const (
	formatsBegin = "<!-- made by go test ./cmd/latlab -run ExportsPage -update -->\n"
	formatsEnd   = "<!-- end -->\n"
)

// formatsTable is the table of formats as docs/exports.md has it.
func formatsTable() string {
	var b strings.Builder
	b.WriteString("| of | `--format` | writes | cannot carry |\n|---|---|---|---|\n")
	for _, f := range exportFormats() {
		writes, lost := "a file", "nothing is lost"
		if f.folder != nil {
			writes, lost = "a folder", "its `notes.json` says"
		}
		var whats []string
		for _, l := range f.lost {
			whats = append(whats, l.What)
		}
		if len(whats) > 0 {
			lost = strings.Join(whats, "; ")
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", f.of, f.name, writes, lost)
	}
	return b.String()
}

// flagsTable is the table of flags that not all formats take.
func flagsTable() string {
	var b strings.Builder
	b.WriteString("| flag | is of |\n|---|---|\n")
	for _, s := range exportScopes() {
		fmt.Fprintf(&b, "| `--%s` | %s |\n", s.flag, s)
	}
	return b.String()
}

func TestExportsPageListsTheFormatsAndFlags(t *testing.T) {
	file := filepath.Join(testenv.Root(t), "docs", "exports.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fresh, rest := "", string(text)
	for _, want := range []string{formatsTable(), flagsTable()} {
		before, behind, begun := strings.Cut(rest, formatsBegin)
		got, after, ended := strings.Cut(behind, formatsEnd)
		if !begun || !ended {
			t.Fatalf("%s has too few tables", file)
		}
		if diff := cmp.Diff(want, got); diff != "" && !*update {
			t.Errorf("table (-), docs (+); go test ./cmd/latlab -run ExportsPage -update rewrites them:\n%s", diff)
		}
		fresh, rest = fresh+before+formatsBegin+want+formatsEnd, after
	}
	if *update {
		if err := os.WriteFile(file, []byte(fresh+rest), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var codeBlock = regexp.MustCompile("(?ms)^```(sh|bash|python)\n(.*?)^```$")

// TestExportsPageRuns runs what the page tells to type, in order: latlab's own commands and
// what reads their files. A warning of a reader is an error: the page would be out of date.
func TestExportsPageRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a page from its beginning to its end")
	}
	t.Parallel()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "benchstat"), "golang.org/x/perf/cmd/benchstat")
	build.Dir = testenv.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "exports.md"))
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	python, read := testenv.Python(t), 0
	for _, m := range codeBlock.FindAllSubmatch(text, -1) {
		command := []string{"sh", "-ec", string(m[2])}
		if string(m[1]) == "python" {
			command = []string{python, "-W", "error", "-c", string(m[2])}
		}
		p := l.start(command[0], command[1:]...)
		if code := p.wait(); code != exitOK || strings.TrimSpace(p.out.String()) == "" {
			t.Errorf("exit code %d:\n%s\n%s%s", code, m[2], &p.out, &p.err)
		}
		if string(m[1]) != "sh" {
			read++
			t.Logf("%s%s", m[2], &p.out)
		}
	}
	if read == 0 {
		t.Error("nothing reads the exports")
	}
}
