package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// The measuring process. None of these figures belongs to a particular device: they are chosen so
// that the effects that a protocol guards against have sizes that were seen on phones.
const (
	blockNoise = 0.015 // standard deviation of the log of a block's factor, in profile quiet and above

	// Within a block, in profile phone and above.
	sampleNoise   = 0.008 // standard deviation of the log of a sample's factor
	spikeChance   = 0.004 // probability that a sample is interrupted
	spikeLow      = 1.2   // lowest factor of an interrupted sample
	spikeHigh     = 3.0   // highest factor
	coldFactor    = 0.8   // excess of the first inference
	settleSeconds = 0.02  // time in which the excess falls to 1/e

	// Over time, in profile phone and above.
	driftShare    = 0.02 // amplitude of the slow drift
	driftPeriod   = 3700 // seconds
	loadSpan      = 20   // seconds for which a neighbour may load the device
	loadChance    = 0.02 // probability of that in such a span
	loadLow       = 1.05 // lowest factor
	loadHigh      = 1.3  // highest factor
	busyShare     = 0.95 // share of the full power while timing
	idleShare     = 0.05 // share of the full power while idle
	hysteresis    = 4.0  // degrees below throttling before the clock rises again
	thermalStep   = 1.0  // seconds between the governor's checks
	longestStep   = 5.0  // longest idle step in seconds
	betweenBlocks = 0.2  // seconds to read the device's state and to push a model

	// Profile neighbour: a process that computes all the time while it is there.
	sharedSpan   = 5.0   // seconds for which it is there, or is not
	sharedChance = 0.4   // probability that it is there in such a span
	timeSlice    = 0.004 // seconds for which one of two processes has the core

	// Profile sawtooth.
	sawPeriod = 60.0 // seconds
	sawHigh   = 0.6  // share of them at the highest clock; then the lowest

	// Profile migrating: a little core's clock, and how much slower it is at the same clock.
	littleSpan   = 0.5  // seconds
	littleChance = 0.25 // probability of the little core in such a span
	littleClock  = 0.6  // of the highest
	littleSlower = 1.6
	bigCore      = 4 // its number; the little one's is 0

	// Profile charging.
	chargeCelsius = 12.0  // final rise
	chargeSeconds = 300.0 // time in which it comes within 1/e of that

	clockReadings = 10 // of a block, as latlab-agent's

	loadBytesPerSecond = 4e8 // speed of loading a model's weights at process start

	// maxRuns limits a block's memory. A plan that asks for more would never end.
	maxRuns = 1 << 20
	// checkEvery is the number of invokes between checks of the context.
	checkEvery = 1 << 10
)

// world is the state of a simulated device in virtual time. Run's lock guards it.
type world struct {
	spec    *Spec
	name    Name
	effects effects
	opts    Options
	ident   string // seeds all draws: device, profile, unit

	elapsed   float64 // virtual seconds since opening
	celsius   float64
	level     int     // index in Thermal.FrequenciesHz
	looked    float64 // time of the governor's last check
	throttles int64

	runs map[string]int // attempts by model, in this process

	phase float64 // of the unit's drift
	span  int64   // for which load was drawn
	load  float64
}

func newWorld(s *Spec, n Name, o Options) world {
	w := world{
		spec: s, name: n, effects: n.Profile.effects(), opts: o, ident: fmt.Sprintf("%s %s %d", s.Name, n.Profile, n.Unit),
		celsius: s.Thermal.AmbientCelsius.Value, runs: map[string]int{}, span: -1,
	}
	w.phase = w.random("phase").Float64()
	return w
}

// job is one Run.
type job struct {
	op    string
	model *model.Model
	plan  devices.Plan
	cost  *cost
}

// random returns a generator that depends on the device and on the purpose of the draw, never on
// earlier draws: blocks of other models and a killed process change nothing.
func (w *world) random(format string, args ...any) *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, w.ident+" "+format, args...))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

