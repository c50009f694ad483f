package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

func TestProbe(t *testing.T) {
	var asked []string
	h := newHandler(t, Options{Prober: &fakeLab{probe: func(_ context.Context, name string, m Module) (Finding, error) {
		asked = append(asked, name+" "+string(m))
		return Finding{OK: true, Log: []string{"looked\nat it"}, Metrics: deviceUp(name)}, nil
	}}})
	for _, c := range []struct {
		query string
		code  int
		says  string
		asked string
	}{
		{"target=phone", 200, "latlab_probe_success 1\n", "phone state"},
		{"target=phone&module=reach", 200, `latlab_device_up{device="phone"} 1` + "\n", "phone reach"},
		{"target=phone&debug=true", 200, "Log of the probe of \"phone\", module state:\nlooked at it\n", "phone state"},
		{"target=" + url.QueryEscape(hostile), 200, `device="<script>alert(1)</script> \"}"`, hostile + " state"},
		{"", 400, "target is missing", ""}, {"target=", 400, "target is missing", ""},
		{"target=phone&module=sweep", 400, `no module is named "sweep"`, ""},
		{"target=phone&target=cpu", 400, "one target", ""}, {"target=phone&module=reach&module=state", 400, "one target", ""},
		{"target=Phone", 404, `no device is named "Phone"`, ""}, {"target=phone%00", 404, `"phone\x00"`, ""},
		{"target=sim:/etc/passwd", 404, "no device", ""}, {"target=" + strings.Repeat("a", 9000), 404, "a...", ""},
	} {
		asked = nil
		code, header, body := get(h, "/probe?"+c.query)
		if code != c.code || !strings.Contains(body, c.says) || strings.Join(asked, ",") != c.asked || len(body) > 2000 {
			t.Errorf("%.80s: %d %.300q, asked %q; want %d %q, %q", c.query, code, body, asked, c.code, c.says, c.asked)
		}
		if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("%.80s: Content-Type %s", c.query, kind)
		}
	}
}

// TestProbeThatFails is an answer: Prometheus must see latlab_probe_success 0, not a scrape error.
func TestProbeThatFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		probe func(context.Context, string, Module) (Finding, error)
		says  string
	}{
		{"error", func(context.Context, string, Module) (Finding, error) {
			return Finding{OK: true}, errors.New("cable\ncut")
		}, "cable cut"},
		{"not there", func(context.Context, string, Module) (Finding, error) {
			return Finding{Log: []string{"offline"}, Metrics: deviceUp("phone")}, nil
		}, "offline"},
		{"panic", func(context.Context, string, Module) (Finding, error) { panic("nil map") }, "bug in latlab"},
	} {
		h := newHandler(t, Options{Prober: &fakeLab{probe: c.probe}})
		if code, _, body := get(h, "/probe?target=phone"); code != 200 || !strings.Contains(body, "latlab_probe_success 0\n") {
			t.Errorf("%s: %d %s", c.name, code, body)
		}
		if _, _, body := get(h, "/probe?target=phone&debug=true"); !strings.Contains(body, c.says) || !strings.Contains(body, "latlab_probe_success 0\n") {
			t.Errorf("%s: %s", c.name, body)
		}
	}
}

// TestScrapersShareALook: a device is looked at once however many ask, and another device does
// not wait for it.
func TestScrapersShareALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		h := newHandler(t, Options{Prober: &fakeLab{probe: func(ctx context.Context, name string, _ Module) (Finding, error) {
			looks.Add(1)
			if name == "phone" {
				time.Sleep(2 * time.Second)
			}
			return Finding{OK: true, Metrics: deviceUp(name)}, ctx.Err()
		}}})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, _, body := get(h, "/probe?target=phone", timeoutHeader, "10"); !strings.Contains(body, "latlab_probe_success 1\n") || !strings.Contains(body, "latlab_probe_duration_seconds 2\n") {
					t.Errorf("%s", body)
				}
			})
		}
		start := time.Now()
		get(h, "/probe?target="+url.QueryEscape(hostile))
		if took := time.Since(start); took != 0 {
			t.Errorf("the other device took %v", took)
		}
		wg.Wait()
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks, want 2", n)
		}
		get(h, "/probe?target=phone")
		if n := looks.Load(); n != 3 {
			t.Errorf("%d looks: an old answer was given", n)
		}
	})
}

// TestImpatientScrapers: each gets a response before its timeout; the probe goes on for those who
// can wait, and ends at its own limit.
func TestImpatientScrapers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := time.Duration(0)
		begin := time.Now()
		h := newHandler(t, Options{Prober: &fakeLab{probe: func(ctx context.Context, _ string, _ Module) (Finding, error) {
			<-ctx.Done()
			ended = time.Since(begin)
			return Finding{}, ctx.Err()
		}}})
		limit := DefaultLimits().ProbeTimeout
		var wg sync.WaitGroup
		for header, want := range map[string]time.Duration{
			"2": 1500 * time.Millisecond, "0.3": 300 * time.Millisecond, "5.25": 4750 * time.Millisecond, "": limit, "1e9": limit, "1e300": limit,
		} {
			wg.Go(func() {
				start := time.Now()
				code, _, body := get(h, "/probe?target=phone", timeoutHeader, header)
				if took := time.Since(start); took != want || code != 200 || !strings.Contains(body, "latlab_probe_success 0\n") {
					t.Errorf("%q: %v, want %v; %d %s", header, took, want, code, body)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if ended != limit {
			t.Errorf("the probe ended after %v, want %v", ended, limit)
		}
		for _, header := range []string{"0", "-1", "NaN", "Inf", "soon", "1s"} {
			if code, _, _ := get(h, "/probe?target=phone", timeoutHeader, header); code != http.StatusBadRequest {
				t.Errorf("%q: %d", header, code)
			}
		}
	})
}

// FuzzProbe: whatever is asked is one of four statuses, and what is served can be parsed.
func FuzzProbe(f *testing.F) {
	for _, seed := range []string{"target=phone", "target=phone&module=reach", "target=../x&debug=true", "%zz", "target=phone;x"} {
		f.Add(seed, "10")
	}
	h := newHandler(f, Options{Prober: &fakeLab{}})
	f.Fuzz(func(t *testing.T, query, wait string) {
		r, err := http.NewRequest(http.MethodGet, "/probe", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		r.Header[timeoutHeader] = []string{wait}
		code, body := serve(h, r)
		q := r.URL.Query()
		known := q.Get("target") == "phone" || q.Get("target") == hostile
		switch {
		case code == 200 && !known, code != 200 && code != 400 && code != 404, code == 404 && known:
			t.Fatalf("%q: %d", query, code)
		case code != 200 || q.Get("debug") == "true":
			return
		}
		p := expfmt.NewTextParser(model.UTF8Validation)
		if _, err := p.TextToMetricFamilies(strings.NewReader(body)); err != nil {
			t.Fatalf("%q: %v in %s", query, err, body)
		}
	})
}

func serve(h http.Handler, r *http.Request) (int, string) {
	w := &recorder{reply: reply{code: 200, header: http.Header{}}}
	h.ServeHTTP(w, r)
	return w.code, w.buffer.String()
}

func ExampleHandler() {
	h, err := Handler(Options{Prober: &fakeLab{}})
	if err != nil {
		return
	}
	code, _, body := get(h, "/probe?target=nobody")
	fmt.Print(code, " ", body)
	// Output: 404 no device is named "nobody"; /sd lists them
}
