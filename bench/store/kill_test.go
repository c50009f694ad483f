package store

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/sampler/model"
)

// childEnv makes the test binary run a sweep on the store that it names.
const childEnv = "LATLAB_STORE_TEST_CHILD"

const childNetworks = 40

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// A random run opens files and syncs them: 100 of them, rapid's default, take a minute
	// under the race detector. The command line still wins.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func child(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	o := childOptions(s, childNetworks)
	o.Progress = func(p bench.Progress) {
		if p.Blocks == 1 {
			fmt.Println("measuring")
		}
	}
	_, err = bench.Run(ctx, o)
	return err // the store is left as it is, as if killed
}

type fastDevice struct{}

func (fastDevice) Info() devices.Info {
	return devices.Info{Name: "fast", Kind: devices.Simulated, Threads: 1, Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Float32}}
}
func (fastDevice) Close() error { return nil }
func (fastDevice) Run(_ context.Context, m *model.Model, _ devices.Plan) (*devices.Block, error) {
	if m.Name == "net-13" {
		return nil, &devices.Error{Fault: devices.FaultModel, Op: "time", Reason: "rejected", Err: os.ErrInvalid}
	}
	return &devices.Block{Samples: []float64{1, 1.01, 0.99}, ModelSHA256: m.Identity}, nil
}

type fastSource struct{}

func (fastSource) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	name := fmt.Sprint("net-", i)
	return bench.Network{Name: name}, &model.Model{Name: name, Identity: name}, nil
}

func childOptions(s *Store, n int) bench.Options {
	p, err := protocol.Named("quick")
	if err != nil {
		panic(err)
	}
	return bench.Options{
		Sweep:    bench.Sweep{Space: "s", Sampling: bench.Uniform, Seed: 1, Format: model.TFLite, Precision: model.Float32, Protocol: p},
		Networks: n, Source: fastSource{}, Device: fastDevice{}, Store: s,
	}
}

// TestKilledAtAnyInstant kills a writing process 50 times at random moments. A store is
// checked after each kill and resumed by the next child, until it is complete and a new
// one begins.
func TestKilledAtAnyInstant(t *testing.T) {
	if testing.Short() {
		t.Skip("kills 50 processes")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	kills, stores, partial := 0, 0, 0
	for kills < 50 {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", stores))
		last := 0
		for complete := false; !complete && kills < 50; kills++ {
			killChild(t, path, kills%5 != 0, time.Duration(rng.Int64N(int64(80*time.Millisecond))))
			blocks, slots := checkStore(t, path)
			if blocks < last {
				t.Fatalf("%d blocks, there were %d", blocks, last)
			}
			if last = blocks; blocks > 0 && blocks < slots {
				partial++
			}
			complete = blocks > 0 && blocks >= 3*(childNetworks-1)
		}
		stores++
		resume(t, path)
	}
	t.Logf("%d kills over %d stores, %d in the middle of a sweep", kills, stores, partial)
	if partial == 0 {
		t.Error("no kill hit a sweep half done")
	}
}

// killChild starts a child and kills it some time after its first block, or, where it
// need not be measuring, after it was started: perhaps while it makes the store.
func killChild(t *testing.T, path string, measuring bool, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if measuring {
		_, _ = out.Read(make([]byte, 1)) // it says "measuring", or it ended
	}
	time.Sleep(after)
	_ = cmd.Process.Kill() // SIGKILL; it may have ended
	_ = cmd.Wait()
}

// checkStore opens a store as a reader does and verifies that every done slot has its
// block and no other slot has one.
func checkStore(t *testing.T, path string) (blocks, slots int) {
	t.Helper()
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return 0, 0 // killed before it began
	}
	if st, err := os.Stat(path); err == nil && st.Size() == 0 && !hasLog(path) {
		return 0, 0
	}
	s := openStore(t, path)
	defer s.Close()
	var bad string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&bad); err != nil || bad != "ok" {
		t.Fatalf("integrity: %s %v", bad, err)
	}
	sweeps, err := s.Sweeps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sw := range sweeps {
		done := map[bench.Slot]int{}
		for _, sl := range all(t, s.Schedule(t.Context(), sw.ID)) {
			if sl.Order != slots {
				t.Fatalf("slot %d is missing", slots)
			}
			slots++
			if sl.State == bench.SlotDone {
				done[sl.Slot]++
			}
		}
		for _, b := range all(t, s.Blocks(t.Context(), sw.ID)) {
			done[b.Slot]--
			blocks++
		}
		for sl, n := range done {
			if n != 0 {
				t.Fatalf("slot %+v: done rows and blocks differ by %d", sl, n)
			}
		}
	}
	return blocks, slots
}

// resume finishes a sweep and checks that nothing is missing or double.
func resume(t *testing.T, path string) {
	t.Helper()
	s := openStore(t, path)
	defer s.Close()
	res, err := bench.Run(t.Context(), childOptions(s, childNetworks))
	if err != nil {
		t.Fatal(err)
	}
	if res.Measured != childNetworks-1 || res.Failed != 1 {
		t.Errorf("resumed to %d measured, %d failed", res.Measured, res.Failed)
	}
	for e, err := range bench.Estimates(t.Context(), s, res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Network.Status == bench.Measured && e.M.Blocks != 3 {
			t.Errorf("%s has %d blocks", e.Network.Name, e.M.Blocks)
		}
	}
}
