// Package memory keeps sweeps in memory: for timing a network without keeping the result, and
// as the model that bench/store is tested against. It implements bench.Store and writes
// nothing to disk.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"latlab/bench"
	"latlab/bench/stats"
)

// Store is a bench.Store in memory.
type Store struct {
	mu     sync.Mutex
	sweeps []*sweepRows
}

type sweepRows struct {
	manifest bench.Sweep
	networks map[int]bench.Network
	slots    map[int]bench.Scheduled // by order
	blocks   map[int]bench.StoredBlock
	failures []bench.Failure
	noted    []bench.Condition
	profiles map[int]bench.Profiled
}

var _ bench.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{} }

func (s *Store) find(id string) (*sweepRows, error) {
	for _, sw := range s.sweeps {
		if sw.manifest.ID == id {
			return sw, nil
		}
	}
	return nil, fmt.Errorf("sweep %s: %w", id, bench.ErrNoSweep)
}

// Sweeps implements bench.Reader.
func (s *Store) Sweeps(context.Context) ([]bench.Sweep, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []bench.Sweep
	for _, sw := range s.sweeps {
		all = append(all, sw.manifest)
	}
	return all, nil
}

// Sweep implements bench.Reader.
func (s *Store) Sweep(_ context.Context, id string) (bench.Sweep, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(id)
	if err != nil {
		return bench.Sweep{}, err
	}
	return sw.manifest, nil
}

// CreateSweep implements bench.Store.
func (s *Store) CreateSweep(_ context.Context, m bench.Sweep) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sw, err := s.find(m.ID); err == nil {
		sw.manifest.Networks = max(sw.manifest.Networks, m.Networks)
		return nil
	}
	s.sweeps = append(s.sweeps, &sweepRows{
		manifest: m, networks: map[int]bench.Network{}, slots: map[int]bench.Scheduled{}, blocks: map[int]bench.StoredBlock{},
		profiles: map[int]bench.Profiled{},
	})
	return nil
}

// Plan implements bench.Store.
func (s *Store) Plan(_ context.Context, sweep string, networks []bench.Network, slots []bench.Slot) error {
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
			n.Status = bench.Planned
			nets[n.Index] = n
		}
	}
	for _, sl := range slots {
		_, known := nets[sl.Network]
		_, used := taken[sl.Order]
		key := [2]int{sl.Network, sl.Round}
		if !known || used || rounds[key] {
			return fmt.Errorf("plan slot %d (network %d, round %d): already there or no such network", sl.Order, sl.Network, sl.Round)
		}
		rounds[key] = true
		taken[sl.Order] = bench.Scheduled{Slot: sl, State: bench.SlotPlanned}
	}
	sw.networks, sw.slots = nets, taken
	return nil
}

// Finish implements bench.Store.
func (s *Store) Finish(_ context.Context, sweep string, done []bench.Finished) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err != nil {
		return err
	}
	seen := map[int]bool{}
	for _, f := range done {
		have, ok := sw.slots[f.Slot.Order]
		if !ok || have.Slot != f.Slot || have.State != bench.SlotPlanned || seen[f.Slot.Order] {
			return fmt.Errorf("slot %d (network %d, round %d) is not planned", f.Slot.Order, f.Slot.Network, f.Slot.Round)
		}
		if _, _, ok := stats.BlockSeconds(f.Block); !ok {
			return fmt.Errorf("slot %d: the block has no usable time", f.Slot.Order)
		}
		seen[f.Slot.Order] = true
	}
	for _, f := range done {
		sw.slots[f.Slot.Order] = bench.Scheduled{Slot: f.Slot, State: bench.SlotDone}
		sw.blocks[f.Slot.Order] = bench.StoredBlock{Slot: f.Slot, Block: *f.Block}
		if !sw.waiting(f.Slot.Network) {
			n := sw.networks[f.Slot.Network]
			n.Status = bench.Measured
			sw.networks[n.Index] = n
		}
	}
	return nil
}

func (sw *sweepRows) waiting(network int) bool {
	for _, sl := range sw.slots {
		if sl.Network == network && sl.State == bench.SlotPlanned {
			return true
		}
	}
	return false
}

// Fail implements bench.Store.
func (s *Store) Fail(_ context.Context, sweep string, f bench.Failure) error {
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
		if sl.Network == f.Network && sl.State == bench.SlotPlanned {
			sl.State = bench.SlotDropped
			sw.slots[o] = sl
		}
	}
	n.Status = bench.Failed
	sw.networks[n.Index] = n
	return nil
}

// Networks implements bench.Reader.
func (s *Store) Networks(_ context.Context, sweep string) iter.Seq2[bench.Network, error] {
	return sequence(s, sweep, func(sw *sweepRows) []bench.Network {
		return slices.SortedFunc(maps.Values(sw.networks), func(a, b bench.Network) int { return cmp.Compare(a.Index, b.Index) })
	})
}

// Schedule implements bench.Reader.
func (s *Store) Schedule(_ context.Context, sweep string) iter.Seq2[bench.Scheduled, error] {
	return sequence(s, sweep, func(sw *sweepRows) []bench.Scheduled {
		return slices.SortedFunc(maps.Values(sw.slots), func(a, b bench.Scheduled) int { return cmp.Compare(a.Order, b.Order) })
	})
}

// Blocks implements bench.Reader.
func (s *Store) Blocks(_ context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return sequence(s, sweep, func(sw *sweepRows) []bench.StoredBlock {
		return slices.SortedFunc(maps.Values(sw.blocks), func(a, b bench.StoredBlock) int {
			return cmp.Or(cmp.Compare(a.Slot.Network, b.Slot.Network), cmp.Compare(a.Slot.Order, b.Slot.Order))
		})
	})
}

// Values implements bench.Reader.
func (s *Store) Values(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return s.Blocks(ctx, sweep)
}

// Failures implements bench.Reader.
func (s *Store) Failures(_ context.Context, sweep string) iter.Seq2[bench.Failure, error] {
	return sequence(s, sweep, func(sw *sweepRows) []bench.Failure { return slices.Clone(sw.failures) })
}

// Note implements bench.Store.
func (s *Store) Note(_ context.Context, sweep string, c bench.Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err == nil {
		sw.noted = append(sw.noted, c)
	}
	return err
}

// Conditions implements bench.Reader.
func (s *Store) Conditions(_ context.Context, sweep string) iter.Seq2[bench.Condition, error] {
	return sequence(s, sweep, func(sw *sweepRows) []bench.Condition { return slices.Clone(sw.noted) })
}

// AddProfile implements bench.Store.
func (s *Store) AddProfile(_ context.Context, sweep string, p bench.Profiled) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw, err := s.find(sweep)
	if err != nil {
		return err
	}
	if _, ok := sw.networks[p.Network]; !ok {
		return fmt.Errorf("sweep %s has no network %d", sweep, p.Network)
	}
	sw.profiles[p.Network] = p
	return nil
}

// Profiles implements bench.Reader.
func (s *Store) Profiles(_ context.Context, sweep string) iter.Seq2[bench.Profiled, error] {
	return sequence(s, sweep, func(sw *sweepRows) []bench.Profiled {
		return slices.SortedFunc(maps.Values(sw.profiles), func(a, b bench.Profiled) int { return cmp.Compare(a.Network, b.Network) })
	})
}

// sequence copies the list before it yields, so that the consumer may write.
func sequence[T any](s *Store, sweep string, list func(*sweepRows) []T) iter.Seq2[T, error] {
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
