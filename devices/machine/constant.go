package machine

import (
	"fmt"
	"slices"
	"sync"

	"latlab/devices"
)

// Some sensors report one figure for ever, often the end of their scale. Those at an impossible
// temperature are left out by devices/state; a constant between that and what a chip may have shows
// only over time. It would hold every block at the gate until the limit.

const (
	// impossibleAtRestC: a machine that waits at the gate runs nothing of latlab's. A sensor that stays
	// exactly there is none, whereas a chip that is as hot cools by tenths at least.
	impossibleAtRestC = 100
	// constantAfter is how many equal readings at rest make a constant: 20 s.
	constantAfter = 5
)

// constants are a machine's sensors that were seen to be constant, by name, with their figures.
type constants struct {
	mu    sync.Mutex
	known map[string]float64
}

// leaveOut replaces constant sensors by nil. A sensor that has moved is a sensor again.
func (c *constants) leaveOut(s *devices.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, value := range c.known {
		now := s.TemperaturesC[name]
		switch {
		case now == nil:
		case *now == value:
			s.TemperaturesC[name] = nil
			if s.UnclearTemperatures == nil {
				s.UnclearTemperatures = map[string]string{}
			}
			s.UnclearTemperatures[name] = fmt.Sprintf("%g C is constant", value)
		default:
			delete(c.known, name)
		}
	}
}

func (c *constants) add(name string, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]float64{}
	}
	c.known[name] = value
}

// rest counts equal readings of hot sensors while a machine rests.
type rest map[string]equal

type equal struct {
	value float64
	times int
}

// see returns the sensors that this state shows to be constant.
func (r rest) see(s devices.State) []string {
	var found []string
	for name, now := range s.TemperaturesC {
		if now == nil || *now < impossibleAtRestC {
			delete(r, name)
			continue
		}
		e := r[name]
		if e.value != *now {
			e = equal{value: *now}
		}
		e.times++
		r[name] = e
		if e.times >= constantAfter {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}
