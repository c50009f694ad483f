package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"latlab/sampler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLab has a device "phone" and one whose name is hostile.
type fakeLab struct {
	probe func(ctx context.Context, name string, m Module) (Finding, error)
}

const hostile = `<script>alert(1)</script> "}`

func (f *fakeLab) Targets(context.Context) []Target {
	return []Target{{"phone", "measured", "adb", "file"}, {hostile, "simulated", "local", "built-in"}}
}

func (f *fakeLab) Probe(ctx context.Context, name string, m Module) (Finding, error) {
	if name != "phone" && name != hostile {
		return Finding{}, ErrNoTarget
	}
	if f.probe != nil {
		return f.probe(ctx, name, m)
	}
	return Finding{OK: true, Log: []string{"looked at\n" + name}, Metrics: deviceUp(name)}, nil
}

func deviceUp(name string) prometheus.Gatherer {
	r := prometheus.NewRegistry()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "latlab_device_up", Help: "h"}, []string{"device"})
	g.WithLabelValues(name).Set(1)
	r.MustRegister(g)
	return r
}

// summing predicts the sum of the indices, in milliseconds.
type summing struct{}

func (summing) Predict(indices []int) float64 {
	sum := 0
	for _, x := range indices {
		sum += x
	}
	return float64(sum) / 1000
}

const tinyYAML = "../../sampler/testdata/tiny.yaml"

