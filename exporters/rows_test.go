package exporters_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"latlab/bench"
	"latlab/bench/store"
	"latlab/exporters"
	"latlab/sampler/graph"
)

// TestRowsOfOlderStore: MACs and parameters are those of the network whether its row has them
// or not: in a store of schema 1, in one that was upgraded, and where a newer latlab planned it.
func TestRowsOfOlderStore(t *testing.T) {
	text, err := os.ReadFile("../bench/store/testdata/schema1.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(string(text)); err != nil {
		t.Fatal(err)
	}
	old, err := store.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	checkRows(t, old, 3)
	upgraded, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer upgraded.Close()
	checkRows(t, upgraded, 3)

	// A stored figure is taken as it is.
	if _, err := db.Exec("UPDATE networks SET macs = 12, params = 3"); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows(t, upgraded) {
		if *r.MACs != 12 || *r.Params != 3 {
			t.Errorf("%s has %d MACs and %d parameters, 12 and 3 are stored", r.Network.Name, *r.MACs, *r.Params)
		}
	}
}

func checkRows(t *testing.T, st bench.Reader, want int) {
	t.Helper()
	all := rows(t, st)
	if len(all) != want {
		t.Errorf("%d rows, want %d", len(all), want)
	}
	space, err := sweep(t, st).LoadSpace()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		a, err := space.ParseArch(r.Network.Indices)
		if err != nil {
			t.Fatal(err)
		}
		g, err := graph.Lower(space, a)
		if err != nil {
			t.Fatal(err)
		}
		if r.ID != a.ID() || r.MACs == nil || r.Params == nil || *r.MACs != g.TotalMACs() || *r.Params != g.TotalParams() {
			t.Errorf("%+v, want %d MACs and %d parameters", r, g.TotalMACs(), g.TotalParams())
		}
	}
}

func rows(t *testing.T, st bench.Reader) (all []exporters.Row) {
	t.Helper()
	for r, err := range exporters.Rows(t.Context(), st, *sweep(t, st)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func sweep(t *testing.T, st bench.Reader) *bench.Sweep {
	t.Helper()
	sweeps, err := st.Sweeps(context.Background())
	if err != nil || len(sweeps) != 1 {
		t.Fatalf("%d sweeps, %v", len(sweeps), err)
	}
	return &sweeps[0]
}
