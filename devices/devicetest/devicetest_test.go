package devicetest

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/sampler/model"
)

func measured() devices.Info {
	return devices.Info{
		Name: "fake", Kind: devices.Measured, Harness: "none", Delegate: "npu", Threads: 1,
		Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Int8},
		Fingerprint: map[string]string{"chip": "1"},
	}
}

func simulated() devices.Info {
	i := measured()
	i.Kind, i.Parallel, i.NeedsGraph, i.Accelerator = devices.Simulated, 4, true, true
	return i
}

func estimated() devices.Info {
	i := measured()
	i.Kind, i.Parallel, i.Deterministic = devices.Estimated, 3, true
	return i
}

// failing returns the names of the checks that complain.
func failing(t *testing.T, info devices.Info, q quirks, change func(*Suite)) (names []string) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range checks() {
			w := &world{end: make(chan struct{})}
			s := w.suite(info, q)
			if change != nil {
				change(&s)
			}
			if said := complaints(t, s, c); len(said) > 0 {
				names = append(names, c.name)
				for _, x := range said {
					t.Logf("%s: %s", c.name, x)
				}
			}
			close(w.end)
			synctest.Wait()
		}
	})
	return names
}

func TestWellBehavedDevicesPass(t *testing.T) {
	for name, info := range map[string]devices.Info{"measured": measured(), "simulated": simulated(), "estimated": estimated()} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]string(nil), failing(t, info, quirks{}, nil)); diff != "" {
				t.Errorf("checks that complain (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSuiteNeedsItsHooks(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Suite)
		want   []string
	}{
		"all are brought": {func(*Suite) {}, nil},
		"one is missing":  {func(s *Suite) { s.Crash = nil }, []string{"brings every hook"}},
		"one is excused": {func(s *Suite) {
			s.Offline, s.Cannot = nil, map[string]string{"Offline": "it is this machine"}
		}, nil},
		"one is excused without a word": {func(s *Suite) { s.State, s.Cannot = nil, map[string]string{"State": " "} }, []string{"brings every hook"}},
		"one is brought and excused":    {func(s *Suite) { s.Cannot = map[string]string{"Hang": "never"} }, []string{"brings every hook"}},
		"a check is excused":            {func(s *Suite) { s.Cannot = map[string]string{"Good": "nothing runs"} }, []string{"brings every hook"}},
		"a lasting thing is no hook":    {func(s *Suite) { s.Lasting = map[string]string{"Partial": "always"} }, []string{"brings every hook"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, failing(t, estimated(), quirks{}, tt.change)); diff != "" {
				t.Errorf("checks that complain (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLastingIncidents(t *testing.T) {
	lasting := func(s *Suite) {
		s.Lasting = map[string]string{"Crash": "the model does it", "Offline": "nobody plugs it in", "Hang": "the model does it"}
	}
	if got := failing(t, measured(), quirks{staysBroken: true}, lasting); len(got) > 0 {
		t.Errorf("%q complain of what was said to last", got)
	}
}

const (
	info     = "describes itself"
	whole    = "gives a whole block"
	small    = "survives a plan without minimum"
	apart    = "keeps its blocks apart"
	proof    = "proves its delegation"
	partial  = "tells partial delegation as data"
	layers   = "tells its layers"
	refuses  = "refuses other precisions and formats"
	bad      = "names the model's fault"
	afterBad = "goes on after a bad model"
	crash    = "names a crash and goes on"
	hang     = "names a hang and goes on"
	offline  = "names an absence and goes on"
	dead     = "returns at once on a dead context"
	cancel   = "stops when the context ends"
	deadline = "stops at the deadline"
	busy     = "refuses one Run too many"
	nothing  = "leaves nothing behind"
)

// checksFrom returns the names of the checks from the given one to the last: all that open a device.
func checksFrom(first string) (names []string) {
	for _, c := range checks() {
		if len(names) > 0 || c.name == first {
			names = append(names, c.name)
		}
	}
	return names
}

// block is the quirk of returning a modified block.
func block(f func(b *devices.Block)) quirks {
	return quirks{block: func(_ *fake, b *devices.Block) { f(b) }}
}

// blames is the quirk of naming a different culprit for a reason.
func blames(reason string, f devices.Fault, another string) quirks {
	return quirks{err: func(e *devices.Error) error {
		if e.Reason == reason {
			e.Fault, e.Reason = f, another
		}
		return e
	}}
}

// TestMisbehaviourIsNoticed: a device that misbehaves in one way fails exactly the checks that
// cover it.
func TestMisbehaviourIsNoticed(t *testing.T) {
	everyBlock := []string{whole, small, partial}
	for name, tt := range map[string]struct {
		info  func() devices.Info
		quirk quirks
		want  []string
	}{
		"has no samples":              {measured, block(func(b *devices.Block) { b.Samples = nil }), everyBlock},
		"has a sample too few":        {measured, block(func(b *devices.Block) { b.Samples = b.Samples[1:] }), everyBlock},
		"has too many samples":        {measured, block(func(b *devices.Block) { b.Samples = append(b.Samples, 1, 1, 1) }), everyBlock},
		"has a sample of zero":        {measured, block(func(b *devices.Block) { b.Samples[0] = 0 }), everyBlock},
		"has a sample of NaN":         {measured, block(func(b *devices.Block) { b.Samples[0] = math.NaN() }), everyBlock},
		"counts milliseconds":         {measured, block(func(b *devices.Block) { b.Samples[0] = 61 }), everyBlock},
		"lacks CPU samples":           {measured, block(func(b *devices.Block) { b.CPUSamples = []float64{1, 2, 3, 4, 5, 6} }), everyBlock},
		"times more than its timeout": {measured, block(func(b *devices.Block) { b.Summary = &devices.Summary{Count: 9, Mean: 59} }), everyBlock},
		"computes more than it can":   {measured, block(func(b *devices.Block) { b.CPUSamples = slices.Repeat([]float64{9}, len(b.Samples)) }), everyBlock},
		"has an infinite start":       {measured, block(func(b *devices.Block) { b.InitSeconds = math.Inf(1) }), everyBlock},
		"ends before it begins":       {measured, block(func(b *devices.Block) { b.After.Time = b.Before.Time.Add(-1) }), everyBlock},
		"does not say when":           {measured, block(func(b *devices.Block) { b.Before.Time = time.Time{} }), everyBlock},
		"names no runtime":            {measured, block(func(b *devices.Block) { b.Runtime = "" }), everyBlock},
		"does not say what was timed": {measured, block(func(b *devices.Block) { b.ModelSHA256 = "" }), everyBlock},
		"has bytes but needs none":    {simulated, block(func(b *devices.Block) { b.ModelSHA256 = "" }), nil},
		"has negative memory":         {measured, block(func(b *devices.Block) { b.PeakMemoryBytes = -1 }), everyBlock},
		"has swapped bounds":          {estimated, block(func(b *devices.Block) { b.Bounds = &devices.Bounds{Low: 2, High: 1} }), everyBlock},
		"has an endless counter":      {estimated, block(func(b *devices.Block) { b.Counters = map[string]float64{"fill_bytes": math.Inf(1)} }), everyBlock},
		"has a nameless counter":      {estimated, block(func(b *devices.Block) { b.Counters = map[string]float64{"": 1} }), everyBlock},
		"doubts without a code":       {estimated, block(func(b *devices.Block) { b.Doubts = []devices.Doubt{{Text: "hm"}} }), everyBlock},
		"warns of nothing":            {estimated, block(func(b *devices.Block) { b.Warnings = []string{""} }), everyBlock},
		"has a layer of no op":        {estimated, block(func(b *devices.Block) { b.Layers = []devices.Layer{{Name: "a"}} }), everyBlock},
		"sums up nothing": {estimated, block(func(b *devices.Block) {
			b.Samples, b.Summary = nil, &devices.Summary{Mean: 1}
		}), everyBlock},
		"sums up well": {estimated, block(func(b *devices.Block) {
			b.Samples, b.Summary = nil, &devices.Summary{Count: 1, Mean: tick.Seconds()}
		}), nil},
		"reads its clock": {measured, block(func(b *devices.Block) {
			b.Clock = []devices.Clock{{Hz: 3e9, CPU: -1}, {Hz: 3e9, Samples: len(b.Samples)}}
		}), nil},
		"reads its clock in megahertz": {measured, block(func(b *devices.Block) {
			b.Clock = []devices.Clock{{Hz: 3000}, {Hz: 3000, Samples: len(b.Samples)}}
		}), everyBlock},
		"folds what its clock counts": {measured, block(func(b *devices.Block) {
			b.Clock = []devices.Clock{{Hz: 20e9}, {Hz: 20e9, Samples: len(b.Samples)}}
		}), everyBlock},
		"reads its clock once": {measured, block(func(b *devices.Block) { b.Clock = []devices.Clock{{Hz: 3e9}} }), everyBlock},
		"reads another core's clock": {measured, block(func(b *devices.Block) {
			b.CPUs, b.Clock = []int{1}, []devices.Clock{{Hz: 3e9}, {Hz: 3e9, Samples: len(b.Samples)}}
		}), everyBlock},
		"repeats a sample for certain": {estimated, block(func(b *devices.Block) { b.Samples = append(b.Samples, b.Samples[0]) }), append(everyBlock[:2:2], partial)},

		"plays a record": {measured, block(func(b *devices.Block) { b.Samples = []float64{1, 2, 3} }), []string{small, apart}},
		"runs backwards": {measured, quirks{block: func(d *fake, b *devices.Block) {
			b.Started = b.Started.Add(-time.Duration(d.runs.Load()) * time.Hour)
		}}, []string{apart}},
		"changes its bytes": {measured, quirks{block: func(d *fake, b *devices.Block) {
			b.ModelSHA256 = string(rune('0'+d.runs.Load())) + b.ModelSHA256[1:]
		}}, []string{apart}},
		"is not as certain as it says": {estimated, quirks{block: func(d *fake, b *devices.Block) { b.Samples[0] += float64(d.runs.Load()) / 1e9 }}, []string{apart}},
		"estimates bounds anew": {estimated, quirks{block: func(d *fake, b *devices.Block) {
			b.Bounds = &devices.Bounds{Low: 0.1, High: 1 + float64(d.runs.Load())}
		}}, []string{apart}},

		"delegates all of no nodes": {measured, block(func(b *devices.Block) { b.Delegation = devices.Delegation{Name: "npu"} }), []string{proof, partial}},
		"delegates to another":      {measured, block(func(b *devices.Block) { b.Delegation.Name = "cpu" }), []string{whole, small, proof, partial}},
		"delegates more than all":   {measured, block(func(b *devices.Block) { b.Delegation.Delegated = 5 }), everyBlock},
		"delegates to no partition": {measured, block(func(b *devices.Block) { b.Delegation.Partitions = 0 }), everyBlock},
		"accelerates without proof": {simulated, block(func(b *devices.Block) { b.Delegation = devices.Delegation{} }), []string{proof, partial}},
		"does not say why":          {measured, block(func(b *devices.Block) { b.Delegation.Why = nil }), []string{partial}},

		"has no kind":            {measured, quirks{info: func(i *devices.Info) { i.Kind = "guessed" }}, []string{info}},
		"has no fingerprint":     {measured, quirks{info: func(i *devices.Info) { i.Fingerprint = nil }}, []string{info}},
		"measures two at once":   {measured, quirks{info: func(i *devices.Info) { i.Parallel = 2 }}, []string{info}},
		"measures for certain":   {measured, quirks{info: func(i *devices.Info) { i.Deterministic = true }}, []string{info, cancel}},
		"takes every model":      {measured, quirks{takesAll: true}, []string{refuses, bad, afterBad}},
		"refuses by the model":   {measured, blames(devices.ReasonUnsupported, devices.FaultModel, devices.ReasonUnsupported), []string{refuses}},
		"blames the device":      {measured, blames(devices.ReasonRejected, devices.FaultDevice, devices.ReasonRejected), []string{bad}},
		"gives no reason":        {measured, blames(devices.ReasonRejected, devices.FaultModel, ""), []string{bad, afterBad, nothing}},
		"names nobody":           {measured, quirks{err: func(e *devices.Error) error { return errors.New(e.Reason) }}, []string{refuses, bad, afterBad, crash, hang, offline, deadline, busy, nothing}},
		"fails with a block":     {measured, quirks{withError: true}, []string{refuses, bad, afterBad, crash, hang, offline, dead, cancel, deadline, nothing}},
		"crashes by the user":    {measured, blames(devices.ReasonCrashed, devices.FaultUser, devices.ReasonCrashed), []string{crash}},
		"crashes as garbage":     {measured, blames(devices.ReasonCrashed, devices.FaultModel, devices.ReasonGarbage), []string{crash}},
		"hangs as a crash":       {measured, blames(devices.ReasonHung, devices.FaultDevice, devices.ReasonCrashed), []string{hang, deadline}},
		"is offline by the lab":  {measured, blames(devices.ReasonOffline, devices.FaultLab, devices.ReasonOffline), []string{offline}},
		"is offline by a model":  {measured, blames(devices.ReasonOffline, devices.FaultModel, devices.ReasonOffline), []string{offline}},
		"does not recover":       {measured, quirks{staysBroken: true}, []string{crash, hang, offline}},
		"ignores the context":    {measured, quirks{ignoresCtx: true}, []string{dead, cancel, nothing}},
		"takes it for a failure": {measured, quirks{wrongCtxErr: true}, []string{cancel}},
		"ignores the deadline":   {measured, quirks{ignoresTime: true}, []string{hang, deadline, nothing}},

		"lets two in":           {measured, quirks{unlimited: true}, []string{busy}},
		"lets one more in":      {estimated, quirks{slots: 4}, []string{busy}},
		"lets fewer in":         {estimated, quirks{slots: 2}, []string{busy}},
		"makes others wait":     {simulated, quirks{queues: true}, []string{busy}},
		"is busy by the device": {measured, blames(devices.ReasonBusy, devices.FaultDevice, devices.ReasonBusy), []string{busy}},

		"leaves a process":              {measured, quirks{leak: "good"}, []string{whole, small, apart, proof, partial, afterBad, crash, hang, offline, cancel, deadline, busy, nothing}},
		"leaves a process when it ends": {measured, quirks{leak: "cancelled"}, []string{cancel, nothing}},
		"leaves a crashed process":      {measured, quirks{leak: devices.ReasonCrashed}, []string{crash, nothing}},
		"leaves a late process":         {measured, quirks{leak: devices.ReasonHung}, []string{hang, deadline, nothing}},
		"leaves a file":                 {estimated, quirks{littersAt: "good"}, []string{nothing}},
		"leaves a file when it is late": {simulated, quirks{littersAt: devices.ReasonHung}, []string{nothing}},
		"cannot be closed":              {measured, quirks{closeErr: errors.New("stuck")}, checksFrom(info)},

		"has no layers":             {estimated, quirks{layers: func([]devices.Layer) []devices.Layer { return nil }}, []string{layers}},
		"has layers of another sum": {estimated, quirks{layers: func(l []devices.Layer) []devices.Layer { return l[:1] }}, []string{layers}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, failing(t, tt.info(), tt.quirk, nil)); diff != "" {
				t.Errorf("checks that complain (-want +got):\n%s", diff)
			}
		})
	}
}
