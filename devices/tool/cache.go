package tool

import (
	"context"
	"sync"
)

// Cache keeps compiled models, each of a known size, within a budget of bytes. It evicts the least
// recently used first and never one that is in use.
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
	used  int64 // the cache's clock at the last use
	users int
}

// NewCache makes an empty cache. It calls drop for every value that it removes.
func NewCache[T any](budget int64, drop func(T)) *Cache[T] {
	return &Cache[T]{budget: budget, drop: drop, turn: make(chan struct{}, 1), all: map[string]*kept[T]{}}
}

// Get returns the value of a key, and a function that ends its use. If the value is missing or no
// longer valid, build makes it and returns its size in bytes. Only one build runs at a time.
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

// Use returns the value of a key and a function that ends its use; ok is false if it is missing.
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

// Put stores a value and evicts others until the budget is met, but never the value just stored.
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

// Remove drops the value of a key.
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
