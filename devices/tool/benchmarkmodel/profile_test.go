package benchmarkmodel

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/devices"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	tflitereader "latlab/sampler/tflite/reader"
)

// profiled2021 has the column [start], and an op that is called twice.
const profiled2021 = `STARTING!
Running benchmark for at least 1 iterations
count=1 curr=21000

Running benchmark for at least 2 iterations
count=2 curr=20000(all same)

Inference timings in us: Init: 100, First inference: 21000, Warmup (avg): 21000, Inference (avg): 20000
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
	             [node type]	          [start]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	         AllocateTensors	            0.000	    0.120	    0.120	100.000%	100.000%	     0.000	        1	AllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
	             [node type]	          [start]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	                 CONV_2D	            0.000	    9.000	    9.000	 45.000%	 45.000%	     0.000	        1	[stem, x]:0
	              HARD_SWISH	            9.000	    2.000	    2.000	 20.000%	 65.000%	     0.000	        2	[act]:1

============================== Top by Computation Time ==============================
	             [node type]	          [start]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	                 CONV_2D	            0.000	    9.000	    9.000	 45.000%	 45.000%	     0.000	        1	[stem, x]:0

Number of nodes executed: 2
============================== Summary by node type ==============================
	             [Node type]	  [count]	  [avg ms]	    [avg %]	    [cdf %]	  [mem KB]	[times called]
	                 CONV_2D	        1	     9.000	    69.231%	    69.231%	     0.000	        1

Timings (microseconds): count=2 first=13000 curr=13000 min=13000 max=13000 avg=13000 std=0
Memory (bytes): count=0
2 nodes observed
`

// profiledNow has subgraphs, and a delegate that prints its own ops.
const profiledNow = `INFO: STARTING!
INFO: Running benchmark for at least 1 iterations
INFO: count=1 curr=21000

INFO: Running benchmark for at least 2 iterations
INFO: count=2 curr=20000(all same)

INFO: Inference timings in us: Init: 100, First inference: 21000, Warmup (avg): 21000, Inference (avg): 20000
INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
Primary graph (name: main) profile:
============================== Run Order ==============================
	                             [node type]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	                   TfLiteXNNPackDelegate	   15.000	   15.000	 75.000%	 75.000%	     0.000	        1	[y]:12
	                                   WHILE	    3.000	    3.000	 15.000%	 90.000%	     0.000	        1	[z]:13

Subgraph (index: 1, name: body) profile:
============================== Run Order ==============================
	                             [node type]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	                                     ADD	    1.000	    1.000	100.000%	100.000%	     0.000	        3	[i]:0

Delegate internal: 
============================== Run Order ==============================
	                             [node type]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	                        DelegateOpInvoke	    8.000	    8.000	 57.143%	 57.143%	     0.000	        1	Delegate/Convolution (NHWC, F32) IGEMM:0
	                        DelegateOpInvoke	    6.000	    6.000	 42.857%	100.000%	     0.000	        1	Delegate/Clamp (NC, F32):1

`

// perOperator is a table of XNNPACK of today, whose ops replace the row of its kernel.
const perOperator = `INFO: STARTING!
INFO: Running benchmark for at least 1 iterations
INFO: count=1 curr=21000

INFO: Running benchmark for at least 2 iterations
INFO: count=2 curr=20000(all same)

INFO: Inference timings in us: Init: 100, First inference: 21000, Warmup (avg): 21000, Inference (avg): 20000
INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
	                             [node type]	  [first]	 [avg ms]	     [%]	  [cdf%]	  [mem KB]	[times called]	[Name]
	                                QUANTIZE	    1.000	    1.000	  5.556%	  5.556%	     0.000	        1	[q]:0
	           Convolution (NHWC, QC8) IGEMM	   11.000	   11.000	 61.111%	 66.667%	     0.000	        1	Delegate/Convolution (NHWC, QC8) IGEMM:0
	                           Add (ND, QS8)	    6.000	    6.000	 33.333%	100.000%	     0.000	        1	Delegate/Add (ND, QS8):1

`

