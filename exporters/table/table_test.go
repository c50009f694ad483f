package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/regress"
	"latlab/sampler"
)

const small = `
name: small
input: {height: 32, width: 32, channels: 3}
activation: relu6
choices:
  - {name: conv_k3, type: conv, kernel: 3}
  - {name: ibn_k3_e4, type: ibn, kernel: 3, expansion: 4, se: 0.25}
  - {name: tucker, type: tucker, kernel: 3, in_ratio: 0.25, out_ratio: 0.75}
  - {name: skip, type: skip}
stages:
  - name: stem
    widths: [8, 16]
    layers:
      - {stride: 2, choices: [conv_k3]}
      - {stride: 1, residual: true, choices: [ibn_k3_e4, tucker, skip]}
head:
  type: none
`

func smallModel(t *testing.T) (*regress.CostModel, *sampler.Space) {
	t.Helper()
	s, err := sampler.Load([]byte(small), "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &regress.CostModel{
		SchemaVersion: regress.SchemaVersion, Space: "small", Unit: regress.Unit, Bias: 0.1,
		Table: []regress.TablePosition{
			{Name: "stem/layer1", Weights: []float64{0.30000000000000004, 2e-9}, Seen: []int{3, 4}},
			{Name: "stem/layer2", Weights: []float64{1, 2, 3, 0, 0, 0, 0, 0, 0, -4, 5, 0}, Seen: []int{1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 2, 0}},
		},
	}, s
}

func TestCoefficients(t *testing.T) {
	m, s := smallModel(t)
	var got bytes.Buffer
	if err := Coefficients(&got, m, s, Options{}); err != nil {
		t.Fatal(err)
	}
	want := `position,choice,type,kernel,stride,expansion,in_ratio,out_ratio,se,in,out,entry,weight_seconds,seen
bias,,,,,,,,,,,,0.1,
stem/layer1,conv_k3,conv,3,2,,,,,3,8,0,0.30000000000000004,3
stem/layer1,conv_k3,conv,3,2,,,,,3,16,1,2e-09,4
stem/layer2,ibn_k3_e4,ibn,3,1,4,,,0.25,8,8,0,1,1
stem/layer2,tucker,tucker,3,1,,0.25,0.75,,8,8,1,2,1
stem/layer2,skip,skip,,,,,,,8,8,2,3,1
stem/layer2,ibn_k3_e4,ibn,3,1,4,,,0.25,16,16,9,-4,2
stem/layer2,tucker,tucker,3,1,,0.25,0.75,,16,16,10,5,2
stem/layer2,skip,skip,,,,,,,16,16,11,0,0
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("coefficients (-want +got):\n%s", diff)
	}
}

func TestCoefficientsUnreachable(t *testing.T) {
	m, s := smallModel(t)
	var got bytes.Buffer
	if err := Coefficients(&got, m, s, Options{Unreachable: true}); err != nil {
		t.Fatal(err)
	}
	slots, _ := s.Slots()
	if n := strings.Count(got.String(), "\n"); n != slots+2 {
		t.Errorf("%d lines, want the header, the bias and %d slots", n, slots)
	}
}

// Adding up a network's rows must give its prediction: the CSV loses nothing.
func TestCoefficientsPredict(t *testing.T) {
	m, s := smallModel(t)
	var b bytes.Buffer
	if err := Coefficients(&b, m, s, Options{Unreachable: true}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	weight := map[string]float64{}
	for _, r := range rows[1:] {
		x, err := strconv.ParseFloat(r[12], 64)
		if err != nil {
			t.Fatal(err)
		}
		weight[r[0]+" "+r[11]] = x
	}
	archs, err := sampler.Sample(s, 6, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range archs {
		y := weight["bias "]
		for p, e := range s.Entries(a) {
			y += weight[s.Positions()[p].Name+" "+strconv.Itoa(e)]
		}
		if want := m.Predict(s, a); y != want {
			t.Errorf("%s: rows add up to %v, the model predicts %v", a, y, want)
		}
	}
}

func TestCoefficientsOfAnotherSpace(t *testing.T) {
	m, s := smallModel(t)
	m.Space = "large"
	var b bytes.Buffer
	if err := Coefficients(&b, m, s, Options{}); err == nil || b.Len() > 0 {
		t.Errorf("error %v and %d bytes, want a refusal before the first byte", err, b.Len())
	}
}

func TestMeasurements(t *testing.T) {
	x := func(v float64) *float64 { return &v }
	n := func(v int64) *int64 { return &v }
	rows := []Measurement{
		{
			Sweep: "s1", ID: "0123456789ab", Space: "small", Indices: "0:1:0", Device: "pixel, \"old\"", Kind: "measured",
			Precision: "int8", Estimator: "median", LatencySeconds: x(0.30000000000000004), LowSeconds: x(0.25), Verdict: "INVALID",
			Reasons: []string{"throttled", "drift"}, Warnings: []string{"no sensor"}, Blocks: 3, Samples: 150, MACs: n(1e9), Params: n(7),
		},
		{Sweep: "s1", Model: "a.tflite", Device: "cpu", Verdict: "INVALID", Reasons: []string{"model failed:\nno memory"}},
	}
	var got bytes.Buffer
	if err := Measurements(&got, sequence(rows, nil)); err != nil {
		t.Fatal(err)
	}
	want := `sweep,id,space,indices,model,device,kind,precision,estimator,latency_seconds,low_seconds,high_seconds,verdict,reasons,warnings,blocks,samples,macs,params
s1,0123456789ab,small,0:1:0,,"pixel, ""old""",measured,int8,median,0.30000000000000004,0.25,,INVALID,throttled; drift,no sensor,3,150,1000000000,7
s1,,,,a.tflite,cpu,,,,,,,INVALID,"model failed:
no memory",,0,0,,
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("measurements (-want +got):\n%s", diff)
	}
}

func TestMeasurementsError(t *testing.T) {
	broken := errors.New("store is gone")
	if err := Measurements(&bytes.Buffer{}, sequence(make([]Measurement, 2), broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want the iterator's", err)
	}
}

func sequence(rows []Measurement, last error) iter.Seq2[Measurement, error] {
	return func(yield func(Measurement, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if last != nil {
			yield(Measurement{}, last)
		}
	}
}
