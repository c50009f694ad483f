package nnmeter

import (
	"testing"

	"latlab/sampler"
)

// Whatever a line says, it is a table of a network that is known, or an error.
func FuzzLayerTable(f *testing.F) {
	f.Add([]byte(`{"name":"mobiledet_cpu","device":"cpu","kind":"measured","layers":[{"name":"stem/conv","op":"conv","seconds":0.1}]}`))
	f.Add([]byte(`{"name":"a","device":"d","kind":"k","space":"tiny","indices":"0:0:0:0:0:2:2:0:0:0","layers":[{"name":"stem/conv","seconds":1}]}`))
	f.Add([]byte(`{"device":"d","kind":"k","space":"tiny","indices":"9","layers":[{"seconds":-1}]}`))
	f.Add([]byte(`{"device":"d","kind":"k","ranked":[{"name":"mobiledet_cpu","layers":[{"name":"stem/conv","nodes":[1],"seconds":1},{"nodes":[1,2,-7],"seconds":1}]},{"name":"other"}]}`))
	f.Add([]byte(`null`))
	sp := tinySpace(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		all, err := layerTablesOf(func(string) (*sampler.Space, error) { return sp, nil }, line)
		if err != nil {
			return
		}
		for _, x := range all {
			if len(x.Ops) == 0 || len(x.Layers) == 0 || x.Device == "" || x.Kind == "" {
				t.Fatalf("half a table: %+v", x)
			}
		}
		if k, err := Timed(all); err == nil {
			if _, err := k.Write(t.TempDir()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
