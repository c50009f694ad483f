package fleet_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// TestMain: a random run is eight sweeps with hundreds of faults, so rapid makes six of them. The command line wins.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const (
	fleetDevices  = 8
	fleetNetworks = 24
	unitFaults    = 60  // that a unit has in it
	faultChance   = 0.3 // of a run, while there are any
	mostRounds    = 200 // of the lab
)

// unit is a simulated device that breaks in all ways there are, in the bubble's time. It outlives the lab.
type unit struct {
	name   string
	mu     sync.Mutex
	random *rand.Rand
	left   int       // faults
	until  time.Time // offline
	dies   int       // with this run it is gone for good; 0 = never
	runs   int
	had    map[sim.Fault]int
}

func newUnit(name string, seed uint64) *unit {
	return &unit{name: name, random: rand.New(rand.NewPCG(seed, uint64(len(name)))), left: unitFaults, had: map[sim.Fault]int{}}
}

// fault draws what happens to a run now.
func (u *unit) fault(*model.Model) sim.Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.runs++
	switch {
	case u.dead() || time.Now().Before(u.until):
		u.had[sim.Offline]++
		return sim.Offline
	case u.left == 0 || u.random.Float64() > faultChance:
		return sim.NoFault
	}
	u.left--
	kinds := []sim.Fault{sim.Killed, sim.Killed, sim.Hang, sim.Garbage, sim.Garbage, sim.Offline, sim.Partial, sim.Crash}
	f := kinds[u.random.IntN(len(kinds))]
	u.had[f]++
	if f == sim.Offline { // from a cable that is put back to a phone that lies in a drawer for half an hour
		u.until = time.Now().Add(time.Duration(u.random.ExpFloat64() * float64(10*time.Minute)))
	}
	return f
}

func (u *unit) dead() bool { return u.dies > 0 && u.runs >= u.dies }

func (u *unit) open(context.Context) (devices.Device, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dead() || time.Now().Before(u.until) {
		return nil, offline()
	}
	d, err := sim.Open(sim.Options{Name: u.name, Inject: u.fault})
	if err != nil {
		return nil, err
	}
	return bubbled{d}, nil
}

// bubbled hides the simulator's own clock: its blocks take the bubble's time.
type bubbled struct{ devices.Device }

func (d bubbled) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	b, err := d.Device.Run(ctx, m, p)
	took := 3 * time.Second
	var e *devices.Error
	switch {
	case b != nil:
		took = time.Duration(b.Elapsed * float64(time.Second))
	case errors.As(err, &e) && e.Reason == devices.ReasonHung:
		took = p.Timeout
	}
	if werr := bench.Wait(ctx, nil, nil, took); werr != nil {
		return nil, werr
	}
	return b, err
}

// mortal is a store whose process is killed: from then on nothing is written.
type mortal struct {
	bench.Store
	killed context.Context
}

var errKilled = errors.New("killed")

func (s mortal) write(f func() error) error {
	if s.killed.Err() != nil {
		return errKilled
	}
	return f()
}

func (s mortal) CreateSweep(ctx context.Context, m bench.Sweep) error {
	return s.write(func() error { return s.Store.CreateSweep(ctx, m) })
}

func (s mortal) Plan(ctx context.Context, id string, n []bench.Network, slots []bench.Slot) error {
	return s.write(func() error { return s.Store.Plan(ctx, id, n, slots) })
}

func (s mortal) Finish(ctx context.Context, id string, done []bench.Finished) error {
	return s.write(func() error { return s.Store.Finish(ctx, id, done) })
}

func (s mortal) Fail(ctx context.Context, id string, f bench.Failure) error {
	return s.write(func() error { return s.Store.Fail(ctx, id, f) })
}

func (s mortal) Note(ctx context.Context, id string, c bench.Condition) error {
	return s.write(func() error { return s.Store.Note(ctx, id, c) })
}

// drawn are the networks, made once.
type drawn struct {
	space *sampler.Space
	nets  []bench.Network
	made  []*model.Model
}

func drawNetworks(t *testing.T) drawn {
	t.Helper()
	space, err := sampler.Builtin("mobiledet_cpu_tucker")
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(space, fleetNetworks, 1)
	if err != nil {
		t.Fatal(err)
	}
	d := drawn{space: space}
	for i, a := range archs {
		g, err := graph.Lower(space, a)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Float32}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.nets, d.made = append(d.nets, bench.Network{Index: i, Name: a.ID(), Space: a.Space, Indices: a.String()}), append(d.made, m)
	}
	return d
}

func (d drawn) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	return d.nets[i], d.made[i], nil
}

