package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func manifest(id string) bench.Sweep {
	p, err := protocol.Named("default")
	if err != nil {
		panic(err)
	}
	return bench.Sweep{
		SchemaVersion: bench.SweepSchema, ID: id, Space: "s", SpaceFile: "name: s\n", Sampling: bench.Uniform, Seed: 1<<64 - 1,
		Format: model.TFLite, Precision: model.Float32, Protocol: p, Networks: 3, Created: time.Unix(1e9, 5).UTC(),
		Device: devices.Info{Name: "fake", Kind: devices.Measured, Fingerprint: map[string]string{"a": "b"}},
	}
}

func block(seconds ...float64) *devices.Block {
	return &devices.Block{
		Samples: seconds, CPUSamples: slices.Clone(seconds), InitSeconds: 0.1, FirstSeconds: 0.2, PeakMemoryBytes: 1 << 40,
		Runtime: "r", CPUs: []int{1}, ModelSHA256: "abc", Started: time.Unix(1e9, 7).UTC(), Elapsed: 1.5,
		Delegation: devices.Delegation{Name: "x", Nodes: 3, Delegated: 3, Partitions: 1},
		Before:     devices.State{Time: time.Unix(1e9, 0).UTC(), LoadAverage: new(0.5), TemperaturesC: map[string]*float64{"cpu": new(40.0), "off": nil}},
		After:      devices.State{Time: time.Unix(1e9, 1).UTC(), Turbo: new(true), ThrottleCount: new(int64(3))},
		Warnings:   []string{"w"},
	}
}

func all[T any](t *testing.T, seq func(func(T, error) bool)) []T {
	t.Helper()
	var items []T
	for x, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, x)
	}
	return items
}

