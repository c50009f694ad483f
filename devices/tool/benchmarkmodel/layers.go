package benchmarkmodel

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Profile runs the tool with a timer around every op. The rows are means, because the tool prints no others, and so is
// WholeSeconds: the mean inference of the same run. PlainSeconds is nil: it would take a second run. The last row is
// the time outside of all ops: the call, and the timers.
//
// Rejected: --op_profiling_output_file. Its CSV and proto hold the same means, and are files on the device.
func (d *Device) Profile(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	op := "profile " + m.Name
	if err := tool.Accepts(d.info, m, op); err != nil {
		return nil, err
	}
	if !d.usage["enable_op_profiling"] {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported, Err: errors.New("this build of benchmark_model does not profile ops")}
	}
	var rows []devices.Layer
	var result *Result
	block, err := d.m.Block(ctx, op, func(b *devices.Block) error {
		r, err := d.run(ctx, op, m, plan, "--enable_op_profiling=true")
		if err != nil {
			return err
		}
		if err := d.fill(ctx, b, r); err != nil {
			return err
		}
		if err := r.out.Whole(); err != nil {
			return r.out.Garbage(r.op, errors.New("its table of ops is incomplete"))
		}
		result = r.result
		if rows = layers(result, d.info.Delegate, operatorsOf(m, b.Delegation)); len(rows) == 0 {
			return r.out.Garbage(r.op, errors.New("benchmark_model printed no table of ops"))
		}
		tool.Describe(m, rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p := devices.ProfileOf(block, rows, int(result.Regular.Count))
	p.WholeSeconds, p.ResolutionSeconds = new(result.Regular.Mean*micro), micro
	return p, nil
}

// layers makes rows of profiles. Their seconds sum to the mean inference. If the delegate prints its own ops, they
// replace its kernels. ops may be nil.
func layers(r *Result, delegate string, ops *operators) []devices.Layer {
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
	var own []int // rows of the delegate
	var sum float64
	add := func(l devices.Layer) {
		sum += l.Seconds
		rows = append(rows, l)
	}
	addOwn := func(r Row) {
		own = append(own, len(rows))
		add(r.layer(delegate))
	}
	for _, row := range r.Profile {
		switch {
		case row.Subgraph || expand && row.isKernel():
		case row.isKernel() || row.ofDelegate():
			addOwn(row)
		default:
			l := row.layer("CPU")
			l.Nodes = ops.take(row)
			add(l)
		}
	}
	if expand {
		for _, row := range r.Internal {
			addOwn(row)
		}
	}
	ops.share(rows, own)
	if rest := kernels - inside; expand && rest > 0 {
		add(devices.Layer{Name: "delegate", Op: "overhead", Where: delegate, Seconds: rest})
	}
	if rest := r.Regular.Mean*micro - sum; rest > 0 {
		add(devices.Layer{Name: "call", Op: "overhead", Where: "CPU", Seconds: rest})
	}
	return rows
}

// operators are those of a model's file, each of which is an op of the graph; shift more come before them.
type operators struct {
	graph *graph.Graph
	shift int
	proof devices.Delegation
	onCPU map[int]bool
}

// operatorsOf is nil if the operators of the file are not those of the graph.
func operatorsOf(m *model.Model, proof devices.Delegation) *operators {
	o := &operators{graph: m.Graph, proof: proof, onCPU: map[int]bool{}}
	if m.Graph == nil {
		return nil
	}
	if n := m.Network; n != nil {
		all := 0
		for _, c := range n.Operators {
			all += c.Count
		}
		if all != len(m.Graph.Ops) || n.SubGraph != 0 {
			return nil
		}
	}
	if m.Input == model.UInt8 {
		o.shift = len(m.Graph.Inputs) // a QUANTIZE for each
	}
	return o
}

// take returns the operator of a row of the runtime. A delegate's kernels have positions behind the operators.
func (o *operators) take(row Row) []int {
	if o == nil {
		return nil
	}
	f := indexForm.FindStringSubmatch(row.Name)
	if f == nil {
		return nil
	}
	i, err := strconv.Atoi(f[2])
	if i -= o.shift; err != nil || i < 0 || i >= len(o.graph.Ops) {
		return nil
	}
	o.onCPU[i] = true
	return []int{i + o.shift}
}

// share gives a delegate's rows the operators that the CPU does not run. One row gets all of them. As many rows as
// operators get one each, in order, if kernels with weights stand where the ops with weights are; any other number
// shows that the delegate fuses or splits ops, and the tool does not print which.
func (o *operators) share(rows []devices.Layer, own []int) {
	if o == nil || o.proof.Partitions != 1 {
		return
	}
	var left []int
	for i := range o.graph.Ops {
		if !o.onCPU[i] {
			left = append(left, i)
		}
	}
	switch {
	case len(left) != o.proof.Delegated:
	case len(own) == 1:
		for _, i := range left {
			rows[own[0]].Nodes = append(rows[own[0]].Nodes, i+o.shift)
		}
	case len(own) == len(left):
		for k, i := range left {
			if weighted(rows[own[k]].Kernel) != o.graph.Ops[i].HasWeights() {
				return
			}
		}
		for k, i := range left {
			rows[own[k]].Nodes = []int{i + o.shift}
		}
	}
}

// weighted reports whether a kernel, by its name in XNNPACK, multiplies by weights.
func weighted(kernel string) bool {
	for _, word := range []string{"Convolution", "Deconvolution", "Fully Connected"} {
		if strings.HasPrefix(kernel, word) {
			return true
		}
	}
	return false
}

// isKernel: the runtime gives a delegate's kernel the delegate's name.
func (r Row) isKernel() bool {
	return strings.Contains(strings.ToLower(r.Type), "delegate") && !r.ofDelegate()
}

// ownPrefix begins the names of a delegate's own ops. Today's XNNPACK and GPU delegates put them in place of their
// kernel's row, with the kernel's name as the type; other delegates print a table of their own, "Delegate internal".
//
// Source: LiteRT, tflite/profiling/profile_summarizer.cc, and kTfLiteDelegateFlagsPerOperatorProfiling.
const ownPrefix = "Delegate/"

func (r Row) ofDelegate() bool { return strings.HasPrefix(r.Name, ownPrefix) }

// indexForm is the end of names: the operator's position in the file, or that of a delegate's op in its partition.
var indexForm = regexp.MustCompile(`^(.*):([0-9]+)$`)

func (r Row) seconds() float64 { return r.MeanMillis * r.TimesCalled / 1000 }

func (r Row) layer(where string) devices.Layer {
	l := devices.Layer{Name: cmp.Or(r.Name, r.Type), Op: r.Type, Where: where, Seconds: r.seconds()}
	if kernel, found := strings.CutPrefix(r.Name, ownPrefix); found {
		if f := indexForm.FindStringSubmatch(kernel); f != nil {
			kernel = f[1]
		}
		// "Convolution (NHWC, F32) IGEMM" is the operation Convolution.
		op, _, _ := strings.Cut(kernel, " (")
		l.Op, l.Kernel = cmp.Or(op, r.Type), kernel
	}
	return l
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