func (w *world) block(ctx context.Context, j job) (*devices.Block, error) {
	id := j.model.Identity
	w.runs[id]++
	nth := j.plan.Block
	if nth == 0 {
		nth = w.runs[id]
	}
	fault := w.fault(j, nth)
	b := &devices.Block{Started: w.now(), Before: w.state()}
	began := w.elapsed
	if err := w.before(j, fault); err != nil {
		return nil, err
	}
	s := w.session(j, nth, fault)
	if err := s.run(ctx, b); err != nil {
		return nil, err
	}
	if fault == Garbage {
		return nil, w.garbage(j, b)
	}
	b.Delegation = s.delegation()
	b.PeakMemoryBytes = int64(w.spec.Overhead.ProcessBytes.Value + j.cost.weightBytes + j.cost.activationBytes)
	b.Runtime = "latlab-sim " + revision
	b.After, b.Elapsed = w.state(), w.elapsed-began
	w.pass(betweenBlocks, idleShare)
	return b, nil
}

func (w *world) now() time.Time { return w.opts.Start.Add(seconds(w.elapsed)) }

// seconds converts to a Duration and clamps to its maximum.
func seconds(s float64) time.Duration {
	return time.Duration(min(s*float64(time.Second), math.MaxInt64/2))
}

// pass advances virtual time at a share of the full power. The temperature approaches its final
// value by a factor of e per time constant (Newton's law of cooling); the governor checks it
// once a second.
func (w *world) pass(s, power float64) {
	w.elapsed += s
	if !w.effects.phone {
		return
	}
	t := &w.spec.Thermal
	clock := w.clock()
	end := w.charger() + t.AmbientCelsius.Value + t.RiseCelsius.Value*power*clock*clock*clock
	w.celsius = end + (w.celsius-end)*math.Exp(-s/t.TimeConstantSeconds.Value)
	if w.elapsed-w.looked >= thermalStep {
		w.looked = w.elapsed
		w.govern()
	}
}

func (w *world) wait(s float64) {
	for s = min(s, maxHang); s > 0; s -= longestStep {
		w.pass(min(s, longestStep), idleShare)
	}
}

func (w *world) govern() {
	t := &w.spec.Thermal
	switch limit := t.ThrottleCelsius.Value; {
	case w.celsius > limit && w.level < len(t.FrequenciesHz.Values)-1:
		w.level++
		w.throttles++
	case w.celsius < limit-hysteresis && w.level > 0:
		w.level--
	}
}

// clock is the clock now, as a share of the highest.
func (w *world) clock() float64 {
	fs := w.spec.Thermal.FrequenciesHz.Values
	if w.effects.saws && math.Mod(w.elapsed/sawPeriod+w.phase, 1) > sawHigh {
		return fs[len(fs)-1] / fs[0]
	}
	return fs[w.level] / fs[0]
}

// charger is by how much charging warms the device now.
func (w *world) charger() float64 {
	if !w.effects.charges {
		return 0
	}
	return chargeCelsius * -math.Expm1(-w.elapsed/chargeSeconds)
}

// happens reports whether something that has the probability in every span of so many seconds happens now.
func (w *world) happens(what string, span, chance float64) bool {
	return w.random("%s %d", what, int64(w.elapsed/span)).Float64() < chance
}

// little reports whether the process is on the little core now.
func (w *world) little() bool {
	return w.effects.migrates && w.happens("little", littleSpan, littleChance)
}

// waits is how long another process on the core delays one that computes for so many seconds.
func (s *session) waits(computes float64) float64 {
	if !s.w.effects.shares || !s.w.happens("shared", sharedSpan, sharedChance) {
		return 0
	}
	return timeSlice * math.Floor(computes/timeSlice+s.random.Float64())
}

// wander returns the slow drift now: a sine whose phase depends on the unit.
func (w *world) wander() float64 {
	return 1 + driftShare*math.Sin(2*math.Pi*(w.elapsed/driftPeriod+w.phase))
}

