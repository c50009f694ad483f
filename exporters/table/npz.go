package table

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"math"
	"slices"

	"latlab/bench"
	"latlab/bench/verdict"
	"latlab/exporters"
	"latlab/regress"
	"latlab/sampler"
)

// CoefficientsNPZ writes the reachable entries of a cost model as NumPy arrays: coef and seen
// by entry, the properties of each entry (feature_names, position, choice, in_width, out_width, entry),
// bias, and metadata, the cost model's JSON without its table.
func CoefficientsNPZ(w io.Writer, m *regress.CostModel, s *sampler.Space) error {
	if err := m.CheckSpace(s); err != nil {
		return err
	}
	bare := *m
	bare.Table = nil
	meta, err := json.Marshal(bare)
	if err != nil {
		return err
	}
	fs, ps := features(s), s.Positions()
	n := len(fs)
	coef := make([]float64, n)
	position, choice := make([]string, n), make([]string, n)
	seen, in, out, entry := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, f := range fs {
		t := m.Table[f.position]
		coef[i], seen[i] = t.Weights[f.entry], int64(t.Seen[f.entry])
		position[i], choice[i] = ps[f.position].Name, f.choice
		in[i], out[i], entry[i] = int64(f.in), int64(f.out), int64(f.entry)
	}
	z, shape := newNPZ(w), []int{n}
	z.floats("bias", nil, []float64{m.Bias})
	z.floats("coef", shape, coef)
	z.ints("seen", shape, seen)
	z.strings("feature_names", featureNames(s, fs))
	z.strings("position", position)
	z.strings("choice", choice)
	z.ints("in_width", shape, in)
	z.ints("out_width", shape, out)
	z.ints("entry", shape, entry)
	z.text("metadata", string(meta))
	return z.close()
}

// MeasurementsNPZ writes a sweep as NumPy arrays: X with its feature_names, y, low and high in
// seconds, valid and imprecise, and the names of the networks; metadata is the manifest. X has a 1 in each
// column of a table entry that the network uses, or a listed model's own features. NaN is
// unknown. Networks that were not measured have rows too; valid selects those without a doubt, imprecise those
// that are right within a wider interval than was asked for.
//
// An array's header has its size, so the figures of each network are held until the last one is
// read: some 300 bytes each, and a listed model's features, but never its samples. X is computed
// while it is written.
func MeasurementsNPZ(w io.Writer, m bench.Sweep, rows iter.Seq2[exporters.Row, error]) error {
	meta, err := json.Marshal(m)
	if err != nil {
		return err
	}
	d := &dataset{}
	if d.space, err = m.LoadSpace(); err != nil {
		return err
	}
	if d.space != nil {
		d.columns = columns(d.space, features(d.space))
	}
	for r, err := range rows {
		if err != nil {
			return err
		}
		if err := d.add(r); err != nil {
			return err
		}
	}
	z := newNPZ(w)
	d.write(z)
	z.text("metadata", string(meta))
	return z.close()
}

// dataset is what MeasurementsNPZ keeps of each network.
type dataset struct {
	y, low, high, macs, params []float64
	standardError, undisturbed []float64
	disturbedBlocks            []int64
	valid, imprecise           []bool
	network                    []int64
	id, model                  []string

	// Of a space: the indices and the column that each position puts its 1 into.
	space   *sampler.Space
	columns [][]int32
	indices []int16
	ones    []int32

	// Of listed models.
	names    []string
	place    map[string]int
	features [][]float64
}

