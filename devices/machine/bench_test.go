package machine_test

import (
	"path/filepath"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/sampler/model"
)

// BenchmarkStage measures staging a model of 20 MB: one check if it is there already; two
// scripts, a push, a hash and a check if it is not.
func BenchmarkStage(b *testing.B) {
	b.Run("here", func(b *testing.B) { benchmarkStage(b, &remote{}) })
	b.Run("ssh", func(b *testing.B) { benchmarkStage(b, overSSH(b, sshtest.Start(b, sshtest.Options{}))) })
}

func benchmarkStage(b *testing.B, r transport.Transport) {
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
			m, err := machine.Open(b.Context(), r, machine.Options{Dir: filepath.Join(b.TempDir(), "lab"), Budget: 30_000_000})
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
			if t := m.Traffic(); bb.models > 1 {
				b.ReportMetric(float64(t.ModelBytes)/t.Seconds/1e6, "MB/s")
			}
		})
	}
}

// BenchmarkInstall measures the check of an installed program of 18 MB: hashing it on this
// host.
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