// storm is a fleet with its faults.
type storm struct {
	nets  drawn
	disk  *memory.Store
	own   []*unit
	twins map[int][]*unit // of a device; the first is none
	flush int
	kills int // of the lab before it was done
}

// newStorm: every second device has a twin, behind one that is another simulator, and half of those break for good.
func newStorm(nets drawn, seed uint64, flush int) *storm {
	s := &storm{nets: nets, disk: memory.New(), twins: map[int][]*unit{}, flush: flush}
	types := []string{"sim-pixel1-cpu", "sim-jetson-xavier"}
	for i := range fleetDevices {
		of := types[i%2]
		u := newUnit(fmt.Sprintf("%s:quiet:%d", of, i), seed+uint64(i))
		if s.own = append(s.own, u); i >= fleetDevices/2 {
			s.twins[i] = []*unit{newUnit(fmt.Sprintf("%s:quiet:%d", types[1-i%2], 100+i), seed), newUnit(fmt.Sprintf("%s:quiet:%d", of, 100+i), seed+uint64(100+i))}
			if i%4 < 2 {
				u.dies = 1 + u.random.IntN(60)
			}
		}
	}
	return s
}

// lab runs the fleet in one process until it ends or is killed.
func (s *storm) lab(ctx, killed context.Context) []fleet.Outcome {
	p, err := protocol.Named("quick")
	if err != nil {
		panic(err)
	}
	p.Batch, p.AllowPartial = 5, true
	f := fleet.Fleet{}
	for i, u := range s.own {
		m := fleet.Member{Name: u.name, Open: u.open, BackOff: fleet.DefaultBackOff(), Sweep: bench.Options{
			Sweep:    bench.Sweep{Space: s.nets.space.Name, Sampling: bench.Uniform, Seed: 1, Format: model.TFLite, Precision: model.Float32, Protocol: p},
			Networks: fleetNetworks, Source: s.nets, Store: mortal{s.disk, killed}, Flush: s.flush,
		}}
		for _, t := range s.twins[i] {
			m.Twins = append(m.Twins, fleet.Twin{Name: t.name, Open: t.open})
		}
		f.Members = append(f.Members, m)
	}
	return f.Run(ctx)
}

// check says what is wrong with the sweep of a device that is done.
func (s *storm) check(ctx context.Context, i int, out fleet.Outcome) error {
	id := out.Result.Sweep.ID
	if out.Result.Measured+out.Result.Failed != fleetNetworks {
		return fmt.Errorf("%d measured and %d failed of %d", out.Result.Measured, out.Result.Failed, fleetNetworks)
	}
	blocks := map[bench.Slot]int{}
	for b, err := range s.disk.Blocks(ctx, id) {
		if err != nil {
			return err
		}
		blocks[b.Slot]++
		if b.Block.ModelSHA256 != "" && b.Block.ModelSHA256 != s.nets.made[b.Slot.Network].Identity {
			return fmt.Errorf("block %+v is of another network", b.Slot)
		}
		if u := b.Block.Unit; u != "" && (len(s.twins[i]) == 0 || !strings.HasPrefix(u, s.twins[i][1].name+" ")) {
			return fmt.Errorf("block %+v ran on %s", b.Slot, u)
		}
	}
	rounds := map[[2]int]int{}
	dropped := map[int]int{}
	for sl, err := range s.disk.Schedule(ctx, id) {
		if err != nil {
			return err
		}
		rounds[[2]int{sl.Network, sl.Round}]++
		switch n := blocks[sl.Slot]; {
		case sl.State == bench.SlotPlanned, sl.State == bench.SlotDone && n != 1, sl.State == bench.SlotDropped && n != 0:
			return fmt.Errorf("slot %+v is %s and has %d blocks", sl.Slot, sl.State, n)
		case sl.State == bench.SlotDropped:
			dropped[sl.Network]++
		}
		delete(blocks, sl.Slot)
	}
	if len(blocks) > 0 || slices.ContainsFunc(slices.Collect(maps.Values(rounds)), func(n int) bool { return n != 1 }) {
		return fmt.Errorf("blocks without a slot %v, or rounds that are there twice %v", blocks, rounds)
	}
	return s.checkNetworks(ctx, id, dropped)
}

