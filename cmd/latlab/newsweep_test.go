package main

import (
	"bytes"
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
)

// TestNoticeOfAnUnfinishedSweep: a command that begins a new sweep names the one that it leaves
// unfinished; one that resumes or differs in more says nothing.
func TestNoticeOfAnUnfinishedSweep(t *testing.T) {
	first, err := protocol.Named("default")
	if err != nil {
		t.Fatal(err)
	}
	quick, err := protocol.Named("quick")
	if err != nil {
		t.Fatal(err)
	}
	was := bench.Sweep{Space: "mine", SpaceFile: "one", Sampling: bench.Uniform, Seed: 1, Protocol: first, Networks: 5}
	was.ID = was.Identity()
	st := memory.New()
	if err := st.CreateSweep(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*bench.Sweep)
		want   string
	}{
		"resumes":          {func(*bench.Sweep) {}, ""},
		"another protocol": {func(m *bench.Sweep) { m.Protocol = quick }, "latlab: this is a new sweep, because the protocol is quick and not default; sweep " + was.ID + " stays unfinished (0 of 5 networks)\n"},
		"another space":    {func(m *bench.Sweep) { m.SpaceFile = "two" }, "latlab: this is a new sweep, because space mine has changed; sweep " + was.ID + " stays unfinished (0 of 5 networks)\n"},
		"both":             {func(m *bench.Sweep) { m.Protocol, m.SpaceFile = quick, "two" }, "latlab: this is a new sweep, because space mine has changed and because the protocol is quick and not default; sweep " + was.ID + " stays unfinished (0 of 5 networks)\n"},
		"another seed too": {func(m *bench.Sweep) { m.Protocol, m.Seed = quick, 2 }, ""},
	} {
		m := was
		c.change(&m)
		var errs bytes.Buffer
		if err := noticeUnfinished(t.Context(), streams{err: &errs}, st, m); err != nil || errs.String() != c.want {
			t.Errorf("%s: %q, %v, want %q", name, &errs, err, c.want)
		}
	}
}

func TestVersionsOfASpace(t *testing.T) {
	a := bench.Sweep{ID: "a", Space: "mine", SpaceFile: "one"}
	b := bench.Sweep{ID: "b", Space: "mine", SpaceFile: "two"}
	c := bench.Sweep{ID: "c", Space: "theirs", SpaceFile: "one"}
	all := []bench.Sweep{a, b, c}
	va, vb := versionedSpace(all, a), versionedSpace(all, b)
	if va == vb || !strings.HasPrefix(va, "mine (version ") || versionedSpace(all, c) != "theirs" || versionedSpace([]bench.Sweep{a}, a) != "mine" {
		t.Errorf("%q and %q are called the same, or others are not", va, vb)
	}
}
