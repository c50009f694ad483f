package qnn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
)

type estimate struct {
	answer  answer
	profile profile
	floats  []string // nodes that are computed in floating point
}

func (d *Device) fill(b *devices.Block, op string, e *estimate, out tool.Output) error {
	b.Delegation = delegation(e.answer)
	if b.Delegation.Delegated == 0 {
		return out.Rejected(op, fmt.Errorf("the processor takes none of its %d nodes: %s", b.Delegation.Nodes, strings.Join(b.Delegation.Why, "; ")))
	}
	if len(e.profile.graphs) == 0 {
		return d.noEstimates(op, out)
	}
	if err := d.times(b, e.profile.graphs); err != nil {
		return out.Garbage(op, err)
	}
	b.InitSeconds = e.profile.finalize
	b.Doubts = append(b.Doubts, doubts(b.Delegation, e)...)
	return nil
}

func (d *Device) noEstimates(op string, out tool.Output) error {
	e := out.Garbage(op, errors.New("the compiler gave no estimate"))
	if d.soc.clock == 0 {
		e.Fault, e.Reason = devices.FaultUser, devices.ReasonUnsupported
		e.Err = fmt.Errorf("the compiler has no estimates for soc_model %d (Performance Estimates unsupported)", d.soc.id)
		e.Advice = "it has for " + strings.Join(SoCs(), ", ")
	}
	return e
}

// delegation counts the network's nodes after onnxruntime's basic optimizations, when it assigns them
// to providers.
func delegation(a answer) devices.Delegation {
	d := devices.Delegation{Name: Delegate}
	left := map[string]int{}
	for _, g := range a.Graphs {
		if g.Provider == provider {
			d.Partitions++
		}
		for op, n := range g.Ops {
			d.Nodes += n
			if g.Provider == provider {
				d.Delegated += n
			} else {
				left[op] += n
			}
		}
	}
	for _, op := range slices.Sorted(maps.Keys(left)) {
		d.Why = append(d.Why, fmt.Sprintf("%s x%d: not taken by the QNN provider", op, left[op]))
	}
	return d
}

// times adds up the graphs: there is one if the whole network was taken.
func (d *Device) times(b *devices.Block, graphs []costs) error {
	var cycles, seconds span
	b.Counters = map[string]float64{}
	missing := 0
	for _, g := range graphs {
		s, err := d.soc.seconds(g)
		if err != nil {
			return err
		}
		seconds = seconds.plus(s)
		cycles = cycles.plus(g.cycles)
		missing += g.missing
		for name, x := range g.bytes {
			b.Counters[name] += x
		}
	}
	if !(seconds.low > 0) {
		return fmt.Errorf("the time is %v s", seconds.low)
	}
	b.Summary = &devices.Summary{Count: 1, Mean: seconds.mid,
		Line: fmt.Sprintf("%.0f cycles (%.0f to %.0f)", cycles.mid, cycles.low, cycles.high)}
	b.Bounds = &devices.Bounds{Low: seconds.low, High: seconds.high}
	maps.Copy(b.Counters, map[string]float64{
		"cycles": cycles.mid, "cycles_low": cycles.low, "cycles_high": cycles.high, "ops_without_cost": float64(missing),
	})
	if d.soc.clock > 0 {
		b.Counters["clock_hz"] = d.soc.clock
	}
	return nil
}

func (a span) plus(b span) span { return span{a.mid + b.mid, a.low + b.low, a.high + b.high} }

// seconds is the cycles divided by the clock. The compiler's own figure in whole microseconds must
// agree.
func (s soc) seconds(g costs) (span, error) {
	if s.clock == 0 {
		return span{g.micros.mid / 1e6, g.micros.low / 1e6, g.micros.high / 1e6}, nil
	}
	for _, x := range [][2]float64{{g.cycles.mid, g.micros.mid}, {g.cycles.low, g.micros.low}, {g.cycles.high, g.micros.high}} {
		const slack = 0.01 // of a microsecond
		if t := x[0] / s.clock * 1e6; t < x[1]-slack || t >= x[1]+1+slack {
			return span{}, fmt.Errorf("%.0f cycles at %g MHz are not %.0f us: the compiler uses a different clock", x[0], s.clock/1e6, x[1])
		}
	}
	return span{g.cycles.mid / s.clock, g.cycles.low / s.clock, g.cycles.high / s.clock}, nil
}

// doubts are reasons why the time does not cover the whole network, or is not that of integer
// arithmetic.
func doubts(d devices.Delegation, e *estimate) []devices.Doubt {
	var ds []devices.Doubt
	missing, names := d.Nodes-d.Delegated, d.Why
	for _, g := range e.profile.graphs {
		missing += g.missing
		names = append(names, g.names...)
	}
	if missing > 0 {
		ds = append(ds, devices.Doubt{Code: "ops_without_cost", Text: fmt.Sprintf("%d operators cost nothing in the estimate: %s", missing, list(names))})
	}
	if len(e.floats) > 0 {
		ds = append(ds, devices.Doubt{Code: "precision_not_reached", Text: "computed in floating point: " + list(e.floats)})
	}
	return ds
}

func list(names []string) string {
	const few = 5
	more := ""
	if len(names) > few {
		more = fmt.Sprintf(" and %d more", len(names)-few)
	}
	var short []string
	for _, n := range names[:min(len(names), few)] {
		short = append(short, strings.Join(strings.Fields(text.ClipTo(n, 100)), " "))
	}
	if len(short) == 0 {
		return "it does not say which"
	}
	return strings.Join(short, ", ") + more
}
