package main

import (
	"testing"

	"latlab/bench/source"
	"latlab/devices"
	"latlab/exporters/tunas"
	"latlab/regress"
	"latlab/sampler/model"
)

// An imported model knows its device by name alone; a fitted one holds on the machine of its fingerprint only.
func TestImportedModelsAreVerifiedOnTheDeviceOfTheirName(t *testing.T) {
	t.Parallel()
	here := devices.Info{Name: tunas.PublishedDevice, Kind: devices.Measured, Fingerprint: map[string]string{"cpu": "kryo"}}
	elsewhere := here
	elsewhere.Name = "cpu"
	for _, c := range []struct {
		method string
		now    devices.Info
		ok     bool
	}{
		{tunas.Imported, here, true},
		{tunas.Imported, elsewhere, false},
		{string(regress.Ops), here, false},
	} {
		m := &regress.CostModel{Device: tunas.PublishedDevice, Kind: devices.Measured, Precision: model.Float32, Method: c.method}
		v := verification{file: "cost.json", m: m, list: source.List{{Model: &model.Model{Form: model.Form{Precision: model.Float32}}}}}
		if _, err := v.sameDevice(c.now); (err == nil) != c.ok || err != nil && exitCode(err) != exitUsage {
			t.Errorf("method %s on %s: %v", c.method, c.now.Name, err)
		}
	}
}
