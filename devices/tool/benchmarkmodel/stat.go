package benchmarkmodel

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// number is how C++ prints a double with the default precision of 6 digits: "13520.2", "2.95034e+06".
// A latency has no sign and is neither nan nor inf.
const number = `\d+(?:\.\d+)?(?:e[+-]\d+)?`

// Stat is a count= line: whole microseconds, except for the mean.
//
// Source: tensorflow, third_party/xla/xla/tsl/util/stats_calculator.h, Stat::OutputToStream and
// StatWithPercentiles::OutputToStream.
type Stat struct {
	Count           int64
	First, Last     int64
	Min, Max        int64
	Mean            float64
	Resolution      float64 // value of the last digit of Mean; 0 if it is exact
	StdDev          *int64  // of the population, truncated; nil if the tool prints none
	P5, Median, P95 *int64  // of newer builds; the value at index n*p/100 of the sorted ones
	Line            string
}

var statForm = regexp.MustCompile(`^count=(\d+)(?: curr=(\d+)( ?\(all same\))?| first=(\d+) curr=(\d+) min=(\d+) max=(\d+) avg=(` + number + `) std=(-?\d+))?(?: p5=(\d+) median=(\d+) p95=(\d+))?$`)

func parseStat(text string) (Stat, error) {
	f := statForm.FindStringSubmatch(text)
	if f == nil {
		return Stat{}, &UnparsableError{text, "these figures have no known form"}
	}
	r := reader{}
	s := Stat{Line: text, Count: r.integer(f[1])}
	switch {
	case f[2] != "":
		v := r.integer(f[2])
		s.First, s.Last, s.Min, s.Max, s.Mean, s.StdDev = v, v, v, v, float64(v), new(int64)
		if (s.Count > 1) != (f[3] != "") {
			r.failed = true
		}
	case f[4] != "":
		s.First, s.Last, s.Min, s.Max = r.integer(f[4]), r.integer(f[5]), r.integer(f[6]), r.integer(f[7])
		s.StdDev = r.deviation(f[9])
		s.mean(r.number(f[8]))
	case s.Count != 0:
		r.failed = true // only a run without inferences has no figures
	}
	if f[10] != "" && s.Count > 0 {
		s.P5, s.Median, s.P95 = new(r.integer(f[10])), new(r.integer(f[11])), new(r.integer(f[12]))
	}
	if r.failed {
		return Stat{}, &UnparsableError{text, "these figures cannot be read"}
	}
	return s, nil
}

// mean recovers the exact mean where possible: two runs are both printed, as the first and the last.
func (s *Stat) mean(printed float64) {
	s.Mean = printed
	if printed > 0 {
		s.Resolution = math.Pow(10, math.Floor(math.Log10(printed))-5)
	}
	if exact := (float64(s.First) + float64(s.Last)) / 2; s.Count == 2 && math.Abs(exact-printed) <= s.Resolution {
		s.Mean, s.Resolution = exact, 0
	}
}

type reader struct{ failed bool }

func (r *reader) integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	r.failed = r.failed || err != nil
	return n
}

func (r *reader) number(s string) float64 {
	v, ok := parseNumber(s)
	r.failed = r.failed || !ok
	return v
}

// deviation is nil if rounding made the tool take the root of a negative variance.
func (r *reader) deviation(s string) *int64 {
	n := r.integer(s)
	if n < 0 {
		return nil
	}
	return &n
}