func space(t testing.TB, name string) *sampler.Space {
	t.Helper()
	s, err := sampler.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tinyModel(t testing.TB, name string) CostModel {
	return CostModel{Name: name, Space: space(t, tinyYAML), Predictor: summing{}, Method: "ops", Device: "phone", Kind: "simulated", Precision: "int8"}
}

// always are cost models that no file changes.
func always(models ...CostModel) func() []CostModel { return func() []CostModel { return models } }

func newHandler(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// get asks and returns the status and the body.
func get(h http.Handler, path string, headers ...string) (int, http.Header, string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

func TestPages(t *testing.T) {
	notYet := errors.New("the store was not read yet")
	ready := notYet
	h := newHandler(t, Options{
		Prober: &fakeLab{}, CostModels: always(tinyModel(t, "m")), Ready: func() error { return ready }, Version: "1.2.3",
	})
	bare := newHandler(t, Options{})
	for _, c := range []struct {
		h    http.Handler
		path string
		code int
		says string
	}{
		{h, "/", 200, `href="/v1/cost_models"`}, {bare, "/", 200, "/metrics"}, {h, "/", 200, "1.2.3"},
		{h, "/-/healthy", 200, "healthy"}, {h, "/-/ready", 503, "not read yet"}, {bare, "/-/ready", 200, "ready"},
		{h, "/metrics", 200, "latlab_http_requests_total"},
		{h, "/nothing", 404, "not found"}, {h, "/../../etc/passwd", 301, ""}, {h, "/v1/nothing", 404, `"error":"there is POST`},
		{bare, "/probe?target=cpu", 404, ""}, {bare, "/sd", 404, ""}, {bare, "/v1/cost_models", 200, `"cost_models":[]`},
		{h, "/debug/pprof/", 404, ""},
	} {
		code, _, body := get(c.h, c.path)
		if code != c.code && (c.code != 301 || code != http.StatusTemporaryRedirect) || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, want %d; body %.300q, want %q", c.path, code, c.code, body, c.says)
		}
	}
	ready = nil
	if code, _, body := get(h, "/-/ready"); code != 200 || body != "latlab is ready\n" {
		t.Errorf("ready: %d %q", code, body)
	}
	if _, _, body := get(bare, "/"); strings.Contains(body, `href="/sd"`) {
		t.Error("the page has links to what is not there")
	}
}

// TestMethods: reading is not writing.
func TestMethods(t *testing.T) {
	h := newHandler(t, Options{Prober: &fakeLab{}, CostModels: always(tinyModel(t, "m"))})
	for _, path := range []string{"/", "/metrics", "/probe?target=phone", "/sd", "/-/healthy", "/-/ready", "/v1/cost_models"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != http.StatusMethodNotAllowed && (path != "/" || w.Code != http.StatusNotFound) {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

func TestDiscovery(t *testing.T) {
	code, header, body := get(newHandler(t, Options{Prober: &fakeLab{}}), "/sd")
	if code != 200 || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d, %v", code, header)
	}
	var got []targetGroup
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := []targetGroup{
		{[]string{"phone"}, map[string]string{"device": "phone", "kind": "measured", "__meta_latlab_device": "phone",
			"__meta_latlab_kind": "measured", "__meta_latlab_transport": "adb", "__meta_latlab_source": "file"}},
		{[]string{hostile}, map[string]string{"device": hostile, "kind": "simulated", "__meta_latlab_device": hostile,
			"__meta_latlab_kind": "simulated", "__meta_latlab_transport": "local", "__meta_latlab_source": "built-in"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(body, "<script>") {
		t.Error("a browser that guesses the type would run a device's name")
	}
}

// TestOwnMetrics: what is answered is counted by handler, never by path.
func TestOwnMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, Options{CostModels: always(tinyModel(t, "m")), Limits: Limits{ScrapeAge: time.Nanosecond}})
		get(h, "/metrics")
		get(h, "/v1/nothing?x=1")
		post(h, `{"indices":["`+zeros+`","`+zeros+`"]}`)
		time.Sleep(time.Microsecond) // of virtual time
		_, _, body := get(h, "/metrics")
		for _, want := range []string{
			`latlab_http_requests_total{code="404",handler="other"} 1`, `latlab_http_requests_total{code="200",handler="metrics"} 1`,
			`latlab_cost_model_predictions_total{cost_model="m",device="phone"} 2`,
			`latlab_http_request_duration_seconds_count{handler="predict"} 1`,
		} {
			if !strings.Contains(body, want+"\n") {
				t.Errorf("no %s in\n%s", want, body)
			}
		}
	})
}

func TestCostModelsOfOneName(t *testing.T) {
	for _, models := range [][]CostModel{{tinyModel(t, "m"), tinyModel(t, "m")}, {tinyModel(t, "")}} {
		if _, err := Handler(Options{CostModels: always(models...)}); err == nil {
			t.Errorf("%d cost models are taken", len(models))
		}
	}
}

// TestGuard: another site's page gets nothing, whatever its name resolves to.
func TestGuard(t *testing.T) {
	server := httptest.NewServer(newHandler(t, Options{Hosts: []string{"lab.example"}}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(address, ":")
	for _, c := range []struct {
		host  string
		code  int
		heads []string
	}{
		{address, 200, nil}, {"localhost:" + port, 200, nil}, {"LOCALHOST", 200, nil}, {"[::1]:" + port, 200, nil}, {"192.168.1.7:1", 200, nil},
		{"lab.example", 200, nil}, {"Lab.Example:" + port, 200, nil},
		{"evil.example:" + port, 421, nil}, {"localhost.evil.example", 421, nil}, {"127.0.0.1.evil.example", 421, nil}, {"x" + address, 421, nil},
		{address, 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}},
		{address, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{address, 200, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}},
		{address, 200, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}},
	} {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/-/healthy", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		for i := 0; i < len(c.heads); i += 2 {
			r.Header.Set(c.heads[i], c.heads[i+1])
		}
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.code {
			t.Errorf("host %s, %v: %d, want %d", c.host, c.heads, res.StatusCode, c.code)
		}
		for _, h := range securityHeaders {
			if got := res.Header.Get(h[0]); got != h[1] {
				t.Errorf("%s is %q", h[0], got)
			}
		}
	}
}

// TestHeadersOfTheConfigFileHold: what is set before the handler is asked stays.
func TestHeadersOfTheConfigFileHold(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("X-Frame-Options", "sameorigin")
	newHandler(t, Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Values("X-Frame-Options"); !slices.Equal(got, []string{"sameorigin"}) {
		t.Errorf("X-Frame-Options %q", got)
	}
}
