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

	mu  sync.Mutex
	now *moment
}

// moment is one gathering and its encodings.
type moment struct {
	metrics prometheus.Gatherer
	forms   map[string]*encoding
	ended   time.Time // when gathering ended; zero = not yet
}

// encoding is a moment in one format. Its reply may be read once done is closed.
type encoding struct {
	done chan struct{}
	reply
}

// reply is a cached response; it is never changed.
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
	_, _ = w.Write(e.body) // the client may have disconnected
}

// encoding returns the encoding in a format, and starts it at the first request.
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

// begin gathers in the background, so that a client that disconnects does not affect others.
func (c *scrapeCache) begin() *moment {
	m := &moment{forms: map[string]*encoding{}}
	// Encoders share the families and only read them.
	m.metrics = prometheus.GathererFunc(share(c.gatherer.Gather, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		m.ended = time.Now()
	}))
	return m
}

// share calls f in a goroutine, and returns a function that waits for its result. ended is called
// after f. It uses a channel instead of sync.Once, because waiting for a mutex stops the fake
// clock of tests.
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
