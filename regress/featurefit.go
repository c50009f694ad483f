package regress

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/floats"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/regress/features"
	"latlab/regress/linear"
	"latlab/sampler/model"
)

// Own is the method for models that are not in any search space: ridge on the features that the
// user gave them. FitFeatures supports Own, Ops and MACs; Fit does not support Own.
const Own Method = "features"

// maxFeatures limits the normal equations; a list with more features is a mistake.
const maxFeatures = 1024

// FeatureRow is one network with its features by name: the user's own, and op-level ones with
// the prefix features.Prefix.
type FeatureRow struct {
	Name     string // for messages
	Model    string // identity: rows of one model are averaged
	Features map[string]float64
	Seconds  float64
	SD       *float64 // as in Observation
}

// FeatureData is the input of FitFeatures.
type FeatureData struct {
	Provenance
	Rows          []FeatureRow
	MeasuredUntil time.Time // as in Data
	NoiseDF       int       // as in Data
}

// FeatureModel is bias + sum over features of weight x value, in seconds: a cost model for
// networks that are not in any search space and so have no table.
type FeatureModel struct {
	SchemaVersion int               `json:"schema_version"`
	Networks      int               `json:"networks"`
	Device        string            `json:"device"`
	Kind          devices.Kind      `json:"kind"`
	Precision     model.Precision   `json:"precision"`
	Unit          string            `json:"unit"` // "seconds"
	Method        string            `json:"method"`
	Estimator     string            `json:"estimator"`
	DataHash      string            `json:"data_hash"`
	MeasuredUntil *time.Time        `json:"measured_until,omitempty"` // as in CostModel
	Fingerprint   map[string]string `json:"fingerprint,omitempty"`
	Bias          float64           `json:"bias_seconds"`
	Weights       []FeatureWeight   `json:"weights"`
	Figures       Figures           `json:"figures"`
	Warnings      []string          `json:"warnings,omitempty"`
}

// FeatureWeight is one feature's weight and its range in the training data. Outside of this
// range a prediction is unreliable.
type FeatureWeight struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight_seconds"` // per unit of the feature
	Low    float64 `json:"lowest"`
	High   float64 `json:"highest"`
}

// Predict returns a network's latency in seconds. A missing feature is an error.
func (m *FeatureModel) Predict(values map[string]float64) (float64, error) {
	y := m.Bias
	for _, w := range m.Weights {
		x, ok := values[w.Name]
		if !ok {
			return 0, &features.Error{Reason: "feature " + w.Name + " is missing"}
		}
		y += w.Weight * x
	}
	return y, nil
}

// Write writes the model as indented JSON.
func (m *FeatureModel) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(m)
}

// FitFeatures fits listed models by their features and computes the accuracy, with the same
// held-out rule as Fit. The methods are
//
//	features  ridge on the user's own, standardised, on relative error
//	ops       non-negative op-level features, as in Fit
//	macs      bias + multiply-accumulates
//
// The default is features if every network has some, otherwise ops. A user's own feature may
// fall as the latency rises, so its weight may be negative; an op always costs time.
//
// If networks have different features, the error is a *features.Error; for too few networks it
// is a *TooFewError, for an invalid option an *OptionError.
func FitFeatures(ctx context.Context, d FeatureData, o Options) (*FeatureModel, error) {
	if o.Method == Indicator || o.Method == Profile {
		return nil, &OptionError{"method", string(o.Method) + " needs a space, and listed models have none: use features, ops or macs"}
	}
	rows := joinRows(d.Rows)
	if len(rows) < MinNetworks {
		return nil, &TooFewError{Have: len(rows), Need: MinNetworks}
	}
	if o.Method == "" {
		o.Method = defaultMethod(rows)
	}
	if err := o.check(len(rows), []Method{Own, Ops, MACs}); err != nil {
		return nil, err
	}
	f, err := newFeatureFit(rows, o)
	if err != nil {
		return nil, err
	}
	w, err := f.weigh(ctx, all(len(rows)))
	if err != nil {
		return nil, err
	}
	m := f.model(d, rows, w)
	if m.Figures, err = validate(ctx, f.heldOut(), o, w.params()); err != nil {
		return nil, err
	}
	nets := make([]network, len(rows))
	for i, r := range rows {
		nets[i] = network{seconds: r.Seconds, variance: square(r.SD)}
	}
	m.Figures.setCeiling(ceilingOf(nets, d.NoiseDF, o.Seed))
	return m, nil
}