// neighbour returns the slowdown by other programs now, mostly 1.
func (w *world) neighbour() float64 {
	if span := int64(w.elapsed / loadSpan); span != w.span {
		w.span, w.load = span, 1
		if r := w.random("load %d", span); r.Float64() < loadChance {
			w.load = loadLow + (loadHigh-loadLow)*r.Float64()
		}
	}
	return w.load
}

func (w *world) state() devices.State {
	t := &w.spec.Thermal
	fs := t.FrequenciesHz.Values
	unit := "cpu0"
	if w.spec.Accelerator {
		unit = w.spec.Delegate
	}
	load, battery, events := 0.0, false, w.throttles
	switch {
	case w.effects.phone:
		if w.neighbour() > 1 {
			load = 1
		}
	case w.effects.samples:
		return devices.State{Time: w.now()} // no sensor shows the profile's trouble
	}
	st := devices.State{
		Time: w.now(), LoadAverage: &load, Governor: t.Governor,
		FrequenciesHz: map[string]*float64{unit: new(fs[w.level])}, MaxFrequencyHz: map[string]float64{unit: fs[0]},
		TemperaturesC: map[string]*float64{"soc": new(math.Round(10*w.celsius) / 10)}, ThrottleCount: &events, OnBattery: &battery,
	}
	if w.effects.charges {
		st.Battery = &devices.Battery{Plugged: "usb", Status: "charging"}
	}
	return st
}

// session is one fresh process on the device.
type session struct {
	w      *world
	j      job
	fault  Fault
	random *rand.Rand
	factor float64 // of the whole block
	base   float64 // seconds of a call, including fall-back
	began  float64
	warm   float64 // seconds of inference so far
	far    int     // nodes on the host, including fall-back
}

func (w *world) session(j job, nth int, fault Fault) *session {
	s := &session{w: w, j: j, fault: fault, factor: 1, base: j.cost.seconds, began: w.elapsed,
		far: j.cost.nodes - j.cost.delegated}
	s.random = w.random("block %s %d", j.model.Identity, nth)
	if w.name.Profile != Exact {
		s.factor = math.Exp(blockNoise * s.random.NormFloat64())
	}
	if fault == Partial {
		s.fallBack()
	}
	return s
}

func (s *session) run(ctx context.Context, b *devices.Block) error {
	w, p := s.w, s.j.plan
	b.InitSeconds = w.spec.Overhead.InitSeconds.Value + s.j.cost.weightBytes/loadBytesPerSecond
	w.pass(b.InitSeconds, idleShare)
	if err := s.alive(ctx); err != nil {
		return err
	}
	b.FirstSeconds, _ = s.invoke()
	if w.name.Profile == Exact {
		// One sample is enough: all others would be equal.
		b.Samples = []float64{s.base}
		s.cpu(b, s.base)
		return s.alive(ctx)
	}
	for total := b.FirstSeconds; len(b.WarmUp)+1 < p.WarmUpRuns || total < p.WarmUpSeconds; {
		wall, _ := s.invoke()
		b.WarmUp = append(b.WarmUp, wall)
		total += wall
		if err := s.goesOn(ctx, len(b.WarmUp)); err != nil {
			return err
		}
	}
	return s.sample(ctx, b)
}

// sample takes the samples as latlab-agent does.
func (s *session) sample(ctx context.Context, b *devices.Block) error {
	p := s.j.plan
	if s.w.spec.Accelerator {
		p.MinUndisturbed = 0
	}
	s.readClock(b)
	undisturbed, total, read := 0, 0.0, 0.0
	for p.More(len(b.Samples), total) || p.Again(undisturbed, total) {
		if total-read > max(p.MaxSeconds, 1)/clockReadings {
			s.readClock(b)
			read = total
		}
		wall, cpu := s.invoke()
		b.Samples = append(b.Samples, wall)
		s.cpu(b, cpu)
		total += wall
		if len(b.CPUSamples) == len(b.Samples) && devices.Undisturbed(b.Samples, b.CPUSamples, len(b.Samples)-1) {
			undisturbed++
		}
		if err := s.goesOn(ctx, len(b.Samples)); err != nil {
			return err
		}
	}
	s.readClock(b)
	return s.alive(ctx)
}

