package table_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench/memory"
	"latlab/exporters"
	"latlab/exporters/exporttest"
	"latlab/exporters/table"
	"latlab/internal/atomicfile"
	"latlab/regress"
	"latlab/sampler"
)

// TestCoefficientsPredictInNumPy has NumPy multiply one npz with the other, and wants every
// coefficient to the last bit and the predictions of the cost model.
func TestCoefficientsPredictInNumPy(t *testing.T) {
	t.Parallel()
	s := tiny(t)
	m := tinyModel(s)
	st := memory.New()
	sweep := exporttest.Points(t, st, s, 25)
	dir := t.TempDir()
	data, cost := filepath.Join(dir, "m.npz"), filepath.Join(dir, "cost.npz")
	for path, write := range map[string]func(io.Writer) error{
		data: func(w io.Writer) error {
			return table.MeasurementsNPZ(w, sweep, exporters.Rows(t.Context(), st, sweep))
		},
		cost: func(w io.Writer) error { return table.CoefficientsNPZ(w, m, s) },
	} {
		if err := atomicfile.Write(path, write); err != nil {
			t.Fatal(err)
		}
	}
	var got struct {
		Bias            string
		Coef            []string
		Seen, Entry     []json.Number
		Position, Names []string
		FeatureNames    []string `json:"feature_names"`
		Predictions     []string
		Indices         []string
		Metadata        map[string]any
	}
	python(t, &got, "predict.py", data, cost)
	if diff := cmp.Diff(got.FeatureNames, got.Names); diff != "" {
		t.Errorf("feature names and what they are made of (-names +parts):\n%s", diff)
	}
	if got.Bias != bits(m.Bias) {
		t.Errorf("bias %s, want %s", got.Bias, bits(m.Bias))
	}
	index := map[string]int{}
	for i, p := range m.Table {
		index[p.Name] = i
	}
	_, reachable := s.Slots()
	if len(got.Coef) != reachable {
		t.Errorf("%d coefficients, want %d", len(got.Coef), reachable)
	}
	for i, p := range got.Position {
		e, err := strconv.Atoi(got.Entry[i].String())
		if err != nil {
			t.Fatal(err)
		}
		e2 := m.Table[index[p]]
		if got.Coef[i] != bits(e2.Weights[e]) || got.Seen[i].String() != fmt.Sprint(e2.Seen[e]) {
			t.Errorf("%s: coef %s, seen %s", got.Names[i], got.Coef[i], got.Seen[i])
		}
	}
	for i, indices := range got.Indices {
		a, err := s.ParseArch(indices)
		if err != nil {
			t.Fatal(err)
		}
		y, err := strconv.ParseFloat(got.Predictions[i], 64)
		if want := m.Predict(s, a); err != nil || math.Abs(y-want) > 1e-12*math.Abs(want) {
			t.Errorf("%s: %v, want %v", indices, y, want)
		}
	}
	if got.Metadata["device"] != "pixel-4" || got.Metadata["table"] != nil {
		t.Errorf("metadata %v", got.Metadata)
	}
}

func bits(x float64) string {
	return fmt.Sprintf("%x", binary.BigEndian.AppendUint64(nil, math.Float64bits(x)))
}

func tinyModel(s *sampler.Space) *regress.CostModel {
	m := &regress.CostModel{
		SchemaVersion: regress.SchemaVersion, Space: s.Name, Device: "pixel-4", Unit: regress.Unit, Bias: 0.30000000000000004,
	}
	for i, p := range s.Positions() {
		t := regress.TablePosition{Name: p.Name, Weights: make([]float64, p.Slots()), Seen: make([]int, p.Slots())}
		for e := range t.Weights {
			if p.Reachable(e) {
				t.Weights[e], t.Seen[e] = 1/float64(3+7*i+e), i+e
			}
		}
		m.Table = append(m.Table, t)
	}
	return m
}
