package table

import (
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"latlab/bench"
	"latlab/exporters"
	"latlab/internal/version"
)

// Keys of a Parquet file's metadata.
const (
	SweepKey  = "latlab.sweep"          // the manifest, JSON
	SchemaKey = "latlab.schema_version" // ParquetSchema
)

// ParquetSchema is the version of the columns.
const ParquetSchema = 1

// A row group is held in memory until it is complete, so it ends after a number of raw samples
// (8 MB) or of networks, whichever is first. These limits are large enough to compress well and
// small enough for a small board.
const (
	groupSamples  = 1 << 20
	groupNetworks = 10_000
)

// parquetRow is a network: the columns of the CSV, and lists over its blocks. Samples are one
// flat list in the order in which they ran, split by block_samples: explode() and statistics
// need no second level, and many readers cannot read lists of lists.
type parquetRow struct {
	Record
	BlockSeconds   []*float64  `parquet:"block_seconds,list" parquet-element:",optional"`
	BlockStarted   []time.Time `parquet:"block_started,list" parquet-element:",timestamp(nanosecond)"`
	BlockC         []*float64  `parquet:"block_temperature_celsius,list" parquet-element:",optional"` // hottest sensor, before or after
	BlockNodes     []int64     `parquet:"block_nodes,list"`
	BlockDelegated []int64     `parquet:"block_delegated_nodes,list"`
	BlockUnit      []string    `parquet:"block_unit,list"` // empty: the sweep's own device
	BlockSamples   []int64     `parquet:"block_samples,list"`
	BlockDisturbed []bool      `parquet:"block_disturbed,list"`
	BlockClockHz   []*float64  `parquet:"block_clock_hz,list" parquet-element:",optional"`
	BlockSlow      []bool      `parquet:"block_slow,list"`
	BlockOff       []bool      `parquet:"block_off,list"`
	SamplesSeconds []float64   `parquet:"samples_seconds,list"`
}

// Parquet writes one row per network, with the sweep's manifest in the file's metadata. It holds
// one row group in memory. It stops at the first error of rows.
func Parquet(w io.Writer, m bench.Sweep, rows iter.Seq2[exporters.Row, error]) error {
	manifest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	p := parquet.NewGenericWriter[parquetRow](w,
		parquet.Compression(&parquet.Zstd), parquet.CreatedBy("latlab", version.Version, ""),
		parquet.KeyValueMetadata(SweepKey, string(manifest)), parquet.KeyValueMetadata(SchemaKey, strconv.Itoa(ParquetSchema)))
	networks, samples := 0, 0
	for r, err := range rows {
		if err != nil {
			return err
		}
		row := parquetRowOf(m, r)
		if _, err := p.Write([]parquetRow{row}); err != nil {
			return err
		}
		networks, samples = networks+1, samples+len(row.SamplesSeconds)
		if networks < groupNetworks && samples < groupSamples {
			continue
		}
		if err := p.Flush(); err != nil {
			return err
		}
		networks, samples = 0, 0
	}
	return p.Close()
}

func parquetRowOf(m bench.Sweep, r exporters.Row) parquetRow {
	row := parquetRow{Record: RecordOf(m, r)}
	for i := range r.Blocks {
		b := blockOf(m, r, i)
		row.BlockSeconds = append(row.BlockSeconds, b.Seconds)
		row.BlockStarted = append(row.BlockStarted, b.Started)
		row.BlockC = append(row.BlockC, exporters.Higher(b.BeforeC, b.AfterC))
		row.BlockNodes = append(row.BlockNodes, int64(b.Delegation.Nodes))
		row.BlockDelegated = append(row.BlockDelegated, int64(b.Delegation.Delegated))
		row.BlockUnit = append(row.BlockUnit, b.Unit)
		row.BlockSamples = append(row.BlockSamples, int64(len(b.SamplesSeconds)))
		row.BlockDisturbed, row.BlockSlow = append(row.BlockDisturbed, b.Disturbed), append(row.BlockSlow, b.Slow)
		row.BlockOff = append(row.BlockOff, b.Off)
		row.BlockClockHz = append(row.BlockClockHz, b.ClockHz)
		row.SamplesSeconds = append(row.SamplesSeconds, b.SamplesSeconds...)
	}
	return row
}