// TestOperatorsOfRows: rows stand for operators only where the tables leave no doubt.
func TestOperatorsOfRows(t *testing.T) {
	g := &graph.Graph{
		Inputs: []int{0}, Tensors: make([]graph.Tensor, 4),
		Ops: []graph.Op{{Kind: graph.Conv2D, Name: "stem"}, {Kind: graph.Add, Name: "sum"}},
	}
	three := &graph.Graph{Inputs: g.Inputs, Tensors: g.Tensors, Ops: append(slices.Clone(g.Ops), graph.Op{Kind: graph.Logistic, Name: "gate"})}
	swapped := &graph.Graph{Inputs: g.Inputs, Tensors: g.Tensors, Ops: []graph.Op{g.Ops[1], g.Ops[0]}}
	camera, plain := model.Form{Precision: model.Int8, Input: model.UInt8}, model.Form{}
	file := func(ops int) *tflitereader.Network {
		return &tflitereader.Network{Operators: []tflitereader.OpCount{{Name: "X", Count: ops}}}
	}
	for name, tt := range map[string]struct {
		text  string
		m     model.Model
		proof devices.Delegation
		want  [][]int
	}{
		"one to one":            {perOperator, model.Model{Graph: g, Form: camera}, devices.Delegation{Nodes: 3, Delegated: 2, Partitions: 1}, [][]int{nil, {1}, {2}, nil}},
		"without the QUANTIZE":  {perOperator, model.Model{Graph: three, Form: plain}, devices.Delegation{Nodes: 3, Delegated: 2, Partitions: 1}, [][]int{{0}, nil, nil, nil}},
		"another order":         {perOperator, model.Model{Graph: swapped, Form: camera}, devices.Delegation{Nodes: 3, Delegated: 2, Partitions: 1}, [][]int{nil, nil, nil, nil}},
		"it fuses":              {perOperator, model.Model{Graph: three, Form: camera}, devices.Delegation{Nodes: 4, Delegated: 3, Partitions: 1}, [][]int{nil, nil, nil, nil}},
		"two partitions":        {perOperator, model.Model{Graph: g, Form: camera}, devices.Delegation{Nodes: 3, Delegated: 2, Partitions: 2}, [][]int{nil, nil, nil, nil}},
		"the CPU":               {profiled2021, model.Model{Graph: g}, devices.Delegation{Nodes: 2}, [][]int{{0}, {1}, nil}},
		"one kernel":            {strings.Split(profiledNow, "Delegate internal")[0], model.Model{Graph: wide(14)}, devices.Delegation{Nodes: 14, Delegated: 13, Partitions: 1}, [][]int{first(13), {13}, nil}},
		"a user's file":         {profiled2021, model.Model{Graph: g, Network: file(2)}, devices.Delegation{Nodes: 2}, [][]int{{0}, {1}, nil}},
		"a file with constants": {profiled2021, model.Model{Graph: g, Network: file(3)}, devices.Delegation{Nodes: 3}, [][]int{nil, nil, nil}},
		"no graph":              {profiled2021, model.Model{}, devices.Delegation{Nodes: 2}, [][]int{nil, nil, nil}},
	} {
		r, err := Parse(tt.text, "")
		if err != nil {
			t.Fatal(err)
		}
		var got [][]int
		for _, l := range layers(r, "xnnpack", operatorsOf(&tt.m, tt.proof)) {
			got = append(got, l.Nodes)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func wide(n int) *graph.Graph { return &graph.Graph{Ops: make([]graph.Op, n)} }

func first(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func TestLayersOfProfiles(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []devices.Layer
	}{
		"per operator": {perOperator, []devices.Layer{
			{Name: "[q]:0", Op: "QUANTIZE", Where: "CPU", Seconds: 0.001},
			{Name: "Delegate/Convolution (NHWC, QC8) IGEMM:0", Op: "Convolution", Kernel: "Convolution (NHWC, QC8) IGEMM", Where: "xnnpack", Seconds: 0.011},
			{Name: "Delegate/Add (ND, QS8):1", Op: "Add", Kernel: "Add (ND, QS8)", Where: "xnnpack", Seconds: 0.006},
			{Name: "call", Op: "overhead", Where: "CPU", Seconds: 0.002},
		}},
		"2021": {profiled2021, []devices.Layer{
			{Name: "[stem, x]:0", Op: "CONV_2D", Where: "CPU", Seconds: 0.009},
			{Name: "[act]:1", Op: "HARD_SWISH", Where: "CPU", Seconds: 0.004},
			{Name: "call", Op: "overhead", Where: "CPU", Seconds: 0.007},
		}},
		"today": {profiledNow, []devices.Layer{
			{Name: "[z]:13", Op: "WHILE", Where: "CPU", Seconds: 0.003},
			{Name: "Delegate/Convolution (NHWC, F32) IGEMM:0", Op: "Convolution", Kernel: "Convolution (NHWC, F32) IGEMM", Where: "xnnpack", Seconds: 0.008},
			{Name: "Delegate/Clamp (NC, F32):1", Op: "Clamp", Kernel: "Clamp (NC, F32)", Where: "xnnpack", Seconds: 0.006},
			{Name: "delegate", Op: "overhead", Where: "xnnpack", Seconds: 0.001},
			{Name: "call", Op: "overhead", Where: "CPU", Seconds: 0.002},
		}},
		// Ops that overlap take more than their kernel, so the kernel's row is kept.
		"overlapping": {strings.Replace(profiledNow, "    8.000	    8.000", "   80.000	   80.000", 1), []devices.Layer{
			{Name: "[y]:12", Op: "TfLiteXNNPackDelegate", Where: "xnnpack", Seconds: 0.015},
			{Name: "[z]:13", Op: "WHILE", Where: "CPU", Seconds: 0.003},
			{Name: "call", Op: "overhead", Where: "CPU", Seconds: 0.002},
		}},
		"none": {today, nil},
	} {
		for form, text := range map[string]string{"plain": tt.text, "logcat": toLogcat(tt.text, "7")} {
			r, err := Parse(text, "")
			if err != nil {
				t.Errorf("%s %s: %v", name, form, err)
				continue
			}
			got := layers(r, "xnnpack", nil)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
				t.Errorf("%s %s: %s", name, form, diff)
			}
			var sum float64
			for _, l := range got {
				sum += l.Seconds
			}
			if len(got) > 0 && math.Abs(sum-0.02) > 1e-12 {
				t.Errorf("%s: rows sum to %v s", name, sum)
			}
		}
	}
}
