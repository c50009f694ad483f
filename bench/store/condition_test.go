package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
)

func TestConditions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openStore(t, path)
	ctx := t.Context()
	for _, id := range []string{"abc", "other"} {
		if err := s.CreateSweep(ctx, manifest(id)); err != nil {
			t.Fatal(err)
		}
	}
	want := []bench.Condition{
		{State: bench.Running, Time: time.Unix(1e9, 0).UTC(), Refused: []bench.Refused{{Name: "mended.tflite", Reason: "cut off"}}},
		{State: bench.Running, Time: time.Unix(1e9, 1).UTC(), Refused: []bench.Refused{{Name: "a.tflite", Reason: "no such file"}, {Name: "l.jsonl:3", Reason: "no \"JSON\""}}},
		{State: bench.BackingOff, Message: "the cable; \"pulled\"", Time: time.Unix(1e9, 2).UTC()},
		{State: bench.Ended, Reason: bench.EndDone, Time: time.Unix(1e9, 3).UTC()},
	}
	for _, c := range want {
		if err := s.Note(ctx, "abc", c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Note(ctx, "none", want[0]); err == nil {
		t.Error("a note of no sweep was taken")
	}
	r, err := OpenRead(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if diff := cmp.Diff(want, all(t, r.Conditions(ctx, "abc"))); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	// The last run's refusals count, whatever was noted after it began.
	if refused, err := bench.RefusedOf(ctx, r, "abc"); err != nil || !cmp.Equal(refused, want[1].Refused) {
		t.Errorf("refused %v, %v", refused, err)
	}
	if refused, err := bench.RefusedOf(ctx, r, "other"); err != nil || refused == nil || len(refused) != 0 {
		t.Errorf("of a sweep without notes %v are refused, %v", refused, err)
	}
	if other := all(t, r.Conditions(ctx, "other")); len(other) != 0 {
		t.Errorf("another sweep has %v", other)
	}
}

// TestStoreFromBeforeConditions: an older program's store is read as one where nothing was
// noted, and is written to.
func TestStoreFromBeforeConditions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openStore(t, path)
	ctx := t.Context()
	if err := s.CreateSweep(ctx, manifest("abc")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, path, `DROP TABLE conditions; ALTER TABLE networks DROP COLUMN macs;
		ALTER TABLE networks DROP COLUMN params; PRAGMA user_version = 1`)
	r, err := OpenRead(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if noted := all(t, r.Conditions(ctx, "abc")); len(noted) != 0 {
		t.Errorf("it has %v", noted)
	}
	before, err := r.Version(ctx, "abc")
	if err != nil {
		t.Fatal(err)
	}
	again := openStore(t, path)
	c := bench.Condition{State: bench.Running, Time: time.Unix(1e9, 1).UTC()}
	if err := again.Note(ctx, "abc", c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bench.Condition{c}, all(t, r.Conditions(ctx, "abc"))); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	if after, err := r.Version(ctx, "abc"); err != nil || after == before {
		t.Errorf("version is still %q, %v", after, err)
	}
}

// TestVersion: it changes with everything that is stored of a sweep, and with nothing else.
func TestVersion(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "x.db"))
	ctx := t.Context()
	m := manifest("abc")
	slots := []bench.Slot{{Order: 0, Network: 0, Round: 0}, {Order: 1, Network: 0, Round: 1}}
	last := "none yet"
	for _, step := range []struct {
		name string
		do   func() error
		same bool
	}{
		{"create", func() error { return s.CreateSweep(ctx, m) }, false},
		{"another sweep", func() error { return s.CreateSweep(ctx, manifest("other")) }, true},
		{"extend", func() error { m.Networks++; return s.CreateSweep(ctx, m) }, false},
		{"plan", func() error {
			return s.Plan(ctx, "abc", []bench.Network{{Name: "a", Model: "m"}}, slots)
		}, false},
		{"block", func() error {
			return s.Finish(ctx, "abc", []bench.Finished{{Slot: slots[0], Block: block(0.1)}})
		}, false},
		{"attempt", func() error { return s.Fail(ctx, "abc", bench.Failure{Round: 1, Time: time.Unix(1e9, 0)}) }, false},
		{"note", func() error { return s.Note(ctx, "abc", bench.Condition{State: bench.Running}) }, false},
		{"note of another", func() error { return s.Note(ctx, "other", bench.Condition{State: bench.Running}) }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		now, err := s.Version(ctx, "abc")
		if err != nil {
			t.Fatal(err)
		}
		if (now == last) != step.same {
			t.Errorf("%s: version %q after %q", step.name, now, last)
		}
		last = now
	}
}
