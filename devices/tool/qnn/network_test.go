package qnn_test

import (
	"math"
	"testing"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/tool/python/pythontest"
	"latlab/fixtures/fixturetest"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// TestConvolution: the compiler's version is fixed, so its estimate of a 3x3 convolution of 64
// channels at 40x40 is known: 37 us, 32 to 43.
func TestConvolution(t *testing.T) {
	b, err := open(t, sa8775, testenv.Python(t)).Run(t.Context(), models.Named("conv40")(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	got := [3]float64{math.Floor(b.Bounds.Low * 1e6), math.Floor(b.Summary.Mean * 1e6), math.Floor(b.Bounds.High * 1e6)}
	if got != [3]float64{32, 37, 43} || b.Counters["ops_without_cost"] != 0 {
		t.Errorf("%v us, counters %v", got, b.Counters)
	}
}

func estimate(t *testing.T, d devices.Device, fixture string) *devices.Block {
	t.Helper()
	g := fixturetest.Graph(t, fixture)
	m, err := model.New(g, model.Form{Format: model.ONNX, Precision: model.Int8}, model.NewCache(t.TempDir(), 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Run(t.Context(), m, devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Delegated != p.Nodes || p.Partitions != 1 || len(b.Doubts) != 0 {
		t.Errorf("%s is not wholly taken: %+v, %+v", fixture, p, b.Doubts)
	}
	return b
}

// TestWholeNetworks: in the networks that latlab writes, with their heads, every operator is taken and
// has a cost. MobileDet-DSP has 3.4 times the multiplications of MobileNetV2-SSDLite and takes 1.3 to
// 1.4 times as long, under half a millisecond.
func TestWholeNetworks(t *testing.T) {
	pythontest.Slow(t)
	d := open(t, sa8775, testenv.Python(t))
	det, v2 := estimate(t, d, "mobiledet_dsp").Summary.Mean, estimate(t, d, "mobilenet_v2_ssdlite").Summary.Mean
	if r := det / v2; r < 1.3 || r > 1.4 || det > 0.0005 {
		t.Errorf("MobileDet-DSP takes %v s, %v times MobileNetV2's", det, r)
	}
}
