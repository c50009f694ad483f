package serve

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"latlab/exporters/web"
	"latlab/regress"
	"latlab/sampler"
)

// flatCost predicts the same for every network of the tiny space.
func flatCost(t *testing.T, device string, seconds float64) *regress.CostModel {
	t.Helper()
	s, err := sampler.Find(filepath.Join("..", "..", "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.YAML()
	if err != nil {
		t.Fatal(err)
	}
	m := &regress.CostModel{
		SchemaVersion: regress.SchemaVersion, Space: s.Name, SpaceFile: string(text), Device: device,
		Kind: "measured", Precision: "float32", Unit: regress.Unit, Method: "ops", Bias: seconds,
	}
	for _, p := range s.Positions() {
		m.Table = append(m.Table, regress.TablePosition{Name: p.Name, Weights: make([]float64, p.Slots()), Seen: make([]int, p.Slots())})
	}
	return m
}

// liveCostsLab is a file and what serves it.
type liveCostsLab struct {
	t     *testing.T
	path  string
	costs *liveCosts
	log   bytes.Buffer
}

func newLiveCosts(t *testing.T) *liveCostsLab {
	t.Helper()
	l := &liveCostsLab{t: t, path: filepath.Join(t.TempDir(), "cost.json")}
	l.save(1)
	var err error
	if l.costs, err = openCosts([]string{l.path}, slog.New(slog.NewTextHandler(&l.log, nil))); err != nil {
		t.Fatal(err)
	}
	return l
}

// save is what `fit -o` does: a whole file is renamed over the one before.
func (l *liveCostsLab) save(seconds float64) {
	l.t.Helper()
	if err := flatCost(l.t, "phone", seconds).Save(l.path); err != nil {
		l.t.Fatal(err)
	}
}

// write writes into the file. Its time is set, for Linux before 6.13 gives two writes within some
// milliseconds one time, and the bubble's seconds between them are none.
func (l *liveCostsLab) write(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Chtimes(l.path, time.Time{}, time.Now()); err != nil {
		l.t.Fatal(err)
	}
}

// says checks what predictions and metrics say, a second after what was done.
func (l *liveCostsLab) says(when string, seconds float64, failures int) {
	l.t.Helper()
	time.Sleep(costLookEvery)
	m := l.costs.metrics()[0]
	got := l.costs.predictors()[0].Predictor.Predict(make([]int, 10))
	if got != seconds || m.Model.Bias != seconds || m.Failures != failures {
		l.t.Errorf("%s: %v s predicted, metrics of a model of %v s, %d failures; want %v s and %d", when, got, m.Model.Bias, m.Failures, seconds, failures)
	}
}

// TestLiveCosts: a file that is fitted anew is served; one that is broken or gone is counted at
// each look, logged once, and the model before it stays.
func TestLiveCosts(t *testing.T) {
	whole := new(bytes.Buffer)
	if err := flatCost(t, "phone", 3).Write(whole); err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(whole.String(), `"schema_version": 1`, `"schema_version": 99`, 1)
	for _, c := range []struct {
		name   string
		breaks func(l *liveCostsLab)
		says   string
	}{
		{"half a file", func(l *liveCostsLab) { l.write(whole.String()[:100]) }, "not a cost model"},
		{"an empty one", func(l *liveCostsLab) { l.write("") }, "not a cost model"},
		{"of a newer version", func(l *liveCostsLab) { l.write(newer) }, "schema version 99"},
		{"gone", func(l *liveCostsLab) { _ = os.Remove(l.path) }, "no such file"},
		{"a folder", func(l *liveCostsLab) { _ = os.Remove(l.path); _ = os.Mkdir(l.path, 0o755) }, "no longer a regular file"},
		{"a pipe that nobody writes to", func(l *liveCostsLab) { _ = os.Remove(l.path); _ = syscall.Mkfifo(l.path, 0o644) }, "no longer a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLiveCosts(t)
				l.says("at first", 1, 0)
				c.breaks(l)
				l.says("broken", 1, 1)
				l.says("broken still", 1, 2)
				if n := strings.Count(l.log.String(), "\n"); n != 1 || !strings.Contains(l.log.String(), c.says) {
					t.Errorf("%d lines are logged, want one with %q: %s", n, c.says, &l.log)
				}
				_ = os.Remove(l.path) // a folder is not renamed over
				l.save(2)
				l.says("fitted anew", 2, 2)
				l.write(whole.String())
				l.says("written into", 3, 2)
				c.breaks(l)
				l.says("broken again", 3, 3)
				if n := strings.Count(l.log.String(), "\n"); n != 2 {
					t.Errorf("%d lines are logged, want a second one: %s", n, &l.log)
				}
			})
		})
	}
}

