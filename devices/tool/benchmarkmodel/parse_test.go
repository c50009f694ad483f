package benchmarkmodel

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
	"latlab/sampler/model"
)

// Outputs of each era, written from the grammar, with made-up figures.
const (
	of2018 = `STARTING!
Num runs: [50]
Inter-run delay (seconds): [-1]
Num threads: [1]
Warmup runs: [1]
Graph: [net.tflite]
Use nnapi : [0]
Loaded model net.tflite
resolved reporter
Initialized session in 5.211ms
Running benchmark for 1 iterations 
count=1 curr=98765

Running benchmark for 50 iterations 
count=50 first=91234 curr=90111 min=89990 max=95555 avg=90876.5 std=777

Average inference timings in us: Warmup: 98765, Init: 5211, no stats: 90876.5
`
	of2019 = `STARTING!
Min num runs: [50]
Loaded model net.tflite
Initialized session in 0.896ms
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=5 first=111111 curr=105453 min=102652 max=111111 avg=105432 std=3210

Running benchmark for at least 100 iterations and at least 1 seconds
count=100 first=102919 curr=102428 min=101417 max=109982 avg=104036 std=1565

Average inference timings in us: Warmup: 105432, Init: 896, Inference: 104036
`
	of2020 = `STARTING!
Log parameter values verbosely: [0]
Min num runs: [50]
Graph: [/data/local/tmp/net.tflite]
Use gpu: [1]
Loaded model /data/local/tmp/net.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite delegate for GPU.
INFO: Replacing 67 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions.
Applied GPU delegate, and the model graph will be partially executed w/ the delegate w/ 2 delegate kernels.
The input model file size (MB): 7.1
Initialized session in 870.5ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=4 first=130565 curr=120829 min=117370 max=130565 avg=122373 std=4930

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
type 54 str SoftmaxAxis0
count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948

Inference timings in us: Init: 870557, First inference: 130565, Warmup (avg): 122373, Inference (avg): 119375
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion.
Peak memory footprint (MB): init=4.5 overall=12.25
`
	today = `INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [10]
INFO: Graph: [net.tflite]
INFO: Signature to run: []
INFO: #threads used for CPU inference: [1]
INFO: Use xnnpack: [1]
INFO: Loaded model net.tflite
INFO: XNNPACK delegate created.
INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.
INFO: The input model file size (MB): 16.9
INFO: Initialized session in 12.75ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=37 first=14744 curr=13315 min=13105 max=15765 avg=13764.3 std=470 p5=13110 median=13500 p95=15000

INFO: Running benchmark for at least 10 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=470 p5=13110 median=13400 p95=15000

INFO: Inference timings in us: Init: 12750, First inference: 14744, Warmup (avg): 13764.3, Inference (avg): 13520.2
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=4.25 overall=46.5
INFO: Overall peak memory footprint (MB) via periodic monitoring: 64.5
INFO: Memory status at the end of exeution:
INFO: - VmRSS              : 13 MB
`
	todayErrors = `INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 164 out of 164 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions for the whole graph.
`
)

func stat(line string, count, first, last, least, most int64, mean float64, std int64) Stat {
	s := Stat{Line: line, Count: count, First: first, Last: last, Min: least, Max: most, Mean: mean, StdDev: &std}
	if least != most {
		s.Resolution = math.Pow(10, math.Floor(math.Log10(mean))-5)
	}
	return s
}

