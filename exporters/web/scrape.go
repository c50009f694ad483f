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
	"github.com/prometheus/common/expfmt"
)

// scrapeCache answers /metrics from one gathering for all that scrape within its age, and one
// encoding of each form that they ask for: the server may run on the machine that is timing,
// and what a thousand scrapers cost must not be a thousand times what one does. Nobody is ever
// turned away: promhttp's MaxRequestsInFlight would answer 503.
//
// The parameter name[] of promhttp is not honoured: each choice of names would be a form of
// its own, and there is no end to them.
type scrapeCache struct {
	gatherer prometheus.Gatherer
	age      time.Duration
	scraped  func()
	log      *slog.Logger

	mu  sync.Mutex
	now *moment
}

// moment is one gathering and its encodings.
type moment struct {
	metrics prometheus.Gatherer
	forms   map[string]*encoding
	ended   time.Time // when gathering did; zero = it goes on
}

// encoding is a moment in one form. Its reply may be read once done is closed.
type encoding struct {
	done chan struct{}
	reply
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
	e := c.encoding(r)
	select {
	case <-e.done:
	case <-r.Context().Done():
		return
	}
	maps.Copy(w.Header(), e.header)
	w.WriteHeader(e.code)
	_, _ = w.Write(e.body) // a client that went away needs no answer
}

// encoding begins what nobody asked for yet.
func (c *scrapeCache) encoding(r *http.Request) *encoding {
	form, gzip := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...), acceptsGzip(r.Header)
	key := string(form)
	if gzip {
		key += " gzip"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.now; m == nil || !m.ended.IsZero() && time.Since(m.ended) >= c.age {
		c.now = c.begin()
	}
	e := c.now.forms[key]
	if e == nil {
		e = &encoding{done: make(chan struct{}), reply: reply{code: http.StatusInternalServerError}}
		c.now.forms[key] = e
		go c.encode(e, c.now.metrics, r.Header.Values("Accept"), gzip)
	}
	return e
}

// begin gathers in the background: a client that goes away takes nothing from the others.
func (c *scrapeCache) begin() *moment {
	m := &moment{forms: map[string]*encoding{}}
	// Families are shared by encoders, which only read them.
	m.metrics = prometheus.GathererFunc(share(c.gatherer.Gather, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		m.ended = time.Now()
	}))
	return m
}

// share calls f in a goroutine, and returns what waits for its result. ended is called when it
// is there. A channel and no sync.Once: time stands still in a test while a mutex is waited for.
func share[T any](f func() ([]T, error), ended func()) func() ([]T, error) {
	done := make(chan struct{})
	var list []T
	var err error
	go func() {
		defer close(done)
		defer ended()
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("gathering panicked: %v", r)
			}
		}()
		list, err = f()
	}()
	return func() ([]T, error) {
		<-done
		return list, err
	}
}

func (c *scrapeCache) encode(e *encoding, metrics prometheus.Gatherer, accept []string, gzip bool) {
	defer close(e.done)
	r := &http.Request{Method: http.MethodGet, Header: http.Header{"Accept": accept}}
	if gzip {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	w := &recorder{reply{code: http.StatusOK, header: http.Header{}}, bytes.Buffer{}}
	promhttp.HandlerFor(metrics, handlerOpts(c.log)).ServeHTTP(w, r)
	w.body = w.buffer.Bytes()
	e.reply = w.reply
}

// handlerOpts go on without a collector that failed: the other metrics are as true as before.
func handlerOpts(log *slog.Logger) promhttp.HandlerOpts {
	return promhttp.HandlerOpts{
		EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	}
}

// acceptsGzip is what promhttp would find, zstd left out: one encoding is enough for all.
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

// recorder keeps what a handler writes.
type recorder struct {
	reply
	buffer bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.buffer.Write(p) }
