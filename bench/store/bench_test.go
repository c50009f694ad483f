package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"latlab/bench"
	"latlab/devices"
)

// big opens the store that LATLAB_BENCH_DB names, else one of 2,000 simulated networks:
//
//	latlab sweep --device sim-pixel4-edgetpu --space mobiledet_edgetpu_tucker -n 50000 --db big.db
//	LATLAB_BENCH_DB=$PWD/big.db go test ./bench/store -run '^$' -bench 'Estimates|Noise' -benchtime 3x -benchmem
func big(b *testing.B) (*Store, string) {
	b.Helper()
	path := os.Getenv("LATLAB_BENCH_DB")
	if path == "" {
		path = filepath.Join(b.TempDir(), "store.db")
		fillBig(b, path)
	}
	st, err := OpenRead(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	sweeps, err := st.Sweeps(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return st, sweeps[0].ID
}

func fillBig(b *testing.B, path string) {
	b.Helper()
	st, err := Open(b.Context(), path, Options{Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	o := simSweep(b, "sim-pixel1-cpu", 2000)
	o.Store = st
	if _, err := bench.Run(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkEstimates reads a sweep as every export, report and fit does.
func BenchmarkEstimates(b *testing.B) {
	st, sweep := big(b)
	networks := 0
	for b.Loop() {
		for _, err := range bench.Estimates(b.Context(), st, sweep) {
			if err != nil {
				b.Fatal(err)
			}
			networks++
		}
	}
	b.ReportMetric(float64(networks)/b.Elapsed().Seconds(), "networks/s")
}

// BenchmarkNoise is the first of the two passes.
func BenchmarkNoise(b *testing.B) {
	st, sweep := big(b)
	for b.Loop() {
		if _, err := bench.Together(b.Context(), st, sweep); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDetail is a block's JSON by what reads it, and by encoding/json.
func BenchmarkDetail(b *testing.B) {
	text, err := json.Marshal(block())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("here", func(b *testing.B) {
		for b.Loop() {
			if _, err := decodeDetail(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		for b.Loop() {
			var to devices.Block
			if err := json.Unmarshal(text, &to); err != nil {
				b.Fatal(err)
			}
		}
	})
}
