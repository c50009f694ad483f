package store

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
)

// version1 is a store as latlab 0.1.0 left it.
func version1(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/schema1.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "old.db")
	alter(t, path, string(text))
	return path
}

func versionOf(t *testing.T, path string) (version int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// TestOlderStore: a store of schema 1 is read as it is, upgraded by the first writer, and
// still read by whoever had opened it before.
func TestOlderStore(t *testing.T) {
	path := version1(t)
	ctx := t.Context()
	r, err := OpenRead(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sweeps, err := r.Sweeps(ctx)
	if err != nil || len(sweeps) != 1 {
		t.Fatalf("%d sweeps, %v", len(sweeps), err)
	}
	id := sweeps[0].ID
	old, blocks := all(t, r.Networks(ctx, id)), all(t, r.Blocks(ctx, id))
	if len(old) != 3 || len(blocks) != 9 || old[0].MACs != nil || old[0].Params != nil {
		t.Fatalf("%d blocks of networks %+v", len(blocks), old)
	}
	if v := versionOf(t, path); v != 1 {
		t.Errorf("a reader made it version %d", v)
	}

	w := openStore(t, path)
	if diff := cmp.Diff(old, all(t, w.Networks(ctx, id))); diff != "" {
		t.Errorf("networks after the upgrade (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(blocks, all(t, w.Blocks(ctx, id))); diff != "" {
		t.Errorf("blocks after the upgrade (-before +after):\n%s", diff)
	}
	added := bench.Network{Index: 3, Name: "new", Model: "m", MACs: new(int64(12)), Params: new(int64(3)), Status: bench.Planned}
	if err := w.Plan(ctx, id, []bench.Network{added}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(old, added), all(t, r.Networks(ctx, id))); diff != "" {
		t.Errorf("the reader sees (-want +got):\n%s", diff)
	}
	if err := r.Check(ctx); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if v := versionOf(t, path); v != SchemaVersion {
		t.Errorf("it is version %d after a writer", v)
	}
	again := openStore(t, path) // has nothing left to upgrade
	if n := len(all(t, again.Networks(ctx, id))); n != 4 {
		t.Errorf("%d networks", n)
	}
}

// TestPlannedWithSize: a sweep stores what its networks' ops add up to.
func TestPlannedWithSize(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, filepath.Join(t.TempDir(), "x.db"))
	o := simSweep(t, "sim-pixel1-cpu", 3)
	o.Store = s
	res, err := bench.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	for n, err := range s.Networks(ctx, res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		_, m, err := o.Source.Network(ctx, n.Index)
		if err != nil {
			t.Fatal(err)
		}
		g := m.Graph
		if n.MACs == nil || n.Params == nil || *n.MACs != g.TotalMACs() || *n.Params != g.TotalParams() {
			t.Errorf("network %d is stored as %+v, its graph has %d MACs and %d parameters", n.Index, n, g.TotalMACs(), g.TotalParams())
		}
	}
}
