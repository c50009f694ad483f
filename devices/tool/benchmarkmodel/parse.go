package benchmarkmodel

import (
	"fmt"
	"regexp"
	"strings"

	"latlab/devices/tool"
	"latlab/internal/text"
)

// Result is the output of one run of benchmark_model. Times are microseconds, as the tool has them
// (LiteRT, tflite/tools/benchmark/benchmark_model.cc); only a Block converts them to seconds, so that
// no digit is lost.
type Result struct {
	WarmUp, Regular Stat
	InitMicros      int64
	Memory          Memory
	Proof           Proof
	Profile         []Row    // of the regular runs, by enable_op_profiling; empty if it was off
	Internal        []Row    // the delegate's own ops, if it prints them
	Warnings        []string // lines of level WARN
	Errors          []string // lines of level ERROR and FATAL
	ErrorsDropped   int      // how many more there were than are kept
}

// Memory is in bytes; nil if the tool does not print it.
type Memory struct {
	Init, Overall *int64 // growth of the peak resident set since the tool's start
	Peak          *int64 // by periodic monitoring, if that was requested
}

// UnparsableError is the error of output that cannot be used as a measurement.
type UnparsableError struct {
	Line string // the line that is wrong; empty if a line is missing
	Err  string
}

func (e *UnparsableError) Error() string {
	if e.Line == "" {
		return e.Err
	}
	return fmt.Sprintf("%s: %q", e.Err, text.ClipTo(e.Line, 160))
}

// Parse reads what the tool printed on its two streams, or a log that has both in the first. If it
// holds several runs, the last counts. It accepts every known form: without prefix (until TensorFlow
// 2.8), with "INFO: ", from logcat; count= lines of one run, of equal ones, with percentiles; the
// summaries of 2018, of 2019 and of today.
//
// It does not guess: a line with a known beginning and an unknown form, a run that did not end,
// inconsistent figures and a latency of 0 are an *UnparsableError, and so is the output of LiteRT 2's
// program of the same name.
func Parse(stdout, stderr string) (*Result, error) {
	p := &parser{}
	all := append(lastRun(lines(stdout)), lines(stderr)...)
	if other := otherOutput(all); other != nil {
		return nil, &UnparsableError{Err: other.Error()}
	}
	for _, l := range all {
		if err := p.line(l); err != nil {
			return nil, err
		}
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return &p.r, nil
}

// line is one line without the prefixes of loggers.
type line struct {
	text  string // without prefix and space around
	raw   string // without logcat's prefix, tabs kept
	level string // "INFO"; empty if the line has none
	pid   string // of logcat
}

var (
	logcat = regexp.MustCompile(`^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\s+(\d+)\s+\d+ ([VDIWEF]) [^:]*: ?`)
	level  = regexp.MustCompile(`^(VERBOSE|INFO|WARN|WARNING|ERROR|FATAL): `)
	levels = map[string]string{"V": "VERBOSE", "D": "VERBOSE", "I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL", "WARNING": "WARN"}
)

func lines(text string) []line {
	var all []line
	for s := range strings.Lines(text) {
		l := line{raw: strings.TrimRight(s, "\r\n")}
		if m := logcat.FindStringSubmatch(l.raw); m != nil {
			l.raw, l.pid, l.level = l.raw[len(m[0]):], m[1], levels[m[2]]
		}
		if m := level.FindStringSubmatch(l.raw); m != nil {
			l.raw, l.level = l.raw[len(m[0]):], m[1]
			if long := levels[l.level]; long != "" {
				l.level = long
			}
		}
		l.text = strings.TrimSpace(l.raw)
		all = append(all, l)
	}
	return all
}

// lastRun is the lines from the last start on, in logcat only those of its process. A log whose
// beginning is lost has no start; all of it is read then.
func lastRun(all []line) []line {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].text != "STARTING!" {
			continue
		}
		var own []line
		for _, l := range all[i:] {
			if l.pid == all[i].pid || l.pid == "" {
				own = append(own, l)
			}
		}
		return own
	}
	return all
}

type parser struct {
	r       Result
	running bool   // a "Running benchmark" line waits for its count= line
	stats   []Stat // in the order printed
	summary *summary
	section section
	table   *table
	listing bool // the lines of Proof.Unsupported are being read
}

