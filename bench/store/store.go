// Package store keeps sweeps in one SQLite file: manifests, networks, the schedule, raw
// blocks and failures, so that every estimate can be recomputed and users can query it
// with SQL. It implements bench.Store.
//
// A finished block and its schedule row change in one transaction: if the process is killed at
// any instant, the store still opens and holds every finished block once.
//
// One process writes at a time, under locks that the kernel releases when their holder dies: on a
// file beside the store, and on the store whatever its name. A store with two names (hard links) is not
// written, since each name would have a log of its own; two mounts of one folder (bind mounts) cannot be
// seen and are not. Readers never wait, even while a writer writes.
//
// A writer whose file was deleted, moved, replaced, cut or overwritten returns a *LostError from its next
// transaction, and at the latest from Close, and saves what it has beside the store.
//
// The package does not compute estimates (bench does) and repairs nothing: for a file that it
// cannot read it returns a typed error.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"golang.org/x/sys/unix"

	"latlab/bench"
)

var _ bench.Store = (*Store)(nil)

// ApplicationID marks a SQLite file as latlab's: "latl".
const ApplicationID = 0x6c61746c

// SchemaVersion is the version that this program writes, in PRAGMA user_version. Older versions
// are read without change, and upgraded when opened for writing.
const SchemaVersion = 2

// Options of a writer.
type Options struct {
	// Wait makes Open wait for another writer to end, until its context ends.
	Wait bool
	// Relaxed allows a power loss to lose the last transactions; a killed process still loses
	// none. It suits simulators, whose blocks are quick to repeat.
	Relaxed bool
}

// Store is an open store.
type Store struct {
	path     string // as given
	file     string // without links
	db       *sql.DB
	locks    *locks                  // nil for a reader
	place    *place                  // nil for a reader
	known    atomic.Pointer[content] // of a writer
	readonly bool
	// immutable is a reader's in a folder where nothing can be written.
	immutable bool
}

// Path is the file that was opened.
func (s *Store) Path() string { return s.path }

// Open opens a store for writing. It creates a missing store and upgrades an older one. If
// another process writes, the error is a *LockedError.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	file, err := checkFile(path, true)
	if err != nil {
		return nil, err
	}
	l, err := acquire(ctx, file, o.Wait)
	if err != nil {
		return nil, calledAs(path, err)
	}
	s := &Store{path: path, file: file, locks: l}
	if err := s.openWriter(ctx, o); err != nil {
		return nil, errors.Join(s.wrap(err), s.Close())
	}
	if s.place, err = watch(file, l.store); err != nil {
		return nil, errors.Join(&PathError{Path: path, Err: err}, s.Close())
	}
	if err := s.checkPlace(ctx, false, false); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// calledAs gives an error about a file the name that the user gave.
func calledAs(path string, err error) error {
	if e, ok := errors.AsType[*LockedError](err); ok {
		e.Path = path
	}
	if e, ok := errors.AsType[*PathError](err); ok {
		e.Path = path
	}
	return err
}

func (s *Store) openWriter(ctx context.Context, o Options) error {
	// FULL makes every block survive a power loss. It costs one fsync per block.
	sync := "full"
	if o.Relaxed {
		sync = "normal"
	}
	var err error
	if s.db, err = open(s.file, url.Values{
		"mode": {"rwc"}, "_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(" + sync + ")"},
	}); err != nil {
		return err
	}
	// One connection: SQLite allows only one writer, and pragmas then hold for all statements.
	s.db.SetMaxOpenConns(1)
	version, err := s.checkSchema(ctx)
	if err != nil {
		return err
	}
	if _, err := s.db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if err := s.upgrade(ctx, version); err != nil {
		return err
	}
	if err := s.checkRows(ctx); err != nil {
		return err
	}
	return s.learn(ctx)
}

