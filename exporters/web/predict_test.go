package web

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/regress"
	"latlab/sampler"
)

func post(h http.Handler, body string, headers ...string) (int, http.Header, string) {
	r := httptest.NewRequest(http.MethodPost, "/v1/predict", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

const zeros = "0:0:0:0:0:0:0:0:0:0"

func TestPredict(t *testing.T) {
	h := newHandler(t, Options{CostModels: always(tinyModel(t, "m"))})
	code, header, body := post(h, `{"indices": ["`+zeros+`", "0:0:1:1:0:0:0:0:0:0", "\u0030:0:0:0:0:0:0:0:0:0"]}`)
	want := `{"schema_version":1,"cost_model":"m","device":"phone","kind":"simulated","space":"tiny","precision":"int8","unit":"seconds",` +
		`"low_seconds":null,"high_seconds":null,"latency_seconds":[0,0.002,0]}` + "\n"
	if diff := cmp.Diff(want, body); code != 200 || diff != "" {
		t.Errorf("%d (-want +got):\n%s", code, diff)
	}
	if header.Get("Content-Type") != "application/json" || header.Get("Content-Length") != fmt.Sprint(len(body)) {
		t.Errorf("%v", header)
	}
	if code, _, body := post(h, `{"indices":[],"cost_model":"m"}`); code != 200 || !strings.HasSuffix(body, `"latency_seconds":[]}`+"\n") {
		t.Errorf("nothing asked: %d %s", code, body)
	}
}

func TestPredictRefuses(t *testing.T) {
	one := newHandler(t, Options{CostModels: always(tinyModel(t, "m")), Limits: Limits{Body: 400, Architectures: 3}})
	two := newHandler(t, Options{CostModels: always(tinyModel(t, "m"), tinyModel(t, "n"))})
	none := newHandler(t, Options{})
	good := `{"indices":["` + zeros + `"]}`
	for _, c := range []struct {
		h       http.Handler
		body    string
		headers []string
		code    int
		says    string
	}{
		{one, `{"indices":["` + zeros + `","0:1"]}`, nil, 400, "indices[1]: space tiny has 10 decisions, indices 0:1 have 2"},
		{one, `{"indices":["` + zeros + `","0:9:0:0:0:0:0:0:0:0"]}`, nil, 400, "indices[1]: space tiny: index 1 is 9, but decision"},
		{one, `{"indices":["0:0:0:0:0:0:0:0:0:00"]}`, nil, 400, `indices[0]: indices "0:0:0:0:0:0:0:0:0:00": field 10 is "00"`},
		{one, `{"indices":["0:0:0:0:0:0:0:0:0:-1"]}`, nil, 400, "index 9 is -1"},
		{one, `{"indices":[""]}`, nil, 400, `field 1 is ""`},
		{one, `{"indices":["` + zeros + `",7]}`, nil, 400, `indices[1]: want a text`},
		{one, `{"indices":[null]}`, nil, 400, `indices[0]: want a text`}, {one, `{"indices":[["0"]]}`, nil, 400, `indices[0]: want a text`},
		{one, `{"indices":"0:0"}`, nil, 400, "want a list"}, {one, `{"indices":null}`, nil, 400, "want a list"}, {one, `{"indices":{}}`, nil, 400, "want a list"},
		{one, `{}`, nil, 400, "indices is missing"}, {one, `{"indices":[],"archs":[]}`, nil, 400, `unknown field "archs"`},
		{one, `{"indices":[`, nil, 400, "byte 12: the JSON does not end"}, {one, ``, nil, 400, "byte 0: the JSON does not end"},
		{one, `{"indices":[}`, nil, 400, "byte 13: not JSON"}, {one, `[]`, nil, 400, "byte 1: want an object with the fields cost_model and indices, not an array"},
		{one, `{"indices":[]}{}`, nil, 400, "byte 14: more than one document"}, {one, `{"cost_model":7,"indices":[]}`, nil, 400, "byte 15: cost_model: want a string, not a number"},
		{one, `{"indices":[]} ` + strings.Repeat(" ", 400), nil, 413, "larger than 400 bytes"},
		{one, `{"indices":["","","",""]}`, nil, 400, "indices[0]"},
		{one, `{"indices":["` + strings.Join([]string{zeros, zeros, zeros, zeros}, `","`) + `"]}`, nil, 413, "more than 3 architectures"},
		{one, `{"cost_model":"x","indices":[]}`, nil, 404, `no cost model is named \"x\"; there are: m`},
		{one, `{"cost_model":"../../etc/passwd","indices":[]}`, nil, 404, "no cost model"},
		{two, good, nil, 400, "cost_model is missing; want one of: m, n"}, {none, good, nil, 404, "no cost model is served"},
		{one, good, []string{"Content-Type", "text/plain"}, 415, "application/json"}, {one, good, []string{"Content-Type", ""}, 415, "application/json"},
		{one, good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{one, good, []string{"Content-Encoding", "gzip"}, 415, "must not be compressed"},
		{one, good, []string{"Content-Type", "application/json; charset=utf-8"}, 200, `"m"`},
		{two, `{"cost_model":"n","indices":[]}`, nil, 200, `"cost_model":"n"`},
	} {
		code, header, body := post(c.h, c.body, c.headers...)
		if code != c.code || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), strings.ReplaceAll(c.says, `\"`, `"`)) || header.Get("Content-Type") != "application/json" {
			t.Errorf("%.60s %v: %d %s, want %d %q", c.body, c.headers, code, body, c.code, c.says)
		}
		var doc struct {
			SchemaVersion int    `json:"schema_version"`
			Error         string `json:"error"`
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.SchemaVersion != 1 || (doc.Error == "") != (c.code == 200) {
			t.Errorf("%.60s: %v in %s", c.body, err, body)
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		w := httptest.NewRecorder()
		one.ServeHTTP(w, httptest.NewRequest(method, "/v1/predict", strings.NewReader(good)))
		if w.Code != 405 || w.Header().Get("Allow") != "POST" || !strings.Contains(w.Body.String(), `"error":"the method must be POST"`) {
			t.Errorf("%s: %d %v %s", method, w.Code, w.Header(), w.Body)
		}
	}
}

// TestBodyOfUnknownSize: chunks are bounded as what tells its length is.
func TestBodyOfUnknownSize(t *testing.T) {
	h := newHandler(t, Options{CostModels: always(tinyModel(t, "m")), Limits: Limits{Body: 400}})
	for _, c := range []struct {
		body io.Reader
		code int
		says string
	}{
		{iotest.OneByteReader(strings.NewReader(`{"indices":["` + zeros + `"]}`)), 200, "[0]"},
		{io.LimitReader(forever{}, 1<<30), 413, "larger than 400"},
		{iotest.ErrReader(io.ErrUnexpectedEOF), 400, "cannot be read"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/predict", c.body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = -1
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.code, c.says)
		}
	}
}

// TestFullMemory: while large bodies that do not come hold all the memory there is, another large one
// is told to come again and a small one is answered.
func TestFullMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, Options{CostModels: always(tinyModel(t, "m"))})
		post := func(body io.Reader, size int64) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "/v1/predict", body)
			r.Header.Set("Content-Type", "application/json")
			r.ContentLength = size
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		const question = `{"indices":["` + zeros + `"]}`
		var slow []*io.PipeWriter
		var wg sync.WaitGroup
		for range 4 {
			body, w := io.Pipe()
			slow = append(slow, w)
			wg.Go(func() {
				if got := post(body, 16<<20); got.Code != 200 {
					t.Errorf("a slow one: %d %s", got.Code, got.Body)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if w := post(strings.NewReader(question), int64(len(question))); w.Code != 200 || time.Since(start) != 0 {
			t.Errorf("a small one: %d %s after %v", w.Code, w.Body, time.Since(start))
		}
		if w := post(strings.NewReader(question), 16<<20); w.Code != 503 || w.Header().Get("Retry-After") != "1" || time.Since(start) != bodyPatience {
			t.Errorf("a large one: %d %s after %v", w.Code, w.Body, time.Since(start))
		}
		for _, w := range slow {
			go func() { _, _ = io.WriteString(w, question); w.Close() }()
		}
		wg.Wait()
		if w := post(strings.NewReader(question), 16<<20); w.Code != 200 {
			t.Errorf("afterwards: %d %s", w.Code, w.Body)
		}
	})
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestCostModelsAreListed(t *testing.T) {
	m := tinyModel(t, "m")
	m.Figures = regress.Figures{NTrain: 7, R2: new(0.5)}
	code, _, body := get(newHandler(t, Options{CostModels: always(m)}), "/v1/cost_models")
	want := `{"schema_version":1,"cost_models":[{"cost_model":"m","device":"phone","kind":"simulated","space":"tiny","precision":"int8",` +
		`"method":"ops","unit":"seconds","decisions":10,"measured_until":null,"figures":{"n_train":7,`
	if code != 200 || !strings.HasPrefix(body, want) || !strings.Contains(body, `"r2":0.5,`) || !strings.Contains(body, `"noise_ceiling_r2":null`) {
		t.Errorf("%d %s", code, body)
	}
}

func TestWhatIsNoNumberIsNull(t *testing.T) {
	for x, want := range map[float64]string{math.Inf(1): "null", math.Inf(-1): "null", 1e-7: "1e-07", 0.25: "0.25", -3: "-3"} {
		if got := string(appendSeconds(nil, x)); got != want {
			t.Errorf("%v is written %s", x, got)
		}
	}
	if got := string(appendSeconds(nil, math.NaN())); got != "null" {
		t.Errorf("NaN is written %s", got)
	}
}

// FuzzArchParser: the fast parser takes what sampler.ParseArch takes, with the same meaning and
// the same errors.
func FuzzArchParser(f *testing.F) {
	for _, text := range []string{zeros, "0:0:1:1:0:0:0:0:0:0", "", ":", "00:0", "+1", "0:0:0:0:0:0:0:0:0:0:", "99999999999999999999", "0 ", "０"} {
		f.Add(text)
	}
	p := newArchParser(space(f, tinyYAML))
	f.Fuzz(func(t *testing.T, text string) {
		dst := make([]int, len(p.radix))
		err := p.parse(dst, []byte(text))
		a, want := p.space.ParseArch(text)
		if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Fatalf("%q: %v, want %v", text, err, want)
		}
		if err == nil && (sampler.Arch{Indices: dst}).String() != a.String() {
			t.Fatalf("%q is %v", text, dst)
		}
	})
}

// FuzzPredict: whatever the body is, the answer is JSON of the right shape.
func FuzzPredict(f *testing.F) {
	for _, body := range []string{
		`{"indices":["` + zeros + `"]}`, `{"indices":["\u0030:0:0:0:0:0:0:0:0:0"]}`, `{"indices":["\\"]}`, `{"indices":[ , ]}`, `{"indices":[[]]}`,
		`{"cost_model":null,"indices":["` + zeros + `" , "` + zeros + `"]}`, "\ufeff{}", `{"indices":["\ud800"]}`, `{"INDICES":[]}`,
	} {
		f.Add(body)
	}
	h := newHandler(f, Options{CostModels: always(tinyModel(f, "m")), Limits: Limits{Body: 4096, Architectures: 16}})
	f.Fuzz(func(t *testing.T, body string) {
		code, _, answer := post(h, body)
		var doc struct {
			Latency []float64 `json:"latency_seconds"`
			Error   string    `json:"error"`
		}
		if err := json.Unmarshal([]byte(answer), &doc); err != nil {
			t.Fatalf("%q: %v in %s", body, err, answer)
		}
		var asked struct {
			Indices []string `json:"indices"`
		}
		if code == 200 && (json.Unmarshal([]byte(body), &asked) != nil || len(asked.Indices) != len(doc.Latency)) {
			t.Fatalf("%q: %d times for %d architectures", body, len(doc.Latency), len(asked.Indices))
		}
		if code != 200 && (code != 400 && code != 404 && code != 413 || doc.Error == "") {
			t.Fatalf("%q: %d %s", body, code, answer)
		}
	})
}

// BenchmarkPredictHTTP asks for 10,000 architectures a request over loopback, client and server
// in one process:
//
//	go test ./exporters/web -run '^$' -bench PredictHTTP -cpu 1
func BenchmarkPredictHTTP(b *testing.B) {
	sp := space(b, "mobiledet_edgetpu_tucker")
	m := tinyModel(b, "m")
	m.Space, m.Predictor = sp, zeroTable(b, sp)
	server := httptest.NewServer(newHandler(b, Options{CostModels: always(m)}))
	defer server.Close()
	body := predictBody(sp, 10_000)
	n := 0
	for b.Loop() {
		res, err := server.Client().Post(server.URL+"/v1/predict", "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
			b.Fatal(res.Status, err)
		}
		res.Body.Close()
		n += 10_000
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "architectures/s")
	b.ReportMetric(0, "ns/op")
}

// zeroTable is a predictor of the real kind, whose weights are small numbers.
func zeroTable(t testing.TB, sp *sampler.Space) Predictor {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	m := &regress.CostModel{Space: sp.Name, Bias: 0.001}
	for _, p := range sp.Positions() {
		w := make([]float64, p.Slots())
		for i := range w {
			w[i] = random.Float64() / 1000
		}
		m.Table = append(m.Table, regress.TablePosition{Name: p.Name, Weights: w})
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func predictBody(sp *sampler.Space, n int) string {
	random := rand.New(rand.NewPCG(2, 2))
	var b strings.Builder
	b.WriteString(`{"indices":["`)
	for i := range n {
		if i > 0 {
			b.WriteString(`","`)
		}
		for j, d := range sp.Decisions() {
			if j > 0 {
				b.WriteByte(':')
			}
			fmt.Fprint(&b, random.IntN(len(d.Names)))
		}
	}
	return b.String() + `"]}`
}

// TestPredictionsOfARealTable: the answer is CostModel.Predict's, in the order of the request.
func TestPredictionsOfARealTable(t *testing.T) {
	sp := space(t, "mobiledet_edgetpu_tucker")
	m := tinyModel(t, "m")
	m.Space, m.Predictor = sp, zeroTable(t, sp)
	body := predictBody(sp, 500)
	code, _, answer := post(newHandler(t, Options{CostModels: always(m)}), body)
	if code != 200 {
		t.Fatal(answer)
	}
	var asked predictTexts
	var got struct {
		Latency []float64 `json:"latency_seconds"`
	}
	if err := json.Unmarshal([]byte(body), &asked); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	var want []float64
	for _, text := range asked.Indices {
		a, err := sp.ParseArch(text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, m.Predictor.Predict(a.Indices))
	}
	if diff := cmp.Diff(want, got.Latency); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type predictTexts struct {
	Indices []string `json:"indices"`
}