// section is the part of a profile that a line is in.
type section int

const (
	noProfile section = iota
	initProfile
	runProfile
	internalProfile
)

// maxKept limits the messages that are kept of each level.
const maxKept = 20

func (p *parser) line(l line) error {
	if l.text == "" {
		p.table = nil
		return nil
	}
	if p.left(l.text) {
		return nil
	}
	switch l.level {
	case "":
		if said, found := tool.Warning(l.text); found {
			p.r.Warnings = keep(p.r.Warnings, said)
		}
	case "WARN":
		p.r.Warnings = keep(p.r.Warnings, l.text)
	case "ERROR", "FATAL":
		if len(p.r.Errors) == maxKept {
			p.r.ErrorsDropped++
		}
		p.r.Errors = keep(p.r.Errors, l.text)
	}
	if done, err := p.figures(l); done || err != nil {
		return err
	}
	if p.profile(l) {
		return nil
	}
	return p.r.Proof.line(l)
}

func keep(list []string, s string) []string {
	if len(list) < maxKept {
		return append(list, text.ClipTo(s, 300))
	}
	return list
}

// figures reads the lines with times and memory.
func (p *parser) figures(l line) (done bool, err error) {
	switch {
	case strings.HasPrefix(l.text, "Running benchmark for "):
		if p.running {
			return true, &UnparsableError{l.text, "a second run begins before the first has its figures"}
		}
		p.running = true
	case strings.HasPrefix(l.text, "count="):
		return true, p.count(l.text)
	case strings.HasPrefix(l.text, "Inference timings in us:"), strings.HasPrefix(l.text, "Average inference timings in us:"):
		if p.summary != nil {
			return true, &UnparsableError{l.text, "a second summary"}
		}
		p.summary, err = parseSummary(l.text)
		return true, err
	case strings.HasPrefix(l.text, "Memory footprint delta from the start of the tool (MB):"), strings.HasPrefix(l.text, "Peak memory footprint (MB):"):
		// The kernel may not account memory; the difference can then be negative, and there is no figure.
		if f := memoryForm.FindStringSubmatch(l.text); f != nil {
			p.r.Memory.Init, p.r.Memory.Overall = megabytes(f[1]), megabytes(f[2])
		}
	case strings.HasPrefix(l.text, "Overall peak memory footprint (MB) via periodic monitoring:"):
		if f := peakForm.FindStringSubmatch(l.text); f != nil {
			p.r.Memory.Peak = megabytes(f[1])
		}
	default:
		return false, nil
	}
	return true, nil
}

func (p *parser) count(text string) error {
	if !p.running {
		return &UnparsableError{text, "figures of a run that was not announced"}
	}
	p.running = false
	s, err := parseStat(text)
	if err != nil {
		return err
	}
	p.stats = append(p.stats, s)
	return nil
}

var (
	memoryForm = regexp.MustCompile(`^[^:]*\(MB\): init=(` + number + `) overall=(` + number + `)$`)
	peakForm   = regexp.MustCompile(`^[^:]*: (` + number + `)$`)
)

// megabytes are 1024 * 1024 bytes (benchmark_model.cc divides kilobytes by 1024).
func megabytes(s string) *int64 {
	v, ok := parseNumber(s)
	if !ok || v > 1<<30 {
		return nil
	}
	return new(int64(v * (1 << 20)))
}

// finish checks that the run is complete, and that its lines agree.
func (p *parser) finish() error {
	switch {
	case len(p.stats) == 0 && p.summary == nil:
		return &UnparsableError{Err: "there are no figures of benchmark_model in it"}
	case p.running || p.summary == nil || len(p.stats) < 2:
		return &UnparsableError{Err: "the run did not end: the summary or a line of figures is missing"}
	case len(p.stats) > 2:
		return &UnparsableError{p.stats[2].Line, "more than a warm-up and a run"}
	}
	p.r.WarmUp, p.r.Regular, p.r.InitMicros = p.stats[0], p.stats[1], p.summary.init
	if err := p.r.WarmUp.check(); err != nil && p.r.WarmUp.Count > 0 {
		return err
	}
	if err := p.r.Regular.check(); err != nil {
		return err
	}
	return p.summary.agrees(&p.r)
}
