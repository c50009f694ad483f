package benchmarkmodel

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// Profile runs the tool with a timer around every op. If the delegate prints its own ops, they replace
// its kernel. The last row is the time outside of all ops: the call, and the timers.
func (d *Device) Profile(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	op := "profile " + m.Name
	if err := tool.Accepts(d.info, m, op); err != nil {
		return nil, err
	}
	if !d.usage["enable_op_profiling"] {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported, Err: errors.New("this build of benchmark_model does not profile ops")}
	}
	var rows []devices.Layer
	runs := 0
	block, err := d.m.Block(ctx, op, func(b *devices.Block) error {
		r, err := d.run(ctx, op, m, plan, "--enable_op_profiling=true")
		if err != nil {
			return err
		}
		if err := d.prove(ctx, b, r); err != nil {
			return err
		}
		if err := r.out.Whole(); err != nil {
			return r.out.Garbage(r.op, errors.New("its table of ops is incomplete"))
		}
		rows = layers(r.result, d.info.Delegate)
		if len(rows) == 0 {
			return r.out.Garbage(r.op, errors.New("benchmark_model printed no table of ops"))
		}
		runs = int(r.result.Regular.Count)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return devices.ProfileOf(block, rows, runs), nil
}

// layers makes rows of profiles. Their seconds sum to the mean inference.
func layers(r *Result, delegate string) []devices.Layer {
	if len(r.Profile) == 0 {
		return nil
	}
	var kernels, inside float64
	for _, row := range r.Profile {
		if !row.Subgraph && row.isKernel() {
			kernels += row.seconds()
		}
	}
	for _, row := range r.Internal {
		inside += row.seconds()
	}
	// If a delegate's ops overlap, they sum to more than its kernels take and cannot replace them.
	expand := inside > 0 && inside <= kernels*1.02
	var rows []devices.Layer
	var sum float64
	add := func(l devices.Layer) {
		sum += l.Seconds
		rows = append(rows, l)
	}
	for _, row := range r.Profile {
		switch {
		case row.Subgraph || expand && row.isKernel():
		case row.isKernel():
			add(row.layer(delegate))
		default:
			add(row.layer("CPU"))
		}
	}
	if expand {
		for _, row := range r.Internal {
			add(row.layer(delegate))
		}
		if rest := kernels - inside; rest > 0 {
			add(devices.Layer{Name: "delegate", Op: "overhead", Where: delegate, Seconds: rest})
		}
	}
	if rest := r.Regular.Mean*micro - sum; rest > 0 {
		add(devices.Layer{Name: "call", Op: "overhead", Where: "CPU", Seconds: rest})
	}
	return rows
}

// isKernel: the runtime gives a delegate's kernel the delegate's name.
func (r Row) isKernel() bool { return strings.Contains(strings.ToLower(r.Type), "delegate") }

func (r Row) seconds() float64 { return r.MeanMillis * r.TimesCalled / 1000 }

func (r Row) layer(where string) devices.Layer {
	return devices.Layer{Name: cmp.Or(r.Name, r.Type), Op: r.Type, Where: where, Seconds: r.seconds()}
}

// Row is a row of a profile's table in run order.
type Row struct {
	Type        string  // "CONV_2D", "TfLiteXNNPackDelegate"
	Name        string  // output tensors and the node's index: "[x]:3"
	MeanMillis  float64 // of one call
	TimesCalled float64 // in one inference
	Subgraph    bool    // in a subgraph that another op calls: that op's time includes it
}

// table is the table being read: which column holds which figure.
type table struct {
	columns  map[string]int
	subgraph bool
	rows     *[]Row
}

// maxRows limits the rows of a profile.
const maxRows = 1 << 16

// profile reads the lines of profiles, and reports whether the line belonged to one.
//
// Source: LiteRT, tflite/profiling/profile_summary_formatter.cc; tensorflow,
// third_party/xla/xla/tsl/util/stats_calculator.cc (columns are aligned and separated by tabs; builds
// until 2021 also have a [start]).
func (p *parser) profile(l line) bool {
	switch t := l.text; {
	case strings.HasPrefix(t, "Profiling Info for Benchmark Initialization:"):
		p.section, p.table = initProfile, nil
	case strings.HasPrefix(t, "Operator-wise Profiling Info for Regular Benchmark Runs:"):
		p.section, p.table = runProfile, nil
		p.r.Profile, p.r.Internal = nil, nil
	case p.section == noProfile:
		return false
	case strings.HasPrefix(t, "Delegate internal:"):
		p.table = nil
		if p.section == runProfile {
			p.section = internalProfile
		}
	case strings.HasPrefix(t, "Primary graph (name: "), strings.HasPrefix(t, "Subgraph (index: "):
		p.table = &table{subgraph: strings.HasPrefix(t, "Subgraph")}
	case strings.HasPrefix(t, "=====") && strings.HasSuffix(t, "====="):
		p.title(strings.TrimSpace(strings.Trim(t, "=")))
	case p.table != nil && p.table.rows != nil:
		p.row(l.raw)
	default:
		return false
	}
	return true
}

// title begins a table; only tables in run order of the timed runs are kept.
func (p *parser) title(name string) {
	sub := p.table != nil && p.table.subgraph
	p.table = &table{subgraph: sub}
	if name != "Run Order" {
		return
	}
	switch p.section {
	case runProfile:
		p.table.rows = &p.r.Profile
	case internalProfile:
		p.table.rows = &p.r.Internal
	}
}

var headForm = regexp.MustCompile(`^\[([^\]]+)\]$`)

func (p *parser) row(raw string) {
	cells := strings.Split(strings.TrimPrefix(raw, "\t"), "\t")
	if p.table.columns == nil {
		p.table.columns = map[string]int{}
		for i, c := range cells {
			if f := headForm.FindStringSubmatch(strings.TrimSpace(c)); f != nil {
				p.table.columns[strings.ToLower(f[1])] = i
			}
		}
		return
	}
	cell := func(name string) string {
		i, ok := p.table.columns[name]
		if !ok || i >= len(cells) {
			return ""
		}
		if name == "name" { // the last column; a tensor's name may contain a tab
			return strings.TrimSpace(strings.Join(cells[i:], " "))
		}
		return strings.TrimSpace(cells[i])
	}
	mean, okMean := parseNumber(cell("avg ms"))
	times, okTimes := parseNumber(cell("times called"))
	if !okMean || !okTimes || mean < 0 || times < 0 || cell("node type") == "" || len(*p.table.rows) >= maxRows {
		return
	}
	*p.table.rows = append(*p.table.rows, Row{Type: text.ClipTo(cell("node type"), 200), Name: text.ClipTo(cell("name"), 300), MeanMillis: mean, TimesCalled: times, Subgraph: p.table.subgraph})
}
