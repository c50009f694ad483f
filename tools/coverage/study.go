package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/bench/source"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"

	"gonum.org/v1/gonum/stat/distuv"
)

// claim is what latlab claims of its measurements on a device.
type claim string

const (
	truth   claim = "the truth" // the intervals hold it; slow and disturbed blocks are run again
	level   claim = "its level" // the device drifts: they hold the truth times one level of the device
	invalid claim = "INVALID"
)

// world is a simulated device under a profile, with noise of our own on top for some networks.
type world struct {
	name      string
	device    string // without profile
	profile   sim.Profile
	space     string          // mobiledet_cpu_ibn if empty
	precision model.Precision // float32 if empty
	claim     claim
	noisy     int     // one network in so many has noise of its own; 0 = none
	noise     float64 // its standard deviation between blocks, of the log, beside the profile's
}

// worlds are every profile on a CPU that gets hot, and some on a GPU whose fan keeps it cool and on an accelerator
// that 200 networks do not heat up.
var worlds = []world{
	{name: "exact", device: "sim-pixel1-cpu", profile: sim.Exact, claim: truth},
	{name: "quiet", device: "sim-pixel1-cpu", profile: sim.Quiet, claim: truth},
	{name: "quiet, one network in ten noisy", device: "sim-pixel1-cpu", profile: sim.Quiet, claim: truth, noisy: 10, noise: 0.06},
	{name: "phone, cooled", device: "sim-jetson-xavier-fp32", profile: sim.Phone, claim: level},
	{name: "charging, cooled", device: "sim-jetson-xavier-fp32", profile: sim.Charging, claim: level},
	{name: "neighbour", device: "sim-pixel1-cpu", profile: sim.Neighbour, claim: truth},
	{name: "phone", device: "sim-pixel1-cpu", profile: sim.Phone, claim: invalid},
	{name: "hostile", device: "sim-pixel1-cpu", profile: sim.Hostile, claim: invalid},
	{name: "charging", device: "sim-pixel1-cpu", profile: sim.Charging, claim: invalid},
	{name: "phone, accelerator", device: "sim-pixel4-edgetpu", space: "mobiledet_edgetpu_tucker", precision: model.Int8, profile: sim.Phone, claim: level},
	{name: "charging, accelerator", device: "sim-pixel4-edgetpu", space: "mobiledet_edgetpu_tucker", precision: model.Int8, profile: sim.Charging, claim: level},
	{name: "sawtooth", device: "sim-pixel1-cpu", profile: sim.Sawtooth, claim: truth},
	{name: "migrating", device: "sim-pixel1-cpu", profile: sim.Migrating, claim: truth},
}

// sweepNetworks is how many networks a sweep has; each sweep runs on a unit of its own.
const sweepNetworks = 200

// outcome is a measured network beside its truth.
type outcome struct {
	m      verdict.Measurement
	blocks []devices.Block // all that were run
	truth  float64         // the time that profile exact gives, in seconds
	noisy  bool
	level  float64 // of the device in the network's sweep: the logarithm, relative to truth
}

// off is the logarithm of the measured over the true latency.
func (o outcome) off() float64 { return math.Log(o.m.Seconds / o.truth) }

// covered reports whether the interval holds the truth times exp(level).
func (o outcome) covered(level float64) bool {
	truth := o.truth * math.Exp(level)
	return o.m.Low != nil && *o.m.Low <= truth && truth <= *o.m.High
}

// addLevels finds the level of the device in a sweep: the median of how far off its networks are.
func addLevels(all []outcome) {
	offs := make([]float64, 0, len(all))
	for _, o := range all {
		offs = append(offs, o.off())
	}
	for i := range all {
		all[i].level = stats.Median(offs)
	}
}

