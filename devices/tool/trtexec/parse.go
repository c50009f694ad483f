package trtexec

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"latlab/devices/tool"
	"latlab/internal/text"
)

// report is the output of one run of trtexec. Times are in milliseconds, as printed.
type report struct {
	passed bool
	timed  bool // it has a summary of times
	// warmed and timings are the numbers of warm-up and timed queries. TensorRT 7 prints 0 for both if
	// the batch is explicit, as it always is with ONNX: they are -1 then.
	warmed, timings  int
	compute, latency stats
	load             float64 // seconds for reading and deserializing the engine
	warnings         []string
	chosen           []string // those that say that trtexec chose a shape
	// Layers that the builder prints, by the unit that runs them.
	dlaLayers, gpuLayers []string
}

// stats are the figures of a summary that are checked; all are required.
type stats struct{ min, max, mean, median float64 }

// maxWarnings and maxNamed limit how much of a hostile output gets into a block.
const (
	maxWarnings = 20
	maxNamed    = 1 << 14
)

// A line of TensorRT's logger: "[11/25/2026-16:00:00] [I] [TRT] text". trtexec's own lines have no
// [TRT]. Before 8.0, names of layers were printed without it.
var logLine = regexp.MustCompile(`^\[[0-9/:-]{8,32}\] \[([VIWEF])\] ?(\[TRT\] ?)?(.*)$`)

// parseLog reads both streams: warnings and errors go to stderr, everything else to stdout. The
// relative order of the two is lost.
func parseLog(stdout, stderr string) (*report, error) {
	p := &parser{report: report{warmed: -1, timings: -1}, seen: map[string]bool{}}
	for _, said := range []string{stdout, stderr} {
		p.section = ""
		for line := range strings.Lines(said) {
			if err := p.line(strings.TrimRight(line, "\r\n")); err != nil {
				return nil, fmt.Errorf("%q: %w", text.Line(line, maxKept), err)
			}
		}
	}
	return p.finish()
}

type parser struct {
	report
	section string          // "Host Latency" of TensorRT 7, whose lines do not name it
	old     map[string]part // sections of TensorRT 7
	failed  bool
	seen    map[string]bool // summaries and warnings
}

// part is a section of TensorRT 7 while it is being read.
type part map[string]float64

func (p *parser) line(line string) error {
	if m := header.FindStringSubmatch(line); m != nil {
		p.passed = p.passed || m[1] == "PASSED"
		p.failed = p.failed || m[1] == "FAILED"
		return nil
	}
	m := logLine.FindStringSubmatch(line)
	if m == nil {
		if said, found := tool.Warning(line); found {
			p.warn(programName, said)
		}
		return nil
	}
	level, ofTensorRT, text := m[1], m[2] != "", strings.TrimRight(m[3], " ")
	switch {
	case level == "W" && ofTensorRT:
		p.warn("TensorRT", text)
		return nil
	case level == "W":
		p.warn(programName, text)
		return nil
	case ofTensorRT:
		p.builder(text)
		return nil
	case level != "I":
		return nil
	}
	return p.info(text)
}

// builder reads "[DlaLayer] {ForeignNode[a...b]}" and "[GpuLayer] CONVOLUTION: a".
func (p *parser) builder(said string) {
	if name, found := strings.CutPrefix(said, "[DlaLayer] "); found && len(p.dlaLayers) < maxNamed {
		p.dlaLayers = append(p.dlaLayers, text.Line(name, maxKept))
	}
	if name, found := strings.CutPrefix(said, "[GpuLayer] "); found && len(p.gpuLayers) < maxNamed {
		p.gpuLayers = append(p.gpuLayers, text.Line(name, maxKept))
	}
}

// warn keeps every warning once. Those about a time begin with a star, and advice follows them on lines that are
// indented, which is skipped.
func (p *parser) warn(who, said string) {
	advice := strings.HasPrefix(said, "  ")
	said = who + ": " + text.Line(strings.TrimPrefix(said, "* "), maxKept)
	if advice || p.seen[said] {
		return
	}
	if tool.ChoseShape(said) && len(p.chosen) < maxWarnings {
		p.seen[said] = true
		p.chosen = append(p.chosen, said)
	}
	if len(p.warnings) < maxWarnings {
		p.seen[said] = true
		p.warnings = append(p.warnings, said)
	}
}

