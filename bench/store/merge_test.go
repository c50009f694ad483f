package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/devices"
)

// sweepContent is everything that a reader sees of a sweep.
func sweepContent(t *testing.T, path, sweep string) []any {
	t.Helper()
	s, err := OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := s.Sweep(t.Context(), sweep)
	if err != nil {
		t.Fatal(err)
	}
	return []any{
		m, all(t, s.Networks(t.Context(), sweep)), all(t, s.Schedule(t.Context(), sweep)), all(t, s.Blocks(t.Context(), sweep)),
		all(t, s.Failures(t.Context(), sweep)), all(t, s.Conditions(t.Context(), sweep)),
	}
}

func sweepIDs(t *testing.T, path string) (ids []string) {
	t.Helper()
	s, err := OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sweeps, err := s.Sweeps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range sweeps {
		ids = append(ids, m.ID)
	}
	return ids
}

// filled is a store of these sweeps, each with a failure, a condition and a row of a table that
// this version does not know.
func filled(t *testing.T, name string, ids ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	s := openStore(t, path)
	if _, err := s.db.ExecContext(t.Context(), `CREATE TABLE later (sweep INTEGER NOT NULL REFERENCES sweeps (num), id INTEGER PRIMARY KEY, text TEXT);
		CREATE INDEX later_by_sweep ON later (sweep)`); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		fill(t, s, id, 3+i)
		if err := errors.Join(
			s.Fail(t.Context(), id, bench.Failure{Network: 0, Fault: devices.FaultModel, Reason: "first"}),
			s.Fail(t.Context(), id, bench.Failure{Network: 1, Fault: devices.FaultModel, Reason: "last", Final: true}),
			s.Note(t.Context(), id, bench.Condition{State: bench.Running, Message: id}),
		); err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.ExecContext(t.Context(), "INSERT INTO later (sweep, text) SELECT num, id FROM sweeps WHERE id = ?", id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func later(t *testing.T, path string) (texts []string) {
	t.Helper()
	s, err := OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	texts, err = collect(t.Context(), s, nil, func(r scanner) (text string, err error) {
		var id string
		err = r.Scan(&id, &text)
		if id != text {
			t.Errorf("sweep %s has the row of %s", id, text)
		}
		return text, err
	}, "SELECT s.id, l.text FROM later l JOIN sweeps s ON s.num = l.sweep ORDER BY l.id")
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestMerge: a merged store has every sweep as it was, each once, with the rows of tables that it does
// not know; it goes on working, and the stores are as they were.
func TestMerge(t *testing.T) {
	a, b := filled(t, "a.db", "aa", "common"), filled(t, "b.db", "bb")
	c := filepath.Join(t.TempDir(), "c d.db")
	if _, err := Merge(t.Context(), c, a, b); err != nil {
		t.Fatal(err)
	}
	for id, from := range map[string]string{"aa": a, "common": a, "bb": b} {
		if diff := cmp.Diff(sweepContent(t, from, id), sweepContent(t, c, id)); diff != "" {
			t.Errorf("sweep %s: %s", id, diff)
		}
	}
	if diff := cmp.Diff([]string{"aa", "common", "bb"}, later(t, c)); diff != "" {
		t.Error(diff)
	}
	d := filepath.Join(t.TempDir(), "d.db")
	m, err := Merge(t.Context(), d, b, c)
	if diff := cmp.Diff(Merged{Sweeps: 3, Twice: 1, Blocks: 10}, m); err != nil || diff != "" {
		t.Error(err, diff)
	}
	s := openStore(t, d)
	if err := s.Finish(t.Context(), "bb", []bench.Finished{{Slot: bench.Slot{Order: 3, Network: 0, Round: 1}, Block: block(0.01)}}); err != nil {
		t.Errorf("a merged store cannot be written: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// Another block, and the two are no longer one measurement.
	refusedMerge(t, "sweep bb .*different", d, b)
	refusedMerge(t, "named twice", a, a)
	refusedMerge(t, "no such file", a, filepath.Join(t.TempDir(), "none.db"))
	if _, err := Merge(t.Context(), c, a, b); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a store is written over: %v", err)
	}
	if diff := cmp.Diff([]string{"aa", "common"}, sweepIDs(t, a)); diff != "" {
		t.Error(diff)
	}
}

// refusedMerge checks that a merge leaves nothing behind.
func refusedMerge(t *testing.T, want string, from ...string) {
	t.Helper()
	dir := t.TempDir()
	_, err := Merge(t.Context(), filepath.Join(dir, "new.db"), from...)
	first, _, _ := strings.Cut(want, " .*")
	if err == nil || !strings.Contains(err.Error(), first) {
		t.Errorf("%v, want %q", err, want)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

// TestMergeOfAnOldStore: a store of version 1 has neither counts nor conditions.
func TestMergeOfAnOldStore(t *testing.T) {
	old, b := version1(t), filled(t, "b.db", "bb")
	c := filepath.Join(t.TempDir(), "c.db")
	if _, err := Merge(t.Context(), c, old, b); err != nil {
		t.Fatal(err)
	}
	id := sweepIDs(t, old)[0]
	if diff := cmp.Diff(sweepContent(t, old, id), sweepContent(t, c, id)); diff != "" {
		t.Error(diff)
	}
}

// TestMergeInterrupted: what is interrupted leaves nothing.
func TestMergeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := Merge(ctx, filepath.Join(dir, "c.db"), filled(t, "a.db", "aa")); err == nil {
		t.Error("it was merged")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

// TestRemove: a sweep goes with everything that was stored for it, the others stay, the space comes
// back, and the store goes on working.
func TestRemove(t *testing.T) {
	path := filled(t, "a.db", "aa", "bb")
	before := sweepContent(t, path, "bb")
	s := openStore(t, path)
	if err := s.Remove(t.Context(), "aa", "cc"); !errors.Is(err, bench.ErrNoSweep) {
		t.Fatal(err)
	}
	if n := len(sweepIDs(t, path)); n != 2 {
		t.Fatalf("a removal that fails leaves %d of 2 sweeps", n)
	}
	version, err := s.Version(t.Context(), "aa")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Remove(t.Context(), "aa"), s.Shrink(t.Context())); err != nil {
		t.Fatal(err)
	}
	fill(t, s, "cc", 1)
	again := manifest("aa")
	again.Created = again.Created.Add(1)
	if err := s.CreateSweep(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Version(t.Context(), "aa"); err != nil || v == version {
		t.Errorf("version %s, %v, is that of the removed sweep", v, err)
	}
	if err := s.Remove(t.Context(), "aa"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bb", "cc"}, sweepIDs(t, path)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, sweepContent(t, path, "bb")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"bb"}, later(t, path)); diff != "" {
		t.Error(diff)
	}
	s = openStore(t, path)
	if err := s.Remove(t.Context(), "bb", "cc"); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := s.db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM sweeps) + (SELECT count(*) FROM spaces) + (SELECT count(*) FROM blocks) +
		(SELECT count(*) FROM failures) + (SELECT count(*) FROM conditions) + (SELECT count(*) FROM schedule)`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}