// study measures so many networks of a world.
func study(ctx context.Context, w world, preset string, networks int) (result, error) {
	list, err := networksOf(w, min(networks, sweepNetworks))
	if err != nil {
		return result{}, err
	}
	_, truths, err := sweep(ctx, w, sim.Exact, 0, preset, list)
	if err != nil {
		return result{}, err
	}
	var all []outcome
	failed := 0
	for unit := uint64(1); len(all)+failed < networks; unit++ {
		_, measured, err := sweep(ctx, w, w.profile, unit, preset, list)
		if err != nil {
			return result{}, err
		}
		var of []outcome
		for i, l := range list {
			m := measured[i]
			if m.Network.Status != bench.Measured {
				failed++
				continue
			}
			of = append(of, outcome{m: *m.M, blocks: m.Blocks, truth: truths[i].M.Seconds, noisy: w.isNoisy(l.Model.Identity)})
		}
		addLevels(of)
		all = append(all, of...)
	}
	return summarize(w, all, failed), nil
}

func networksOf(w world, n int) (source.List, error) {
	s, err := sampler.Builtin(cmp.Or(w.space, "mobiledet_cpu_ibn"))
	if err != nil {
		return nil, err
	}
	archs, err := sampler.Sample(s, n, 1)
	if err != nil {
		return nil, err
	}
	var list source.List
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		if err != nil {
			return nil, err
		}
		m, err := model.New(g, w.form(), nil)
		if err != nil {
			return nil, err
		}
		list = append(list, source.Listed{Name: a.ID(), Space: s, Arch: a, Model: m})
	}
	return list, nil
}

func (w world) form() model.Form {
	return model.Form{Format: model.TFLite, Precision: cmp.Or(w.precision, model.Float32)}
}

// sweep measures the networks and returns the estimate of each.
func sweep(ctx context.Context, w world, p sim.Profile, unit uint64, preset string, list source.List) (bench.Sweep, []bench.Estimate, error) {
	d, err := sim.Open(sim.Options{Name: fmt.Sprintf("%s:%s:%d", w.device, p, unit), Start: time.Unix(1e9, 0)})
	if err != nil {
		return bench.Sweep{}, nil, err
	}
	rules, err := protocol.Named(preset)
	if err != nil {
		return bench.Sweep{}, nil, err
	}
	st := memory.New()
	o := bench.Options{
		Sweep:    bench.Sweep{ModelsHash: list.Hash(), Sampling: bench.Listed, Seed: unit, Format: w.form().Format, Precision: w.form().Precision, Protocol: rules},
		Networks: len(list), Source: list, Device: noisyDevice{Device: d, world: w, unit: unit}, Store: st, Flush: 100,
	}
	for tries := 0; ; tries++ {
		res, err := bench.Run(ctx, o)
		if err == nil {
			all, err := estimates(ctx, st, res.Sweep.ID)
			return res.Sweep, all, err
		}
		// A device that was offline is tried again, as a fleet does.
		if tries == 100 || devices.FaultOf(err) != devices.FaultDevice {
			return res.Sweep, nil, err
		}
		if err := d.Wait(ctx, time.Minute); err != nil {
			return res.Sweep, nil, err
		}
	}
}

func estimates(ctx context.Context, st bench.Reader, id string) ([]bench.Estimate, error) {
	var all []bench.Estimate
	for e, err := range bench.Estimates(ctx, st, id) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// noisyDevice adds noise between the blocks of the world's noisy networks.
type noisyDevice struct {
	*sim.Device
	world world
	unit  uint64
}

func (d noisyDevice) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	b, err := d.Device.Run(ctx, m, p)
	if err != nil || d.Info().Deterministic || !d.world.isNoisy(m.Identity) {
		return b, err
	}
	factor := math.Exp(d.world.noise * rand.New(rand.NewPCG(seed(m.Identity), d.unit<<16+uint64(p.Block))).NormFloat64())
	for _, s := range [][]float64{b.Samples, b.CPUSamples} {
		for i := range s {
			s[i] *= factor
		}
	}
	b.Elapsed *= max(1, factor)
	return b, nil
}

func (w world) isNoisy(identity string) bool {
	return w.noisy > 0 && seed(identity)%uint64(w.noisy) == 0
}

func seed(identity string) uint64 {
	var x uint64
	for _, c := range []byte(identity) {
		x = x*1099511628211 + uint64(c)
	}
	return x >> 8
}

