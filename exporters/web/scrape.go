package web

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sync/singleflight"
)

// scrapeCache serves /metrics from a cache: all scrapes within its age share one gathering and
// one encoding per format. The server may run on the machine that is timing, so a thousand
// scrapers must not cost a thousand times as much as one. No scrape is rejected, unlike with
// promhttp's MaxRequestsInFlight, which returns 503.
//
// The parameter name[] of promhttp is ignored: each choice of names would need its own encoding.
type scrapeCache struct {
	gatherer prometheus.Gatherer
	age      time.Duration
	scraped  func()
	log      *slog.Logger

	gathers singleflight.Group
	encodes singleflight.Group // by form

	mu  sync.Mutex
	now *moment // nil = nobody asked yet
}

// moment is one gathering and its encodings.
type moment struct {
	metrics prometheus.Gatherer // of families that encoders share: they only read them
	ended   time.Time           // when gathering did
	forms   map[string]reply    // under the cache's mu
}

// reply is what is written again and again; nobody changes it.
type reply struct {
	code   int
	header http.Header
	body   []byte
}

func (h *handler) scrapes() http.Handler {
	all := prometheus.Gatherers{h.metrics.registry}
	if h.o.Metrics != nil {
		all = append(all, h.o.Metrics)
	}
	return &scrapeCache{gatherer: all, age: h.o.Limits.ScrapeAge, scraped: h.o.Scraped, log: h.o.Log}
}

func (c *scrapeCache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.scraped != nil {
		c.scraped()
	}
	answer, ok := c.reply(r)
	if !ok {
		return // the client went away
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.code)
	_, _ = w.Write(answer.body) // a client that went away needs no answer
}

// reply is the answer to a request, false where the client does not wait for it. What is begun goes on:
// a client that goes away takes nothing from the others.
func (c *scrapeCache) reply(r *http.Request) (reply, bool) {
	form, gzip := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...), acceptsGzip(r.Header)
	key := string(form)
	if gzip {
		key += " gzip"
	}
	if kept, ok := c.kept(key); ok {
		return kept, true
	}
	accept := r.Header.Values("Accept")
	encoded := c.encodes.DoChan(key, func() (any, error) { return c.encode(key, accept, gzip), nil })
	select {
	case result := <-encoded:
		return result.Val.(reply), true
	case <-r.Context().Done():
		return reply{}, false
	}
}

// fresh is the last moment, nil where it is too old. Its caller holds mu.
func (c *scrapeCache) fresh() *moment {
	if c.now == nil || time.Since(c.now.ended) >= c.age {
		return nil
	}
	return c.now
}

// kept is the reply of a form where it is there already.
func (c *scrapeCache) kept(key string) (answer reply, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.fresh(); m != nil {
		answer, ok = m.forms[key]
	}
	return answer, ok
}

// gathered is the last moment, or the next one where that is too old.
func (c *scrapeCache) gathered() *moment {
	now, _, _ := c.gathers.Do("", func() (any, error) {
		c.mu.Lock()
		m := c.fresh()
		c.mu.Unlock()
		if m != nil {
			return m, nil
		}
		families, err := c.gather()
		m = &moment{metrics: prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, err }),
			ended: time.Now(), forms: map[string]reply{}}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now = m
		return m, nil
	})
	return now.(*moment)
}

func (c *scrapeCache) gather() (families []*dto.MetricFamily, err error) {
	defer func() {
		if r := recover(); r != nil { // net/http recovers for its own goroutines only
			families, err = nil, fmt.Errorf("gathering panicked: %v", r)
		}
	}()
	return c.gatherer.Gather()
}

func (c *scrapeCache) encode(key string, accept []string, gzip bool) reply {
	if kept, ok := c.kept(key); ok {
		return kept // by who was encoding when this one came
	}
	m := c.gathered()
	r := &http.Request{Method: http.MethodGet, Header: http.Header{"Accept": accept}}
	if gzip {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	w := &recorder{reply{code: http.StatusOK, header: http.Header{}}, bytes.Buffer{}}
	promhttp.HandlerFor(m.metrics, handlerOpts(c.log)).ServeHTTP(w, r)
	w.body = w.buffer.Bytes()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.forms[key] = w.reply
	return w.reply
}

// handlerOpts continues if a collector fails: the other metrics are still correct.
func handlerOpts(log *slog.Logger) promhttp.HandlerOpts {
	return promhttp.HandlerOpts{
		EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	}
}

// acceptsGzip decides like promhttp, without zstd: one compression is enough.
func acceptsGzip(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(quality), "q="))
			return strings.Trim(q, "0.") != "" || q == ""
		}
	}
	return false
}

// recorder stores a handler's output.
type recorder struct {
	reply
	buffer bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.buffer.Write(p) }
