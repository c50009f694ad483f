package source

import (
	"fmt"
	"time"

	"latlab/bench"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Forecast is what a sweep's networks are, before anything runs.
type Forecast struct {
	Networks int
	Profiled int   // of those, to be profiled too
	Written  int64 // bytes of models to be written; 0 for a user's own files
	MACs     int64 // of those whose ops are known
	Known    int   // how many those are
}

// Forecast lowers all networks.
func (s Archs) Forecast() (Forecast, error) {
	f := Forecast{Networks: len(s.Archs), Known: len(s.Archs)}
	for _, a := range s.Archs {
		g, err := graph.Lower(s.Space, a)
		if err != nil {
			return f, err
		}
		m, err := model.New(g, s.Form, nil)
		if err != nil {
			return f, err
		}
		n, err := m.Size()
		if err != nil {
			return f, err
		}
		f.Written += n
		f.MACs += g.TotalMACs()
	}
	return f, nil
}

// Forecast knows the MACs of files whose ops are all known.
func (l List) Forecast() (Forecast, error) {
	f := Forecast{Networks: len(l)}
	for _, one := range l {
		n, err := one.written()
		if err != nil {
			return f, err
		}
		f.Written += n
		if one.Model.Graph != nil {
			f.MACs += one.Model.Graph.TotalMACs()
			f.Known++
		}
	}
	return f, nil
}

// MeanMACs is nil where no network's ops are known.
func (f Forecast) MeanMACs() *int64 {
	if f.Known == 0 {
		return nil
	}
	return new(f.MACs / int64(f.Known))
}

// What is assumed before anything was timed.
const (
	// assumedMACsPerSecond is what one core of a server CPU was seen to do in float32 on
	// MobileDet-space networks (20 to 50 billion).
	assumedMACsPerSecond = 25e9
	// phoneMACsPerSecond is a phone's CPU and acceleratorMACsPerSecond an EdgeTPU, as MobileDets
	// were published: half a billion MACs in 113 ms on a Pixel 1, one and a half in 14.75 ms on
	// a Coral stick (fixtures).
	phoneMACsPerSecond       = 4e9
	acceleratorMACsPerSecond = 100e9
	// estimateSeconds is a vendor's compiler on a whole network: 0.6 to 1.6 s were seen.
	estimateSeconds = 1.5
	// profileBlocks is how many blocks the profile of a network takes as long as: of observed inferences, and of others
	// to compare them with.
	profileBlocks = 2
	// simulateSeconds is a simulator's network, the store included: 1,000 a second.
	simulateSeconds = 1e-3
	// assumedSeconds is a network's latency where its ops are not known.
	assumedSeconds = 0.02
)

// Assumption is what Duration assumes of a device, before anything was timed on it: "at 25 billion MACs a second".
func Assumption(d devices.Info) string {
	switch d.Kind {
	case devices.Simulated:
		return "at a thousand networks a second"
	case devices.Estimated:
		return fmt.Sprintf("at %.1f s a network, %d at once,", estimateSeconds, max(d.Parallel, 1))
	}
	return fmt.Sprintf("at %.0f billion MACs a second", macsPerSecond(d)/1e9)
}

func macsPerSecond(d devices.Info) float64 {
	switch {
	case d.Accelerator:
		return acceleratorMACsPerSecond
	case d.Transport != "":
		return phoneMACsPerSecond
	}
	return assumedMACsPerSecond
}

// Duration is how long a sweep takes with the fewest blocks a network, and with the most.
func (f Forecast) Duration(p protocol.Protocol, d devices.Info) (least, most time.Duration) {
	seconds := func(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
	switch d.Kind {
	case devices.Simulated:
		least = seconds(float64(f.Networks+f.Profiled) * simulateSeconds)
		return least, least
	case devices.Estimated:
		least = seconds((float64(f.Networks)/float64(max(d.Parallel, 1)) + float64(f.Profiled)) * estimateSeconds)
		return least, least
	}
	latency := assumedSeconds
	if f.Known > 0 {
		latency = float64(f.MACs) / float64(f.Known) / macsPerSecond(d)
	}
	block := p.Forecast(1, latency, bench.BlockOverhead) / time.Duration(p.MinBlocks)
	blocks := func(each int) time.Duration { return block * time.Duration(f.Networks*each+f.Profiled*profileBlocks) }
	return blocks(p.MinBlocks), blocks(p.MaxBlocks)
}
