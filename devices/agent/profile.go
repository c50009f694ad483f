package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/devices/tool"
	"latlab/internal/text"
	"latlab/sampler/model"
	"latlab/sampler/tflite"
)

// Profile runs a block in which the runtime reports the time of each operator.
func (d *Device) Profile(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	op := "profile " + m.Name
	plan.MinRuns = min(max(plan.MinRuns, 1), wire.MaxObserved)
	var o *wire.Observed
	b, err := d.block(ctx, op, m, &wire.Request{Type: wire.Profile, Plan: plan}, func(b *devices.Block, r *wire.Response) {
		o = r.Profile
		b.WarmUp = append(b.WarmUp, o.Plain...) // as part of the times that the block's must cover
	})
	if err != nil {
		return nil, err
	}
	t := tabulate(o, d.info.Delegate)
	p := devices.ProfileOf(b, t.rows, len(b.Samples))
	p.WholeSeconds, p.ResolutionSeconds = new(tool.Median(b.Samples)), t.resolution
	if len(o.Plain) > 0 {
		p.PlainSeconds = new(tool.Median(o.Plain))
	}
	p.Warnings = append(p.Warnings, t.warnings(o)...)
	if total := p.Total(); total < waiting**p.WholeSeconds {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the rows sum to %.0f%% of the median inference: something else ran on the device, which medians of single rows leave out", 100*total / *p.WholeSeconds))
	}
	if err := devices.GarbageProfile(op, d.info, p); err != nil {
		return nil, err
	}
	return p, nil
}

const (
	// waiting is the share of an inference below which the rows' sum shows that it waited for a core.
	waiting = 0.8
	// coarse is the share of a delegate's own time above which its operators are too short for its clock.
	coarse = 0.2

	microsecond = 1e-6
)

// checkObserved refuses rows that refer to what is not there.
func checkObserved(o *wire.Observed) error {
	if len(o.Rows) == 0 {
		return errors.New("no operator has a time")
	}
	for i, r := range o.Rows {
		if r.Within < -1 || r.Within >= i || r.Name == "" || !(r.Seconds >= 0) || !(r.All >= 0) || !(r.Times > 0) {
			return fmt.Errorf("row %d is %+v", i, r)
		}
	}
	if !(o.Outside >= 0) {
		return fmt.Errorf("the time outside of operators is %v s", o.Outside)
	}
	for _, s := range o.Plain {
		if !(s > 0) {
			return fmt.Errorf("an inference in between takes %v s", s)
		}
	}
	return nil
}

// place is a node of a subgraph, by the runtime's numbers.
type place struct{ subgraph, index int }

func placeOf(r wire.Row) place { return place{r.Subgraph, r.Index} }

// table makes the rows of a profile.
type table struct {
	o        *wire.Observed
	delegate string
	nodes    map[place]node
	kernels  map[place][]node // what each kernel of the delegate replaced
	inside   map[int][]int    // the rows inside each kernel's

	rows       []devices.Layer
	resolution float64
	overhead   float64 // of the delegate's kernels, outside of their operators
	loops      int
	unmapped   []string
}

// node is a node of the model. At is its place in the execution order of the subgraph that was asked for, and
// -1 in others.
type node struct {
	wire.Node
	at int
}

func (n node) op() string { return cmp.Or(printable(n.Custom), tflite.OperatorName(n.Builtin)) }

func tabulate(o *wire.Observed, delegate string) *table {
	t := &table{o: o, delegate: delegate, nodes: map[place]node{}, kernels: map[place][]node{}, inside: map[int][]int{}, resolution: 1e-9}
	for g, nodes := range o.Subgraphs {
		for at, n := range nodes {
			if g != o.Main {
				at = -1
			}
			t.nodes[place{g, n.Index}] = node{n, at}
		}
	}
	for _, k := range o.Kernels {
		var nodes []node
		for _, n := range k.Nodes {
			of, ok := t.nodes[place{k.Subgraph, n}]
			if !ok {
				of = node{wire.Node{Builtin: -1}, -1}
			}
			nodes = append(nodes, of)
		}
		t.kernels[place{k.Subgraph, k.Index}] = nodes
	}
	for i, r := range o.Rows {
		if r.Kind == wire.Inside && r.Within >= 0 {
			t.inside[r.Within] = append(t.inside[r.Within], i)
		}
	}
	t.fill()
	return t
}

