package serve

import (
	"context"
	"fmt"
	"os"
	"sync"

	"latlab/bench"
	"latlab/bench/store"
)

// liveStore is a store that is read for as long as serve runs. An open file goes on saying what it
// said when it is deleted, or when another is put in its place, so the file of that name is looked
// for whenever sweeps are listed, which is how a reading begins. One goroutine reads it.
type liveStore struct {
	*store.Store
	path   string
	mu     sync.Mutex // of Close against opening again
	closed bool
	file   os.FileInfo
	opened int // times
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

// Version is another one in another file: the same sweep, measured again, may have as many blocks.
func (l *liveStore) Version(ctx context.Context, sweep string) (string, error) {
	v, err := l.Store.Version(ctx, sweep)
	return fmt.Sprint(l.opened, " ", v), err
}

// reopen opens the file that has the store's name now. Where that is none, what was open stays
// open, and the error says why it does not count.
func (l *liveStore) reopen(ctx context.Context) error {
	// Before it is opened: of one that is replaced between, the next look finds it.
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

// Close may come while the store is read: that then fails.
func (l *liveStore) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.Store == nil {
		return nil
	}
	return l.Store.Close()
}