// fill stores one sweep with networks 0..n-1, each with its first of two rounds done.
func fill(t testing.TB, s *Store, id string, n int) {
	t.Helper()
	ctx := t.Context()
	if err := s.CreateSweep(ctx, manifest(id)); err != nil {
		t.Fatal(err)
	}
	var nets []bench.Network
	var slots []bench.Slot
	for round := range 2 {
		for i := range n {
			slots = append(slots, bench.Slot{Order: len(slots), Network: i, Round: round})
		}
	}
	for i := range n {
		nets = append(nets, bench.Network{Index: i, Name: fmt.Sprint("net-", i), Space: "s", Indices: "0:1", Model: "m"})
	}
	if err := s.Plan(ctx, id, nets, slots); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := s.Finish(ctx, id, []bench.Finished{{Slot: slots[i], Block: block(float64(i + 1))}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?&%#ü.db")
	s := openStore(t, path)
	ctx := t.Context()
	m := manifest("abc")
	if err := s.CreateSweep(ctx, m); err != nil {
		t.Fatal(err)
	}
	nets := []bench.Network{
		{Index: 0, Name: "a", Space: "s", Indices: "0:1", Model: "m", MACs: new(int64(1 << 40)), Params: new(int64(7)), Status: bench.Planned},
		{Index: 7, Name: "b", Features: map[string]float64{"x": 1.5}, Model: "n", Status: bench.Planned},
	}
	slots := []bench.Slot{{Order: 0, Network: 7, Round: 0}, {Order: 1, Network: 0, Round: 0}, {Order: 2, Network: 7, Round: 1}}
	if err := s.Plan(ctx, "abc", nets, slots); err != nil {
		t.Fatal(err)
	}
	b := block(0.1, 0.2, 0.3)
	if err := s.Finish(ctx, "abc", []bench.Finished{{Slot: slots[1], Block: b}}); err != nil {
		t.Fatal(err)
	}
	tool := &devices.Block{
		Summary:    &devices.Summary{Count: 50, Mean: 0.5, Min: new(0.4), Line: "avg=500000"},
		Delegation: devices.Delegation{Name: "npu", Nodes: 3, Delegated: 2, Partitions: 1, Why: []string{"EXP x1: no kernel"}},
		Layers:     []devices.Layer{{Name: "a", Op: "CONV_2D", Where: "NPU", Seconds: 1e-3, Cycles: 1e6, MACs: 1 << 40}},
		Bounds:     &devices.Bounds{Low: 0.4, High: 0.6},
		Counters:   map[string]float64{"fill_bytes": 4096},
		Doubts:     []devices.Doubt{{Code: "ops_without_cost", Text: "one operator has no cost"}},
	}
	if err := s.Finish(ctx, "abc", []bench.Finished{{Slot: slots[0], Block: tool}}); err != nil {
		t.Fatal(err)
	}
	f := bench.Failure{Network: 7, Name: "b", Round: 1, Fault: devices.FaultModel, Reason: "crashed", Message: "it crashed", Output: "a\nb", Final: true, Time: time.Unix(5, 0).UTC()}
	if err := s.Fail(ctx, "abc", f); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(names) != 2 {
		t.Errorf("a closed store is one file and its lock, not %v", names)
	}

	r, err := OpenRead(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Sweep(ctx, "abc")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	nets[0].Status, nets[1].Status = bench.Measured, bench.Failed
	if diff := cmp.Diff(nets, all(t, r.Networks(ctx, "abc"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]bench.StoredBlock{{Slot: slots[1], Block: *b}, {Slot: slots[0], Block: *tool}}, all(t, r.Blocks(ctx, "abc"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]bench.Failure{f}, all(t, r.Failures(ctx, "abc"))); diff != "" {
		t.Error(diff)
	}
	want := []bench.Scheduled{{Slot: slots[0], State: bench.SlotDone}, {Slot: slots[1], State: bench.SlotDone}, {Slot: slots[2], State: bench.SlotDropped}}
	if diff := cmp.Diff(want, all(t, r.Schedule(ctx, "abc"))); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Sweep(ctx, "nope"); !errors.Is(err, bench.ErrNoSweep) {
		t.Errorf("got %v", err)
	}
}

// TestLayersFit: the tables of 500 networks of 150 layers must not be what a store is full
// of. They are kept once a network (bench.Run), uncompressed, so that SQL can read them.
func TestLayersFit(t *testing.T) {
	const networks, layers, limit = 50, 150, 32 << 10 // bytes a network: 16 MB for 500
	path := filepath.Join(t.TempDir(), "layers.db")
	s := openStore(t, path)
	fill(t, s, "abc", networks)
	var done []bench.Finished
	for i := range networks {
		b := block(0.1)
		for l := range layers {
			b.Layers = append(b.Layers, devices.Layer{
				Name: fmt.Sprintf("stage_4/layer_2/expansion/conv_%d", l), Op: "CONV_2D", Where: "NPU",
				Seconds: 1.0 / float64(3000+l), Cycles: float64(12345 * l), MACs: int64(1000003 * l),
			})
		}
		done = append(done, bench.Finished{Slot: bench.Slot{Order: networks + i, Network: i, Round: 1}, Block: b})
	}
	if err := s.Finish(t.Context(), "abc", done); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes a network of %d layers", st.Size()/networks, layers)
	if st.Size() > networks*limit {
		t.Errorf("%d bytes for %d networks, more than %d each", st.Size(), networks, limit)
	}
}

func TestPagesAreWhole(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "x.db"))
	n := page + 7
	fill(t, s, "a", n)
	if got := all(t, s.Blocks(t.Context(), "a")); len(got) != n || got[n-1].Slot.Network != n-1 {
		t.Errorf("%d blocks of %d", len(got), n)
	}
	if got := all(t, s.Schedule(t.Context(), "a")); len(got) != 2*n {
		t.Errorf("%d slots of %d", len(got), 2*n)
	}
}

// TestValues: the noise is that of the whole blocks, read for their values or read whole.
func TestValues(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "x.db"))
	fill(t, s, "abc", 250)
	for i := range 250 {
		b := block(float64(i+1)*1.01, 3)
		if i%3 == 0 {
			b.Samples, b.Summary = nil, &devices.Summary{Count: 9, Mean: float64(i + 2), Median: new(float64(i) + 1.5), Line: `a "line"`}
		}
		if i%5 == 0 {
			b.Delegation.Delegated--
		}
		if i%7 == 0 {
			b.Before.QuotaSeconds, b.After.QuotaSeconds = new(0.0), new(1.0)
		}
		if err := s.Finish(t.Context(), "abc", []bench.Finished{{Slot: bench.Slot{Order: 250 + i, Network: i, Round: 1}, Block: b}}); err != nil {
			t.Fatal(err)
		}
	}
	whole := all(t, s.Blocks(t.Context(), "abc"))
	values := all(t, s.Values(t.Context(), "abc"))
	if len(values) != len(whole) || len(whole) != 500 {
		t.Fatalf("%d values of %d blocks, want 500", len(values), len(whole))
	}
	for i, v := range values {
		b := whole[i].Block
		want := bench.StoredBlock{Slot: whole[i].Slot, Block: devices.Block{Samples: b.Samples, CPUSamples: b.CPUSamples, Summary: b.Summary, Delegation: b.Delegation, Clock: b.Clock, Elapsed: b.Elapsed,
			Before: devices.State{QuotaSeconds: b.Before.QuotaSeconds}, After: devices.State{QuotaSeconds: b.After.QuotaSeconds}}}
		if diff := cmp.Diff(want, v); diff != "" {
			t.Fatalf("block %d: %s", i, diff)
		}
	}
	got, err := bench.Together(t.Context(), s, "abc")
	if err != nil {
		t.Fatal(err)
	}
	want, err := bench.Together(t.Context(), fullBlocks{s}, "abc")
	if err != nil {
		t.Fatal(err)
	}
	if got.Pool.All != want.Pool.All || got.Pool.All.DF == 0 {
		t.Errorf("noise %+v, of the whole blocks %+v", got.Pool.All, want.Pool.All)
	}
}

// fullBlocks reads blocks fullBlocks where only their values are asked for.
type fullBlocks struct{ bench.Reader }

func (w fullBlocks) Values(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return w.Blocks(ctx, sweep)
}

func TestBlocksAreStoredOnce(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "x.db"))
	fill(t, s, "a", 2)
	ctx := t.Context()
	free := bench.Slot{Order: 2, Network: 0, Round: 1}
	for name, done := range map[string][]bench.Finished{
		"done already":  {{Slot: bench.Slot{Order: 0, Network: 0, Round: 0}, Block: block(1)}},
		"never planned": {{Slot: bench.Slot{Order: 9, Network: 0, Round: 9}, Block: block(1)}},
		"wrong network": {{Slot: bench.Slot{Order: 2, Network: 1, Round: 1}, Block: block(1)}},
		"twice in one":  {{Slot: free, Block: block(1)}, {Slot: free, Block: block(1)}},
		"no time":       {{Slot: free, Block: block()}},
	} {
		if err := s.Finish(ctx, "a", done); err == nil {
			t.Errorf("%s: stored", name)
		}
	}
	if got := len(all(t, s.Blocks(ctx, "a"))); got != 2 {
		t.Errorf("%d blocks, want 2", got)
	}
	if err := s.Plan(ctx, "a", nil, []bench.Slot{{Order: 2, Network: 0, Round: 5}}); err == nil {
		t.Error("an order was planned twice")
	}
	if err := s.Plan(ctx, "a", nil, []bench.Slot{{Order: 7, Network: 0, Round: 1}}); err == nil {
		t.Error("a round was planned twice")
	}
	if err := s.Plan(ctx, "a", nil, []bench.Slot{{Order: 7, Network: 99, Round: 0}}); err == nil {
		t.Error("a slot of no network was planned")
	}
}