func (t *table) fill() {
	for i, r := range t.o.Rows {
		_, kernel := t.kernels[placeOf(r)]
		switch {
		case r.Kind == wire.Inside:
			if r.Within < 0 {
				t.add(r, devices.Layer{Where: t.delegate})
			}
			continue // with its kernel
		case kernel || r.Kind == wire.KernelRow:
			t.kernel(i, r)
		default:
			t.operator(r)
		}
		if r.Times > 1 {
			t.loops++
		}
	}
	if t.overhead > 0 {
		t.rows = append(t.rows, devices.Layer{Name: "delegate", Op: "overhead", Where: t.delegate, Seconds: t.overhead})
	}
	t.rows = append(t.rows, devices.Layer{Name: "call", Op: "overhead", Where: "CPU", Seconds: t.o.Outside})
}

// add adds a row with the fields that all have.
func (t *table) add(r wire.Row, l devices.Layer) {
	if l.Seconds == 0 {
		l.Seconds = r.Seconds
	}
	l.Kernel = printable(r.Name)
	word, _, _ := strings.Cut(l.Kernel, " (")
	l.Op = cmp.Or(l.Op, word)
	l.Name = cmp.Or(printable(l.Name), l.Where+" "+strconv.Itoa(r.Index))
	t.rows = append(t.rows, l)
}

// printable is a name of a file or a library.
func printable(name string) string { return text.ClipTo(name, 256) }

// operator adds a node that the runtime ran itself.
func (t *table) operator(r wire.Row) {
	l := devices.Layer{Where: "CPU"}
	if n, ok := t.nodes[placeOf(r)]; ok && n.op() == printable(r.Name) {
		l.Name, l.Op, l.Nodes = n.Output, n.op(), order(n)
	}
	t.add(r, l)
}

// kernel adds the operators inside a delegate's kernel, or the kernel where the delegate reports none.
func (t *table) kernel(i int, r wire.Row) {
	nodes, inside := t.kernels[placeOf(r)], t.inside[i]
	sum := 0.0
	for _, k := range inside {
		sum += t.o.Rows[k].All
	}
	// Operators that overlap sum to more than their kernel takes and cannot replace it. XNNPACK's run one
	// after the other.
	if overlap := t.delegate != wire.XNNPACK && sum > 1.02*r.All; overlap || len(inside) == 0 {
		t.one(r, nodes)
		return
	}
	t.resolution = microsecond
	t.overhead += r.Seconds
	why := t.match(inside, nodes)
	if why != "" {
		t.unmapped = append(t.unmapped, why)
	}
	for k, row := range inside {
		l := devices.Layer{Where: t.delegate}
		if why == "" {
			l.Name, l.Op, l.Nodes = nodes[k].Output, nodes[k].op(), order(nodes[k])
		}
		t.add(t.o.Rows[row], l)
	}
}

// one adds a kernel as one row.
func (t *table) one(r wire.Row, nodes []node) {
	l := devices.Layer{Where: t.delegate, Seconds: r.All}
	for _, n := range nodes {
		l.Name = n.Output
		l.Nodes = append(l.Nodes, order(n)...)
	}
	if len(nodes) == 1 {
		l.Op = nodes[0].op()
	}
	t.add(r, l)
}

func order(n node) []int {
	if n.at < 0 {
		return nil
	}
	return []int{n.at}
}

// match returns why the operators inside a kernel are not one to one those that it replaced: their numbers
// differ, or one computes something else. They are then attributed to none, because nobody knows which ones
// are fused or split.
func (t *table) match(inside []int, nodes []node) string {
	if len(inside) != len(nodes) {
		return fmt.Sprintf("%d for %d", len(inside), len(nodes))
	}
	for k, row := range inside {
		if r := t.o.Rows[row]; !computes(r.Name, nodes[k].op()) {
			return fmt.Sprintf("%q where the model has %s", r.Name, nodes[k].op())
		}
	}
	return ""
}

