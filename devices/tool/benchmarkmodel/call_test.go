package benchmarkmodel_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/tool/benchmarkmodel"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

func called(t testing.TB, data []byte, signature string, values, files []string) *model.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.tflite")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseCall(signature, nil, values, files)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.FromFile(path, c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestInputsOfTheTool: the tool gets the user's values, and zeros where it would draw integers itself.
func TestInputsOfTheTool(t *testing.T) {
	f := cpu(t)
	ids := f.file(t, "ids.raw", "\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00")
	d := open(t, f.options())
	for _, c := range []struct {
		name, element string
		values, files []string
		want          map[string]string // in hex; nil = no flags
	}{
		{"float32 as always", "float32", nil, nil, nil},
		{"int8 as always", "int8", nil, nil, nil},
		{"int32 is zero", "int32", nil, nil, map[string]string{"x": strings.Repeat("00", 16)}},
		{"bool is zero", "bool", nil, nil, map[string]string{"x": "00000000"}},
		{"bfloat16 is zero", "bfloat16", nil, nil, map[string]string{"x": strings.Repeat("00", 8)}},
		{"int4 is zero", "int4", nil, nil, map[string]string{"x": "0000"}},
		{"text is empty", "string", nil, nil, map[string]string{"x": "00000000"}},
		{"a text", "string", []string{"x=b c"}, nil, map[string]string{"x": strings.Repeat("62206300", 4)}},
		{"resource", "resource", nil, nil, nil},
		{"a value", "int32", []string{"x=7"}, nil, map[string]string{"x": strings.Repeat("07000000", 4)}},
		{"a float value", "float32", []string{"x=0.5"}, nil, map[string]string{"x": strings.Repeat("0000003f", 4)}},
		{"a file", "int32", nil, []string{"x=" + ids}, map[string]string{"x": "01000000020000000300000004000000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			record := filepath.Join(f.state, "inputs.json")
			if err := os.RemoveAll(record); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Run(t.Context(), called(t, tflitetest.Shown(c.element, 0), "", c.values, c.files), devicetest.Plan()); err != nil {
				t.Fatal(err)
			}
			var got map[string]string
			if text, err := os.ReadFile(record); err == nil {
				if err := json.Unmarshal(text, &got); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSignatureOfTheTool(t *testing.T) {
	d := open(t, cpu(t).options())
	for _, c := range []struct {
		data     []byte
		key, ran string
		nodes    int
	}{
		{tflitetest.TwoSignatures(), "", "double", 1}, {tflitetest.TwoSignatures(), "eightfold", "eightfold", 3},
		{tflitetest.SecondFirst(), "", "eightfold", 3}, {tflitetest.SecondFirst(), "double", "double", 1}, {tflitetest.NoSignatures(), "", "", 1},
	} {
		b, err := d.Run(t.Context(), called(t, c.data, c.key, nil, nil), devicetest.Plan())
		if err != nil {
			t.Fatal(err)
		}
		if b.Signature != c.ran || b.Delegation.Nodes != c.nodes || b.Delegation.Delegated != c.nodes {
			t.Errorf("%q: signature %q, %d of %d nodes; want %q, all of %d", c.key, b.Signature, b.Delegation.Delegated, b.Delegation.Nodes, c.ran, c.nodes)
		}
	}
}

// TestCallThatTheDeviceCannotFollow: a flag of the device that says the same is the user's contradiction.
func TestCallThatTheDeviceCannotFollow(t *testing.T) {
	for _, c := range []struct {
		flags  map[string]string
		key    string
		values []string
		want   string
	}{
		{map[string]string{"signature_to_run_for": "double"}, "eightfold", nil, "name a signature each"},
		{map[string]string{"input_layer": "x", "input_layer_shape": "1,4"}, "", []string{"in=1"}, "have input_layer already"},
	} {
		o := cpu(t).options()
		o.Flags = c.flags
		_, err := open(t, o).Run(t.Context(), called(t, tflitetest.TwoSignatures(), c.key, c.values, nil), devicetest.Plan())
		if err == nil || devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.flags, err, c.want)
		}
	}
}

// TestProofOfASignature: lines about subgraphs that were not run are not counted.
func TestProofOfASignature(t *testing.T) {
	r, err := benchmarkmodel.Parse(`VERBOSE: Replacing 3 out of 3 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions for subgraph 0 (main).
VERBOSE: Replacing 1 out of 5 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions for subgraph 1 (second).
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=1 curr=5000
Running benchmark for at least 2 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=2 first=5000 curr=5000 min=5000 max=5000 avg=5000 std=0
Inference timings in us: Init: 12750, First inference: 5000, Warmup (avg): 5000, Inference (avg): 5000
`, "")
	if err != nil {
		t.Fatal(err)
	}
	r.Proof.Drop([]int{0})
	if len(r.Proof.Replaced) != 1 || r.Proof.Replaced[0].Nodes != 5 {
		t.Errorf("left are %+v", r.Proof.Replaced)
	}
}