func TestParseEras(t *testing.T) {
	now := stat("count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=470 p5=13110 median=13400 p95=15000", 74, 14850, 13315, 13105, 15765, 13520.2, 470)
	now.P5, now.Median, now.P95 = new(int64(13110)), new(int64(13400)), new(int64(15000))
	for _, tt := range []struct {
		name, stdout, stderr string
		regular              Stat
		first, init          int64
		memory               Memory
		proof                Proof
	}{
		{"2018", of2018, "", stat("count=50 first=91234 curr=90111 min=89990 max=95555 avg=90876.5 std=777", 50, 91234, 90111, 89990, 95555, 90876.5, 777), 98765, 5211, Memory{}, Proof{}},
		{"2019", of2019, "", stat("count=100 first=102919 curr=102428 min=101417 max=109982 avg=104036 std=1565", 100, 102919, 102428, 101417, 109982, 104036, 1565), 111111, 896, Memory{}, Proof{}},
		{"2020", of2020, "", stat("count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948", 50, 119212, 118055, 113737, 124776, 119375, 1948), 130565, 870557,
			Memory{Init: new(int64(4718592)), Overall: new(int64(12845056))},
			Proof{Replaced: []Replaced{{"TfLiteGpuDelegateV2", 67, -1, 3, ""}}, Applied: []Applied{{"GPU", false, 2}}}},
		{"today", today, todayErrors, now, 14744, 12750,
			Memory{Init: new(int64(4456448)), Overall: new(int64(48758784)), Peak: new(int64(67633152))},
			Proof{XNNPACK: true, Applied: []Applied{{"XNNPACK", true, 1}},
				Replaced: []Replaced{{"TfLiteXNNPackDelegate", 164, 164, 1, "the whole graph"}}}},
	} {
		for form, text := range map[string]string{
			"plain": tt.stdout, "with CRLF": strings.ReplaceAll(tt.stdout, "\n", "\r\n"), "logcat": toLogcat(tt.stdout, "4242"),
			"after another run": strings.ReplaceAll(of2019, "104036", "204036") + tt.stdout, "after half a run": tt.stdout[:len(tt.stdout)*3/4] + "\n" + tt.stdout,
			"beside another process": beside(toLogcat(tt.stdout, "4242"), toLogcat(today, "17")),
		} {
			r, err := Parse(text, tt.stderr)
			if err != nil {
				t.Errorf("%s %s: %v", tt.name, form, err)
				continue
			}
			if diff := cmp.Diff(tt.regular, r.Regular); diff != "" {
				t.Errorf("%s %s: %s", tt.name, form, diff)
			}
			if r.WarmUp.First != tt.first || r.InitMicros != tt.init {
				t.Errorf("%s %s: first %d, init %d", tt.name, form, r.WarmUp.First, r.InitMicros)
			}
			if diff := cmp.Diff(tt.memory, r.Memory); diff != "" {
				t.Errorf("%s %s: %s", tt.name, form, diff)
			}
			if diff := cmp.Diff(tt.proof, r.Proof); diff != "" {
				t.Errorf("%s %s: %s", tt.name, form, diff)
			}
		}
	}
}

// toLogcat puts logcat's prefix before every line.
func toLogcat(text, pid string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString("05-31 10:31:13.023 " + pid + " " + pid + " I tflite  : " + l)
	}
	return b.String()
}