func TestWhatIsNotAStore(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return p
	}
	foreign := filepath.Join(dir, "foreign.db")
	alter(t, foreign, "CREATE TABLE t (x)")
	newer := filepath.Join(dir, "newer.db")
	openStore(t, newer).Close()
	alter(t, newer, "PRAGMA user_version = 7")
	for _, tc := range []struct {
		path, want string
		readOnly   bool // the error is only a reader's
	}{
		{dir, "store %s: it is a folder", false},
		{filepath.Join(dir, "none", "x.db"), "store %s: no folder " + filepath.Join(dir, "none"), false},
		{filepath.Join(dir, "none.db"), "store %s: no such file", true},
		{write("text", "hello, I am no store"), "%s is not a SQLite file; if it was a store, use a copy of it and its -wal from before", false},
		{write("long", strings.Repeat("x", 5000)), "%s is not a SQLite file; if it was a store, use a copy of it and its -wal from before", false},
		{write("cut", "SQLite format 3\x00 and no more"), "%s is not a SQLite file; if it was a store, use a copy of it and its -wal from before", false},
		{write("empty", ""), "%s is an empty file; a copy of a store needs its -wal too", true},
		{foreign, "%s is a SQLite file, but not a latlab store", false},
		{newer, "store %s has schema 7, this latlab knows 2; use a newer latlab", false},
	} {
		_, err := OpenRead(t.Context(), tc.path)
		want := fmt.Sprintf(tc.want, tc.path)
		if strings.Contains(tc.want, "no folder") {
			want = fmt.Sprintf("store %s: no such file", tc.path)
		}
		if err == nil || err.Error() != want {
			t.Errorf("read %s: got %v, want %s", filepath.Base(tc.path), err, want)
		}
		if tc.readOnly {
			continue
		}
		before, _ := os.ReadFile(tc.path)
		if _, err := Open(t.Context(), tc.path, Options{}); err == nil || err.Error() != fmt.Sprintf(tc.want, tc.path) {
			t.Errorf("write %s: got %v, want %s", filepath.Base(tc.path), err, fmt.Sprintf(tc.want, tc.path))
		}
		if after, _ := os.ReadFile(tc.path); string(after) != string(before) {
			t.Errorf("%s was changed", tc.path)
		}
	}
	var se *SchemaError
	if _, err := OpenRead(t.Context(), newer); !errors.As(err, &se) || se.Have != 7 {
		t.Errorf("got %v", err)
	}
	openStore(t, filepath.Join(dir, "empty")) // a creation that was killed at once
}