func (d *dataset) add(r exporters.Row) error {
	m := r.M
	if m == nil {
		m = &verdict.Measurement{Seconds: math.NaN()}
	}
	d.y, d.low, d.high = append(d.y, m.Seconds), append(d.low, exporters.OrNaN(m.Low)), append(d.high, exporters.OrNaN(m.High))
	d.standardError, d.undisturbed = append(d.standardError, exporters.OrNaN(m.StandardError)), append(d.undisturbed, exporters.OrNaN(m.UndisturbedShare))
	d.disturbedBlocks = append(d.disturbedBlocks, int64(m.DisturbedBlocks))
	d.macs, d.params = append(d.macs, exporters.OrNaN(r.MACs)), append(d.params, exporters.OrNaN(r.Params))
	d.valid, d.imprecise = append(d.valid, m.Verdict == verdict.Valid), append(d.imprecise, m.Verdict == verdict.Imprecise)
	d.network = append(d.network, int64(r.Network.Index))
	d.id, d.model = append(d.id, r.ID), append(d.model, clean(r.Network.Name))
	if d.space == nil {
		d.addFeatures(r.Network.Features)
		return nil
	}
	d.model[len(d.model)-1] = ""
	a, err := d.space.ParseArch(r.Network.Indices)
	if err != nil {
		return err
	}
	for _, x := range a.Indices {
		d.indices = append(d.indices, int16(x))
	}
	for p, e := range d.space.Entries(a) {
		d.ones = append(d.ones, d.columns[p][e])
	}
	return nil
}

// addFeatures puts a list's features into columns, in the order in which their names first
// occur. Networks may have different features.
func (d *dataset) addFeatures(named map[string]float64) {
	if d.place == nil {
		d.place = map[string]int{}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if _, ok := d.place[name]; !ok {
			d.place[name] = len(d.names)
			d.names = append(d.names, name)
		}
	}
	xs := make([]float64, len(d.names))
	for i, name := range d.names {
		x, ok := named[name]
		if !ok {
			x = math.NaN()
		}
		xs[i] = x
	}
	d.features = append(d.features, xs)
}

func (d *dataset) write(z *npz) {
	n := len(d.y)
	if d.space != nil {
		d.writeIndicators(z)
	} else {
		d.writeFeatures(z)
	}
	shape := []int{n}
	z.floats("y", shape, d.y)
	z.floats("low", shape, d.low)
	z.floats("high", shape, d.high)
	z.floats("relative_standard_error", shape, d.standardError)
	z.floats("undisturbed_share", shape, d.undisturbed)
	z.ints("disturbed_blocks", shape, d.disturbedBlocks)
	z.bools("valid", d.valid)
	z.bools("imprecise", d.imprecise)
	z.ints("network", shape, d.network)
	z.strings("id", d.id)
	z.strings("model", d.model)
	z.floats("macs", shape, d.macs)
	z.floats("params", shape, d.params)
}

func (d *dataset) writeIndicators(z *npz) {
	n := len(d.y)
	fs := features(d.space)
	z.strings("feature_names", featureNames(d.space, fs))
	z.array("X", "|u1", []int{n, len(fs)}, func(w *bufio.Writer) error {
		row, positions := make([]byte, len(fs)), len(d.columns)
		for i := range n {
			clear(row)
			for _, c := range d.ones[i*positions : (i+1)*positions] {
				row[c] = 1
			}
			if _, err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
	z.array("indices", "<i2", []int{n, len(d.space.Decisions())}, func(w *bufio.Writer) error {
		return writeAll(w, d.indices)
	})
}

func (d *dataset) writeFeatures(z *npz) {
	z.strings("feature_names", cleaned(d.names))
	z.array("X", "<f8", []int{len(d.y), len(d.names)}, func(w *bufio.Writer) error {
		for _, xs := range d.features {
			for len(xs) < len(d.names) { // a later network has new names
				xs = append(xs, math.NaN())
			}
			if err := writeAll(w, xs); err != nil {
				return err
			}
		}
		return nil
	})
	z.array("indices", "<i2", []int{len(d.y), 0}, func(*bufio.Writer) error { return nil })
}

func cleaned(xs []string) []string {
	out := make([]string, len(xs))
	for i, x := range xs {
		out[i] = clean(x)
	}
	return out
}
