//go:build xnnpack_builtin

package main

// #include <time.h>
//
// #include "events.h"
import "C"

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

const (
	// usualEvents is room for the operators of most networks; the first inference shows if it is not.
	usualEvents = 4096
	maxEvents   = 1 << 18
)

// observe makes the runtime report the operators. Without a delegate the nodes are seen through one that takes
// none.
func (s *session) observe() error {
	if s.delegate == nil {
		n := newNothing()
		countNodes(n.Ptr(), false, true)
		s.options.AddDelegate(n)
	}
	if C.latlab_observe(*(**C.TfLiteInterpreterOptions)(unsafe.Pointer(s.options))) == 0 {
		return fault(devices.FaultUser, devices.ReasonUnsupported,
			"the runtime's library reports no times of operators: it lacks TfLiteInterpreterOptionsSetTelemetryProfiler, which latlab's own has")
	}
	if C.latlab_forget(usualEvents) == 0 {
		return fault(devices.FaultDevice, "memory", "no memory for the times of operators")
	}
	return nil
}

// profile is one block in which the runtime reports its operators. In turn with the observed invokes, a second
// copy of the model that is not observed is invoked: the difference is what observing costs. Turns of one
// invoke each, because a busy moment then affects both alike.
func profile(req wire.Request) (wire.Response, error) {
	resp := wire.Response{Type: wire.Profile, Result: new(wire.Result), Profile: new(wire.Observed)}
	s, err := ready(req, observed)
	if err != nil {
		return resp, err
	}
	defer s.close()
	resp.Library, resp.Signature = s.library(), s.key
	if err := s.begin(req, resp.Result); err != nil {
		return resp, err
	}
	other, why := s.unobserved(req)
	defer other.close()
	resp.Profile.WithoutPlain = why
	return resp, s.profile(req, other, resp)
}

func (s *session) profile(req wire.Request, other *session, resp wire.Response) error {
	r, o, seen := resp.Result, resp.Profile, newSeen()
	clock := cpuClock(req.Threads)
	for total := 0.0; len(r.Samples) < wire.MaxObserved && req.Plan.More(len(r.Samples), total); {
		wall, err := s.see(seen)
		if err != nil {
			return err
		}
		r.Samples = append(r.Samples, wall)
		total += wall
		if other == nil {
			continue
		}
		if wall, _, err = other.invoke(clock); err != nil {
			return err
		}
		o.Plain = append(o.Plain, wall)
		total += wall
	}
	if err := s.end(r); err != nil {
		return err
	}
	o.Rows, o.Varies, o.Outside = seen.result(), seen.varies, max(median(seen.outside), 0)
	o.Main = s.subgraph()
	o.Subgraphs, o.Kernels = observedNodes()
	return nil
}

// unobserved is a second copy of the model, warm like the first one, or nil and the reason.
func (s *session) unobserved(req wire.Request) (*session, string) {
	if s.external {
		return nil, "an accelerator may serve one copy of a model only"
	}
	if used, free := memoryOf("/proc/self/status", "VmRSS"), memoryOf("/proc/meminfo", "MemAvailable"); free > 0 && free < used+used/2 {
		return nil, fmt.Sprintf("a second copy of the model needs up to %d MiB, and %d MiB are free", used>>20, free>>20)
	}
	other, err := ready(req, plain)
	if err == nil {
		err = other.begin(req, new(wire.Result))
	}
	if err != nil {
		other.close()
		return nil, "a second copy of the model failed: " + err.Error()
	}
	return other, ""
}

// see invokes the model and adds the times of its operators. It repeats an invoke that had more operators than
// there was room for.
func (s *session) see(seen *seen) (float64, error) {
	for {
		wall, _, err := s.invoke(C.CLOCK_THREAD_CPUTIME_ID)
		if err != nil {
			return 0, err
		}
		n := int(C.latlab_event_count())
		if n <= seen.room {
			seen.add(wall, unsafe.Slice(C.latlab_events(), n))
			return wall, nil
		}
		if seen.room = 2 * n; n > maxEvents || C.latlab_forget(C.int(seen.room)) == 0 {
			return 0, fault(devices.FaultModel, devices.ReasonUnsupported, "the model runs %d operators an inference, more than there is room for", n)
		}
	}
}

