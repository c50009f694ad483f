package prom_test

import (
	"os"
	"testing"

	disk "latlab/bench/store"
)

// BenchmarkRead reads a whole store, as a watcher does after a block. LATLAB_BENCH_DB names it:
//
//	latlab sweep --device sim-pixel4-edgetpu --space mobiledet_edgetpu_tucker -n 50000 --db big.db
//	LATLAB_BENCH_DB=$PWD/big.db go test ./exporters/prom -run '^$' -bench Read -benchtime 3x -benchmem
func BenchmarkRead(b *testing.B) {
	path := os.Getenv("LATLAB_BENCH_DB")
	if path == "" {
		b.Skip("LATLAB_BENCH_DB names no store")
	}
	st, err := disk.OpenRead(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	for b.Loop() {
		read(b, st, nil)
	}
}

// BenchmarkVersion is what a watcher costs while nothing happens.
func BenchmarkVersion(b *testing.B) {
	path := os.Getenv("LATLAB_BENCH_DB")
	if path == "" {
		b.Skip("LATLAB_BENCH_DB names no store")
	}
	st, err := disk.OpenRead(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	all, err := st.Sweeps(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, m := range all {
			if _, err := st.Version(b.Context(), m.ID); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkExposition is what a scrape costs that is not answered from exporters/web's cache.
func BenchmarkExposition(b *testing.B) {
	r := registry(b, read(b, store(b), nil))
	for b.Loop() {
		exposition(b, r)
	}
}
