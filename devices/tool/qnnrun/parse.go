package qnnrun

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"latlab/devices/tool"
	"latlab/internal/text"
)

// profile is the part of the viewer's table that is used. Times are whole microseconds.
type profile struct {
	netRun  []float64            // of every execution, timed by qnn-net-run
	backend map[string][]float64 // of every execution, timed by the backend, by latlab's name of the event
	init    float64              // of loading, timed by qnn-net-run

	warnings tool.Warnings // of qnn-net-run
	// Of a detailed profile, in cycles; empty of others.
	cycles []float64  // of the accelerator, of every execution
	ops    []opCycles // in the table's order
	at     map[string]int
	inside bool // the last row was of the accelerator's cycles or of an op of it
}

// opCycles are the cycles of an op in every execution.
type opCycles struct {
	name   string // "stem/conv_token_6:OpId_25"
	cycles []float64
}

// columns of the table; the lines above it have versions and sources.
var columns = []string{"Msg Timestamp", "Message", "Time", "Unit of Measurement", "Timing Source", "Event Level", "Event Identifier"}

// backendEvents of the backend that are kept, with latlab's names. They nest: the call contains the
// processor's time including waiting, and that contains the time without waiting.
var backendEvents = map[string]string{
	"QNN (execute) time": "qnn", "RPC (execute) time": "rpc",
	"QNN accelerator (execute) time": "qnn_accelerator", "QNN Accelerator (execute) time": "qnn_accelerator",
	"Accelerator (execute) time": accelerator, "Accelerator (execute excluding wait) time": "accelerator_without_wait",
}

const accelerator = "accelerator"

// cyclesEvent is the backend's event that has an op's cycles as its parts, one for each op that was added to the graph
// (QnnHtpProfile.h, QNN_HTP_PROFILE_EVENTTYPE_GRAPH_EXECUTE_ACCEL_TIME_CYCLE).
const cyclesEvent = "Accelerator (execute) time (cycles)"

// parseProfile reads the table. It skips rows of other messages, levels and units.
func parseProfile(said string) (*profile, error) {
	p := &profile{backend: map[string][]float64{}, at: map[string]int{}}
	header := false
	for line := range strings.Lines(said) {
		f := strings.SplitN(strings.TrimRight(line, "\r\n"), ",", len(columns)) // names may have commas
		for i := range f {
			f[i] = strings.Trim(strings.TrimSpace(f[i]), `"`)
		}
		switch {
		case !header:
			header = isHeader(f)
		case len(f) < len(columns):
			if strings.TrimSpace(line) != "" {
				return nil, fmt.Errorf("a row has %d columns: %q", len(f), text.Line(line, maxKept))
			}
		default:
			if err := p.row(f); err != nil {
				return nil, fmt.Errorf("%q: %w", text.Line(line, maxKept), err)
			}
		}
	}
	if !header {
		return nil, errors.New("it has no row of columns that are known")
	}
	return p, nil
}

// isHeader accepts further columns behind these, which later SDKs have.
func isHeader(f []string) bool {
	if len(f) < len(columns) {
		return false
	}
	for i, name := range columns {
		first, _, _ := strings.Cut(f[i], ",")
		if strings.TrimSpace(first) != name {
			return false
		}
	}
	return true
}

func (p *profile) row(f []string) error {
	message, unit, source, level, event := f[1], f[3], f[4], f[5], f[6]
	if source == "BACKEND" && (message == "EXECUTE" || message == "NODE") {
		if done, err := p.cyclesRow(f[2], unit, level, event); done || err != nil {
			return err
		}
	}
	if level != "ROOT" || unit != "US" || message != "EXECUTE" && message != "INIT" {
		return nil
	}
	us, err := strconv.ParseUint(f[2], 10, 40)
	if err != nil {
		return fmt.Errorf("%q is no time", f[2])
	}
	switch {
	case message == "INIT" && source == "NETRUN":
		p.init += float64(us)
	case message == "INIT":
	case source == "NETRUN":
		if !strings.HasPrefix(event, "Graph 0") {
			return errors.New("the profile has more than one graph, or an unknown form")
		}
		if us == 0 {
			return errors.New("an execution took no time")
		}
		p.netRun = append(p.netRun, float64(us))
	case source == "BACKEND":
		if name := backendEvents[event]; name != "" {
			p.backend[name] = append(p.backend[name], float64(us))
		}
	}
	return nil
}

// maxOps limits the values of ops that are kept: a thousand executions of a large network.
const maxOps = 4 << 20

// cyclesRow reads the accelerator's cycles, and the rows of ops behind it.
func (p *profile) cyclesRow(value, unit, level, event string) (done bool, err error) {
	if level == "ROOT" {
		p.inside = event == cyclesEvent && unit == "CYCLES"
	}
	if !p.inside || unit != "CYCLES" {
		return false, nil
	}
	cycles, err := strconv.ParseUint(value, 10, 53)
	if err != nil {
		return false, fmt.Errorf("%q is no number of cycles", value)
	}
	if level == "ROOT" {
		p.cycles = append(p.cycles, float64(cycles))
		return true, nil
	}
	name := text.Line(strings.TrimSuffix(event, " (cycles)"), maxKept)
	if name == "" {
		return false, errors.New("an op has no name")
	}
	i, known := p.at[name]
	if !known {
		i = len(p.ops)
		p.at[name] = i
		p.ops = append(p.ops, opCycles{name: name})
	}
	if len(p.ops)*len(p.cycles) > maxOps {
		return false, errors.New("it has too many rows of ops")
	}
	p.ops[i].cycles = append(p.ops[i].cycles, float64(cycles))
	return true, nil
}

var errNoProcessor = errors.New("it has no time of the accelerator: something else ran the network")

// check requires as many executions as were asked for, each with its times, including the processor's.
func (p *profile) check(n int) error {
	if len(p.netRun) != n {
		return fmt.Errorf("%d executions, %d were asked for", len(p.netRun), n)
	}
	for name, xs := range p.backend {
		if len(xs) != n {
			return fmt.Errorf("%d times of %s in %d executions", len(xs), name, n)
		}
	}
	own := p.accelerator()
	if own == nil {
		return errNoProcessor
	}
	for i, x := range own {
		if x == 0 {
			return errNoProcessor
		}
		if x > p.netRun[i] {
			return fmt.Errorf("the accelerator took %v us of an execution of %v us", x, p.netRun[i])
		}
	}
	return nil
}

// accelerator returns the processor's time of every execution, nil if there is none.
func (p *profile) accelerator() []float64 {
	if own := p.backend[accelerator]; own != nil {
		return own
	}
	return p.backend["qnn_accelerator"]
}