// OpenRead opens a store for reading. It takes no lock and writes nothing to the store.
func OpenRead(ctx context.Context, path string) (*Store, error) {
	file, err := checkFile(path, false)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, file: file, readonly: true}
	err = s.openReader(ctx, false)
	if isCode(err, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) {
		// A WAL database needs its -shm file, which cannot be created in a read-only folder. Without
		// a log there is only the main file, and no process can be writing.
		if hasLog(file) {
			err = &PathError{Path: path, Err: errors.New("its writer did not close it, and its log can only be read in a writable folder; copy the store with its -wal file to one")}
		} else {
			err = s.openReader(ctx, true)
		}
	}
	if err != nil {
		return nil, errors.Join(s.wrap(err), s.Close())
	}
	return s, nil
}

func (s *Store) openReader(ctx context.Context, immutable bool) error {
	if s.db != nil {
		s.db.Close()
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(1)"}}
	if immutable {
		q.Set("immutable", "1")
	}
	s.immutable = immutable
	var err error
	if s.db, err = open(s.file, q); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(4)
	if err := s.checkReadable(ctx); err != nil {
		return err
	}
	return s.checkRows(ctx)
}

func (s *Store) checkReadable(ctx context.Context) error {
	version, err := s.checkSchema(ctx)
	if err == nil && version == 0 {
		err = &NotStoreError{Path: s.path, What: "is an empty file; a copy of a store needs its -wal too"}
	}
	return err
}

// Check reports problems of an open store now: a newer latlab may have upgraded it since it was
// opened.
func (s *Store) Check(ctx context.Context) error { return s.wrap(s.checkReadable(ctx)) }

func hasLog(path string) bool {
	st, err := os.Stat(path + "-wal")
	return err == nil && st.Size() > 0
}

// open opens a database with OFD locks, which closing another descriptor of the file does not
// drop. Where the kernel has none, or the program opened a database before, SQLite keeps POSIX locks.
func open(path string, q url.Values) (*sql.DB, error) {
	_, _ = sqlite.OFDLocking(true)
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Path: abs}
	return sql.Open("sqlite", "file:"+u.EscapedPath()+"?"+q.Encode())
}

// Close writes the log back into the file and releases the locks. A closed store is a single
// file.
func (s *Store) Close() error {
	var err error
	switch {
	case s.db == nil:
	case s.place == nil:
		err = s.db.Close()
	default:
		err = s.closeWriter()
		s.place = nil
	}
	if s.locks != nil {
		err = errors.Join(err, s.locks.close())
		s.locks = nil
	}
	return err
}

// checkFile follows links, and reports plainly what SQLite would call "unable to open". It does not open
// the file: without OFD locks, closing any descriptor of a database drops the process's own locks on it,
// and this process may already have the same store open.
func checkFile(path string, write bool) (file string, err error) {
	if file, err = resolve(path); err != nil {
		return "", err
	}
	names := 1 // a reader may read a copy made of hard links
	if !write {
		names = math.MaxInt
	}
	switch err := checkRegular(file, names); {
	case errors.Is(err, errNotRegular):
		return "", &NotStoreError{Path: path, What: "is not a store: " + err.Error()}
	case errors.Is(err, fs.ErrNotExist) && write:
		dir, derr := os.Stat(filepath.Dir(file))
		if derr != nil || !dir.IsDir() {
			return "", &PathError{Path: path, Err: fmt.Errorf("no folder %s", filepath.Dir(file))}
		}
	case err != nil:
		return "", &PathError{Path: path, Err: err}
	}
	for _, part := range []string{"-wal", "-shm", "-journal"} {
		// A reader writes to the -shm.
		if err := checkRegular(file+part, 1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", &PathError{Path: path, Err: fmt.Errorf("its file %s cannot be used: %w", file+part, err)}
		}
	}
	if err := checkLog(file); err != nil {
		return "", &DamagedError{Path: path, Err: err}
	}
	return file, nil
}

// folderError is EISDIR in words that fit the other errors.
type folderError struct{}

func (folderError) Error() string        { return "it is a folder" }
func (folderError) Is(target error) bool { return target == unix.EISDIR }

var errNotRegular = errors.New("it is not a regular file")

func checkRegular(path string, names int) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return folderError{}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errNotRegular
	case uint64(st.Nlink) > uint64(names): //nolint:unconvert // its width differs between machines
		return fmt.Errorf("it has %d names (hard links), and each name would have its own log; copy the file, or remove the other names", st.Nlink)
	}
	return nil
}
