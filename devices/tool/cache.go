package tool

import (
	"context"
	"slices"
	"sync"
)

// Cache keeps compiled models, each of a known size, within a budget of bytes. It evicts the least
// recently used first and never one that is in use.
type Cache[T any] struct {
	budget int64
	drop   func(T)
	turn   chan struct{}

	mu  sync.Mutex
	all []*kept[T] // the least recently used first
}

type kept[T any] struct {
	key   string
	value T
	bytes int64
	users int
}

// NewCache makes an empty cache. It calls drop for every value that it removes.
func NewCache[T any](budget int64, drop func(T)) *Cache[T] {
	return &Cache[T]{budget: budget, drop: drop, turn: make(chan struct{}, 1)}
}

// Get returns the value of a key, and a function that ends its use. If the value is missing or no
// longer valid, build makes it and returns its size in bytes. Only one build runs at a time.
func (c *Cache[T]) Get(ctx context.Context, key string, valid func(T) (bool, error), build func() (T, int64, error)) (value T, done func(), err error) {
	if err := ctx.Err(); err != nil {
		return value, nil, err
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return value, nil, ctx.Err()
	}
	if old, done, found := c.Use(key); found {
		ok, err := valid(old)
		if ok {
			return old, done, nil
		}
		done()
		if err != nil {
			return value, nil, err
		}
		c.remove(func(k *kept[T]) bool { return k.key == key })
	}
	made, bytes, err := build()
	if err != nil {
		return value, nil, err
	}
	c.Put(key, made, bytes)
	value, done, _ = c.Use(key)
	return value, done, nil
}

// Use returns the value of a key and a function that ends its use; ok is false if it is missing.
func (c *Cache[T]) Use(key string) (value T, done func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.all, func(k *kept[T]) bool { return k.key == key })
	if i < 0 {
		return value, nil, false
	}
	k := c.all[i]
	c.all = append(slices.Delete(c.all, i, i+1), k)
	k.users++
	return k.value, sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		k.users--
	}), true
}

// Put stores a value and evicts others until the budget is met, but never the value just stored.
func (c *Cache[T]) Put(key string, value T, bytes int64) {
	total := bytes
	c.mu.Lock()
	for _, k := range c.all {
		total += k.bytes
	}
	c.mu.Unlock()
	c.remove(func(k *kept[T]) bool {
		evict := total > c.budget && k.users == 0
		if evict {
			total -= k.bytes
		}
		return evict
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, &kept[T]{key: key, value: value, bytes: bytes})
}

// Clear drops everything.
func (c *Cache[T]) Clear() { c.remove(func(*kept[T]) bool { return true }) }

// remove drops the values for which f, called once for each in order, is true.
func (c *Cache[T]) remove(f func(*kept[T]) bool) {
	var gone []*kept[T]
	c.mu.Lock()
	c.all = slices.DeleteFunc(c.all, func(k *kept[T]) bool {
		found := f(k)
		if found {
			gone = append(gone, k)
		}
		return found
	})
	c.mu.Unlock()
	for _, k := range gone {
		c.drop(k.value)
	}
}
