// Package report collects the data of a report on sweeps and cost models.
// Collect reads sweeps once, block by block, into Data: columns with one figure per network, and
// small tables. Sub-packages present Data and compute no figures, so that they always agree:
// describe formats numbers and facts as text, charts draws, page writes the HTML page and card
// the model card.
//
// The package never fits, corrects or hides data: INVALID networks are shown and marked unless
// the user asks otherwise, missing figures are shown as "not computed", and latencies of
// different kinds (measured, estimated, simulated) never share an axis. It takes a bench.Reader
// and loaded cost models; cmd/latlab opens them.
package report

import (
	"math"
	"slices"
	"time"

	"latlab/bench"
	"latlab/bench/profile"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/regress"
	"latlab/sampler"
)

// Options of Collect. The zero value shows everything that a page can hold.
type Options struct {
	// Now is the time of the report; the zero time omits it.
	Now time.Time
	// LeaveOutInvalid drops INVALID networks from the columns; Tally counts them still.
	LeaveOutInvalid bool
	// MaxShown bounds how many networks of a sweep have a row of their own; 0 = 1,000.
	MaxShown int
}

// Cost is a cost model and the file that it was read from.
type Cost struct {
	File     string
	Model    *regress.CostModel
	Space    *sampler.Space
	Modified time.Time // of the file; zero = unknown
}

// Data is the content of a report. It is not changed once collected.
type Data struct {
	Made   time.Time
	Sweeps []Sweep
	Runs   []Runs // pairs of runs of one request
	Fits   []Fit
}