// TestLiveCostsAreLookedAtSeldom: once a second while somebody asks, and not while nobody does.
func TestLiveCostsAreLookedAtSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLiveCosts(t)
		if err := os.Remove(l.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		for range 100 {
			l.costs.metrics()
			l.costs.predictors()
		}
		l.says("a second later", 1, 2)
	})
}

// TestCostName: a file's name may be no UTF-8, a label and a request may not; of two that become
// one the second is refused.
func TestCostName(t *testing.T) {
	folder := t.TempDir()
	a, b := filepath.Join(folder, "c\xff.json"), filepath.Join(folder, "c\xfe.json")
	for _, path := range []string{a, b} {
		if err := flatCost(t, "phone", 1).Save(path); err != nil {
			t.Fatal(err)
		}
	}
	costs, err := openCosts([]string{a}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := web.Handler(web.Options{CostModels: costs.predictors}); err != nil {
		t.Error(err)
	}
	if name := costs.metrics()[0].Name; name != "c\uFFFD" {
		t.Errorf("it is called %q", name)
	}
	if _, err := openCosts([]string{a, b}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "would both be called") {
		t.Errorf("error %v", err)
	}
}

// TestLiveCostsThatWereNoFile: what came by a pipe is served to the end.
func TestLiveCostsThatWereNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cost.json")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	model := flatCost(t, "phone", 1)
	go func() { _ = model.Save(path) }()
	costs, err := openCosts([]string{path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	costs.looked = time.Time{}
	if m := costs.metrics()[0]; m.Failures != 0 || m.Model.Bias != 1 {
		t.Errorf("%d failures, bias %v", m.Failures, m.Model.Bias)
	}
}

// TestPredictionsAreOfOneModel: while files come and go under many requests, each answer is of the
// old model or of the new one, never of both.
func TestPredictionsAreOfOneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLiveCosts(t)
		h, err := web.Handler(web.Options{CostModels: l.costs.predictors})
		if err != nil {
			t.Fatal(err)
		}
		seconds := map[string]float64{"phone": 1, "board": 2}
		var seen sync.Map
		var asking sync.WaitGroup
		for i := range 8 {
			asking.Go(func() {
				for range 60 {
					time.Sleep(costLookEvery/4 + time.Duration(i)) // in turn
					var got struct {
						Device  string    `json:"device"`
						Latency []float64 `json:"latency_seconds"`
					}
					r := httptest.NewRequest(http.MethodPost, "/v1/predict", strings.NewReader(`{"indices":["0:0:0:0:0:0:0:0:0:0","0:0:1:1:0:0:0:0:0:0"]}`))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Latency) != 2 {
						t.Errorf("%d %s", w.Code, w.Body)
						return
					}
					seen.Store(got.Device, true)
					if want := seconds[got.Device]; got.Latency[0] != want || got.Latency[1] != want {
						t.Errorf("%s: %v, want %v", got.Device, got.Latency, want)
					}
				}
			})
		}
		for i := range 12 {
			time.Sleep(costLookEvery)
			device := []string{"board", "phone"}[i%2]
			if err := flatCost(t, device, seconds[device]).Save(l.path); err != nil {
				t.Error(err)
			}
		}
		asking.Wait()
		for device := range seconds {
			if _, ok := seen.Load(device); !ok {
				t.Errorf("no answer was of %s", device)
			}
		}
	})
}
