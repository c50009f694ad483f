package sim

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/fixtures"
	"latlab/fixtures/fixturetest"
	"latlab/internal/text"
	"latlab/sampler/model"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/simulators.md")

const docs = "../../docs/simulators.md"

// published is a published latency and the simulator that should reproduce it.
type publishedLatency struct {
	network, on, precision string
	source                 string
	seconds                float64
	device                 string
	model                  model.Precision
}

// simulated maps a published device and precision to the simulator and its precision. A figure
// without precision has the device's default.
func simulated(f fixtures.Figure) (device string, p model.Precision, ok bool) {
	switch f.On {
	case "Pixel 1 CPU":
		return "sim-pixel1-cpu", model.Float32, true
	case "Pixel 4 EdgeTPU":
		return "sim-pixel4-edgetpu", model.Int8, true
	case "Pixel 4 DSP":
		return "sim-pixel4-dsp", model.Int8, true
	case "Jetson Xavier, TensorRT 7.1":
		switch f.Precision {
		case "fp32":
			return "sim-jetson-xavier-fp32", model.Float32, true
		case "int8":
			return "sim-jetson-xavier", model.Int8, true
		}
		return "sim-jetson-xavier", model.Float32, true
	}
	return "", "", false
}

// publishedLatencies lists the fixtures' latencies on simulated devices, once each.
func publishedLatencies(t testing.TB) []publishedLatency {
	t.Helper()
	var all []publishedLatency
	seen := map[string]bool{}
	for _, name := range fixtures.Names() {
		f, err := fixtures.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, fig := range f.Published {
			device, p, ok := simulated(fig)
			key := fmt.Sprint(name, device, p, fig.Value)
			if fig.Quantity != fixtures.Latency || !ok || seen[key] {
				continue
			}
			seen[key] = true
			all = append(all, publishedLatency{name, fig.On, fig.Precision, fig.Source.String(), fig.Value, device, p})
		}
	}
	return all
}

// unverified lists latencies of the paper's table (arXiv 2004.14525) from memory, which were not
// checked against it. The constants are never fitted to them and they do not count as published;
// the table only shows how far off they are.
func unverified() []publishedLatency {
	const tpu, dsp, cpu = "sim-pixel4-edgetpu", "sim-pixel4-dsp", "sim-pixel1-cpu"
	return []publishedLatency{
		{network: "mobilenet_v2_ssdlite", device: tpu, model: model.Int8, seconds: 0.0084},
		{network: "mobilenet_v2_ssdlite", device: dsp, model: model.Int8, seconds: 0.0113},
		{network: "mobiledet_edgetpu", device: cpu, model: model.Float32, seconds: 0.248},
		{network: "mobiledet_edgetpu", device: dsp, model: model.Int8, seconds: 0.0108},
		{network: "mobiledet_dsp", device: cpu, model: model.Float32, seconds: 0.420},
		{network: "mobiledet_dsp", device: tpu, model: model.Int8, seconds: 0.0086},
	}
}

func exactSeconds(t testing.TB, p publishedLatency) float64 {
	t.Helper()
	s, err := builtin(p.device)
	if err != nil {
		t.Fatal(err)
	}
	return s.evaluate(fixturetest.Graph(t, p.network), s.precision(p.model)).seconds
}

// TestPublished checks the fit: every published latency of a fixture on a simulated device is met
// within 10 %.
func TestPublished(t *testing.T) {
	all := publishedLatencies(t)
	if len(all) < 10 {
		t.Errorf("only %d published latencies are simulated: did a device change its name?", len(all))
	}
	devices := map[string]bool{}
	for _, p := range all {
		devices[p.device] = true
		got := exactSeconds(t, p)
		t.Logf("%-28s %-24s %8.2f ms published, %8.2f ms simulated, %+.1f %%", p.network, p.device, 1e3*p.seconds, 1e3*got, 100*(got/p.seconds-1))
		if !(math.Abs(got/p.seconds-1) <= 0.10) {
			t.Errorf("%s on %s: %v s simulated, %v s published", p.network, p.device, got, p.seconds)
		}
	}
	for _, name := range Names() {
		if !devices[name] {
			t.Errorf("%s is compared with nothing", name)
		}
	}
}

// TestDocs checks that docs/simulators.md has the tables that this program computes.
// go test ./devices/sim -run Docs -update rewrites them.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for name, table := range map[string]string{
		"published": publishedTable(t), "unverified": unverifiedTable(t), "constants": constantTables(t), "blocks": blocksTable(t),
	} {
		want = replaceBetween(t, want, name, table)
	}
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(page), want); diff != "" {
		t.Errorf("docs/simulators.md is not what this program computes (-page +computed); `go test ./devices/sim -run Docs -update` rewrites it:\n%s", diff)
	}
}

// replaceBetween puts a table between <!-- NAME --> and <!-- /NAME -->.
func replaceBetween(t *testing.T, page, name, table string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	head, rest, ok := strings.Cut(page, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("docs/simulators.md has no %s...%s", begin, end)
	}
	return head + begin + table + end + tail
}

func publishedTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| network | device | published ms | simulated ms | difference | source |\n|---|---|---|---|---|---|\n")
	for _, p := range publishedLatencies(t) {
		got := exactSeconds(t, p)
		fmt.Fprintf(&b, "| %s | %s, %s | %.1f | %.2f | %+.1f %% | %s |\n", p.network, p.device, p.model, 1e3*p.seconds, 1e3*got, 100*(got/p.seconds-1), p.source)
	}
	return b.String()
}

func unverifiedTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| network | device | remembered, **unverified** ms | simulated ms | distance |\n|---|---|---|---|---|\n")
	for _, p := range unverified() {
		got := exactSeconds(t, p)
		fmt.Fprintf(&b, "| %s | %s, %s | %.1f | %.2f | %+.0f %% |\n", p.network, p.device, p.model, 1e3*p.seconds, 1e3*got, 100*(got/p.seconds-1))
	}
	return b.String()
}

// constantTables lists every constant of every simulator with its source.
func constantTables(t *testing.T) string {
	var b strings.Builder
	for _, name := range Names() {
		s, err := builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "### %s\n\n%s. Takes %s in %s.\n\n| constant | value | source |\n|---|---|---|\n", name, s.Doc, text.Or(s.Formats), text.Or(precisionsOf(s)))
		for _, c := range constants(s) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.path, c.value, c.source)
		}
		for _, u := range s.Unsupported {
			fmt.Fprintf(&b, "\nOps left to the host: %s, %s.\n", u.Kind, u.Why)
		}
		if len(s.Fused) > 0 {
			fmt.Fprintf(&b, "\nFused into the op before: %s.\n", strings.ReplaceAll(text.Or(s.Fused), " or ", ", "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func precisionsOf(s *Spec) (ps []model.Precision) {
	for _, p := range s.Precisions {
		ps = append(ps, p.Precision)
	}
	return ps
}