// beside inserts the lines of a different process, after the first of ours.
func beside(ours, theirs string) string {
	a, b := strings.SplitAfter(ours, "\n"), strings.SplitAfter(theirs, "\n")
	mixed := []string{b[0]}
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			mixed = append(mixed, a[i])
		}
		if i+1 < len(b) {
			mixed = append(mixed, b[i+1])
		}
	}
	return strings.Join(mixed, "")
}

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Stat
	}{
		{"count=0", Stat{}},
		{"count=0 p5=0 median=0 p95=0", Stat{}},
		{"count=1 curr=3512391", Stat{Count: 1, First: 3512391, Last: 3512391, Min: 3512391, Max: 3512391, Mean: 3512391, StdDev: new(int64)}},
		{"count=5 curr=7(all same)", Stat{Count: 5, First: 7, Last: 7, Min: 7, Max: 7, Mean: 7, StdDev: new(int64)}},
		{"count=5 curr=7(all same) p5=7 median=7 p95=7", Stat{Count: 5, First: 7, Last: 7, Min: 7, Max: 7, Mean: 7, StdDev: new(int64), P5: new(int64(7)), Median: new(int64(7)), P95: new(int64(7))}},
		{"count=3 first=2950001 curr=2950999 min=2950001 max=2950999 avg=2.95034e+06 std=400", Stat{Count: 3, First: 2950001, Last: 2950999, Min: 2950001, Max: 2950999, Mean: 2950340, Resolution: 10, StdDev: new(int64(400))}},
		{"count=2 first=2950001 curr=2950671 min=2950001 max=2950671 avg=2.95034e+06 std=335", Stat{Count: 2, First: 2950001, Last: 2950671, Min: 2950001, Max: 2950671, Mean: 2950336, StdDev: new(int64(335))}},
		{"count=3 first=1 curr=2 min=1 max=2 avg=1.33333 std=-9223372036854775808", Stat{Count: 3, First: 1, Last: 2, Min: 1, Max: 2, Mean: 1.33333, Resolution: 1e-5}},
	} {
		tt.want.Line = tt.line
		got, err := parseStat(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
}

// upTo is the part of the output today before a mark.
func upTo(mark string) string {
	before, _, _ := strings.Cut(today, mark)
	return before
}

func from(mark string) string { return strings.TrimPrefix(today, upTo(mark)) }

func upToLast(mark string) string { return today[:max(0, strings.LastIndex(today, mark))] }

// Outputs that must never become a measurement.
func TestParseRefuses(t *testing.T) {
	regular := "INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=470 p5=13110 median=13400 p95=15000"
	swap := func(line string) string { return strings.Replace(today, regular, line, 1) }
	for name, text := range map[string]string{
		"nothing":                       "",
		"another program":               "Hello, world\n",
		"only its beginning":            upTo("INFO: Running"),
		"no regular run":                upToLast("INFO: Running"),
		"cut in the regular figures":    upTo(" avg=13520.2"),
		"no summary":                    upTo("INFO: Inference timings"),
		"half a summary":                upTo(", Inference (avg)"),
		"no run":                        swap("INFO: count=0"),
		"no run, percentiles":           swap("INFO: count=0 p5=0 median=0 p95=0"),
		"zero":                          swap("INFO: count=74 curr=0(all same)"),
		"a zero minimum":                swap("INFO: count=74 first=14850 curr=13315 min=0 max=15765 avg=13520.2 std=470"),
		"negative":                      swap("INFO: count=74 first=14850 curr=13315 min=-5 max=15765 avg=13520.2 std=470"),
		"nan":                           swap("INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=nan std=470"),
		"infinite":                      swap("INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=inf std=470"),
		"no mean":                       swap("INFO: count=74 first=14850 curr=13315 min=13105 max=15765 std=470"),
		"mean out of range":             swap("INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=16520.2 std=470"),
		"first out of range":            swap("INFO: count=74 first=99 curr=13315 min=13105 max=15765 avg=13520.2 std=470"),
		"wide deviation":                swap("INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=4700"),
		"wrong median":                  swap("INFO: count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=470 p5=13110 median=99 p95=15000"),
		"text behind":                   swap(regular + " garbage"),
		"too long a number":             swap("INFO: count=74 first=14850 curr=13315 min=13105 max=99999999999999999999 avg=13520.2 std=470"),
		"several runs but not all same": swap("INFO: count=74 curr=13520"),
		"figures nobody announced":      swap(regular + "\n" + regular),
		"a third run":                   swap(regular + "\nINFO: Running benchmark for 1 iterations\n" + regular),
		"two runs announced at once":    swap("INFO: Running benchmark for 1 iterations\n" + regular),
		"summary of another run":        strings.Replace(today, "Inference (avg): 13520.2", "Inference (avg): 12520.2", 1),
		"summary of another warm-up":    strings.Replace(today, "Warmup (avg): 13764.3", "Warmup (avg): 14764.3", 1),
		"summary of another first":      strings.Replace(today, "First inference: 14744", "First inference: 4744", 1),
		"two summaries":                 today + from("INFO: Inference timings"),
		"a negative init":               strings.Replace(today, "Init: 12750", "Init: -1", 1),
		"milliseconds":                  strings.ReplaceAll(today, "timings in us", "timings in ms"),
		"a replacement that cannot be":  today + "VERBOSE: Replacing 9 out of 5 node(s) with delegate (X) node, yielding 1 partitions for the whole graph.\n",
		"a replacement of too many":     today + "VERBOSE: Replacing 99999999999 out of 99999999999 node(s) with delegate (X) node, yielding 1 partitions for the whole graph.\n",
		"a replacement of unknown form": today + "VERBOSE: Replacing many node(s) with delegate (X) node\n",
		"a delegate line of no form":    today + "INFO: Explicitly applied GPU delegate, and who knows.\n",
		"garbage":                       strings.Repeat("\x00\xff count=1 \n", 100),
	} {
		r, err := Parse(text, "")
		var bad *UnparsableError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// printed is a run with the given latencies, in the tool's form.
type printed struct {
	warmUp, regular []int64
	init            int64
}

func drawRun(t *rapid.T) printed {
	times := rapid.SliceOfN(rapid.Int64Range(1, 5e9), 1, 40)
	if rapid.Bool().Draw(t, "same") {
		times = rapid.Map(rapid.Int64Range(1, 5e9), func(v int64) []int64 { return []int64{v, v, v} })
	}
	return printed{times.Draw(t, "warm-up"), times.Draw(t, "regular"), rapid.Int64Range(0, 1e9).Draw(t, "init")}
}

// statLine prints as Stat::OutputToStream does.
func statLine(v []int64, percentiles bool) string {
	least, most := slices.Min(v), slices.Max(v)
	mean, square := 0.0, 0.0
	for _, x := range v {
		mean += float64(x) / float64(len(v))
		square += float64(x) * float64(x) / float64(len(v))
	}
	s := fmt.Sprintf("count=%d", len(v))
	switch {
	case least == most && len(v) == 1:
		s += fmt.Sprintf(" curr=%d", v[0])
	case least == most:
		s += fmt.Sprintf(" curr=%d(all same)", v[0])
	default:
		s += fmt.Sprintf(" first=%d curr=%d min=%d max=%d avg=%s std=%d", v[0], v[len(v)-1], least, most, cpp(mean), int64(math.Sqrt(max(0, square-mean*mean))))
	}
	if percentiles {
		at := func(p int) int64 { return slices.Sorted(slices.Values(v))[len(v)*p/100] }
		s += fmt.Sprintf(" p5=%d median=%d p95=%d", at(5), at(50), at(95))
	}
	return s
}

// cpp prints a double as an ostream with default settings.
func cpp(v float64) string { return fmt.Sprintf("%.6g", v) }

func mean(v []int64) (m float64) {
	for _, x := range v {
		m += float64(x)
	}
	return m / float64(len(v))
}

func (p printed) text(prefix string, percentiles bool) string {
	ls := []string{
		"STARTING!", "Loaded model x.tflite", "Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.",
		statLine(p.warmUp, percentiles), "", "Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.",
		statLine(p.regular, percentiles), "",
		fmt.Sprintf("Inference timings in us: Init: %d, First inference: %d, Warmup (avg): %s, Inference (avg): %s", p.init, p.warmUp[0], cpp(mean(p.warmUp)), cpp(mean(p.regular))),
	}
	for i := range ls {
		if ls[i] != "" {
			ls[i] = prefix + ls[i]
		}
	}
	return strings.Join(ls, "\n") + "\n"
}

// The tool's output is read back: integers exactly, the mean to its last digit.
func TestParseRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := drawRun(t)
		prefix := rapid.SampledFrom([]string{"", "INFO: ", "05-31 10:31:13.023  4242  4243 I tflite  : "}).Draw(t, "prefix")
		percentiles := rapid.Bool().Draw(t, "percentiles")
		r, err := Parse(run.text(prefix, percentiles), "")
		if err != nil {
			t.Fatal(err)
		}
		v, got := run.regular, r.Regular
		if got.Count != int64(len(v)) || got.First != v[0] || got.Last != v[len(v)-1] || got.Min != slices.Min(v) || got.Max != slices.Max(v) || r.InitMicros != run.init || r.WarmUp.First != run.warmUp[0] {
			t.Fatalf("%v: %+v", v, got)
		}
		if math.Abs(got.Mean-mean(v)) > got.Resolution/2+1e-6*got.Resolution+1e-9*mean(v) {
			t.Fatalf("mean %v of %v, resolution %v", got.Mean, mean(v), got.Resolution)
		}
		if len(v) <= 2 && math.Abs(got.Mean-mean(v)) > 1e-9*mean(v) {
			t.Fatalf("the mean of %d runs is known exactly: %v of %v", len(v), got.Mean, mean(v))
		}
		if percentiles != (got.Median != nil) {
			t.Fatalf("median %v", got.Median)
		}
	})
}

