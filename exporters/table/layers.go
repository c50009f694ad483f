package table

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"latlab/bench"
	"latlab/bench/profile"
	"latlab/internal/version"
)

// LayersSchema is the version of the rows of profiles: of JSON lines and of Parquet's columns.
const LayersSchema = 1

// LayersKey is the key of LayersSchema in a Parquet file's metadata.
const LayersKey = "latlab.layers_schema_version"

// LayerOf is what the rows of a network's profile have in common.
type LayerOf struct {
	Sweep     string   `json:"sweep,omitempty" parquet:"sweep,optional"` // empty if it belongs to none
	Network   string   `json:"network" parquet:"network"`
	Space     string   `json:"space,omitempty" parquet:"space,optional"`
	Indices   string   `json:"indices,omitempty" parquet:"indices,optional"`
	Device    string   `json:"device" parquet:"device"`
	Kind      string   `json:"kind" parquet:"kind"` // measured, estimated or simulated
	Precision string   `json:"precision" parquet:"precision"`
	Runs      int64    `json:"runs" parquet:"runs"`         // inferences that were observed
	Overhead  *float64 `json:"overhead" parquet:"overhead"` // what observing cost, a ratio; nil = unknown
}

// Layer is a row of a profile, flat: the tags are the names in all formats. Nil and "" are unknown. A row's
// time is that of ops inside observed inferences, never a latency measurement.
type Layer struct {
	LayerOf
	Row             int64    `json:"row" parquet:"row"` // in execution order, from 0
	Name            string   `json:"name" parquet:"name"`
	Op              string   `json:"op" parquet:"op"`     // the device's word
	Type            string   `json:"type" parquet:"type"` // of the model's operators where they are known
	Kernel          string   `json:"kernel,omitempty" parquet:"kernel,optional"`
	On              string   `json:"on,omitempty" parquet:"on,optional"` // the unit that ran it
	Nodes           []int64  `json:"nodes" parquet:"nodes,list"`         // the model's operators, from 0
	Position        string   `json:"position,omitempty" parquet:"position,optional"`
	InputShape      string   `json:"input_shape,omitempty" parquet:"input_shape,optional"` // "1x320x320x3"
	OutputShape     string   `json:"output_shape,omitempty" parquet:"output_shape,optional"`
	Seconds         float64  `json:"seconds" parquet:"seconds"`
	Share           float64  `json:"share" parquet:"share"`
	Rank            int64    `json:"rank" parquet:"rank"`                         // 1 = the slowest
	CumulativeShare float64  `json:"cumulative_share" parquet:"cumulative_share"` // of the row and all slower ones
	MACs            *int64   `json:"macs" parquet:"macs"`
	MACsPerSecond   *float64 `json:"macs_per_second" parquet:"macs_per_second"`
	MACsPerByte     *float64 `json:"macs_per_byte" parquet:"macs_per_byte"`
	InputBytes      *int64   `json:"input_bytes" parquet:"input_bytes"`
	OutputBytes     *int64   `json:"output_bytes" parquet:"output_bytes"`
	WeightBytes     *int64   `json:"weight_bytes" parquet:"weight_bytes"`
}

// LayersOf flattens the rows of a profile.
func LayersOf(of LayerOf, t profile.Table) []Layer {
	of.Network, of.Space, of.Device = clean(of.Network), clean(of.Space), clean(of.Device)
	var all []Layer
	for i := range t.Rows {
		r := &t.Rows[i]
		l := Layer{
			LayerOf: of, Row: int64(i), Name: clean(r.Name), Op: clean(r.Op), Type: clean(r.Type), Kernel: clean(r.Kernel), On: clean(r.Where),
			Nodes: []int64{}, Position: clean(r.Position), Seconds: r.Seconds, Share: r.Share, Rank: int64(r.Rank), CumulativeShare: r.Upto,
			MACsPerSecond: r.Rate, MACsPerByte: r.Intensity,
		}
		for _, n := range r.Nodes {
			l.Nodes = append(l.Nodes, int64(n))
		}
		if r.InputShape != nil {
			l.InputShape, l.OutputShape = shape(*r.InputShape), shape(*r.OutputShape)
			l.InputBytes, l.OutputBytes, l.WeightBytes = &r.InputBytes, &r.OutputBytes, &r.WeightBytes
		}
		if r.InputShape != nil || r.MACs > 0 {
			l.MACs = &r.MACs
		}
		all = append(all, l)
	}
	return all
}

