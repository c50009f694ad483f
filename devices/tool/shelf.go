package tool

import (
	"context"
	"sync"
)

// Shelf keeps what a tool made of models, each of some bytes, until a budget is spent. What
// was used longest ago goes first; what is in use stays.
type Shelf[T any] struct {
	budget int64
	drop   func(T)
	turn   chan struct{}

	mu    sync.Mutex
	clock int64
	all   map[string]*kept[T]
}

type kept[T any] struct {
	value T
	bytes int64
	used  int64 // of the shelf's clock
	users int
}

// NewShelf makes an empty shelf. drop removes what is no longer kept.
func NewShelf[T any](budget int64, drop func(T)) *Shelf[T] {
	return &Shelf[T]{budget: budget, drop: drop, turn: make(chan struct{}, 1), all: map[string]*kept[T]{}}
}

// Take waits for the right to make something for the shelf: two at once would disturb each
// other. Give gives it back.
func (s *Shelf[T]) Take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Give gives back what Take took.
func (s *Shelf[T]) Give() { <-s.turn }

// Use returns what is kept under a key, and what ends its use; false where there is nothing.
func (s *Shelf[T]) Use(key string) (value T, done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.all[key]
	if k == nil {
		return value, nil, false
	}
	s.clock++
	k.used = s.clock
	k.users++
	return k.value, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		k.users--
	}), true
}

// Put keeps something, and drops others until the budget is kept, but not what it was given.
func (s *Shelf[T]) Put(key string, value T, bytes int64) {
	s.mu.Lock()
	s.clock++
	s.all[key] = &kept[T]{value: value, bytes: bytes, used: s.clock}
	var gone []T
	for s.total() > s.budget {
		name, oldest := s.oldest(key)
		if oldest == nil {
			break
		}
		delete(s.all, name)
		gone = append(gone, oldest.value)
	}
	s.mu.Unlock()
	for _, g := range gone {
		s.drop(g)
	}
}

// Lose drops what is kept under a key.
func (s *Shelf[T]) Lose(key string) {
	s.mu.Lock()
	k := s.all[key]
	delete(s.all, key)
	s.mu.Unlock()
	if k != nil {
		s.drop(k.value)
	}
}

// Clear drops everything.
func (s *Shelf[T]) Clear() {
	s.mu.Lock()
	all := s.all
	s.all = map[string]*kept[T]{}
	s.mu.Unlock()
	for _, k := range all {
		s.drop(k.value)
	}
}

func (s *Shelf[T]) total() int64 {
	var sum int64
	for _, k := range s.all {
		sum += k.bytes
	}
	return sum
}

func (s *Shelf[T]) oldest(except string) (string, *kept[T]) {
	var name string
	var oldest *kept[T]
	for n, k := range s.all {
		if n != except && k.users == 0 && (oldest == nil || k.used < oldest.used) {
			name, oldest = n, k
		}
	}
	return name, oldest
}