// seen are the times of the operators of all observed inferences. A row is an operator: it may run several
// times in an inference, in a loop.
type seen struct {
	room  int
	runs  int
	rows  []seenRow
	index map[seenKey]int
	// outside is what of an inference is in no row.
	outside []float64
	// order has the row of each event of the first inference. Most inferences have the same, so that their
	// rows are found without looking names up.
	order  []int
	varies bool
	of     []int // the row of each event of this inference
}

type seenKey struct {
	kind, within int
	op, subgraph int64
	name         string
}

type seenRow struct {
	seenKey
	times int
	// Of each inference: the time in all, and without that of the operators that it called.
	all, own []float64
}

func newSeen() *seen { return &seen{room: usualEvents, index: map[seenKey]int{}} }

func (s *seen) add(wall float64, events []C.latlab_event) {
	s.of = s.of[:0]
	s.outside = append(s.outside, wall)
	s.varies = s.varies || s.runs > 0 && len(events) != len(s.order)
	for i := range events {
		e := &events[i]
		s.of = append(s.of, s.row(i, e))
		row, seconds := s.at(s.of[i]), float64(e.seconds)
		switch within := s.within(e); {
		case within == s.of[i]:
			continue // both reports of a kernel
		case within >= 0:
			s.at(within).own[s.runs] -= seconds
		default:
			s.outside[s.runs] -= seconds
		}
		row.times++
		row.all[s.runs] += seconds
		row.own[s.runs] += seconds
	}
	if s.runs == 0 {
		s.order = slices.Clone(s.of)
	}
	s.runs++
}

// at is a row with a place for this inference.
func (s *seen) at(row int) *seenRow {
	r := &s.rows[row]
	for len(r.all) <= s.runs {
		r.all, r.own = append(r.all, 0), append(r.own, 0)
	}
	return r
}

// within is the row in which an event happened.
func (s *seen) within(e *C.latlab_event) int {
	if e.within < 0 {
		return -1
	}
	return s.of[e.within]
}

func (s *seen) row(i int, e *C.latlab_event) int {
	name := unsafe.Slice((*byte)(unsafe.Pointer(&e.name[0])), len(e.name))
	name = name[:slices.Index(name, 0)]
	within := s.within(e)
	same := func(k *seenKey) bool {
		return k.op == int64(e.op) && k.subgraph == int64(e.subgraph) && k.name == string(name)
	}
	// The runtime reports kernels of some delegates too: one row for both.
	if e.kind == C.latlab_kernel && within >= 0 && same(&s.rows[within].seenKey) {
		return within
	}
	if s.runs > 0 && i < len(s.order) {
		if k := &s.rows[s.order[i]].seenKey; k.kind == int(e.kind) && k.within == within && same(k) {
			return s.order[i]
		}
		s.varies = true
	}
	key := seenKey{int(e.kind), within, int64(e.op), int64(e.subgraph), string(name)}
	row, ok := s.index[key]
	if !ok {
		row = len(s.rows)
		s.index[key] = row
		s.rows = append(s.rows, seenRow{seenKey: key})
	}
	return row
}

// result is the median of each row over the inferences, 0 for those in which it did not run.
func (s *seen) result() (rows []wire.Row) {
	kinds := map[int]string{C.latlab_operator: wire.Operator, C.latlab_kernel: wire.KernelRow, C.latlab_inside: wire.Inside}
	s.runs--
	for i := range s.rows {
		r := s.at(i)
		rows = append(rows, wire.Row{
			Kind: kinds[r.kind], Within: r.within, Name: strings.ToValidUTF8(r.name, "?"), Index: int(r.op), Subgraph: int(r.subgraph),
			Times: float64(r.times) / float64(s.runs+1), Seconds: max(median(r.own), 0), All: median(r.all),
		})
	}
	return rows
}

func median(xs []float64) float64 {
	slices.Sort(xs)
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}
