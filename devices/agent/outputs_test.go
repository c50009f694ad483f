package agent_test

import (
	"context"
	"os"
	"testing"

	"latlab/devices/agent"
	"latlab/devices/machine"
	"latlab/internal/testenv"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// TestOutputsAgreeWithPlainEvaluation runs every written network in the real runtime with
// XNNPACK and compares each output tensor with that of the plain evaluator, which shares no
// code with either. No node may be left to the runtime's own kernels.
func TestOutputsAgreeWithPlainEvaluation(t *testing.T) {
	d, err := agent.Open(context.Background(), machine.Here("cpu"), agent.Options{Name: "cpu", Path: testenv.Agent(t)})
	if err != nil {
		t.Fatal(err)
	}
	cases, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	if !testing.Short() {
		deep, err := tflitetest.DeepCases()
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, deep...)
	}
	cases = append(cases, tflitetest.Case{Name: "a detector with taps and gates of its own", Graph: gated(t)})
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { compareOutputs(t, d, c) })
	}
}

func compareOutputs(t *testing.T, d *agent.Device, c tflitetest.Case) {
	m, err := model.New(c.Graph, model.Form{Format: model.TFLite, Precision: model.Float32}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.WriteFile(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	inputs := [][]float32{tflitetest.Input(c.Graph, 1)}
	want, err := tflitetest.Evaluate(data, inputs)
	if err != nil {
		t.Fatal(err)
	}
	got, delegation, err := d.Outputs(context.Background(), f.Path, inputs)
	if err != nil {
		t.Fatal(err)
	}
	if delegation.Delegated != delegation.Nodes || delegation.Nodes != len(c.Graph.Ops) {
		t.Errorf("%d of %d nodes delegated, the graph has %d ops", delegation.Delegated, delegation.Nodes, len(c.Graph.Ops))
	}
	if len(got) != len(want) {
		t.Fatalf("%d outputs, want %d", len(got), len(want))
	}
	for i, o := range got {
		if diff := tflitetest.Difference(o.Values, want[i]); !(diff <= 1e-4) {
			t.Errorf("output %s differs by %.2g of its largest magnitude", o.Name, diff)
		}
		if name := c.Graph.Tensors[c.Graph.Outputs[i]].Name; o.Name != name {
			t.Errorf("output %d is named %s, want %s", i, o.Name, name)
		}
	}
}
