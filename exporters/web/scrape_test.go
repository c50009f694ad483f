package web

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// slowGauge takes a second to be gathered, and says how often it was.
func slowGauge(took time.Duration) (prometheus.Gatherer, *atomic.Int64) {
	var n atomic.Int64
	r := prometheus.NewRegistry()
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gathered", Help: "h"}, func() float64 {
		time.Sleep(took)
		return float64(n.Add(1))
	}))
	return r, &n
}

// TestAThousandScrapesGatherOnce: however many ask at once and in whatever forms, there is one
// gathering in the age of a scrape, and all are answered.
func TestAThousandScrapesGatherOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, gathered := slowGauge(300 * time.Millisecond)
		var scraped atomic.Int64
		h := newHandler(t, Options{Metrics: g, Scraped: func() { scraped.Add(1) }})
		forms := [][]string{
			nil, {"Accept", "application/openmetrics-text;version=1.0.0"}, {"Accept-Encoding", "gzip"},
			{"Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
		}
		all := func(want string) {
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() {
					code, header, body := get(h, "/metrics", forms[i%len(forms)]...)
					if header.Get("Content-Encoding") == "gzip" {
						z, err := gzip.NewReader(strings.NewReader(body))
						if err != nil {
							t.Error(err)
							return
						}
						text, err := io.ReadAll(z)
						if err != nil {
							t.Error(err)
						}
						body = string(text)
					}
					if code != 200 || i%len(forms) < 3 && !strings.Contains(body, want+"\n") && !strings.Contains(body, want+".0\n") {
						t.Errorf("%v: %d, no %q in %.200q", forms[i%len(forms)], code, want, body)
					}
				})
			}
			wg.Wait()
		}
		all("gathered 1")
		time.Sleep(999 * time.Millisecond)
		all("gathered 1")
		time.Sleep(time.Millisecond)
		all("gathered 2")
		if n := gathered.Load(); n != 2 {
			t.Errorf("gathered %d times, want 2", n)
		}
		if n := scraped.Load(); n != 3000 {
			t.Errorf("told of %d scrapes, want 3000", n)
		}
	})
}

// TestEncodedOnce: the same form is the same bytes.
func TestEncodedOnce(t *testing.T) {
	c := newHandlerState(t, Options{Metrics: deviceUp("phone")}).scrapes().(*scrapeCache)
	r, err := http.NewRequest(http.MethodGet, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := wait(t, c, r), wait(t, c, r)
	if len(a.body) == 0 || &a.body[0] != &b.body[0] {
		t.Error("two scrapes were encoded apart")
	}
	r.Header.Set("Accept-Encoding", "gzip")
	if z := wait(t, c, r); z.header.Get("Content-Encoding") != "gzip" || &z.body[0] == &a.body[0] {
		t.Errorf("%v", z.header)
	}
	if n := len(c.now.forms); n != 2 {
		t.Errorf("%d forms are kept, want 2", n)
	}
}

func wait(t *testing.T, c *scrapeCache, r *http.Request) reply {
	t.Helper()
	answer, ok := c.reply(r)
	if !ok {
		t.Error("no reply")
	}
	return answer
}

func newHandlerState(t *testing.T, o Options) *handler {
	t.Helper()
	o.Limits = o.Limits.orDefaults()
	o.Log = slog.New(slog.DiscardHandler)
	return &handler{o: o, metrics: newOwnMetrics()}
}

// TestFormsAreFew: a client cannot fill the memory with forms of its own.
func TestFormsAreFew(t *testing.T) {
	c := newHandlerState(t, Options{}).scrapes().(*scrapeCache)
	for i := range 2000 {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("/metrics?name[]=n%d", i), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", fmt.Sprintf("text/plain;version=0.0.%d;q=0.%d;x=%d, */*", i, i+1, i))
		r.Header.Set("Accept-Encoding", fmt.Sprintf("gzip;q=0.%d;level=%d", i, i))
		wait(t, c, r)
	}
	if n := len(c.now.forms); n > 8 {
		t.Errorf("%d forms are kept", n)
	}
}

// TestACollectorThatFails: the other metrics are served, and the log says what is missing.
func TestACollectorThatFails(t *testing.T) {
	var log lockedLog
	bad := prometheus.NewRegistry()
	bad.MustRegister(brokenCollector{})
	h := newHandler(t, Options{Metrics: prometheus.Gatherers{bad, deviceUp("phone")}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	code, _, body := get(h, "/metrics")
	if code != 200 || !strings.Contains(body, "latlab_device_up") {
		t.Errorf("%d, %.300s", code, body)
	}
	if !strings.Contains(log.String(), "the disk is gone") {
		t.Errorf("log %q", log.String())
	}
}

type brokenCollector struct{}

func (brokenCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- prometheus.NewDesc("broken", "h", nil, nil)
}

func (brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "h", nil, nil), errors.New("the disk is gone"))
}

type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAcceptsGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "zstd, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"gzip;q=1": true, "identity": false, "xgzip": false, "br,gzip": true,
	} {
		if got := acceptsGzip(http.Header{"Accept-Encoding": {accept}}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// FuzzMetrics: whatever form a scraper asks for, it gets one, and there are few of them.
func FuzzMetrics(f *testing.F) {
	for _, accept := range []string{"", "*/*", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5", "text/plain;escaping=\x00", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"} {
		f.Add(accept, "gzip;q=0.1")
	}
	o := Options{Metrics: deviceUp(hostile), Log: slog.New(slog.DiscardHandler)}
	o.Limits.ScrapeAge = time.Hour
	o.Limits = o.Limits.orDefaults()
	c := (&handler{o: o, metrics: newOwnMetrics()}).scrapes().(*scrapeCache)
	f.Fuzz(func(t *testing.T, accept, encoding string) {
		r, err := http.NewRequest(http.MethodGet, "/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Accept"], r.Header["Accept-Encoding"] = []string{accept}, []string{encoding}
		if code, body := serve(c, r); code != 200 || body == "" {
			t.Fatalf("%q %q: %d", accept, encoding, code)
		}
		// Five formats, four ways to escape names, packed or not.
		if n := len(c.now.forms); n > 5*4*2 {
			t.Fatalf("%d forms", n)
		}
	})
}
