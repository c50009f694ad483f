package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/sampler/model"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"latlab/regress"
	"latlab/sampler"
)

// schemaVersion is the version of the documents of /v1.
const schemaVersion = 1

// bodyPatience is how long a request waits while others use all memory for bodies.
const bodyPatience = 5 * time.Second

// A body of up to smallBody bytes, some 900 networks, uses a separate memory limit, a quarter of
// that for large ones. Otherwise a few slow clients that announce large bodies could block all
// others.
const smallBody = 64 << 10

// Predictor is a cost model in a form for predictions: regress.Predictor. Indices are checked
// before. It must be safe for concurrent use.
type Predictor interface {
	Predict(indices []int) float64 // seconds
}

// CostModel is a cost model that /v1 serves.
type CostModel struct {
	Name      string // its name in requests
	Space     *sampler.Space
	Predictor Predictor
	Method    string
	Device    string
	Kind      devices.Kind
	Precision model.Precision
	// MeasuredUntil is when the last of its measurements ended; nil = unknown.
	MeasuredUntil *time.Time
	Figures       regress.Figures
}

// predictions serves /v1.
type predictions struct {
	limits Limits
	bodies *semaphore.Weighted // bytes of bodies in memory
	small  *semaphore.Weighted // of small ones
	models func() []CostModel
	count  *prometheus.CounterVec
}

func newPredictions(o Options, count *prometheus.CounterVec) (*predictions, error) {
	p := &predictions{
		limits: o.Limits, bodies: semaphore.NewWeighted(o.Limits.Bodies),
		small:  semaphore.NewWeighted(max(o.Limits.Bodies/4, smallBody)),
		models: o.CostModels, count: count,
	}
	seen := map[string]bool{}
	for _, m := range p.models() {
		if m.Name == "" || seen[m.Name] {
			return nil, fmt.Errorf("two cost models are named %q, or one has no name: a request could not choose", m.Name)
		}
		seen[m.Name] = true
		count.WithLabelValues(m.Name, m.Device) // 0, not absent, before the first request
	}
	return p, nil
}

// predictRequest is the body of POST /v1/predict.
type predictRequest struct {
	CostModel *string         `json:"cost_model"`
	Indices   json.RawMessage `json:"indices"`
}

// predicted is the response: latencies in the order of the request. Bounds are null: no method
// computes them yet. LatencySeconds is last, because it is written without reflection.
type predicted struct {
	SchemaVersion  int             `json:"schema_version"`
	CostModel      string          `json:"cost_model"`
	Device         string          `json:"device"`
	Kind           devices.Kind    `json:"kind"`
	Space          string          `json:"space"`
	Precision      model.Precision `json:"precision"`
	Unit           string          `json:"unit"`
	LowSeconds     *float64        `json:"low_seconds"`
	HighSeconds    *float64        `json:"high_seconds"`
	LatencySeconds []int           `json:"latency_seconds"`
}

func (p *predictions) predict(w http.ResponseWriter, r *http.Request) {
	body, err := p.answer(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func (p *predictions) answer(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, notAllowed(http.MethodPost)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refusal(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, refusal(http.StatusUnsupportedMediaType, "bodies must not be compressed, this one is %s", quoted(e))
	}
	release, err := p.room(r)
	if err != nil {
		return nil, err
	}
	defer release()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, p.limits.Body))
	if err != nil {
		return nil, p.readError(err)
	}
	var request predictRequest
	if err := decode(body, &request); err != nil {
		return nil, refusal(http.StatusBadRequest, "%w", err)
	}
	m, err := choose(p.models(), request.CostModel)
	if err != nil {
		return nil, err
	}
	if request.Indices == nil {
		return nil, refusal(http.StatusBadRequest, `indices is missing: a list of texts such as ["0:3:1"]`)
	}
	answer, n, err := m.predictAll(request.Indices, p.limits.Architectures)
	if err == nil {
		p.count.WithLabelValues(m.Name, m.Device).Add(float64(n))
	}
	return answer, err
}

// room waits until there is memory for the request's body. A body of unknown size counts as the
// maximum.
func (p *predictions) room(r *http.Request) (release func(), err error) {
	size := r.ContentLength
	switch {
	case size > p.limits.Body:
		return nil, p.tooLarge()
	case size < 0:
		size = p.limits.Body
	}
	memory := p.bodies
	if size <= smallBody {
		memory = p.small
	}
	ctx, cancel := context.WithTimeout(r.Context(), bodyPatience)
	defer cancel()
	if err := memory.Acquire(ctx, size); err != nil {
		return nil, refusal(http.StatusServiceUnavailable, "too many requests of this size at once; try again later")
	}
	return func() { memory.Release(size) }, nil
}

func (p *predictions) tooLarge() error {
	return refusal(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes; send several requests", p.limits.Body)
}

func (p *predictions) readError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return p.tooLarge()
	}
	return refusal(http.StatusBadRequest, "the body cannot be read: %w", err)
}

// decode accepts one document with only the fields of v.
func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return fmt.Errorf("byte %d: not JSON: %w", syntax.Offset, err)
		case errors.As(err, &kind):
			return fmt.Errorf("byte %d: %s", kind.Offset, wantedJSON(kind))
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("byte %d: the JSON does not end", len(body))
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if rest := bytes.TrimSpace(body[d.InputOffset():]); len(rest) > 0 {
		return fmt.Errorf("byte %d: more than one document", d.InputOffset())
	}
	return nil
}

