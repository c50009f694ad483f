// Package monitoring_test holds what a user's own Prometheus and Grafana take from this
// folder against latlab's metrics and against Debian's real Prometheus.
package monitoring_test

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"latlab/exporters/grafana"
	"latlab/exporters/prom"
	"latlab/internal/testenv"
)

const debianPrometheus = "prometheus"

// TestPromtool lets Prometheus' own tool judge the rules, their unit tests and the example.
func TestPromtool(t *testing.T) {
	promtool := testenv.Program(t, "promtool", debianPrometheus)
	for _, args := range [][]string{
		{"check", "rules", "rules/latlab.yml"},
		{"test", "rules", "rules/latlab_test.yml"},
		{"check", "config", "prometheus.yml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// rule is one of a rules file.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("rules/latlab.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

// TestRulesKeepLabs: two labs may have a device, a sweep and a cost model of the same names, so
// no rule adds up or joins without the instance. Limits are of all labs.
func TestRulesKeepLabs(t *testing.T) {
	groups := regexp.MustCompile(`\b(by|on) \(([^)]*)\)`)
	bare := regexp.MustCompile(`\b(?:sum|max|min|count|avg) ?\(`)
	for _, r := range rules(t) {
		what := r.Record + r.Alert
		for _, m := range groups.FindAllStringSubmatch(r.Expr, -1) {
			if !slices.Contains(strings.Split(m[2], ", "), "instance") && m[0] != "on ()" && what != "device:latlab_device_info:shadowed" {
				t.Errorf("%s: %s mixes labs", what, m[0])
			}
		}
		if at := bare.FindString(r.Expr); at != "" {
			t.Errorf("%s: %s...) mixes labs", what, at)
		}
	}
}

// TestAlerts wants of each alert what a person who is woken needs, a unit test, and a word
// in the manual.
func TestAlerts(t *testing.T) {
	unit, err := os.ReadFile("rules/latlab_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../docs/dashboards.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has severity %q", r.Alert, r.Labels["severity"])
		}
		for _, a := range []string{"summary", "description", "action"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", r.Alert, a)
			}
		}
		if !strings.Contains(string(unit), "alertname: "+r.Alert+"\n        exp_alerts:") {
			t.Errorf("no unit test in which %s fires", r.Alert)
		}
		if !strings.Contains(string(unit), "alertname: "+r.Alert+", exp_alerts: []}") {
			t.Errorf("no unit test in which %s is over again", r.Alert)
		}
		if !strings.Contains(r.Annotations["summary"]+r.Annotations["description"], "$labels.instance") {
			t.Errorf("%s does not say of which lab it is", r.Alert)
		}
		if !strings.Contains(string(manual), "`"+r.Alert+"`") {
			t.Errorf("docs/dashboards.md says nothing of %s", r.Alert)
		}
	}
}

// name finds metrics in PromQL: latlab's own, and what the rules record.
var name = regexp.MustCompile(`\b(?:[a-z_]+:)?latlab[a-z0-9_]*(?::[a-z0-9_]+)*\b`)

// TestNames holds every metric that a rule or a dashboard uses against the table of metrics,
// and the table against them: what nobody looks at says why it is there.
func TestNames(t *testing.T) {
	type use struct{ where, expr string }
	var uses []use
	recorded := map[string]bool{}
	for _, r := range rules(t) {
		uses = append(uses, use{r.Record + r.Alert, r.Expr})
		if r.Record != "" {
			recorded[r.Record] = false
		}
	}
	for _, d := range grafana.All() {
		for _, q := range d.Queries() {
			uses = append(uses, use{d.UID + ": " + q.Panel, q.Expr})
		}
	}
	table := map[string]prom.Metric{}
	for _, m := range slices.Concat(prom.Metrics(), prom.ProbeMetrics()) {
		table[m.Name] = m
	}
	used := map[string]bool{}
	for _, u := range uses {
		// Quoted names are values: job="latlab".
		for _, n := range name.FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(u.expr, `""`), -1) {
			if _, ok := recorded[n]; ok {
				recorded[n] = true
				continue
			}
			family := n
			if base, ok := strings.CutSuffix(n, "_bucket"); ok && table[base].Type == prom.Histogram {
				family = base
			}
			if _, ok := table[family]; !ok {
				t.Errorf("%s uses %s, which nothing exports", u.where, n)
			}
			used[family] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(table)) {
		switch m := table[n]; {
		case !used[n] && m.Undrawn == "":
			t.Errorf("%s is in no dashboard and no rule, and its Undrawn does not say why", n)
		case used[n] && m.Undrawn != "":
			t.Errorf("%s is drawn, and its Undrawn says that it is not", n)
		}
	}
	for n, is := range recorded {
		if !is {
			t.Errorf("nothing uses the recorded %s", n)
		}
	}
}
