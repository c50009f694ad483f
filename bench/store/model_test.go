package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
)

// TestStoreBehavesLikeMemory runs random calls, sensible and not, on a file and on
// memory.Store: both must accept the same and hold the same, also after the file was
// closed and opened again.
func TestStoreBehavesLikeMemory(t *testing.T) {
	dir, files := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		files++
		path := filepath.Join(dir, fmt.Sprint(files))
		file, err := Open(t.Context(), path, Options{Relaxed: true})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = file.Close(); _ = os.Remove(path) }()
		mem := memory.New()
		both := func(op string, f func(bench.Store) error) {
			a, b := f(file), f(mem)
			if (a == nil) != (b == nil) || errors.Is(a, bench.ErrNoSweep) != errors.Is(b, bench.ErrNoSweep) {
				rt.Fatalf("%s: file says %v, memory %v", op, a, b)
			}
		}
		small := rapid.IntRange(0, 3)
		slot := rapid.Custom(func(t *rapid.T) bench.Slot {
			return bench.Slot{Order: rapid.IntRange(0, 8).Draw(t, "order"), Network: small.Draw(t, "network"), Round: small.Draw(t, "round")}
		})
		sweep := rapid.SampledFrom([]string{"a", "b"})
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				m := manifest(sweep.Draw(rt, "sweep"))
				m.Networks = small.Draw(rt, "n")
				both("create", func(s bench.Store) error { return s.CreateSweep(t.Context(), m) })
			},
			"plan": func(rt *rapid.T) {
				id, slots := sweep.Draw(rt, "sweep"), rapid.SliceOfN(slot, 0, 3).Draw(rt, "slots")
				var nets []bench.Network
				for _, i := range rapid.SliceOfN(small, 0, 2).Draw(rt, "networks") {
					nets = append(nets, bench.Network{Index: i, Name: fmt.Sprint(i), Model: "m"})
				}
				both("plan", func(s bench.Store) error { return s.Plan(t.Context(), id, nets, slots) })
			},
			"finish": func(rt *rapid.T) {
				id, slots := sweep.Draw(rt, "sweep"), rapid.SliceOfN(slot, 1, 2).Draw(rt, "slots")
				var done []bench.Finished
				for _, sl := range slots {
					done = append(done, bench.Finished{Slot: sl, Block: block(float64(sl.Order) + 1)})
				}
				both("finish", func(s bench.Store) error { return s.Finish(t.Context(), id, done) })
			},
			"fail": func(rt *rapid.T) {
				id := sweep.Draw(rt, "sweep")
				f := bench.Failure{Network: small.Draw(rt, "network"), Fault: devices.FaultModel, Reason: "crashed",
					Final: rapid.Bool().Draw(rt, "final"), Time: time.Unix(9, 0).UTC()}
				both("fail", func(s bench.Store) error { return s.Fail(t.Context(), id, f) })
			},
			"profile": func(rt *rapid.T) {
				id, p := sweep.Draw(rt, "sweep"), profiled(small.Draw(rt, "network"), float64(small.Draw(rt, "seconds")+1))
				both("profile", func(s bench.Store) error { return s.AddProfile(t.Context(), id, p) })
			},
			"reopen": func(rt *rapid.T) {
				if err := file.Close(); err != nil {
					rt.Fatal(err)
				}
				if file, err = Open(t.Context(), path, Options{Relaxed: true}); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				if diff := cmp.Diff(contents(rt, mem), contents(rt, file)); diff != "" {
					rt.Fatalf("memory and file differ: %s", diff)
				}
			},
		})
	})
}

// contents is everything that a Reader shows.
func contents(t *rapid.T, r bench.Reader) []any {
	ctx := t.Context()
	sweeps, err := r.Sweeps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := []any{sweeps}
	for _, s := range sweeps {
		add(t, &all, r.Networks(ctx, s.ID))
		add(t, &all, r.Schedule(ctx, s.ID))
		add(t, &all, r.Blocks(ctx, s.ID))
		add(t, &all, r.Failures(ctx, s.ID))
		add(t, &all, r.Profiles(ctx, s.ID))
	}
	return all
}

func add[T any](t *rapid.T, all *[]any, seq func(func(T, error) bool)) {
	for x, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		*all = append(*all, x)
	}
}

// BenchmarkFinish is the price of a block of 50 samples: one a transaction as on a real
// device, and a hundred as for a simulator.
func BenchmarkFinish(b *testing.B) {
	for _, tc := range []struct {
		name  string
		flush int
		o     Options
	}{{"full/1", 1, Options{}}, {"relaxed/1", 1, Options{Relaxed: true}}, {"relaxed/100", 100, Options{Relaxed: true}}} {
		b.Run(tc.name, func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "x.db"), tc.o)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			slots := make([]bench.Slot, b.N)
			for i := range slots {
				slots[i] = bench.Slot{Order: i, Network: 0, Round: i}
			}
			if err := s.CreateSweep(b.Context(), manifest("a")); err != nil {
				b.Fatal(err)
			}
			if err := s.Plan(b.Context(), "a", []bench.Network{{Name: "n"}}, slots); err != nil {
				b.Fatal(err)
			}
			blk := block(make10k()[:50]...)
			b.ResetTimer()
			for i := 0; i < b.N; i += tc.flush {
				var done []bench.Finished
				for _, sl := range slots[i:min(b.N, i+tc.flush)] {
					done = append(done, bench.Finished{Slot: sl, Block: blk})
				}
				if err := s.Finish(b.Context(), "a", done); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
