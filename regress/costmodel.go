// Package regress fits cost models and computes how accurate they are.
//
// A cost model predicts a network's latency on one device from its indices: bias plus
// one weight per table position (MobileDets, CVPR 2021, section 4; the table is the one
// that TuNAS's coupled_tf_features indexes). Every fitting method produces such a table.
//
// The package does not access devices or stores: it takes observations and returns numbers.
// Exporters write them.
//
// What a fit weighs is in features, the solvers that know matrices only in linear, the times of single ops in
// opmodel, the reader of other labs' tables in csvtable. The methods share folds, the design and figures; the fit of other labs'
// tables (table.go, tablechecks.go), which needs only the indicator method, could leave next.
package regress

import (
	"fmt"
	"strings"
	"time"

	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/model"
)

// SchemaVersion of the cost model's JSON.
const SchemaVersion = 1

// Unit of all latencies in a cost model.
const Unit = "seconds"

// CostModel is bias + sum over positions of Table[position][entry], in seconds.
type CostModel struct {
	SchemaVersion int    `json:"schema_version"`
	Space         string `json:"space"`
	// SpaceFile is the space's canonical YAML, so that a model of a user's space can be read
	// without the user's file.
	SpaceFile string          `json:"space_file,omitempty"`
	Device    string          `json:"device"`
	Kind      devices.Kind    `json:"kind"`
	Precision model.Precision `json:"precision"`
	Unit      string          `json:"unit"` // "seconds"
	Method    string          `json:"method"`
	Estimator string          `json:"estimator"` // how a network's value is computed from its blocks
	DataHash  string          `json:"data_hash"` // sha256 of the observations used
	// MeasuredUntil is when the last of its measurements ended, UTC; the file's own time may only
	// be that of a copy. It is nil, and absent from the file, if unknown: for simulators, whose
	// clock is virtual, for imported tables, and in older files.
	MeasuredUntil *time.Time        `json:"measured_until,omitempty"`
	Fingerprint   map[string]string `json:"fingerprint,omitempty"`
	Bias          float64           `json:"bias_seconds"`
	// Table has one array per position, in the order of Space.Positions, each in the order
	// of Position.Entry. Unreachable entries are 0.
	Table   []TablePosition `json:"table"`
	Figures Figures         `json:"figures"`
	// Features are the feature weights that the table was computed from, by name.
	Features map[string]float64 `json:"features,omitempty"`
	// Warnings are what a reader of the figures should know.
	Warnings []string `json:"warnings,omitempty"`
}

// TablePosition is one position's weights in seconds.
type TablePosition struct {
	Name    string    `json:"name"`
	Weights []float64 `json:"weights_seconds"`
	// Seen counts the training networks that used each entry.
	Seen []int `json:"seen"`
}

// Figures are the accuracy on held-out networks. Null = not computed. The model itself is fitted on all
// networks; NTrain and NTest are those of one of the fits that the figures come from.
type Figures struct {
	NTrain         int      `json:"n_train"`
	NTest          int      `json:"n_test"`
	Split          string   `json:"split"` // the rule, in words
	R2             *float64 `json:"r2"`
	AdjustedR2     *float64 `json:"adjusted_r2"`
	RMSESeconds    *float64 `json:"rmse_seconds"`
	RMSPE          *float64 `json:"rmspe"`
	MAPE           *float64 `json:"mape"`
	Within5        *float64 `json:"within_5"`
	Within10       *float64 `json:"within_10"`
	Spearman       *float64 `json:"spearman"`
	Kendall        *float64 `json:"kendall"`
	NoiseCeilingR2 *float64 `json:"noise_ceiling_r2"`
	// NoiseCeiling is nil if the measurements do not say how noisy they are.
	NoiseCeiling *Ceiling `json:"noise_ceiling,omitempty"`
}

// Networks is how many networks the model is fitted on.
func (f Figures) Networks() int { return f.NTrain + f.NTest }

// Judged is how many networks each figure covers: all of them where folds take turns.
func (f Figures) Judged() int {
	if f.folds() || f.alone() {
		return f.Networks()
	}
	return f.NTest
}

// Rule is the short name of the rule in Split.
func (f Figures) Rule() string {
	if f.folds() {
		return "5-fold cross-validation, twice"
	}
	if f.alone() {
		return "leave-one-network-out"
	}
	return fmt.Sprintf("random splits: fits on %d networks, tested on the other %d", f.NTrain, f.NTest)
}

func (f Figures) folds() bool { return strings.HasPrefix(f.Split, foldsRule) }
func (f Figures) alone() bool { return strings.HasPrefix(f.Split, aloneRule) }

// Observation is one network's latency.
type Observation struct {
	Arch    sampler.Arch
	Seconds float64
	// SD is the standard error of the latency's logarithm, so about relative; nil if unknown, 0 on a
	// deterministic device. Latencies that are less sure than most have less weight in a fit.
	SD *float64
}

// Provenance describes where the model's latencies come from. Its predictions must not be
// compared with measurements of a different provenance.
func (m *CostModel) Provenance() Provenance {
	return Provenance{Device: m.Device, Kind: m.Kind, Precision: m.Precision, Estimator: m.Estimator, Fingerprint: m.Fingerprint}
}

// Predict returns the latency of an Arch in seconds. The Arch must have been checked.
func (m *CostModel) Predict(s *sampler.Space, a sampler.Arch) float64 {
	y := m.Bias
	for p, e := range s.Entries(a) {
		y += m.Table[p].Weights[e]
	}
	return y
}