// cpu records CPU time if the device computes on the CPU.
func (s *session) cpu(b *devices.Block, cpu float64) {
	if !s.w.spec.Accelerator {
		b.CPUSamples = append(b.CPUSamples, cpu)
	}
}

func (s *session) goesOn(ctx context.Context, runs int) error {
	if runs >= maxRuns {
		return userError(s.j.op, "plan", fmt.Errorf("the plan asks for more than %d invokes in a block", maxRuns))
	}
	if runs%checkEvery == 0 {
		return s.alive(ctx)
	}
	if s.late() {
		return s.hung()
	}
	return nil
}

// alive ends the block when its context ends or at its deadline in virtual time.
func (s *session) alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.late() {
		return s.hung()
	}
	return nil
}

func (s *session) late() bool {
	return s.j.plan.Timeout > 0 && s.w.elapsed-s.began > s.j.plan.Timeout.Seconds()
}

// hung distinguishes a slow network from a device that hangs: a plan of many invokes may take
// longer than its own timeout.
func (s *session) hung() error {
	return deviceError(s.j.op, devices.ReasonHung, fmt.Errorf("no answer within %v of virtual time, in which a call takes %.3g s",
		s.j.plan.Timeout, s.base))
}

// invoke simulates one inference and returns its wall time and CPU time.
func (s *session) invoke() (wall, cpu float64) {
	w := s.w
	cpu = s.base * s.factor
	if !w.effects.samples {
		w.pass(cpu, busyShare)
		return cpu, cpu
	}
	clocked := s.j.cost.clocked / s.j.cost.seconds
	cpu *= 1 - clocked + clocked/w.clock()
	if w.effects.phone {
		cpu *= w.wander()
	}
	cpu *= math.Exp(sampleNoise * s.random.NormFloat64())
	cpu *= 1 + coldFactor*math.Exp(-s.warm/settleSeconds)
	host := cpu
	if w.spec.Accelerator {
		host = min(cpu, w.spec.Overhead.CallSeconds.Value) // the rest is no CPU's work
	}
	if w.little() {
		cpu += host * (littleSlower/littleClock - 1)
	}
	wall = cpu + s.waits(host)
	if w.effects.phone {
		wall *= w.neighbour()
	}
	if s.random.Float64() < spikeChance {
		wall *= spikeLow + (spikeHigh-spikeLow)*s.random.Float64()
	}
	s.warm += wall
	w.pass(wall, busyShare)
	return wall, cpu
}

// readClock adds a reading of the core's clock, as latlab-agent measures it.
func (s *session) readClock(b *devices.Block) {
	if !s.w.effects.samples || s.w.spec.Accelerator {
		return
	}
	c := devices.Clock{Samples: len(b.Samples), Hz: s.w.clock() * s.w.spec.Thermal.FrequenciesHz.Values[0]}
	if s.w.effects.migrates {
		c.CPU = bigCore
	}
	if s.w.little() {
		c.CPU, c.Hz = 0, c.Hz*littleClock
	}
	b.Clock = append(b.Clock, c)
}

func (s *session) delegation() devices.Delegation {
	c := s.j.cost
	if s.w.spec.Delegate == "" {
		return devices.Delegation{Nodes: c.nodes}
	}
	d := devices.Delegation{Name: s.w.spec.Delegate, Nodes: c.nodes, Delegated: c.nodes - s.far, Partitions: c.partitions, Why: c.why}
	if s.fault == Partial {
		d.Why = append(d.Why, fmt.Sprintf("%d ops behind them: the driver gave them back", s.far-(c.nodes-c.delegated)))
	}
	if d.Delegated == 0 {
		d.Partitions = 0
	}
	return d
}
