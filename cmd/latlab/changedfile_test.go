package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileThatChangesDuringASweep: a user's own file that is another one when its turn
// comes is recorded as failed; the other network goes on, and so does the sweep later.
func TestFileThatChangesDuringASweep(t *testing.T) {
	l := newLab(t)
	paths := l.compileTwo()
	list := `{"path": "` + paths[0] + "\"}\n" + `{"path": "` + paths[1] + "\"}\n"
	if err := os.WriteFile(l.path("list.jsonl"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"sweep", "--device", "cpu", "--models", "list.jsonl", "--db", "lab.db", "--protocol", "quick", "--quiet"}
	gate := newGate(t)
	p := l.with(gate.variable()).start("latlab", args...)
	gate.waitForBlock()
	log, err := os.ReadFile(l.path(".blocks"))
	if err != nil {
		t.Fatal(err)
	}
	later := paths[0]
	if strings.TrimSpace(string(log)) == strings.TrimSuffix(filepath.Base(later), ".tflite") {
		later = paths[1]
	}
	was, err := os.ReadFile(l.path(later))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(later), append(was, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	gate.open()
	if code := p.wait(); code != exitPartial {
		t.Fatalf("exit code %d, want %d\n%s%s", code, exitPartial, &p.out, &p.err)
	}
	if want := "1 of 2 networks measured"; !strings.Contains(p.out.String(), want) {
		t.Errorf("no %q in %q", want, &p.out)
	}
	out, _ := l.run(exitOK, "show", "--db", "lab.db", sweepOf(t, p.out.String()))
	if want := "failed: " + later + ", fault of the model (file-changed)"; !strings.Contains(out, want) {
		t.Errorf("no %q in %q", want, out)
	}
	// Now its line is named, and what was measured stays as it was.
	_, text := l.run(exitPartial, args...)
	if want := later + " has changed since this sweep first had it"; !strings.Contains(text, want) {
		t.Errorf("no %q in %q", want, text)
	}
}

// compileTwo writes two networks of the tiny space and returns their paths in the lab.
func (l *lab) compileTwo() []string {
	l.t.Helper()
	var paths []string
	for _, arch := range []string{"0:0:0:0:0:2:2:0:0:0", "0:0:1:0:0:2:2:0:0:0"} {
		out, _ := l.run(exitOK, "compile", "--space", tinySpace(l.t), "--arch", arch, "-o", "own")
		paths = append(paths, strings.Fields(out)[0])
	}
	return paths
}

// sweepOf is the id in what sweep prints.
func sweepOf(t *testing.T, out string) string {
	t.Helper()
	words := strings.Fields(out)
	if len(words) < 2 || words[0] != "sweep" {
		t.Fatalf("no sweep in %q", out)
	}
	return words[1]
}
