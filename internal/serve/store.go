package serve

import (
	"context"
	"fmt"
	"os"
	"sync"

	"latlab/bench"
	"latlab/bench/store"
)

// liveStore is a store that is read as long as serve runs. An open file that is deleted or replaced
// still has its old content, so the path is checked whenever sweeps are listed, with which every
// reading begins. Only one goroutine reads it.
type liveStore struct {
	*store.Store
	path   string
	mu     sync.Mutex // of Close against opening again
	closed bool
	file   os.FileInfo
	opened int // number of times
}

func openLive(ctx context.Context, path string) (*liveStore, error) {
	l := &liveStore{path: path}
	return l, l.reopen(ctx)
}

// Sweeps implements bench.Reader.
func (l *liveStore) Sweeps(ctx context.Context) ([]bench.Sweep, error) {
	if err := l.reopen(ctx); err != nil {
		return nil, err
	}
	if err := l.Check(ctx); err != nil {
		return nil, err
	}
	return l.Store.Sweeps(ctx)
}

// Version differs between files, because a sweep that is measured again may have as many blocks.
func (l *liveStore) Version(ctx context.Context, sweep string) (string, error) {
	v, err := l.Store.Version(ctx, sweep)
	return fmt.Sprint(l.opened, " ", v), err
}

// reopen opens the file at the store's path if it was replaced. On an error the old file stays
// open, but must not be read.
func (l *liveStore) reopen(ctx context.Context) error {
	// Stat comes before opening: a replacement in between is found the next time.
	file, err := os.Stat(l.path)
	if err == nil && l.file != nil && os.SameFile(file, l.file) {
		return nil
	}
	st, err := store.OpenRead(ctx, l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = st.Close() // opened for reading
		return context.Canceled
	}
	if l.Store != nil {
		_ = l.Store.Close() // as above
	}
	l.Store, l.file = st, file
	l.opened++
	return nil
}

// Close may be called while the store is read; the reading then fails.
func (l *liveStore) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.Store == nil {
		return nil
	}
	return l.Store.Close()
}
