package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters"
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

// TestBlocksThatAreUsed: block_seconds has the values that the latency is the median of, by the sweep's estimator.
func TestBlocksThatAreUsed(t *testing.T) {
	var blocks []devices.Block
	for i, hz := range []float64{2e9, 1e9, 2e9, 2e9} {
		b := devices.Block{Clock: []devices.Clock{{Hz: hz}}}
		for k := range 40 {
			b.Samples, b.CPUSamples = append(b.Samples, float64(100*i+k)), append(b.CPUSamples, float64(100*i+k))
		}
		if i == 2 {
			b.CPUSamples = make([]float64, 40)
		}
		b.Samples[0], b.CPUSamples[0] = b.Samples[1], b.CPUSamples[1] // no sample is 0
		blocks = append(blocks, b)
	}
	for percentile, want := range map[float64][]any{0: {19.5, nil, nil, 319.5}, 0.9: {36.0, nil, nil, 336.0}} {
		m := bench.Sweep{Device: devices.Info{Threads: 1}, Protocol: protocol.Protocol{Percentile: percentile}}
		row := exporters.Row{Estimate: bench.Estimate{M: &verdict.Measurement{Rule: stats.Rule{SlowHz: 1.9e9}}, Blocks: blocks}}
		var b bytes.Buffer
		if err := JSONL(&b, m, func(yield func(exporters.Row, error) bool) { yield(row, nil) }); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Seconds []any `json:"block_seconds"`
			Details []struct{ Disturbed, Slow bool }
		}
		if err := json.Unmarshal(bytes.Replace(b.Bytes(), []byte("block_details"), []byte("details"), 1), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Seconds); diff != "" {
			t.Errorf("percentile %v: %s", percentile, diff)
		}
		if diff := cmp.Diff([]struct{ Disturbed, Slow bool }{{}, {Slow: true}, {Disturbed: true}, {}}, got.Details); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]bool{false, true, false, false}, parquetRowOf(m, row).BlockSlow); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMeasurements(t *testing.T) {
	sweep := bench.Sweep{ID: "s1", Precision: "int8", Device: devices.Info{Name: "pixel, \"old\"", Kind: devices.Measured}}
	rows := []exporters.Row{
		{
			ID: "0123456789ab", MACs: new(int64(1e9)), Params: new(int64(7)),
			Estimate: bench.Estimate{
				Network: bench.Network{Name: "not shown", Space: "small", Indices: "0:1:0", Status: bench.Measured},
				M: &verdict.Measurement{
					Seconds: 0.30000000000000004, Low: new(0.25), Confidence: 0.95, Estimator: "median", Verdict: verdict.Invalid,
					Reasons: []verdict.Doubt{{Text: "throttled"}, {Text: "drift"}}, Warnings: []verdict.Doubt{{Text: "no sensor"}},
					Blocks: 3, Samples: 150, FirstSeconds: 0.5, PeakMemoryBytes: 4096, Runtime: "tflite \xff",
					Delegation: devices.Delegation{Name: "xnnpack", Nodes: 64, Delegated: 60}, ModelSHA256: "00ff",
					DisturbedBlocks: 1, UndisturbedShare: new(0.75), StandardError: new(0.01),
					P90Seconds: new(0.4), P90Low: new(0.35), P90High: new(0.45), UncorrectedSeconds: new(0.31),
				},
			},
		},
		{Estimate: bench.Estimate{Network: bench.Network{Name: "=a,\nb.tflite", Status: bench.Failed}}},
	}
	var got bytes.Buffer
	if err := Measurements(&got, sweep, sequence(rows, nil)); err != nil {
		t.Fatal(err)
	}
	want := `sweep,id,space,indices,model,device,kind,precision,estimator,latency_seconds,low_seconds,high_seconds,verdict,reasons,warnings,blocks,samples,macs,params,status,confidence,noise_cv,first_seconds,init_seconds,peak_memory_bytes,temperature_celsius,delegate,nodes,delegated_nodes,runtime,model_sha256,disturbed_blocks,undisturbed_share,relative_standard_error,p90_seconds,p90_low_seconds,p90_high_seconds,p99_seconds,p99_low_seconds,p99_high_seconds,uncorrected_seconds
s1,0123456789ab,small,0:1:0,,"pixel, ""old""",measured,int8,median,0.30000000000000004,0.25,,INVALID,throttled; drift,no sensor,3,150,1000000000,7,measured,,,0.5,,4096,,xnnpack,64,60,tflite ` + "\uFFFD" + `,00ff,1,0.75,0.01,0.4,0.35,0.45,,,,0.31
s1,,,,"=a,
b.tflite","pixel, ""old""",measured,int8,,,,,,,,0,0,,,failed,,,,,,,,,,,,,,,,,,,,,
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("measurements (-want +got):\n%s", diff)
	}
}

func TestMeasurementsError(t *testing.T) {
	broken := errors.New("store is gone")
	if err := Measurements(&bytes.Buffer{}, bench.Sweep{}, sequence(make([]exporters.Row, 2), broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want the iterator's", err)
	}
}

func sequence(rows []exporters.Row, last error) iter.Seq2[exporters.Row, error] {
	return func(yield func(exporters.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if last != nil {
			yield(exporters.Row{}, last)
		}
	}
}