// result is a world's row of the table. Shares are of the networks that did not fail.
type result struct {
	networks, failed, used    int     // used: not INVALID
	blocks                    float64 // of a network, mean
	covered                   float64 // of the intervals of measurements that are not INVALID
	coveredLevel              float64 // the same of the truth times the device's level
	coveredNoisy              float64 // of those of noisy networks; NaN if there are none
	width                     float64 // mean over that of the oracle's
	half                      float64 // mean half-width, relative
	valid, imprecise, invalid float64
	off, worst                float64 // median and largest distance of a number that is not INVALID from the truth
	reasons                   map[string]int
}

func summarize(w world, all []outcome, failed int) result {
	r := result{networks: len(all) + failed, failed: failed, reasons: map[string]int{}}
	sds := map[bool]float64{true: spread(w, all, true), false: spread(w, all, false)}
	var used, usedNoisy, hit, hitLevel, hitNoisy, wide, oracle float64
	var offs []float64
	each := 1 / float64(len(all))
	for _, o := range all {
		r.blocks += each * float64(len(o.blocks))
		switch o.m.Verdict {
		case verdict.Valid:
			r.valid += each
		case verdict.Imprecise:
			r.imprecise += each
		default:
			r.invalid += each
			codes := map[string]bool{} // a network may have a reason twice: by its clock, and by a sensor
			for _, d := range o.m.Reasons {
				codes[d.Code] = true
			}
			for code := range codes {
				r.reasons[code]++
			}
			continue
		}
		used++
		offs = append(offs, math.Abs(o.off()))
		if o.noisy {
			usedNoisy++
		}
		if o.covered(o.level) {
			hitLevel++
		}
		if o.covered(0) {
			hit++
			if o.noisy {
				hitNoisy++
			}
		}
		wide += math.Log(*o.m.High / *o.m.Low) / 2
		oracle += distuv.UnitNormal.Quantile(0.975) * sds[o.noisy] * math.Sqrt(stats.MedianVariance(o.m.Blocks))
	}
	r.used = len(offs)
	r.covered, r.coveredLevel, r.coveredNoisy, r.width, r.half = hit/used, hitLevel/used, hitNoisy/usedNoisy, wide/oracle, wide/used
	if len(offs) > 0 {
		r.off, r.worst = stats.Median(offs), slices.Max(offs)
	}
	return r
}

// spread is the standard deviation of the logarithm of block values about what the world claims, which an oracle
// knows.
func spread(w world, all []outcome, noisy bool) float64 {
	var ss, n float64
	for _, o := range all {
		if o.noisy != noisy || o.m.Verdict == verdict.Invalid {
			continue
		}
		for _, v := range o.m.BlockSeconds {
			d := math.Log(v / o.truth)
			if w.claim == level {
				d -= o.level
			}
			ss, n = ss+d*d, n+1
		}
	}
	return math.Sqrt(ss / n)
}

const header = "| world\t| claim\t| networks\t| blocks\t| covered\t| of its level\t| half-width\t| over the oracle's\t| VALID\t| IMPRECISE\t| INVALID\t| off, median and most\t| why INVALID |"

func (r result) line(w world) string {
	covered := share(r.covered)
	if r.coveredNoisy >= 0 {
		covered += fmt.Sprintf(" (noisy ones: %s)", share(r.coveredNoisy))
	}
	codes := slices.SortedFunc(maps.Keys(r.reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.reasons[b], r.reasons[a]), cmp.Compare(a, b))
	})
	var why []string
	for _, c := range codes {
		why = append(why, fmt.Sprintf("%s %d", c, r.reasons[c]))
	}
	width, half, off := "-", "-", "-"
	if r.width > 0 {
		width = fmt.Sprintf("%.2f", r.width)
	}
	if r.used > 0 {
		half, off = fmt.Sprintf("%.2f %%", 100*r.half), fmt.Sprintf("%.2f %%, %.1f %%", 100*r.off, 100*r.worst)
	}
	return fmt.Sprintf("| %s\t| %s\t| %d\t| %.1f\t| %s\t| %s\t| %s\t| %s\t| %.1f %%\t| %.1f %%\t| %.1f %%\t| %s\t| %s |",
		w.name, w.claim, r.networks, r.blocks, covered, share(r.coveredLevel), half, width, 100*r.valid, 100*r.imprecise, 100*r.invalid, off, strings.Join(why, ", "))
}

// share is empty of no measurements.
func share(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}