// Kinds lists the kinds of the sweeps and cost models, each once, in the order of Data.
func (d *Data) Kinds() []devices.Kind {
	var kinds []devices.Kind
	add := func(k devices.Kind) {
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	for i := range d.Sweeps {
		add(d.Sweeps[i].Manifest.Device.Kind)
	}
	for i := range d.Fits {
		add(d.Fits[i].Model.Kind)
	}
	return kinds
}

// Sweep is one sweep of a report.
type Sweep struct {
	Manifest  bench.Sweep
	Estimator string // how latencies were computed from blocks; empty if nothing was measured
	Tally     Tally
	Networks  Networks
	Timeline  Timeline
	Bands     []Band // fastest networks at each MAC budget; empty if MACs are unknown
	Front     []int  // rows of the Pareto front latency x MACs, by latency; see front
	Shown     []int  // rows of Networks that have their raw rows on the page, ascending
	Refused   []bench.Refused
	Profiled  int // networks that have a profile
	Profiles  []Profile
}

// Profile is where the time of a network goes, by the device's own report: times inside observed inferences,
// never a latency.
type Profile struct {
	Row      int    // of Networks
	Which    string // "fastest", "median" or "slowest" of those profiled
	Runs     int    // inferences that were observed
	Overhead *float64
	Table    profile.Table
}

// HasRow reports whether a network has a row of its own on the page.
func (s *Sweep) HasRow(row int) bool {
	_, found := slices.BinarySearch(s.Shown, row)
	return found
}

// Sampled reports whether some networks have no row: charts show densities then.
func (s *Sweep) Sampled() bool { return s.Networks.Len() > len(s.Shown) }

// Tally counts a sweep's networks and their doubts.
type Tally struct {
	Networks   int // planned so far; Manifest.Networks is the number requested
	Measured   int // with all their blocks
	Unfinished int // blocks are still to run
	Failed     int
	Valid      int // of the measured
	Imprecise  int
	Invalid    int
	LeftOut    int // INVALID ones that Options dropped from the columns
	Blocks     int
	Samples    int
	NoiseCV    *float64 // between blocks, pooled; nil = unknown
	// DisturbedBlocks, UndisturbedShare, Clock and Levels are those of bench.Tally.
	DisturbedBlocks  int
	UndisturbedShare *float64
	Clock            *stats.Clock
	Levels           *stats.Levels
	Reasons          []Count // why INVALID, most frequent first; a network may have several
	Warnings         []Count
	Failures         []Failures
	First            time.Time // when the first block began; zero = none
	Last             time.Time // when the last block began
	HottestC         *float64
}

// Count is the number of networks with a reason or warning.
type Count struct {
	Code     string
	Words    string // what the code means
	Example  string // the text of the first network that has it, with its figures
	Networks int
}

// Failures counts failed attempts of one fault and reason.
type Failures struct {
	Fault    devices.Fault
	Reason   string
	Attempts int
	Final    int    // networks that failed for good
	Example  string // the first message
}

// Networks are columns: one value a network, in the order of the sweep. NaN = unknown or not
// measured. They hold all networks of a sweep; samples are never kept.
type Networks struct {
	Index   []int // in the sweep
	Name    []string
	Indices []string // text form; empty for listed models
	ID      []string // of the Arch; empty likewise
	Status  []bench.Status
	Verdict []verdict.Verdict // empty = nothing measured

	Seconds, Low, High []float64
	MACs               []float64
	HottestC           []float64
	Samples            []int
	BlockSeconds       [][]float64 // each block's value, in the order run
	Reasons, Warnings  [][]verdict.Doubt
}

// Len is the number of networks.
func (n *Networks) Len() int { return len(n.Index) }

// Measured reports whether a network has a latency.
func (n *Networks) Measured(row int) bool { return n.Verdict[row] != "" }

// Valid reports whether a network's latency may be used without a second thought.
func (n *Networks) Valid(row int) bool { return n.Verdict[row] == verdict.Valid }

// Label is what a network is called: its id, or its name if it is not in any search space.
func (n *Networks) Label(row int) string {
	if n.ID[row] != "" {
		return n.ID[row]
	}
	return n.Name[row]
}

// HalfWidth is the interval's half-width relative to the latency, the larger side; +Inf
// without bounds, NaN if nothing was measured.
func (n *Networks) HalfWidth(row int) float64 {
	m := verdict.Measurement{Seconds: n.Seconds[row]}
	if !n.Measured(row) {
		return n.Seconds[row]
	}
	if !math.IsNaN(n.Low[row]) && !math.IsNaN(n.High[row]) {
		m.Low, m.High = &n.Low[row], &n.High[row]
	}
	return m.HalfWidth()
}

// Latencies are the latencies in seconds of the networks with one of the verdicts; without any, of all that
// are measured.
func (n *Networks) Latencies(of ...verdict.Verdict) (seconds []float64) {
	for r := range n.Len() {
		if n.Measured(r) && (len(of) == 0 || slices.Contains(of, n.Verdict[r])) {
			seconds = append(seconds, n.Seconds[r])
		}
	}
	return seconds
}

// RelativeError is (predicted - measured) / measured; NaN if either is unknown.
func (n *Networks) RelativeError(predicted []float64, row int) float64 {
	return predicted[row]/n.Seconds[row] - 1
}

// Timeline is a sweep's blocks in the order of time, gathered into moments.
type Timeline struct {
	Moments []Moment // those that have a block, in order; between others nothing ran
}

// Moment is the blocks that began within one span of time. Ratios are of a block to the latency of
// its own network: networks of a sweep differ by a factor of 30, a device that gets slower
// shows in the ratio alone.
type Moment struct {
	Start          time.Time
	Blocks         int
	Invalid        int // used blocks of INVALID networks
	Disturbed      int // blocks with too few undisturbed samples
	Throttled      int // throttled blocks, reported by the device or shown by a lower clock
	MeanHz         float64
	Clock          stats.Clock // measured; without blocks if none did
	MeanRatio      float64
	MeanLevel      float64 // by the sweep's trend, over that of most blocks
	MinRatio       float64
	MaxRatio       float64
	MeanC, MaxC    *float64 // hottest sensor; nil = none
	CoolestC       *float64
	temperatures   int
	sumTemperature float64
	sumRatio       float64
	sumLevel       float64
	sumHz          float64
}

// Band is a range of MACs and the fastest VALID networks in it. Of IMPRECISE ones the fastest would be the
// one whose error is most in its favour.
type Band struct {
	LowMACs, HighMACs float64 // above Low, up to High: the budget
	Networks          int
	Fastest           []int // rows, fastest first; at most three
}

// Fit is a cost model and its comparison with the sweeps.
type Fit struct {
	Cost
	On       []FitOn
	Apart    []Apart // sweeps of its device whose latencies it must not be compared with
	Heat     []Heat
	Fixtures []Fixture
}

// Apart is a sweep that a cost model is not compared with, although device, kind, precision and
// space are equal, and the reason.
type Apart struct {
	Sweep int // in Data.Sweeps
	Why   string
}

// Training says whether a sweep's networks were held out of a fit.
type Training string

// The results of comparing data hashes. They cannot show that none of the networks was used.
const (
	Trained Training = "trained" // the model was fitted on exactly these networks
	Unsure  Training = "unsure"  // fitted on other data, which may contain some of these
)

// FitOn is a cost model on one sweep.
type FitOn struct {
	Sweep     int // in Data.Sweeps
	Training  Training
	Predicted []float64 // seconds, one per network; NaN = not in the space
	Residuals []Residual
	// MeanAbsolute and Mean are of the relative errors (predicted - measured) / measured of the
	// VALID networks; NaN if there are none.
	Networks           int
	Mean, MeanAbsolute float64
}

// Residual is the relative error, (predicted - measured) / measured, of the VALID networks that
// have a layer type in a stage, weighted by the number of such layers. If a model's weights for
// a type are wrong in a stage, the mean differs from that of other stages.
type Residual struct {
	Stage    string // empty = all stages
	Type     sampler.LayerType
	Networks int
	Mean     float64
	SD       float64 // NaN for fewer than two
}

// Heat is a position's weights as a map: rows are layer choices, columns pairs of widths.
type Heat struct {
	Position string
	// SameWidth: input and output width are one decision; only its columns are listed.
	SameWidth   bool
	Unreachable int // entries left out because no network can use them
	Choices     []string
	Columns     []HeatColumn
	Seconds     [][]float64 // by choice, then by column
	// Seen counts training networks, likewise; nil = the model does not say.
	Seen [][]int
}

// HeatColumn is a pair of widths in channels.
type HeatColumn struct{ In, Out int }

// Fixture is a model's prediction for a fixture, or the reason why there is none.
type Fixture struct {
	Name    string
	Why     string // it is not in the model's space; the other fields are then empty
	Seconds float64
	Bias    float64
	Layers  []LayerCost // slowest first, all of them
}

// LayerCost is the predicted latency of a layer of a fixture.
type LayerCost struct {
	Position, Choice string
	In, Out          int // channels
	Seconds          float64
	Seen             int // training networks that used the entry; -1 = unknown
}
