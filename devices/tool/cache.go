package tool

import (
	"context"
	"sync"
)

// Cache keeps what a tool compiled of models, each of some bytes, until a budget is spent. What
// was used longest ago goes first; what is in use stays.
type Cache[T any] struct {
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
	used  int64 // of the cache's clock
	users int
}

// NewCache makes an empty cache. drop removes what is no longer kept.
func NewCache[T any](budget int64, drop func(T)) *Cache[T] {
	return &Cache[T]{budget: budget, drop: drop, turn: make(chan struct{}, 1), all: map[string]*kept[T]{}}
}

// Get returns what is kept under a key, and what ends its use. Where nothing is, or what is there is no
// longer valid, build makes it and says how many bytes it has. One is built at a time.
func (c *Cache[T]) Get(ctx context.Context, key string, valid func(T) (bool, error), build func() (T, int64, error)) (value T, done func(), err error) {
	if err := c.lock(ctx); err != nil {
		return value, nil, err
	}
	defer func() { <-c.turn }()
	if kept, done, found := c.Use(key); found {
		ok, err := valid(kept)
		if ok {
			return kept, done, nil
		}
		done()
		if err != nil {
			return value, nil, err
		}
		c.Remove(key)
	}
	made, bytes, err := build()
	if err != nil {
		return value, nil, err
	}
	c.Put(key, made, bytes)
	value, done, _ = c.Use(key)
	return value, done, nil
}

// lock waits until no build is running.
func (c *Cache[T]) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Use returns what is kept under a key, and what ends its use; false where there is nothing.
func (c *Cache[T]) Use(key string) (value T, done func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.all[key]
	if k == nil {
		return value, nil, false
	}
	c.clock++
	k.used = c.clock
	k.users++
	return k.value, sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		k.users--
	}), true
}

// Put keeps something, and drops others until the budget is kept, but not what it was given.
func (c *Cache[T]) Put(key string, value T, bytes int64) {
	c.mu.Lock()
	c.clock++
	c.all[key] = &kept[T]{value: value, bytes: bytes, used: c.clock}
	var gone []T
	for c.total() > c.budget {
		name, oldest := c.oldest(key)
		if oldest == nil {
			break
		}
		delete(c.all, name)
		gone = append(gone, oldest.value)
	}
	c.mu.Unlock()
	for _, g := range gone {
		c.drop(g)
	}
}

// Remove drops what is kept under a key.
func (c *Cache[T]) Remove(key string) {
	c.mu.Lock()
	k := c.all[key]
	delete(c.all, key)
	c.mu.Unlock()
	if k != nil {
		c.drop(k.value)
	}
}

// Clear drops everything.
func (c *Cache[T]) Clear() {
	c.mu.Lock()
	all := c.all
	c.all = map[string]*kept[T]{}
	c.mu.Unlock()
	for _, k := range all {
		c.drop(k.value)
	}
}

func (c *Cache[T]) total() int64 {
	var sum int64
	for _, k := range c.all {
		sum += k.bytes
	}
	return sum
}

func (c *Cache[T]) oldest(except string) (string, *kept[T]) {
	var name string
	var oldest *kept[T]
	for n, k := range c.all {
		if n != except && k.users == 0 && (oldest == nil || k.used < oldest.used) {
			name, oldest = n, k
		}
	}
	return name, oldest
}