var (
	warmedLine  = regexp.MustCompile(`^Warmup completed ([0-9]+) queries over `)
	timingsLine = regexp.MustCompile(`^Timing trace has ([0-9]+) queries over `)
	loadLine    = regexp.MustCompile(`^Engine (?:loaded|deserialized) in ([0-9.e+-]+) sec\.?$`)
	// 8.0 and later. Percentiles follow: one up to 8.4, three by default since.
	statsLine = regexp.MustCompile(`^(Latency|GPU Compute Time): (min = .*)$`)
	statWord  = regexp.MustCompile(`^(min|max|mean|median) = ([0-9.e+-]+) ms$`)
	// 7: a section's name on a line of its own, then a line for each figure.
	oldStat = regexp.MustCompile(`^(min|max|mean|median): ([0-9.e+-]+) ms(?: \(end to end .*\))?$`)
)

func (p *parser) info(text string) error {
	if m := warmedLine.FindStringSubmatch(text); m != nil {
		return count(m[1], &p.warmed)
	}
	if m := timingsLine.FindStringSubmatch(text); m != nil {
		return count(m[1], &p.timings)
	}
	if m := loadLine.FindStringSubmatch(text); m != nil {
		x, err := number(m[1])
		p.load += x
		return err
	}
	if m := statsLine.FindStringSubmatch(text); m != nil {
		return p.summary(m[1], m[2])
	}
	if m := oldStat.FindStringSubmatch(text); m != nil {
		return p.oldSummary(m[1], m[2])
	}
	if !strings.Contains(text, ":") && text != "" {
		p.section = text
	}
	return nil
}

func count(s string, to *int) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if *to >= 0 {
		return errors.New("it is there twice")
	}
	*to = int(n)
	return err
}

func number(s string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0) || x < 0) {
		err = fmt.Errorf("%s is no time", s)
	}
	return x, err
}

func (p *parser) summary(name, text string) error {
	f := part{}
	for word := range strings.SplitSeq(text, ", ") {
		m := statWord.FindStringSubmatch(word)
		if m == nil {
			continue // a percentile
		}
		if err := f.add(m[1], m[2]); err != nil {
			return err
		}
	}
	return p.take(name, f)
}

func (f part) add(name, text string) error {
	x, err := number(text)
	if _, twice := f[name]; twice {
		return fmt.Errorf("%s is there twice", name)
	}
	f[name] = x
	return err
}

// oldNames are TensorRT 7's names of the summaries.
var oldNames = map[string]string{"Host Latency": "Latency", "GPU Compute": "GPU Compute Time"}

func (p *parser) oldSummary(stat, text string) error {
	name := oldNames[p.section]
	if name == "" {
		return nil // the enqueue times, or an unknown summary
	}
	if p.old == nil {
		p.old = map[string]part{}
	}
	if p.old[name] == nil {
		p.old[name] = part{}
	}
	return p.old[name].add(stat, text)
}

func (p *parser) take(name string, f part) error {
	for _, stat := range []string{"min", "max", "mean", "median"} {
		if _, there := f[stat]; !there {
			return fmt.Errorf("%s has no %s", name, stat)
		}
	}
	if p.seen[name] {
		return fmt.Errorf("%s is there twice", name)
	}
	p.seen[name] = true
	s := stats{f["min"], f["max"], f["mean"], f["median"]}
	if name == "Latency" {
		p.latency = s
	} else {
		p.compute = s
	}
	return nil
}

func (p *parser) finish() (*report, error) {
	for name, f := range p.old {
		if err := p.take(name, f); err != nil {
			return nil, err
		}
	}
	if p.passed && p.failed {
		return nil, errors.New("it says both PASSED and FAILED")
	}
	if p.seen["Latency"] != p.seen["GPU Compute Time"] {
		return nil, errors.New("it has one of two summaries of times")
	}
	if p.timings == 0 {
		p.warmed, p.timings = -1, -1 // TensorRT 7
	}
	p.timed = p.seen["Latency"]
	return &p.report, nil
}

// lastError is the last error that trtexec printed, for an error of one line.
func lastError(said string) string {
	last := ""
	for line := range strings.Lines(said) {
		m := logLine.FindStringSubmatch(strings.TrimSpace(line))
		if m != nil && (m[1] == "E" || m[1] == "F") && strings.TrimSpace(m[3]) != "" {
			if last != "" && anyOf(m[3], "set up failed", "Engine could not be created", "Failed to create engine") {
				continue // the reason came before
			}
			last = text.Line(m[3], maxKept)
		}
	}
	if last == "" {
		return "it does not say why"
	}
	return last
}
