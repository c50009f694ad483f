package table_test

import (
	"io"
	"iter"
	"runtime"
	"testing"
	"time"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters"
	"latlab/exporters/table"
)

// TestMemoryDoesNotGrowWithTheSweep exports 120 MB of raw samples, whose rows are made as
// they are asked for, and looks at the heap on the way. A writer that held them, or a
// Parquet file of one row group, would be above the limit.
func TestMemoryDoesNotGrowWithTheSweep(t *testing.T) {
	if testing.Short() {
		t.Skip("15 million samples")
	}
	const networks, samples, limit = 5000, 1000, 64 << 20
	for name, write := range map[string]writer{
		"csv": table.Measurements, "jsonl": table.JSONL, "parquet": table.Parquet, "npz": table.MeasurementsNPZ,
	} {
		base := heap()
		var peak int64
		rows := func(yield func(exporters.Row, error) bool) {
			for i := range networks {
				if i%250 == 0 {
					peak = max(peak, heap())
				}
				if !yield(long(i, samples), nil) {
					return
				}
			}
			peak = max(peak, heap())
		}
		if err := write(io.Discard, bench.Sweep{ID: "s"}, iter.Seq2[exporters.Row, error](rows)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1f MB", name, float64(peak-base)/1e6)
		if peak > base+limit {
			t.Errorf("%s held %d MB of the heap, want less than %d", name, (peak-base)>>20, limit>>20)
		}
	}
}

// heap is what is in use: garbage is no part of what a writer holds.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// long is a network of three blocks with so many samples each.
func long(network, samples int) exporters.Row {
	row := exporters.Row{Estimate: bench.Estimate{
		Network: bench.Network{Index: network, Name: "n"}, M: &verdict.Measurement{Seconds: 1, Verdict: verdict.Valid, Blocks: 3},
	}}
	for b := range 3 {
		d := devices.Block{Started: time.Unix(int64(network), 0), Samples: make([]float64, samples)}
		for i := range d.Samples {
			d.Samples[i] = 1 + 1/float64(network*samples+i+b+1)
		}
		row.Blocks = append(row.Blocks, d)
	}
	return row
}
