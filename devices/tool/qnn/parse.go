package qnn

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// provider is onnxruntime's name of the compiler.
const provider = "QNNExecutionProvider"

// answer is run.py's answer: which provider takes which nodes.
type answer struct {
	Whole  bool    `json:"whole"`
	Graphs []graph `json:"graphs"`
}

// graph is a part of the network that one provider takes as a unit.
type graph struct {
	Provider string         `json:"provider"`
	Ops      map[string]int `json:"ops"` // nodes by ONNX operator
}

func parseAnswer(text string) (answer, error) {
	var a answer
	if err := decode(text, &a); err != nil {
		return a, err
	}
	return a, a.check()
}

func decode(text string, to any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("the script's answer: %w", err)
	}
	return nil
}

func (a answer) check() error {
	nodes, left := 0, 0
	for _, g := range a.Graphs {
		for op, n := range g.Ops {
			if n < 1 || n > math.MaxInt32 || op == "" {
				return fmt.Errorf("the script's answer: %d nodes of %q", n, op)
			}
			nodes += n
			if g.Provider != provider {
				left += n
			}
		}
	}
	if nodes == 0 || a.Whole != (left == 0) {
		return fmt.Errorf("the script's answer: %d of %d nodes are left, and the whole is taken: %v", left, nodes, a.Whole)
	}
	return nil
}

// profileHeader is the header of onnxruntime-qnn 2.7.0.
const profileHeader = "Msg Timestamp,Message,Time,Unit of Measurement,Timing Source,Event Level,Event Identifier"

// Events of the profile that are read, and their units.
const (
	finalizeEvent  = "QNN (finalize) time"
	estimatesEvent = "Performance Estimates"
	missingEvent   = "Missing Ops (Number of Ops with no Costs associated)"

	cyclesEvent, timeEvent = "Simulated (Accelerator exec cycles", "Simulated (Accelerator exec time us"
)

// units are the events of one graph's estimates: each is required exactly once.
func units() map[string]string {
	u := map[string]string{missingEvent: "US"} // a number of operators, although the column has a unit
	for _, bound := range []string{")", " (lower estimate))", " (upper estimate))"} {
		u[cyclesEvent+bound], u[timeEvent+bound] = "CYCLES", "US"
	}
	for _, bytes := range []string{"Input Fill", "Intermediate Fill", "Intermediate Spill", "Output Spill"} {
		u[bytes] = "BYTES"
	}
	return u
}

// ignored are events among the estimates that are not needed.
var ignored = []string{"Mode", "Bandwidth Stats", "HTP ID", "Inter HTP Fill", "Inter HTP Spill"}

// span is one of the compiler's figures with its bounds, in cycles or in whole microseconds.
type span struct{ mid, low, high float64 }

// costs are the estimates of one graph.
type costs struct {
	cycles, micros span
	bytes          map[string]float64
	missing        int      // operators without a known cost
	names          []string // names of those operators
}

// profile is the content of the profiling file.
type profile struct {
	finalize float64 // seconds of compilation on this host
	graphs   []costs
}

type event struct {
	value       float64
	unit, level string
	name        string
}

// parseProfile accepts exactly the columns and events that it knows: if one is renamed or added, the
// others may have changed their meaning.
//
// Rows outside of "Performance Estimates" are the times of the compiler itself and, if a network was
// run, of the emulation. They do not apply to the processor.
func parseProfile(text string) (*profile, error) {
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	if lines[0] != profileHeader {
		return nil, fmt.Errorf("its columns are %q", lines[0])
	}
	p := &profile{}
	var open *section
	for i, line := range lines[1:] {
		e, err := parseEvent(line)
		if err == nil {
			open, err = p.take(open, e)
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return p, p.close(open)
}

func parseEvent(line string) (event, error) {
	fields := strings.SplitN(line, ",", 7) // the last is a name, which may contain commas
	if len(fields) != 7 {
		return event{}, fmt.Errorf("%d of 7 columns", len(fields))
	}
	x, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || x < 0 {
		return event{}, fmt.Errorf("%s is %q", fields[6], fields[2])
	}
	return event{value: float64(x), unit: fields[3], level: fields[5], name: fields[6]}, nil
}

// section is a graph's estimates while they are being read.
type section struct {
	seen  map[string]float64
	names []string
}

// take adds a row. It returns the open section, or nil if there is none.
func (p *profile) take(open *section, e event) (*section, error) {
	if e.level == "ROOT" {
		if err := p.close(open); err != nil {
			return nil, err
		}
		if e.name == finalizeEvent {
			if e.unit != "US" {
				return nil, fmt.Errorf("%s is in %s", e.name, e.unit)
			}
			p.finalize += e.value / 1e6
		}
		if e.name != estimatesEvent {
			return nil, nil
		}
		return &section{seen: map[string]float64{}}, nil
	}
	if open == nil {
		return nil, nil
	}
	return open, open.take(e)
}

func (s *section) take(e event) error {
	if _, complete := s.seen[missingEvent]; complete {
		// The names of operators without cost come last.
		s.names = append(s.names, e.name)
		return nil
	}
	unit, known := units()[e.name]
	switch _, twice := s.seen[e.name]; {
	case !known && slices.Contains(ignored, e.name):
		return nil
	case !known:
		return fmt.Errorf("event %q is not known", e.name)
	case twice:
		return fmt.Errorf("event %q is there twice", e.name)
	case e.unit != unit:
		return fmt.Errorf("%s is in %s, not %s", e.name, e.unit, unit)
	}
	s.seen[e.name] = e.value
	return nil
}

// close turns a section into costs. A section without any figure belongs to a chip without estimates.
func (p *profile) close(s *section) error {
	if s == nil || len(s.seen) == 0 {
		return nil
	}
	for name := range units() {
		if _, ok := s.seen[name]; !ok {
			return fmt.Errorf("event %q is missing", name)
		}
	}
	if int(s.seen[missingEvent]) < len(s.names) {
		return fmt.Errorf("%d names follow %v operators without cost", len(s.names), s.seen[missingEvent])
	}
	bounds := func(event string) span {
		return span{s.seen[event+")"], s.seen[event+" (lower estimate))"], s.seen[event+" (upper estimate))"]}
	}
	c := costs{cycles: bounds(cyclesEvent), micros: bounds(timeEvent), bytes: map[string]float64{},
		missing: int(s.seen[missingEvent]), names: s.names}
	for _, x := range []span{c.cycles, c.micros} {
		if x.low > x.mid || x.mid > x.high {
			return errors.New("an estimate lies outside of its bounds")
		}
	}
	for name, unit := range units() {
		if unit == "BYTES" {
			c.bytes[strings.ToLower(strings.ReplaceAll(name, " ", "_"))+"_bytes"] = s.seen[name]
		}
	}
	p.graphs = append(p.graphs, c)
	return nil
}