// joinRows sorts the networks by model and averages those of the same model.
func joinRows(all []FeatureRow) []FeatureRow {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b FeatureRow) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Name, b.Name))
	})
	var rows []FeatureRow
	for lo := 0; lo < len(sorted); {
		hi, sum, variance := lo, 0.0, 0.0
		for ; hi < len(sorted) && (hi == lo || sorted[hi].Model == sorted[lo].Model && sorted[lo].Model != ""); hi++ {
			sum += sorted[hi].Seconds
			variance += square(sorted[hi].SD)
		}
		r := sorted[lo]
		r.Seconds, r.SD = sum/float64(hi-lo), finite(math.Sqrt(variance)/float64(hi-lo))
		rows = append(rows, r)
		lo = hi
	}
	return rows
}

func isOp(name string) bool { return strings.HasPrefix(name, features.Prefix) }

func defaultMethod(rows []FeatureRow) Method {
	for _, r := range rows {
		if len(columnNames(r, Own)) == 0 {
			return Ops
		}
	}
	return Own
}

// columnNames lists the features that a method uses, sorted.
func columnNames(r FeatureRow, m Method) []string {
	var names []string
	for name := range r.Features {
		if m == MACs && name == features.GraphMACs || m == Ops && isOp(name) && name != features.GraphMACs || m == Own && !isOp(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// featureFit is a fit's columns. Values are divided by their largest magnitude and, if the
// weights are unconstrained, shifted by their mean; the intercept absorbs the shift.
type featureFit struct {
	o       Options
	names   []string
	center  []float64
	size    []float64 // divisor of the values
	low     []float64
	high    []float64
	columns *columns
	y       []float64 // latency over scale
	scale   float64   // seconds
}

func newFeatureFit(rows []FeatureRow, o Options) (*featureFit, error) {
	f := &featureFit{o: o, names: columnNames(rows[0], o.Method)}
	if len(f.names) > maxFeatures {
		return nil, &features.Error{Network: rows[0].Name, Reason: fmt.Sprintf("%d features, at most %d", len(f.names), maxFeatures)}
	}
	values, seconds, variances := make([][]float64, len(rows)), make([]float64, len(rows)), make([]float64, len(rows))
	for i, r := range rows {
		if err := checkRow(r, f.names, o.Method); err != nil {
			return nil, err
		}
		for _, name := range f.names {
			values[i] = append(values[i], r.Features[name])
		}
		seconds[i], variances[i] = r.Seconds, square(r.SD)
	}
	f.y, f.scale = relative(seconds)
	f.standardise(values)
	f.columns = columnsOf(values, f.y, weigh(variances))
	return f, nil
}

func checkRow(r FeatureRow, names []string, m Method) error {
	bad := func(format string, args ...any) error {
		return &features.Error{Network: r.Name, Reason: fmt.Sprintf(format, args...)}
	}
	if !(r.Seconds > 0) || math.IsInf(r.Seconds, 0) {
		return bad("latency is %v s, want a number above 0", r.Seconds)
	}
	const few = 5
	have := columnNames(r, m)
	switch {
	case len(have) == 0 && m == Own:
		return bad("it has no own features; add \"features\" to each line of `sweep --models LIST.jsonl`, or fit with ops")
	case len(have) == 0:
		return bad("it has no stored op-level features, which method %s needs: some of its ops are unknown, or it was timed by `time` or `verify`; fit networks timed by `sweep --models` or `sweep --space`", m)
	case !slices.Equal(have, names):
		return bad("its features are %s, the first network's are %s", text.Few(have, few), text.Few(names, few))
	}
	for _, name := range names {
		if x := r.Features[name]; math.IsNaN(x) || math.IsInf(x, 0) {
			return bad("feature %s is not a finite number", name)
		}
	}
	return nil
}

func (f *featureFit) standardise(values [][]float64) {
	k := len(f.names)
	f.center, f.size, f.low, f.high = make([]float64, k), make([]float64, k), make([]float64, k), make([]float64, k)
	for j := range k {
		f.low[j], f.high[j] = math.Inf(1), math.Inf(-1)
		for _, row := range values {
			f.low[j], f.high[j] = min(f.low[j], row[j]), max(f.high[j], row[j])
		}
		if f.size[j] = max(math.Abs(f.low[j]), math.Abs(f.high[j])); f.size[j] == 0 {
			f.size[j] = 1
		}
		sum := 0.0
		for _, row := range values {
			row[j] /= f.size[j]
			sum += row[j]
		}
		if f.o.Method != Own {
			continue
		}
		f.center[j] = sum / float64(len(values))
		for _, row := range values {
			if row[j] -= f.center[j]; f.low[j] == f.high[j] {
				row[j] = 0 // instead of a rounding error
			}
		}
	}
}

// featureWeights are weights in units of the columns, the intercept first.
type featureWeights []float64

// params counts the non-zero weights without the intercept.
func (w featureWeights) params() int { return nonZero(w[1:]) }

func (f *featureFit) weigh(ctx context.Context, train []int) (featureWeights, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch f.o.Method {
	case MACs:
		return f.columns.line(train), nil
	case Ops:
		return f.columns.crossValidated(train, f.o.penalties(opsGrid()), f.o.Seed, linear.NNLS), nil
	}
	return f.columns.crossValidated(train, f.o.penalties(ownGrid()), f.o.Seed, linear.LeastSquares), nil
}

// ownGrid has larger penalties than opsGrid: a user's features may be unrelated to latency, and
// the networks few.
func ownGrid() []float64 { return append([]float64{100, 10, 1}, opsGrid()...) }

func (f *featureFit) heldOut() heldOut {
	h := heldOut{seconds: floats.ScaleTo(make([]float64, len(f.y)), f.scale, f.y)}
	h.fit = func(ctx context.Context, train []int) (func(int) float64, error) {
		w, err := f.weigh(ctx, train)
		// A row was multiplied by the root of its network's weight and divided by its latency.
		return func(i int) float64 { return dot(f.columns.rows[i], w) / f.columns.roots.root(i) * h.seconds[i] }, err
	}
	return h
}

// model turns the weights back into seconds per unit of each feature.
func (f *featureFit) model(d FeatureData, rows []FeatureRow, w featureWeights) *FeatureModel {
	m := &FeatureModel{
		SchemaVersion: SchemaVersion, Networks: len(rows), Unit: Unit, Method: string(f.o.Method),
		Device: d.Device, Kind: d.Kind, Precision: d.Precision, Estimator: d.Estimator,
		Fingerprint: maps.Clone(d.Fingerprint), DataHash: d.Hash(), MeasuredUntil: known(d.MeasuredUntil),
	}
	bias := w[0] / f.columns.unit[0]
	for j, name := range f.names {
		x := 0.0
		if u := f.columns.unit[j+1]; u > 0 {
			x = w[j+1] / u
		}
		bias -= x * f.center[j]
		m.Weights = append(m.Weights, FeatureWeight{Name: name, Weight: x / f.size[j] * f.scale, Low: f.low[j], High: f.high[j]})
		if f.o.Method == Own && f.low[j] == f.high[j] {
			m.Warnings = append(m.Warnings, fmt.Sprintf("feature %s is %v in every network, so it has no weight", name, f.low[j]))
		}
	}
	m.Bias = bias * f.scale
	if joined := len(d.Rows) - len(rows); joined > 0 {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%d observations repeat a model: the observations of a model are averaged", joined))
	}
	if f.o.Method == Own && len(rows) <= len(f.names) {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%d features for only %d networks: the result depends strongly on the penalty", len(f.names), len(rows)))
	}
	return m
}

// Hash is the sha256 of every observation, features included, in sorted order.
func (d FeatureData) Hash() string {
	var lines []string
	for _, r := range d.Rows {
		text, err := json.Marshal(r) // map keys are sorted; NaN and infinity were refused
		if err != nil {
			text = fmt.Appendf(nil, "%v", r)
		}
		lines = append(lines, string(text))
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, l := range lines {
		fmt.Fprintln(h, l)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// MergeFeatures joins data of one provenance.
func MergeFeatures(parts ...FeatureData) (FeatureData, error) {
	if len(parts) == 0 {
		return FeatureData{}, &TooFewError{Have: 0, Need: MinNetworks}
	}
	all := parts[0]
	all.Rows = slices.Clone(all.Rows)
	for _, d := range parts[1:] {
		if err := all.Same(d.Provenance); err != nil {
			return FeatureData{}, err
		}
		all.Rows = append(all.Rows, d.Rows...)
		all.MeasuredUntil = later(all.MeasuredUntil, d.MeasuredUntil)
		all.NoiseDF += d.NoiseDF
	}
	return all, nil
}

// isFeatureModel reports whether data was written by FeatureModel.Write.
func isFeatureModel(data []byte) bool {
	var m FeatureModel
	return decodeStrict(data, &m) == nil && m.Networks > 0
}