// wantedJSON replaces Go's types in errors of encoding/json by JSON's.
func wantedJSON(e *json.UnmarshalTypeError) string {
	article := "a "
	if e.Value == "array" || e.Value == "object" {
		article = "an "
	}
	if e.Field == "" {
		return "want an object with the fields cost_model and indices, not " + article + e.Value
	}
	return e.Field + ": want a " + e.Type.Kind().String() + ", not " + article + e.Value
}

// choose returns the cost model with a name; without a name the only one.
func choose(models []CostModel, name *string) (CostModel, error) {
	switch {
	case len(models) == 0:
		return CostModel{}, refusal(http.StatusNotFound, "no cost model is served: `latlab serve --cost COST.json`")
	case name == nil && len(models) > 1:
		return CostModel{}, refusal(http.StatusBadRequest, "cost_model is missing; want one of: %s", namesOf(models))
	case name == nil:
		return models[0], nil
	}
	if i := slices.IndexFunc(models, func(m CostModel) bool { return m.Name == *name }); i >= 0 {
		return models[i], nil
	}
	return CostModel{}, refusal(http.StatusNotFound, "no cost model is named %s; there are: %s", quoted(*name), namesOf(models))
}

func namesOf(models []CostModel) string {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// predictAll is the response for n architectures.
func (m *CostModel) predictAll(indices []byte, most int) (answer []byte, n int, err error) {
	head, err := json.Marshal(predicted{
		SchemaVersion: schemaVersion, CostModel: m.Name, Device: m.Device, Kind: m.Kind,
		Space: m.Space.Name, Precision: m.Precision, Unit: regress.Unit, LatencySeconds: []int{},
	})
	if err != nil {
		return nil, 0, err
	}
	out := head[:len(head)-len("]}")]
	parser := newArchParser(m.Space)
	arch := make([]int, len(parser.radix))
	n, err = textArray(indices, most, func(i int, text []byte) error {
		if err := parser.parse(arch, text); err != nil {
			return err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = appendSeconds(out, m.Predictor.Predict(arch))
		return nil
	})
	var many *tooManyError
	switch {
	case errors.As(err, &many):
		return nil, 0, refusal(http.StatusRequestEntityTooLarge, "%w", err)
	case err != nil:
		return nil, 0, refusal(http.StatusBadRequest, "%w", err)
	}
	return append(out, "]}\n"...), n, nil
}

// appendSeconds writes the shortest text that reads back as the same number; NaN and infinities
// are null.
func appendSeconds(out []byte, seconds float64) []byte {
	if math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return append(out, "null"...)
	}
	return strconv.AppendFloat(out, seconds, 'g', -1, 64)
}

// listed is a cost model of GET /v1/cost_models.
type listed struct {
	Name      string          `json:"cost_model"`
	Device    string          `json:"device"`
	Kind      devices.Kind    `json:"kind"`
	Space     string          `json:"space"`
	Precision model.Precision `json:"precision"`
	Method    string          `json:"method"`
	Unit      string          `json:"unit"`
	Decisions int             `json:"decisions"`
	Until     *time.Time      `json:"measured_until"`
	Figures   regress.Figures `json:"figures"`
}

func (p *predictions) list(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, notAllowed(http.MethodGet, http.MethodHead))
		return
	}
	doc := struct {
		SchemaVersion int      `json:"schema_version"`
		CostModels    []listed `json:"cost_models"`
	}{schemaVersion, []listed{}}
	for _, m := range p.models() {
		doc.CostModels = append(doc.CostModels, listed{
			m.Name, m.Device, m.Kind, m.Space.Name, m.Precision, m.Method, regress.Unit,
			len(newArchParser(m.Space).radix), m.MeasuredUntil, m.Figures,
		})
	}
	body, err := json.Marshal(doc)
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, append(body, '\n'))
}

func noEndpoint(w http.ResponseWriter, _ *http.Request) {
	refuse(w, refusal(http.StatusNotFound, "there is POST /v1/predict and GET /v1/cost_models"))
}

// refusalError is an error with its status.
type refusalError struct {
	status int
	allow  []string // methods, for 405
	err    error
}

func (e *refusalError) Error() string { return e.err.Error() }
func (e *refusalError) Unwrap() error { return e.err }

func refusal(status int, format string, args ...any) error {
	return &refusalError{status: status, err: fmt.Errorf(format, args...)}
}

func notAllowed(methods ...string) error {
	return &refusalError{http.StatusMethodNotAllowed, methods, fmt.Errorf("the method must be %s", strings.Join(slices.Clone(methods), " or "))}
}

// refuse responds with {"schema_version":1,"error":"indices[17]: ..."}.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var known *refusalError
	if errors.As(err, &known) {
		status = known.status
		if len(known.allow) > 0 {
			w.Header().Set("Allow", strings.Join(known.allow, ", "))
		}
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	body, _ := json.Marshal(struct {
		SchemaVersion int    `json:"schema_version"`
		Error         string `json:"error"`
	}{schemaVersion, err.Error()}) // two plain fields: it cannot fail
	writeJSON(w, status, append(body, '\n'))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