// A run that lost lines, as with a slow logcat, gives no figures or the right ones.
func TestParseWithoutSomeLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := drawRun(t)
		all := strings.SplitAfter(run.text("INFO: ", true), "\n")
		kept := slices.DeleteFunc(slices.Clone(all), func(string) bool { return rapid.Bool().Draw(t, "lost") })
		r, err := Parse(strings.Join(kept, ""), "")
		if err == nil && (r.Regular.Line != statLine(run.regular, true) || r.InitMicros != run.init) {
			t.Fatalf("%q became %+v", kept, r.Regular)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{of2018, of2019, of2020, today, toLogcat(today, "1"), profiled2021, profiledNow, perOperator} {
		f.Add(seed, todayErrors)
	}
	f.Add("STARTING!\nRunning benchmark for 1\ncount=1 curr=1\nRunning benchmark for 1\ncount=1 curr=1\nInference timings in us: Init: 1, First inference: 1, Warmup (avg): 1, Inference (avg): 1\n", "")
	f.Fuzz(func(t *testing.T, stdout, stderr string) {
		r, err := Parse(stdout, stderr)
		if err != nil {
			var bad *UnparsableError
			if !errors.As(err, &bad) {
				t.Fatalf("error is %T", err)
			}
			return
		}
		u := r.Regular.summary()
		if u.Count < 1 || !(u.Mean > 0) || math.IsInf(u.Mean, 0) || !(*u.Min > 0) || u.Mean < *u.Min*(1-2e-5) || u.Mean > *u.Max*(1+2e-5) {
			t.Fatalf("a measurement that none is: %+v", u)
		}
		for _, k := range kinds {
			d, _ := r.Proof.prove(&k, "x", 0)
			if d.Delegated < 0 || d.Delegated > d.Nodes || d.Delegated > 0 && d.Partitions < 1 {
				t.Fatalf("%s: a delegation that none is: %+v", k.name, d)
			}
		}
		for _, l := range layers(r, "x", operatorsOf(&model.Model{Graph: wide(3)}, devices.Delegation{Nodes: 3, Delegated: 2, Partitions: 1})) {
			if l.Name == "" && len(l.Nodes) == 0 || l.Op == "" || !(l.Seconds >= 0) || len(l.Nodes) > 0 && slices.Max(l.Nodes) > 2 {
				t.Fatalf("a row that none is: %+v", l)
			}
		}
	})
}
