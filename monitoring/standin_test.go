package monitoring_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"

	"latlab/exporters/grafana"
	"latlab/exporters/prom"
)

// TestQueries asks Prometheus all that the dashboards ask, of two labs that have every metric of
// the table under the same names, by both kinds of histograms. A real lab lacks some (TestLab says
// which), so this is what proves that labels fit and nothing is always empty or of one lab alone.
func TestQueries(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Prometheus for some seconds")
	}
	var labs []string
	for range 2 {
		lab := httptest.NewServer(standIn())
		t.Cleanup(lab.Close)
		labs = append(labs, strings.TrimPrefix(lab.URL, "http://"))
	}
	for name, flags := range map[string][]string{"classic": nil, "native": {nativeHistograms}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startPrometheus(t, exampleConfig(t, labs...), t.TempDir(), flags...)
			s.checkTargets(map[string]int{"latlab": 2, "latlab-probe": 4})
			s.checkRules()
			s.checkForm(name)
			for _, d := range grafana.All() {
				s.checkDashboard(d, nil)
				s.checkLabs(d, labs)
			}
		})
	}
}

// checkForm wants all histograms in one form: native ones have no series of buckets.
func (s *server) checkForm(form string) {
	s.t.Helper()
	for _, m := range prom.Metrics() {
		if m.Type != prom.Histogram {
			continue
		}
		_, classic := s.number("count(" + m.Name + "_bucket)")
		_, native := s.number("count(" + m.Name + ")")
		if classic != (form == "classic") || native != (form == "native") {
			s.t.Errorf("%s has classic buckets: %v, native ones: %v", m.Name, classic, native)
		}
	}
}

// checkDashboard wants data of every query of a dashboard and a value of every variable, but
// for the metrics that lack says have none, and why. Both choices of a reader are tried.
func (s *server) checkDashboard(d grafana.Dashboard, lack map[string]string) {
	s.t.Helper()
	chosen := map[string]string{}
	for _, v := range d.Templating["list"] {
		if v.Type != "query" {
			continue
		}
		values := s.variable(v, chosen)
		if len(values) == 0 {
			s.t.Errorf("%s: $%s has no value", d.UID, v.Name)
		}
		chosen[v.Name] = among(values)
	}
	for _, q := range d.Queries() {
		for _, choice := range []map[string]string{nil, chosen} {
			expr := substitute(q.Expr, choice)
			has := false
			ask := func() string {
				v, err := s.ask(expr, q.Instant)
				if err != nil {
					s.t.Fatalf("%s, %s: %s: %v", d.UID, q.Panel, expr, err)
				}
				if has = hasData(v); !has {
					return expr
				}
				return ""
			}
			if lacks(q.Expr, lack) {
				if ask() == "" {
					s.t.Errorf("%s, %s has data, though its metric is said to be missing: %s", d.UID, q.Panel, expr)
				}
				continue
			}
			eventually(s.t, d.UID+", "+q.Panel+" has no data", ask)
		}
	}
}

// checkLabs wants an answer of each lab where all are chosen, and of the chosen one alone.
func (s *server) checkLabs(d grafana.Dashboard, labs []string) {
	s.t.Helper()
	for _, q := range d.Queries() {
		if strings.HasPrefix(q.Expr, "latlab:limit_") {
			continue
		}
		for _, chosen := range [][]string{labs, labs[:1]} {
			expr := substitute(q.Expr, map[string]string{"lab": among(chosen)})
			eventually(s.t, d.UID+", "+q.Panel, func() string {
				v, err := s.ask(expr, q.Instant)
				if err != nil {
					s.t.Fatalf("%s, %s: %s: %v", d.UID, q.Panel, expr, err)
				}
				if diff := cmp.Diff(slices.Sorted(slices.Values(chosen)), labsOf(v)); diff != "" {
					return expr + " is of other labs (-chosen +answered):\n" + diff
				}
				return ""
			})
		}
	}
}

