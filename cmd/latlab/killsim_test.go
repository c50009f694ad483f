package main

import (
	"database/sql"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	simKills      = 12
	simKillWithin = 400 * time.Millisecond // doubled where a machine is too slow to store a block in it
)

// TestKilledSimulatorLosesNothing kills a simulator's sweep, whose blocks are stored a
// hundred at a time, and wants at the end what an undisturbed sweep gave: no block twice,
// none missing, and the same numbers, for they depend on the network and its round alone.
func TestKilledSimulatorLosesNothing(t *testing.T) {
	t.Parallel()
	kills := simKills
	if testing.Short() {
		kills = 3
	}
	l := newLab(t)
	random := rand.New(rand.NewPCG(killSeed, 1))
	n, killed, kept, within := 200, 0, map[int]float64{}, simKillWithin
	sweep := func(db string) []string {
		return []string{"sweep", "--device", "sim-pixel1-cpu", "--space", tinySpace(t), "-n", strconv.Itoa(n), "--db", db, "--quiet"}
	}
	for killed < kills || len(kept) == 0 && within < killLongest {
		p := l.start("latlab", sweep("killed.db")...)
		select {
		case <-p.done:
			if code := p.wait(); code != exitOK && code != exitInvalid {
				t.Fatalf("exit code %d\n%s", code, &p.err)
			}
			n += 200
			continue
		case <-time.After(time.Duration(random.Int64N(int64(within)))):
		}
		_ = p.cmd.Process.Kill()
		<-p.done
		killed++
		if kept = l.checkKept("killed.db", kept); len(kept) == 0 {
			within = min(2*within, killLongest)
		}
	}
	if len(kept) == 0 {
		t.Fatal("no block survived: nothing was tried")
	}
	for _, db := range []string{"killed.db", "clean.db"} {
		if code := l.start("latlab", sweep(db)...).wait(); code != exitOK && code != exitInvalid {
			t.Fatalf("%s: exit code %d", db, code)
		}
	}
	l.checkKept("killed.db", kept)
	want, got := l.firstRounds("clean.db"), l.firstRounds("killed.db")
	if len(want) != 3*n {
		t.Fatalf("%d blocks of %d networks, want 3 each", len(want), n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks of the killed sweep (-undisturbed +killed):\n%.2000s", diff)
	}
	// A simulator looks at the graph: no model was written.
	if _, err := os.Stat(l.path(".cache/latlab/models")); !os.IsNotExist(err) {
		t.Errorf("the model cache was touched: %v", err)
	}
}

// block is which block of which network.
type simBlock struct{ network, round int }

// firstRounds are the blocks that every network gets, whatever the noise turned out to be.
func (l *lab) firstRounds(name string) map[simBlock]float64 {
	l.t.Helper()
	db, err := sql.Open("sqlite", l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT network, round, seconds FROM blocks WHERE round < 3")
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	blocks := map[simBlock]float64{}
	for rows.Next() {
		var b simBlock
		var seconds float64
		if err := rows.Scan(&b.network, &b.round, &seconds); err != nil {
			l.t.Fatal(err)
		}
		blocks[b] = seconds
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
	return blocks
}