// xnnpack says which of the model's operators one of XNNPACK's may compute.
//
// Source: the names in the library of TFLite 2.21 (xnn_operator_type_to_string_v2), and XNNPACK's delegate in
// tensorflow/lite/delegates/xnnpack. A convolution by 1x1 is run as fully connected, and
// a product of a tensor with itself as a square.
var xnnpack = map[string][]string{
	"Abs": {"ABS"}, "Add": {"ADD"}, "ApproxGELU": {"GELU"}, "ArgMax Pooling": {"MaxPoolingWithArgmax2D"},
	"Average Pooling": {"AVERAGE_POOL_2D", "MEAN"}, "Bankders Rounding": {"ROUND"}, "Bankers Rounding": {"ROUND"},
	"Batch Matrix Multiply": {"BATCH_MATMUL"}, "Ceiling": {"CEIL"}, "Clamp": {"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"},
	"Constant Pad": {"PAD", "PADV2"}, "Convert": {"QUANTIZE", "DEQUANTIZE", "CAST"}, "Convolution": {"CONV_2D", "DEPTHWISE_CONV_2D"},
	"Copy": {"RESHAPE", "EXPAND_DIMS", "CONCATENATION", "SPLIT"}, "Cosine": {"COS"}, "Deconvolution": {"TRANSPOSE_CONV"},
	"Depth To Space": {"DEPTH_TO_SPACE"}, "Divide": {"DIV"}, "Dynamic Fully Connected": {"FULLY_CONNECTED", "BATCH_MATMUL"},
	"ELU": {"ELU"}, "Exp": {"EXP"}, "Floor": {"FLOOR"}, "Fully Connected": {"FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL"},
	"GELU": {"GELU"}, "HardSwish": {"HARD_SWISH"}, "LeakyReLU": {"LEAKY_RELU"}, "Log": {"LOG"},
	"Max Pooling": {"MAX_POOL_2D"}, "Maximum": {"MAXIMUM"}, "Mean": {"MEAN"}, "Minimum": {"MINIMUM"}, "Multiply": {"MUL"},
	"Negate": {"NEG"}, "PReLU": {"PRELU"}, "Reciprocal Square Root": {"RSQRT"}, "Reduce Max": {"REDUCE_MAX"},
	"Reduce Min": {"REDUCE_MIN"}, "Resize Bilinear": {"RESIZE_BILINEAR"}, "Sigmoid": {"LOGISTIC"}, "Sign": {"SIGN"},
	"Sine": {"SIN"}, "Slice": {"SLICE", "STRIDED_SLICE", "SPLIT"}, "Softmax": {"SOFTMAX"}, "Space To Depth": {"SPACE_TO_DEPTH"},
	"Square": {"SQUARE", "MUL"}, "Square Root": {"SQRT"}, "Squared Difference": {"SQUARED_DIFFERENCE"},
	"Static Expand Dims": {"EXPAND_DIMS"}, "Static Reshape": {"RESHAPE"}, "Subtract": {"SUB"}, "Sum": {"SUM"},
	"TanH": {"TANH"}, "Transpose": {"TRANSPOSE"}, "Unpooling": {"MaxUnpooling2D"},
}

// computes reports whether XNNPACK's operator "Convolution (NHWC, F32) DWConv" may be the model's "CONV_2D".
func computes(kernel, op string) bool {
	word, rest, _ := strings.Cut(kernel, " (")
	if strings.HasSuffix(rest, " DWConv") {
		return op == "DEPTHWISE_CONV_2D"
	}
	return slices.Contains(xnnpack[word], op)
}

// whole is the sum of the rows.
func (t *table) whole() float64 { return (&devices.Profile{Layers: t.rows}).Total() }

// warnings say what of the rows is not one to one.
func (t *table) warnings(o *wire.Observed) (list []string) {
	if n := len(t.unmapped); n > 0 {
		list = append(list, fmt.Sprintf("%s's operators are not the model's one to one (%s): the rows of %d of its %d kernels name no operator of the model",
			t.delegate, t.unmapped[0], n, len(t.kernels)))
	}
	if share := t.overhead / t.whole(); t.resolution == microsecond && share > coarse {
		list = append(list, fmt.Sprintf("%.0f%% of the inference is in no operator's row: %s rounds each down to whole microseconds, and they are short", 100*share, t.delegate))
	}
	if t.loops > 0 {
		list = append(list, fmt.Sprintf("%d operators run several times an inference: their rows are the sums", t.loops))
	}
	if o.Varies {
		list = append(list, "inferences ran different operators, or in a different order: a row is the median over all of them, 0 for those in which it did not run")
	}
	if len(o.Plain) == 0 {
		list = append(list, "what observing costs is unknown: "+o.WithoutPlain)
	}
	return list
}