// checkNetworks: each is there once, and has its blocks or one final failure.
func (s *storm) checkNetworks(ctx context.Context, id string, dropped map[int]int) error {
	final := map[int]int{}
	for f, err := range s.disk.Failures(ctx, id) {
		if err != nil {
			return err
		}
		if f.Final {
			final[f.Network]++
		}
	}
	seen := map[string]bool{}
	for e, err := range bench.Estimates(ctx, s.disk, id) {
		switch n := e.Network; {
		case err != nil:
			return err
		case seen[n.Name]:
			return fmt.Errorf("%s is there twice", n.Name)
		case n.Status == bench.Failed && final[n.Index] != 1:
			return fmt.Errorf("%s failed %d times for good", n.Name, final[n.Index])
		case n.Status == bench.Measured && (e.M == nil || e.M.Blocks < 3 || final[n.Index]+dropped[n.Index] > 0):
			return fmt.Errorf("%s is measured: %+v, failed %d times for good, %d blocks dropped", n.Name, e.M, final[n.Index], dropped[n.Index])
		case n.Status == bench.Planned:
			return fmt.Errorf("%s is unfinished", n.Name)
		}
		seen[e.Network.Name] = true
	}
	if len(seen) != fleetNetworks {
		return fmt.Errorf("%d networks", len(seen))
	}
	return nil
}

// run is the whole life of a fleet: the lab is started again, however it ended, until every device is done.
func (s *storm) run(ctx context.Context, random *rand.Rand, kills int) (rounds int, err error) {
	for rounds = 1; rounds <= mostRounds; rounds++ {
		asked, cancel := context.WithCancel(ctx)
		killed, kill := context.WithCancel(ctx)
		if rounds <= kills {
			end := cancel // as an interrupt
			if random.IntN(3) > 0 {
				end = func() { kill(); cancel() }
			}
			defer time.AfterFunc(time.Duration(random.ExpFloat64()*float64(time.Minute)), end).Stop()
		}
		outs := s.lab(asked, killed)
		if asked.Err() != nil {
			s.kills++
		}
		cancel()
		kill()
		if !slices.ContainsFunc(outs, func(o fleet.Outcome) bool { return o.Err != nil }) {
			for i, o := range outs {
				if err := s.check(ctx, i, o); err != nil {
					return rounds, fmt.Errorf("%s: %w", o.Name, err)
				}
			}
			return rounds, nil
		}
		for _, o := range outs {
			if f := devices.FaultOf(o.Err); o.Err != nil && !errors.Is(o.Err, context.Canceled) && !errors.Is(o.Err, errKilled) && f != devices.FaultDevice {
				return rounds, fmt.Errorf("%s: fault of the %s: %w", o.Name, f, o.Err)
			}
		}
		time.Sleep(time.Duration(random.IntN(30)) * time.Minute) // until somebody types the command again
	}
	return rounds, fmt.Errorf("not done after %d starts of the lab", mostRounds)
}

// TestStorm: eight devices, hundreds of faults of every kind, devices that die and leave their work to their twins, and
// a lab that is killed again and again. In the end every network of every sweep is measured or accounted for, none
// twice, and nothing ran on a device that is no twin.
func TestStorm(t *testing.T) {
	nets := drawNetworks(t)
	had := map[sim.Fault]int{}
	overTaken, labs, kills, runs := 0, 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		seed, most := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 12).Draw(rt, "kills")
		flush := rapid.SampledFrom([]int{1, 1, 7}).Draw(rt, "flush")
		var err error
		var rounds int
		s := newStorm(nets, seed, flush)
		synctest.Test(t, func(t *testing.T) {
			rounds, err = s.run(t.Context(), rand.New(rand.NewPCG(seed, 1)), most)
		})
		if err != nil {
			rt.Fatal(err)
		}
		runs, labs, kills = runs+1, labs+rounds, kills+s.kills
		for i, u := range s.own {
			for _, u := range append([]*unit{u}, s.twins[i]...) {
				for f, n := range u.had {
					had[f] += n
				}
			}
			if len(s.twins[i]) > 0 && s.twins[i][0].runs > 0 {
				rt.Fatalf("%d blocks on %s, which is no twin of %s", s.twins[i][0].runs, s.twins[i][0].name, u.name)
			}
			if len(s.twins[i]) > 0 && s.twins[i][1].runs > 0 {
				overTaken++
			}
		}
	})
	t.Logf("%d fleets, %d starts of the lab, %d of them killed, %d sweeps taken over by a twin, faults %v", runs, labs, kills, overTaken, had)
	for _, f := range []sim.Fault{sim.Crash, sim.Killed, sim.Hang, sim.Offline, sim.Garbage, sim.Partial} {
		if had[f] < 10*runs {
			t.Errorf("%d faults of kind %s in %d fleets", had[f], f, runs)
		}
	}
	if overTaken == 0 || kills == 0 {
		t.Errorf("%d twins took over, %d labs were killed", overTaken, kills)
	}
}
