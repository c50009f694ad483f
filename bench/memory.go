package bench

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
)

// Memory is a Store that lives as long as the process: for timing one network without
// keeping it, and the model that bench/store is tested against.
type Memory struct {
	mu     sync.Mutex
	sweeps []*memorySweep
}

type memorySweep struct {
	manifest Sweep
	networks map[int]Network
	slots    map[int]Scheduled // by order
	blocks   map[int]StoredBlock
	failures []Failure
	noted    []Condition
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{} }

func (s *Memory) find(id string) (*memorySweep, error) {
	for _, sw := range s.sweeps {
		if sw.manifest.ID == id {
			return sw, nil
		}
	}
	return nil, fmt.Errorf("sweep %s: %w", id, ErrNoSweep)
}

// Sweeps implements Reader.
func (s *Memory) Sweeps(context.Context) ([]Sweep, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Sweep
	for _, sw := range s.sweeps {
		all = append(all, sw.manifest)
	}
	return all, nil
}

// Sweep implements Reader.
func (s *Memory) Sweep(_ context.Context, id string) (Sweep, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(id)
	if err != nil {
		return Sweep{}, err
	}
	return sw.manifest, nil
}

// CreateSweep implements Store.
func (s *Memory) CreateSweep(_ context.Context, m Sweep) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sw, err := s.find(m.ID); err == nil {
		sw.manifest.Networks = max(sw.manifest.Networks, m.Networks)
		return nil
	}
	s.sweeps = append(s.sweeps, &memorySweep{
		manifest: m, networks: map[int]Network{}, slots: map[int]Scheduled{}, blocks: map[int]StoredBlock{},
	})
	return nil
}

// Plan implements Store.
func (s *Memory) Plan(_ context.Context, sweep string, networks []Network, slots []Slot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err != nil {
		return err
	}
	nets, taken := maps.Clone(sw.networks), maps.Clone(sw.slots)
	rounds := map[[2]int]bool{}
	for _, sl := range taken {
		rounds[[2]int{sl.Network, sl.Round}] = true
	}
	for _, n := range networks {
		if _, ok := nets[n.Index]; !ok {
			n.Status = Planned
			nets[n.Index] = n
		}
	}
	for _, sl := range slots {
		n, known := nets[sl.Network]
		_, used := taken[sl.Order]
		key := [2]int{sl.Network, sl.Round}
		if !known || used || rounds[key] {
			return fmt.Errorf("plan slot %d (network %d, round %d): already there or no such network", sl.Order, sl.Network, sl.Round)
		}
		rounds[key] = true
		taken[sl.Order] = Scheduled{Slot: sl, State: SlotPlanned}
		n.Status = Planned
		nets[sl.Network] = n
	}
	sw.networks, sw.slots = nets, taken
	return nil
}

// Finish implements Store.
func (s *Memory) Finish(_ context.Context, sweep string, done []Finished) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err != nil {
		return err
	}
	seen := map[int]bool{}
	for _, f := range done {
		have, ok := sw.slots[f.Slot.Order]
		if !ok || have.Slot != f.Slot || have.State != SlotPlanned || seen[f.Slot.Order] {
			return fmt.Errorf("slot %d (network %d, round %d) is not planned", f.Slot.Order, f.Slot.Network, f.Slot.Round)
		}
		if _, _, ok := BlockSeconds(f.Block); !ok {
			return fmt.Errorf("slot %d: the block has no usable time", f.Slot.Order)
		}
		seen[f.Slot.Order] = true
	}
	for _, f := range done {
		sw.slots[f.Slot.Order] = Scheduled{Slot: f.Slot, State: SlotDone}
		sw.blocks[f.Slot.Order] = StoredBlock{Slot: f.Slot, Block: *f.Block}
		if !sw.waiting(f.Slot.Network) {
			n := sw.networks[f.Slot.Network]
			n.Status = Measured
			sw.networks[n.Index] = n
		}
	}
	return nil
}

func (sw *memorySweep) waiting(network int) bool {
	for _, sl := range sw.slots {
		if sl.Network == network && sl.State == SlotPlanned {
			return true
		}
	}
	return false
}

// Fail implements Store.
func (s *Memory) Fail(_ context.Context, sweep string, f Failure) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err != nil {
		return err
	}
	n, ok := sw.networks[f.Network]
	if !ok {
		return fmt.Errorf("sweep %s has no network %d", sweep, f.Network)
	}
	f.Name = n.Name
	sw.failures = append(sw.failures, f)
	if !f.Final {
		return nil
	}
	for o, sl := range sw.slots {
		if sl.Network == f.Network && sl.State == SlotPlanned {
			sl.State = SlotDropped
			sw.slots[o] = sl
		}
	}
	n.Status = Failed
	sw.networks[n.Index] = n
	return nil
}

// Networks implements Reader.
func (s *Memory) Networks(_ context.Context, sweep string) iter.Seq2[Network, error] {
	return sequence(s, sweep, func(sw *memorySweep) []Network {
		return slices.SortedFunc(maps.Values(sw.networks), func(a, b Network) int { return cmp.Compare(a.Index, b.Index) })
	})
}

// Schedule implements Reader.
func (s *Memory) Schedule(_ context.Context, sweep string) iter.Seq2[Scheduled, error] {
	return sequence(s, sweep, func(sw *memorySweep) []Scheduled {
		return slices.SortedFunc(maps.Values(sw.slots), func(a, b Scheduled) int { return cmp.Compare(a.Order, b.Order) })
	})
}

// Blocks implements Reader.
func (s *Memory) Blocks(_ context.Context, sweep string) iter.Seq2[StoredBlock, error] {
	return sequence(s, sweep, func(sw *memorySweep) []StoredBlock {
		return slices.SortedFunc(maps.Values(sw.blocks), func(a, b StoredBlock) int {
			return cmp.Or(cmp.Compare(a.Slot.Network, b.Slot.Network), cmp.Compare(a.Slot.Order, b.Slot.Order))
		})
	})
}

// Values implements Reader.
func (s *Memory) Values(ctx context.Context, sweep string) iter.Seq2[StoredBlock, error] {
	return s.Blocks(ctx, sweep)
}

// Failures implements Reader.
func (s *Memory) Failures(_ context.Context, sweep string) iter.Seq2[Failure, error] {
	return sequence(s, sweep, func(sw *memorySweep) []Failure { return slices.Clone(sw.failures) })
}

// Note implements Store.
func (s *Memory) Note(_ context.Context, sweep string, c Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err == nil {
		sw.noted = append(sw.noted, c)
	}
	return err
}

// Conditions implements Reader.
func (s *Memory) Conditions(_ context.Context, sweep string) iter.Seq2[Condition, error] {
	return sequence(s, sweep, func(sw *memorySweep) []Condition { return slices.Clone(sw.noted) })
}

// sequence copies the list before it yields, so that the consumer may write.
func sequence[T any](s *Memory, sweep string, list func(*memorySweep) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		s.mu.Lock()
		sw, err := s.find(sweep)
		var items []T
		if err == nil {
			items = list(sw)
		}
		s.mu.Unlock()
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		for _, x := range items {
			if !yield(x, nil) {
				return
			}
		}
	}
}
