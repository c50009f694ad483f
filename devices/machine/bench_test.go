package machine_test

import (
	"path/filepath"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// BenchmarkStage is what staging costs besides the wire: a look at a model that is there, and
// two scripts, a look and the hash of one that is not (20 MB).
func BenchmarkStage(b *testing.B) {
	for _, bb := range []struct {
		name   string
		models int
	}{{"there", 1}, {"new", 2}} {
		b.Run(bb.name, func(b *testing.B) {
			host := b.TempDir()
			var models []*model.Model
			for i := range bb.models {
				models = append(models, sized(b, host, 20_000_000, i))
			}
			m, err := machine.Open(b.Context(), &remote{}, machine.Options{Dir: filepath.Join(b.TempDir(), "lab"), Budget: 30_000_000})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			i := 0
			for b.Loop() {
				s, err := m.Stage(b.Context(), "time it", models[i%bb.models])
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
				i++
			}
		})
	}
}

// BenchmarkInstall is a look at a program of 18 MB that is there: its hash on this host.
func BenchmarkInstall(b *testing.B) {
	host := b.TempDir()
	f, err := sized(b, host, 18_000_000, 1).Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var t transport.Transport = &remote{}
	m, err := machine.Open(b.Context(), t, machine.Options{Dir: filepath.Join(b.TempDir(), "lab")})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for b.Loop() {
		if _, err := m.Install(b.Context(), machine.Program{Name: "agent", Files: map[string]string{"agent": f.Path}}); err != nil {
			b.Fatal(err)
		}
	}
}
