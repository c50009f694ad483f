package vela_test

import (
	"math"
	"testing"

	"latlab/devices"
	"latlab/devices/devicetest"
	"latlab/devices/tool/python/pythontest"
	"latlab/fixtures/fixturetest"
	"latlab/sampler/model"
)

func estimate(t *testing.T, d devices.Device, fixture string) *devices.Block {
	t.Helper()
	g := fixturetest.Graph(t, fixture)
	m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Int8}, model.NewCache(t.TempDir(), 1<<30))
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
	if got, want := b.Counters["macs"], float64(g.TotalMACs()); got != want {
		t.Errorf("%s has %v MACs by Vela's count, %v by ours", fixture, got, want)
	}
	return b
}

// TestWholeNetworks: Vela takes every operator of the networks that latlab writes, with their heads,
// and counts the same multiplications as latlab.
func TestWholeNetworks(t *testing.T) {
	pythontest.Slow(t)
	b := estimate(t, open(t, u65), "mobiledet_edgetpu")
	if b.Counters["macs"] != 1533181504 {
		t.Errorf("MobileDet-EdgeTPU has %v MACs", b.Counters["macs"])
	}
	var sum float64
	for _, l := range b.Layers {
		sum += l.Seconds
	}
	if math.Abs(sum/b.Summary.Mean-1) > 1e-9 {
		t.Errorf("layers sum to %v s, the whole takes %v s", sum, b.Summary.Mean)
	}
}

// TestRanksChange: MobileDet-EdgeTPU has 1.9 times MobileNetV2-SSDLite's multiplications. It
// is the faster of the two on a large NPU and 1.4 times slower on a small one.
func TestRanksChange(t *testing.T) {
	pythontest.Slow(t)
	for name, want := range map[string][2]float64{"vela:ethos-u85-1024": {0.8, 1}, "vela:ethos-u55-128": {1.35, 1.45}} {
		d := open(t, name)
		r := estimate(t, d, "mobiledet_edgetpu").Summary.Mean / estimate(t, d, "mobilenet_v2_ssdlite").Summary.Mean
		if r < want[0] || r > want[1] {
			t.Errorf("%s: ratio of times is %v, want %v", name, r, want)
		}
	}
}
