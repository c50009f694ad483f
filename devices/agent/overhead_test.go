package agent_test

import (
	"path/filepath"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
)

// BenchmarkOverhead measures what a block takes besides the model, on this machine and over each
// transport to it. Blocks are interleaved, so that a busy moment affects all transports alike.
func BenchmarkOverhead(b *testing.B) {
	m := tinyModel(b)
	plan := devicetest.Plan()
	ways := ways(b)
	spent := map[string]time.Duration{}
	for b.Loop() {
		for _, w := range ways {
			start := time.Now()
			block, err := w.device.Run(b.Context(), m, plan)
			if err != nil {
				b.Fatal(err)
			}
			spent[w.name] += time.Since(start) - inside(block)
		}
	}
	for _, w := range ways {
		each := float64(spent[w.name].Microseconds()) / 1e3 / float64(b.N)
		b.ReportMetric(each, w.name+"-ms/block")
		b.ReportMetric(float64(spent[w.name])/float64(spent[ways[0].name]), w.name+"/local")
	}
}

// inside returns the time that the agent spent on the model.
func inside(b *devices.Block) time.Duration {
	sum := b.InitSeconds + b.FirstSeconds
	for _, s := range append(b.WarmUp, b.Samples...) {
		sum += s
	}
	return time.Duration(sum * float64(time.Second))
}

type way struct {
	name   string
	device devices.Device
}

func ways(t testing.TB) []way {
	list := []way{{"local", openReal(t, agent.Options{})}}
	for _, r := range reaches() {
		tr, _ := r.open(t, "")
		d := board(t, tr, machine.Options{Dir: filepath.Join(t.TempDir(), "latlab")}, agent.Options{})
		t.Cleanup(func() { _ = d.Close() })
		list = append(list, way{r.name, d})
	}
	return list
}
