package nnmeter

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"latlab/sampler/graph"
)

// Config is what nn-Meter's features of a kernel are taken from
// (predictor_builder/extract_feature.py, feature_for_kernel). 0 = not one of the kernel's.
type Config struct {
	HW         int `json:"HW,omitempty"` // height and width of the input
	CIN        int `json:"CIN,omitempty"`
	COUT       int `json:"COUT,omitempty"`
	KernelSize int `json:"KERNEL_SIZE,omitempty"`
	Strides    int `json:"STRIDES,omitempty"`
}

// The kernels of nn-Meter that occur in networks of spaces.
const (
	conv       = "conv-bn-relu"
	dwconv     = "dwconv-bn-relu"
	fc         = "fc"
	add        = "add"
	hswish     = "hswish"
	se         = "se"
	globalPool = "global-avgpool"
)

// shape is a kernel without its latency.
type shape struct {
	kind   string
	config Config
}

// kernel is a shape and the latency of each occurrence, in seconds.
type kernel struct {
	shape
	seconds []float64
}

// Kernels collects figures of kernels.
type Kernels struct {
	list map[shape]*kernel
	// For the notes.
	single bool           // a shape has the same latency wherever it occurs
	left   map[string]int // occurrences left out, by reason
	origin origin
}

func newKernels() *Kernels {
	return &Kernels{list: map[shape]*kernel{}, left: map[string]int{}}
}

func (k *Kernels) add(s shape, seconds float64) {
	x := k.list[s]
	switch {
	case x == nil:
		k.list[s] = &kernel{s, []float64{seconds}}
	case !k.single:
		x.seconds = append(x.seconds, seconds)
	}
}

// addOps adds the kernels of ops, whose latencies are given in the same order; a negative
// latency means that the op was not timed.
func (k *Kernels) addOps(ops []graph.PaidOp, seconds []float64) {
	for i := 0; i < len(ops); {
		n := unit(ops[i:])
		s, why := shapeOf(ops[i : i+n])
		total, missing := sum(seconds[i : i+n])
		switch {
		case why != "":
			k.left[why]++
		case missing:
			k.left["ops without a row of their own"]++
		default:
			k.add(s, total)
		}
		i += n
	}
}

func sum(seconds []float64) (total float64, missing bool) {
	for _, x := range seconds {
		if x < 0 {
			return 0, true
		}
		total += x
	}
	return total, false
}

// unit is the number of ops of a kernel: all of a squeeze-and-excite, one for anything else.
func unit(ops []graph.PaidOp) int {
	block, _, ok := strings.Cut(ops[0].Name, "/se/")
	if !ok {
		return 1
	}
	n := 1
	for n < len(ops) && strings.HasPrefix(ops[n].Name, block+"/se/") {
		n++
	}
	return n
}

// shapeOf is the kernel of ops, or the reason why there is none.
func shapeOf(ops []graph.PaidOp) (s shape, why string) {
	o := ops[0]
	if o.Kind != graph.FullyConnected && o.In[1] != o.In[2] {
		return shape{}, "maps that are not square"
	}
	if o.Kernel[0] != o.Kernel[1] || o.Stride[0] != o.Stride[1] {
		return shape{}, "kernels or strides that are not square"
	}
	if o.Dilation[0] > 1 || o.Dilation[1] > 1 || o.Groups > 1 {
		return shape{}, "kernels with dilation or groups"
	}
	if strings.Contains(o.Name, "/se/") {
		return excite(ops)
	}
	c := Config{HW: o.In[1], CIN: o.In[3]}
	switch o.Kind {
	case graph.Conv2D, graph.DepthwiseConv:
		c.COUT, c.KernelSize, c.Strides = o.Out[3], o.Kernel[0], o.Stride[0]
		if o.Kind == graph.Conv2D {
			return shape{conv, c}, ""
		}
		return shape{dwconv, c}, ""
	case graph.FullyConnected:
		return shape{fc, Config{CIN: o.In[1] * o.In[2] * o.In[3], COUT: o.Out[3]}}, ""
	case graph.AveragePool:
		if o.Out[1] != 1 || o.Out[2] != 1 {
			return shape{}, "pools that are not global"
		}
		return shape{globalPool, c}, ""
	case graph.Add:
		return shape{add, c}, ""
	case graph.HardSwish:
		return shape{hswish, c}, ""
	}
	return shape{}, "ops of kind " + string(o.Kind)
}

// excite is a squeeze-and-excite: squeeze, reduce, expand and gate over the map. nn-Meter's
// config has only the map, so the hidden channels must be a quarter, as in its own networks;
// the spaces round it to a multiple of 8.
func excite(ops []graph.PaidOp) (shape, string) {
	o := ops[0]
	for _, x := range ops {
		if strings.HasSuffix(x.Name, "/se/reduce") && x.Out[3] != max(8, int(float64(o.In[3])/4/8+0.5)*8) {
			return shape{}, "squeeze-and-excite of another ratio than 0.25"
		}
	}
	return shape{se, Config{HW: o.In[1], CIN: o.In[3]}}, ""
}

// shapes are the kernel's inputs without the batch.
func (s shape) shapes() [][]int {
	c := s.config
	in := []int{c.HW, c.HW, c.CIN}
	switch s.kind {
	case fc:
		return [][]int{{c.CIN}}
	case add:
		return [][]int{in, in}
	}
	return [][]int{in}
}

func (x *kernel) mean() float64 {
	total := 0.0
	for _, s := range x.seconds {
		total += s
	}
	return total / float64(len(x.seconds))
}

// std is the sample standard deviation over occurrences; NaN if there is only one.
func (x *kernel) std() (float64, bool) {
	if len(x.seconds) < 2 {
		return 0, false
	}
	mean, squares := x.mean(), 0.0
	for _, s := range x.seconds {
		squares += (s - mean) * (s - mean)
	}
	return math.Sqrt(squares / float64(len(x.seconds)-1)), true
}

func (k *Kernels) sorted() []*kernel {
	var all []*kernel
	for _, x := range k.list {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *kernel) int {
		p, q := a.config, b.config
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(p.HW, q.HW), cmp.Compare(p.CIN, q.CIN),
			cmp.Compare(p.COUT, q.COUT), cmp.Compare(p.KernelSize, q.KernelSize), cmp.Compare(p.Strides, q.Strides))
	})
	return all
}
