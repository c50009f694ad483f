package benchmarkmodel

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/devices"
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

func TestLayersOfProfiles(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []devices.Layer
	}{
		"2021": {profiled2021, []devices.Layer{
			{Name: "[stem, x]:0", Op: "CONV_2D", Where: "CPU", Seconds: 0.009},
			{Name: "[act]:1", Op: "HARD_SWISH", Where: "CPU", Seconds: 0.004},
			{Name: "call", Op: "overhead", Where: "CPU", Seconds: 0.007},
		}},
		"today": {profiledNow, []devices.Layer{
			{Name: "[z]:13", Op: "WHILE", Where: "CPU", Seconds: 0.003},
			{Name: "Delegate/Convolution (NHWC, F32) IGEMM:0", Op: "DelegateOpInvoke", Where: "xnnpack", Seconds: 0.008},
			{Name: "Delegate/Clamp (NC, F32):1", Op: "DelegateOpInvoke", Where: "xnnpack", Seconds: 0.006},
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
			got := layers(r, "xnnpack")
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