func parseNumber(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// check compares the figures with each other: a garbled line that still has the right form rarely
// passes. A latency of 0 is refused: the clock has microseconds, so a shorter time is unknown.
func (s *Stat) check() error {
	bad := func(why string) error { return &UnparsableError{s.Line, why} }
	within := func(v int64) bool { return s.Min <= v && v <= s.Max }
	slack := s.Resolution
	switch {
	case s.Count < 1:
		return bad("nothing was run")
	case s.Min < 1 || s.First < 1 || s.Last < 1 || !(s.Mean > 0):
		return bad("a latency of 0")
	case !within(s.First) || !within(s.Last) || s.Mean < float64(s.Min)-slack || s.Mean > float64(s.Max)+slack:
		return bad("figures that cannot be true together")
	case s.StdDev != nil && *s.StdDev > s.Max-s.Min:
		return bad("a deviation wider than the range")
	case s.Median != nil && (!within(*s.P5) || !within(*s.Median) || !within(*s.P95) || *s.P5 > *s.Median || *s.Median > *s.P95):
		return bad("percentiles that cannot be")
	case s.Count == 1 && s.Min != s.Max:
		return bad("one run with two latencies")
	}
	return nil
}

// summary is the line at the end of a run.
type summary struct {
	line         string
	init         int64
	first        *int64
	warmUp, mean string // as printed
}

var summaryForms = []struct {
	form                       *regexp.Regexp
	warmUp, init, first, infer int // numbers of groups; 0 = the form has none
}{
	{regexp.MustCompile(`^Inference timings in us: Init: (\d+), First inference: (\d+), Warmup \(avg\): (` + number + `|-?nan), Inference \(avg\): (` + number + `)$`), 3, 1, 2, 4},
	{regexp.MustCompile(`^Average inference timings in us: Warmup: (` + number + `|-?nan), Init: (\d+), (?:no stats|Inference): (` + number + `)$`), 1, 2, 0, 3},
}

func parseSummary(text string) (*summary, error) {
	for _, k := range summaryForms {
		f := k.form.FindStringSubmatch(text)
		if f == nil {
			continue
		}
		r := reader{}
		s := &summary{line: text, init: r.integer(f[k.init]), warmUp: f[k.warmUp], mean: f[k.infer]}
		if k.first > 0 {
			s.first = new(r.integer(f[k.first]))
		}
		if !r.failed {
			return s, nil
		}
	}
	return nil, &UnparsableError{text, "this summary has no known form"}
}

// agrees checks that the summary repeats figures of the lines above it, digit by digit.
func (s *summary) agrees(r *Result) error {
	if s.first != nil && r.WarmUp.Count > 0 && *s.first != r.WarmUp.First {
		return &UnparsableError{s.line, fmt.Sprintf("the summary is not of the runs above it, whose first took %d us", r.WarmUp.First)}
	}
	for _, c := range []struct {
		printed string
		of      Stat
	}{{s.mean, r.Regular}, {s.warmUp, r.WarmUp}} {
		v, ok := parseNumber(c.printed)
		if c.of.Count > 0 && (!ok || !near(v, c.of.Mean)) {
			return &UnparsableError{s.line, fmt.Sprintf("the summary is not of the runs above it, whose mean is %g us", c.of.Mean)}
		}
	}
	return nil
}

// near reports whether two figures are equal except for the seventh digit.
func near(a, b float64) bool { return math.Abs(a-b) <= 1.01e-5*math.Max(a, b) }

// fileResult has what is used of the file result_file_path, whose latencies are single-precision
// milliseconds: one more digit than the printed mean. A missing mean is NaN, a missing number of runs 0.
//
// Source: LiteRT, tflite/tools/benchmark/proto/benchmark_result.proto.
type fileResult struct {
	Mean float64 // milliseconds
	Runs int64
}

var errResultFile = errors.New("the result file is no BenchmarkResult")

// Messages of the file, and their fields that are used.
const (
	latencyMessage, meanField protowire.Number = 2, 1
	miscMessage, runsField    protowire.Number = 4, 2
)

func parseResultFile(b []byte) (fileResult, error) {
	r := fileResult{Mean: math.NaN()}
	err := fields(b, func(message protowire.Number, typ protowire.Type, value []byte) error {
		if typ != protowire.BytesType || message < latencyMessage || message > miscMessage {
			return nil
		}
		content, _ := protowire.ConsumeBytes(value)
		return fields(content, func(n protowire.Number, typ protowire.Type, value []byte) error {
			switch {
			case message == latencyMessage && n == meanField && typ == protowire.Fixed32Type:
				v, _ := protowire.ConsumeFixed32(value)
				r.Mean = float64(math.Float32frombits(v))
			case message == miscMessage && n == runsField && typ == protowire.VarintType:
				v, _ := protowire.ConsumeVarint(value)
				r.Runs = int64(v)
			}
			return nil
		})
	})
	return r, err
}

// fields calls f with every field of a message.
func fields(b []byte, f func(protowire.Number, protowire.Type, []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errResultFile
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
			return errResultFile
		}
		if err := f(n, typ, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// refine takes the mean from the file, which has one more digit. A file that does not match the
// printed run is refused.
func (f fileResult) refine(s *Stat) error {
	mean := f.Mean * 1000
	switch {
	case f.Runs != s.Count:
		return fmt.Errorf("the result file has %d runs, %d were printed", f.Runs, s.Count)
	case !(mean > 0) || !near(mean, s.Mean):
		return fmt.Errorf("the result file has a mean of %g us, %g was printed", mean, s.Mean)
	}
	if resolution := mean * 0x1p-23; resolution < s.Resolution {
		s.Mean, s.Resolution = mean, resolution
	}
	return nil
}
