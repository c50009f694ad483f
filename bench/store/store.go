// Package store keeps sweeps in one SQLite file: manifests, networks, the schedule, raw
// blocks and failures, so that every estimate can be recomputed and users can query it
// with SQL. It implements bench.Store.
//
// A finished block and its schedule row change in one transaction: a process killed at
// any instant leaves a store that opens and holds every finished block once.
//
// One process writes at a time, by a lock that the kernel releases when its holder dies;
// readers are always let in, while a writer writes too.
//
// The package refuses to compute estimates (bench does) and to repair anything: what
// it cannot read it names in a typed error.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"latlab/bench"
)

var _ bench.Store = (*Store)(nil)

// ApplicationID marks a SQLite file as ours: "latl".
const ApplicationID = 0x6c61746c

// SchemaVersion is what this program writes, in PRAGMA user_version. Older versions are read
// as they are, and upgraded when they are opened for writing.
const SchemaVersion = 2

// Options of a writer.
type Options struct {
	// Wait makes Open wait for another writer to end, for as long as its context lasts.
	Wait bool
	// Relaxed lets a loss of power cost the last transactions; a killed process still
	// costs none. For simulators, whose blocks are made again in no time.
	Relaxed bool
}

// Store is an open store.
type Store struct {
	path     string
	db       *sql.DB
	lock     *lock // nil for a reader
	readonly bool
}

// Path is the file that was opened.
func (s *Store) Path() string { return s.path }

// Open opens a store for writing, makes it if there is none and upgrades an older one. Where another process
// writes, the error is a *LockedError.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if err := checkFile(path, true); err != nil {
		return nil, err
	}
	l, err := acquire(ctx, path, o.Wait)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, lock: l}
	if err := s.openWriter(ctx, o); err != nil {
		return nil, errors.Join(s.wrap(err), s.Close())
	}
	return s, nil
}

func (s *Store) openWriter(ctx context.Context, o Options) error {
	// FULL makes every block survive a loss of power. It costs one fsync a block.
	sync := "full"
	if o.Relaxed {
		sync = "normal"
	}
	var err error
	if s.db, err = open(s.path, url.Values{
		"mode": {"rwc"}, "_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(" + sync + ")"},
	}); err != nil {
		return err
	}
	// One connection: SQLite has one writer anyway, and pragmas then hold for all.
	s.db.SetMaxOpenConns(1)
	version, err := s.checkSchema(ctx)
	if err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	return s.upgrade(ctx, version)
}

// OpenRead opens a store for reading. It takes no lock and writes nothing to the store.
func OpenRead(ctx context.Context, path string) (*Store, error) {
	if err := checkFile(path, false); err != nil {
		return nil, err
	}
	s := &Store{path: path, readonly: true}
	err := s.openReader(ctx, "ro")
	if isCode(err, codeCantOpen, codeReadOnly) {
		// A WAL database needs its -shm file beside it, which a read-only folder refuses.
		// Without a log there is nothing but the main file, and nobody can be writing.
		if hasLog(path) {
			err = &PathError{Path: path, Err: errors.New("its writer did not close it, and reading its log needs a folder that can be written; copy the store with its -wal file to one")}
		} else {
			err = s.openReader(ctx, "immutable")
		}
	}
	if err != nil {
		return nil, errors.Join(s.wrap(err), s.Close())
	}
	return s, nil
}

func (s *Store) openReader(ctx context.Context, mode string) error {
	if s.db != nil {
		s.db.Close()
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(1)"}}
	if mode == "immutable" {
		q.Set("immutable", "1")
	}
	var err error
	if s.db, err = open(s.path, q); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(4)
	return s.checkReadable(ctx)
}

func (s *Store) checkReadable(ctx context.Context) error {
	version, err := s.checkSchema(ctx)
	if err == nil && version == 0 {
		err = &NotStoreError{Path: s.path, What: "is an empty file, nothing was stored in it"}
	}
	return err
}

// Check says what is wrong with an open store now: a newer latlab may have made it its own since
// it was opened.
func (s *Store) Check(ctx context.Context) error { return s.wrap(s.checkReadable(ctx)) }

func hasLog(path string) bool {
	st, err := os.Stat(path + "-wal")
	return err == nil && st.Size() > 0
}

func open(path string, q url.Values) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Path: abs}
	return sql.Open("sqlite", "file:"+u.EscapedPath()+"?"+q.Encode())
}

// Close writes the log back into the file and gives the lock up. A store closed so is
// one file.
func (s *Store) Close() error {
	var err error
	if s.db != nil {
		if !s.readonly {
			// A full disk or a reader may forbid it; then the log stays, and nothing is lost.
			_, _ = s.db.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
		}
		err = s.db.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.release())
		s.lock = nil
	}
	return err
}

// checkFile says early and plainly what SQLite would call "unable to open". It does not
// open the file: closing any descriptor of a database drops the process's own POSIX locks
// on it, and this process may have the same store open already.
func checkFile(path string, write bool) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && write:
		dir, derr := os.Stat(filepath.Dir(path))
		if derr != nil || !dir.IsDir() {
			return &PathError{Path: path, Err: fmt.Errorf("there is no folder %s", filepath.Dir(path))}
		}
		return nil
	case errors.Is(err, os.ErrNotExist):
		return &PathError{Path: path, Err: os.ErrNotExist}
	case err != nil:
		return &PathError{Path: path, Err: err}
	case st.IsDir():
		return &PathError{Path: path, Err: errors.New("it is a folder")}
	case !st.Mode().IsRegular():
		return &PathError{Path: path, Err: errors.New("it is not a regular file")}
	}
	return nil
}
