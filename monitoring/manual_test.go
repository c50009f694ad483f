package monitoring_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/exporters/prom"
)

var update = flag.Bool("update", false, "write the table of metrics in docs/dashboards.md")

// TestManual holds the manual's table of metrics against the code's.
func TestManual(t *testing.T) {
	const path = "../docs/dashboards.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, rest, ok := strings.Cut(string(text), "writes this table -->\n")
	have, end, ok2 := strings.Cut(rest, "<!-- end of metrics -->")
	if !ok || !ok2 {
		t.Fatal("the manual has no place for the table of metrics")
	}
	want := metricsTable()
	if *update {
		text := begin + "writes this table -->\n" + want + "<!-- end of metrics -->" + end
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		have = want
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("docs/dashboards.md: go test ./monitoring -update writes the table (-code +manual):\n%s", diff)
	}
}

func metricsTable() string {
	var b strings.Builder
	write := func(title string, metrics []prom.Metric) {
		fmt.Fprintf(&b, "\n%s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", title)
		for _, m := range metrics {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
		}
	}
	write("Of `/metrics`; there are those of Go's runtime and the process besides:", prom.Metrics())
	write("Of `/probe` alone; it has the metrics of one device besides:", prom.ProbeMetrics())
	b.WriteString("\n")
	return b.String()
}