// labsOf are the instances that a result's series are of, sorted.
func labsOf(v model.Value) []string {
	found := map[string]bool{}
	switch v := v.(type) {
	case model.Vector:
		for _, s := range v {
			found[string(s.Metric["instance"])] = true
		}
	case model.Matrix:
		for _, s := range v {
			found[string(s.Metric["instance"])] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func lacks(expr string, lack map[string]string) bool {
	for metric := range lack {
		if strings.Contains(expr, metric) {
			return true
		}
	}
	return false
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// variable asks for a variable's values as Grafana does.
func (s *server) variable(v grafana.Variable, chosen map[string]string) []string {
	s.t.Helper()
	parts := labelValues.FindStringSubmatch(v.Definition)
	if parts == nil {
		s.t.Fatalf("$%s: %s is not understood", v.Name, v.Definition)
	}
	selector, label := parts[1], parts[2]
	values, _, _, err := s.api.LabelValues(s.context(), label, []string{substitute(selector, chosen)}, time.Now().Add(-time.Hour), time.Now())
	if err != nil {
		s.t.Fatalf("%s: %v", v.Definition, err)
	}
	var names []string
	for _, value := range values {
		names = append(names, string(value))
	}
	return names
}

// among is a variable of several values in a matcher: Grafana's Prometheus data source
// quotes each for a regular expression, and that for a string.
func among(values []string) string {
	if len(values) == 0 {
		return ".*"
	}
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, regexpQuoter.Replace(v))
	}
	return "(" + strings.Join(quoted, "|") + ")"
}

var regexpQuoter = strings.NewReplacer(`\`, `\\\\`, `.`, `\\.`, `+`, `\\+`, `*`, `\\*`, `?`, `\\?`, `(`, `\\(`, `)`, `\\)`,
	`[`, `\\[`, `]`, `\\]`, `{`, `\\{`, `}`, `\\}`, `|`, `\\|`, `^`, `\\^`, `$`, `\\$`)

// substitute puts values into an expression; a variable that is not chosen is All. The rate
// interval is four scrapes, as Grafana's is at least, here of a second.
func substitute(expr string, chosen map[string]string) string {
	expr = strings.ReplaceAll(expr, "$__rate_interval", "4s")
	for _, name := range []string{"lab", "cost_model", "device", "delegate", "sweep"} {
		value, ok := chosen[name]
		if !ok {
			value = ".*"
		}
		expr = strings.ReplaceAll(expr, "$"+name, value)
	}
	return expr
}

// standIn serves every metric of the table, of two devices.
func standIn() http.Handler {
	made := func(metrics []prom.Metric, device string) http.Handler {
		r := prometheus.NewRegistry()
		for _, m := range metrics {
			for _, values := range labelSets(m, device) {
				r.MustRegister(standInMetric(m, values))
			}
		}
		return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	}
	names := []string{"phone.1:a", "board"}
	mux := http.NewServeMux()
	mux.Handle("/metrics", made(prom.Metrics(), names[0]))
	for _, n := range names {
		h := made(append(prom.ProbeMetrics(), devicesOnly()...), n)
		mux.HandleFunc("/probe/"+n, h.ServeHTTP)
	}
	mux.HandleFunc("/probe", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/probe/" + r.URL.Query().Get("target")
		mux.ServeHTTP(w, r)
	})
	mux.HandleFunc("/sd", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `[{"targets":[%q],"labels":{"device":%[1]q,"__meta_latlab_kind":"measured"}},{"targets":[%[2]q],"labels":{"device":%[2]q,"__meta_latlab_kind":"measured"}}]`, names[0], names[1])
	})
	return mux
}

func devicesOnly() []prom.Metric {
	var of []prom.Metric
	for _, m := range prom.Metrics() {
		if strings.HasPrefix(m.Name, "latlab_device_") {
			of = append(of, m)
		}
	}
	return of
}

// labelSets gives a metric's labels values that a lab would.
func labelSets(m prom.Metric, device string) []prometheus.Labels {
	base := prometheus.Labels{}
	for _, l := range m.Labels {
		base[l] = "some_" + l
	}
	several := map[string][]string{"state": {"running", "quarantined", "ended"}, "verdict": {"VALID", "INVALID"}}
	if _, ok := base["device"]; ok {
		base["device"] = device
	}
	sets := []prometheus.Labels{base}
	for label, values := range several {
		if _, ok := base[label]; !ok {
			continue
		}
		sets = nil
		for _, v := range values {
			one := prometheus.Labels{}
			for k, was := range base {
				one[k] = was
			}
			one[label] = v
			sets = append(sets, one)
		}
	}
	return sets
}

// standInMetric grows with the time, as all that a running lab counts does.
func standInMetric(m prom.Metric, labels prometheus.Labels) prometheus.Collector {
	begin := time.Now()
	value := func() float64 {
		switch {
		case strings.HasSuffix(m.Name, "_timestamp_seconds"):
			return float64(time.Now().Unix())
		case labels["state"] == "running" || labels["state"] == "":
			return time.Since(begin).Seconds() + 1
		}
		return 0
	}
	switch m.Type {
	case prom.Counter:
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.Name, Help: m.Help, ConstLabels: labels}, value)
	case prom.Gauge:
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.Name, Help: m.Help, ConstLabels: labels}, value)
	}
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help, ConstLabels: labels, Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1,
	})
	return growing{h}
}

// growing observes something each time it is looked at.
type growing struct{ prometheus.Histogram }

func (g growing) Collect(ch chan<- prometheus.Metric) {
	g.Observe(0.02)
	g.Histogram.Collect(ch)
}
