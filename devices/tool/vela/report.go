package vela

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
)

type report struct {
	summary *summary
	rows    []layer
	console operators
}

// check compares the report with the options, and its parts with each other.
func (r *report) check(o Options) error {
	for column, want := range map[string]string{
		"accelerator_configuration": strings.ReplaceAll(o.Accelerator, "-", "_"),
		"system_config":             o.SystemConfig, "memory_mode": o.MemoryMode, "network": "model",
	} {
		if got := r.summary.words[column]; !strings.EqualFold(got, want) {
			return fmt.Errorf("the summary is of %s %q, asked for was %q", column, got, want)
		}
	}
	clock, cycles := r.summary.figures["core_clock"], r.summary.figures["cycles_total"]
	if !(clock >= minClock) {
		return fmt.Errorf("core_clock is %v Hz", clock)
	}
	if t := r.summary.figures["inference_time"]; math.Abs(t*clock-cycles) > 1e-6*cycles {
		return fmt.Errorf("inference_time is %v s, %v cycles at %v Hz are not", t, cycles, clock)
	}
	return r.checkTargets()
}

// checkTargets: the table counts operators after optimization and the console may count differently,
// but both must agree whether the CPU has any, and whether the NPU has any.
func (r *report) checkTargets() error {
	rows := map[string]int{}
	for _, l := range r.rows {
		rows[l.target]++
	}
	if (rows[cpu] > 0) != (r.console.cpu > 0) || (rows[npu] > 0) != (r.console.npu > 0) {
		return fmt.Errorf("its table has %d operators on the CPU and %d on the NPU, its summary says %d and %d",
			rows[cpu], rows[npu], r.console.cpu, r.console.npu)
	}
	return nil
}

func (r *report) fill(b *devices.Block, op string, out tool.Output) error {
	d := r.delegation()
	seconds := r.summary.figures["inference_time"]
	switch {
	case d.Nodes == 0:
		return out.Rejected(op, errors.New("the model has no operators"))
	case d.Delegated == 0:
		return out.Rejected(op, fmt.Errorf("the NPU takes none of its %d operators, so Vela gives no time: %s", d.Nodes, strings.Join(d.Why, "; ")))
	case !(seconds > 0):
		return out.Garbage(op, fmt.Errorf("the time is %v s", seconds))
	}
	b.Summary = &devices.Summary{Count: 1, Mean: seconds, Line: r.summary.line}
	b.Delegation, b.Layers, b.Counters = d, r.layers(), r.counters()
	if left := d.Nodes - d.Delegated; left > 0 {
		b.Doubts = append(b.Doubts, devices.Doubt{Code: "ops_without_cost",
			Text: fmt.Sprintf("%d operators stay on the CPU, and Vela counts no time for them: %s", left, strings.Join(d.Why, "; "))})
	}
	return nil
}

func (r *report) delegation() devices.Delegation {
	d := devices.Delegation{Name: delegate, Nodes: r.console.cpu + r.console.npu, Delegated: r.console.npu}
	before := ""
	for _, l := range r.rows {
		if l.target == npu && before != npu {
			d.Partitions++ // the rows are in execution order
		}
		before = l.target
	}
	if r.console.cpu > 0 {
		d.Why = reasons(r.console.why)
	}
	if r.console.cpu > 0 && len(d.Why) == 0 {
		d.Why = []string{"Vela gives no reason"}
	}
	return d
}

var parenthesis = regexp.MustCompile(`\s*\([^()]*\)`)

// reasons groups refusals by kind, without the tensor names in parentheses.
func reasons(why []refusal) []string {
	var kinds []string
	count := map[string]int{}
	for _, w := range why {
		kind := w.operator + "\x00" + strings.TrimSpace(parenthesis.ReplaceAllString(w.reason, ""))
		if count[kind] == 0 {
			kinds = append(kinds, kind)
		}
		count[kind]++
	}
	for i, kind := range kinds {
		operator, reason, _ := strings.Cut(kind, "\x00")
		kinds[i] = text.OneLine(fmt.Sprintf("%s x%d: %s", operator, count[kind], text.ClipTo(reason, 200)))
	}
	return kinds
}

// layers is the table in seconds. The difference between the rows' sum and the total is a row of its
// own.
func (r *report) layers() []devices.Layer {
	clock := r.summary.figures["core_clock"]
	rest := r.summary.figures["cycles_total"]
	var ls []devices.Layer
	for _, l := range r.rows {
		ls = append(ls, devices.Layer{Name: cmp.Or(l.name, l.original), Op: l.operator, Where: l.target, Seconds: l.cycles / clock, Cycles: l.cycles, MACs: l.macs})
		rest -= l.cycles
	}
	if rest > 0 {
		ls = append(ls, devices.Layer{Name: "(no operator)", Op: "overhead", Where: npu, Seconds: rest / clock, Cycles: rest})
	}
	return ls
}

// counters are the summary's figures other than 0: half of the columns are of memories that a system
// does not have.
func (r *report) counters() map[string]float64 {
	f := r.summary.figures
	all := map[string]float64{
		"core_clock_hz": f["core_clock"], "arena_cache_bytes": f["arena_cache_size"] * 1024, "macs": f["nn_macs"],
		"original_weights_bytes": f["total_original_weights"], "encoded_weights_bytes": f["total_npu_encoded_weights"],
	}
	for name, x := range f {
		switch {
		case strings.HasPrefix(name, "cycles_") || strings.HasSuffix(name, "_bytes"):
			all[name] = x
		case strings.HasSuffix(name, "_memory_used"):
			all[strings.TrimSuffix(name, "memory_used")+"used_bytes"] = x * 1024 // the column is in KiB
		}
	}
	for name, x := range all {
		if x == 0 {
			delete(all, name)
		}
	}
	return all
}