// alter changes a database behind the store's back.
func alter(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

func TestOneWriterManyReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openStore(t, path)
	fill(t, s, "a", 2)
	_, err := Open(t.Context(), path, Options{})
	var le *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &le) || le.PID != os.Getpid() {
		t.Fatalf("second writer: %v", err)
	}
	for range 3 {
		r, err := OpenRead(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if n := len(all(t, r.Blocks(t.Context(), "a"))); n != 2 {
			t.Errorf("a reader sees %d blocks", n)
		}
		if err := r.CreateSweep(t.Context(), manifest("b")); err == nil {
			t.Error("a reader wrote")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path, Options{Wait: true}); !errors.Is(err, ErrLocked) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled wait: %v", err)
	}
	got := make(chan error)
	go func() {
		w, err := Open(t.Context(), path, Options{Wait: true})
		if err == nil {
			err = w.Close()
		}
		got <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the waiting writer: %v", err)
	}
}

func TestReadersWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openStore(t, path)
	fill(t, s, "a", 20)
	stop := make(chan struct{})
	errs := make(chan error, 3)
	for range 3 {
		go func() { errs <- readUntil(t.Context(), path, stop) }()
	}
	for i := range 20 {
		if err := s.Finish(t.Context(), "a", []bench.Finished{{Slot: bench.Slot{Order: 20 + i, Network: i, Round: 1}, Block: block(1)}}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func readUntil(ctx context.Context, path string, stop chan struct{}) error {
	for {
		r, err := OpenRead(ctx, path)
		if err != nil {
			return err
		}
		for _, err := range bench.Estimates(ctx, r, "a") {
			if err != nil {
				return err
			}
		}
		if err := r.Close(); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

func TestFullDiskByPageLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openStore(t, path)
	fill(t, s, "a", 4)
	var pages int
	if err := s.db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+4)); err != nil {
		t.Fatal(err)
	}
	checkFullDisk(t, s, 4)
	if _, err := s.db.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	// Space was freed: the slot is still planned.
	if err := s.Finish(t.Context(), "a", []bench.Finished{{Slot: bench.Slot{Order: 4, Network: 0, Round: 1}, Block: block(make10k()...)}}); err != nil {
		t.Error(err)
	}
}

func make10k() []float64 {
	xs := make([]float64, 10_000)
	for i := range xs {
		xs[i] = 1
	}
	return xs
}

// checkFullDisk stores a block that does not fit.
func checkFullDisk(t *testing.T, s *Store, n int) {
	t.Helper()
	err := s.Finish(t.Context(), "a", []bench.Finished{{Slot: bench.Slot{Order: n, Network: 0, Round: 1}, Block: block(make10k()...)}})
	var de *DiskError
	if !errors.As(err, &de) || !de.Full || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
	r, err := OpenRead(t.Context(), s.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := len(all(t, r.Blocks(t.Context(), "a"))); got != n {
		t.Errorf("%d blocks of %d survive", got, n)
	}
}

func TestFullDiskForReal(t *testing.T) {
	dir := testenv.Mount(t, "size=300k")
	s := openStore(t, filepath.Join(dir, "x.db"))
	fill(t, s, "a", 4)
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	checkFullDisk(t, s, 4)
	if err := s.Close(); err != nil {
		t.Errorf("close on a full disk: %v", err)
	}
	_, err = Open(t.Context(), filepath.Join(dir, "new.db"), Options{})
	var de *DiskError
	if !errors.As(err, &de) || !de.Full {
		t.Errorf("a new store on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, s.Path())
	if got := len(all(t, s.Blocks(t.Context(), "a"))); got != 4 {
		t.Errorf("%d blocks of 4 survive", got)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := testenv.Mount(t, "size=4m")
	path := filepath.Join(dir, "x.db")
	s := openStore(t, path)
	fill(t, s, "a", 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// As a writer that was killed leaves it.
	open := openStore(t, filepath.Join(t.TempDir(), "y.db"))
	fill(t, open, "a", 3)
	killed := filepath.Join(dir, "killed.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(open.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(killed+suffix, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := len(all(t, r.Blocks(t.Context(), "a"))); got != 3 {
		t.Errorf("%d blocks of 3", got)
	}
	if _, err := OpenRead(t.Context(), killed); err == nil || !strings.Contains(err.Error(), "its writer did not close it") {
		t.Errorf("a log that cannot be read: %v", err)
	}
	want := fmt.Sprintf("store %s: it is on a read-only file system", path)
	if _, err := Open(t.Context(), path, Options{}); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestRunOnDisk(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "x.db"))
	res, err := bench.Run(t.Context(), childOptions(s, 20))
	if err != nil {
		t.Fatal(err)
	}
	if res.Measured != 19 || res.Failed != 1 || res.Blocks != 57 {
		t.Errorf("%d measured, %d failed, %d blocks", res.Measured, res.Failed, res.Blocks)
	}
}