func shape(s [4]int) string { return fmt.Sprintf("%dx%dx%dx%d", s[0], s[1], s[2], s[3]) }

// Layers yields the rows of all profiles of a sweep, by network.
func Layers(m bench.Sweep, networks map[int]bench.Network, profiles iter.Seq2[bench.Profiled, error]) iter.Seq2[Layer, error] {
	return func(yield func(Layer, error) bool) {
		for p, err := range profiles {
			if err != nil {
				yield(Layer{}, err)
				return
			}
			n := networks[p.Network]
			of := LayerOf{
				Sweep: m.ID, Network: n.Name, Space: n.Space, Indices: n.Indices, Device: m.Device.Name, Kind: string(m.Device.Kind),
				Precision: string(m.Precision), Runs: int64(p.Profile.Runs), Overhead: profile.Overhead(&p.Profile),
			}
			for _, l := range LayersOf(of, p.Table()) {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// LayerColumns are the columns of LayersCSV, in order. New ones are added at the end.
func LayerColumns() []string {
	return []string{
		"sweep", "network", "space", "indices", "device", "kind", "precision", "runs", "overhead",
		"row", "name", "op", "type", "kernel", "on", "nodes", "position", "input_shape", "output_shape",
		"seconds", "share", "rank", "cumulative_share", "macs", "macs_per_second", "macs_per_byte",
		"input_bytes", "output_bytes", "weight_bytes",
	}
}

// LayersCSV writes a line for each row. Nodes are joined by ":". It stops at the first error of rows.
func LayersCSV(w io.Writer, rows iter.Seq2[Layer, error]) error {
	c := csv.NewWriter(w)
	if err := c.Write(LayerColumns()); err != nil {
		return err
	}
	for l, err := range rows {
		if err != nil {
			return err
		}
		if err := c.Write(l.record()); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (l *Layer) record() []string {
	var nodes []string
	for _, n := range l.Nodes {
		nodes = append(nodes, strconv.FormatInt(n, 10))
	}
	return []string{
		l.Sweep, l.Network, l.Space, l.Indices, l.Device, l.Kind, l.Precision, strconv.FormatInt(l.Runs, 10), optional(l.Overhead),
		strconv.FormatInt(l.Row, 10), l.Name, l.Op, l.Type, l.Kernel, l.On, strings.Join(nodes, ":"), l.Position, l.InputShape, l.OutputShape,
		number(l.Seconds), number(l.Share), strconv.FormatInt(l.Rank, 10), number(l.CumulativeShare),
		count(l.MACs), optional(l.MACsPerSecond), optional(l.MACsPerByte), count(l.InputBytes), count(l.OutputBytes), count(l.WeightBytes),
	}
}

// LayersJSONL writes an object for each row, on a line of its own.
func LayersJSONL(w io.Writer, rows iter.Seq2[Layer, error]) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for l, err := range rows {
		if err != nil {
			return err
		}
		if err := e.Encode(struct {
			SchemaVersion int `json:"schema_version"`
			Layer
		}{LayersSchema, l}); err != nil {
			return err
		}
	}
	return nil
}

// LayersParquet writes the rows with the sweep's manifest in the file's metadata.
func LayersParquet(w io.Writer, m bench.Sweep, rows iter.Seq2[Layer, error]) error {
	manifest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	p := parquet.NewGenericWriter[Layer](w,
		parquet.Compression(&parquet.Zstd), parquet.CreatedBy("latlab", version.Version, ""),
		parquet.KeyValueMetadata(SweepKey, string(manifest)), parquet.KeyValueMetadata(LayersKey, strconv.Itoa(LayersSchema)))
	for l, err := range rows {
		if err != nil {
			return err
		}
		if _, err := p.Write([]Layer{l}); err != nil {
			return err
		}
	}
	return p.Close()
}
