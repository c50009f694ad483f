package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"latlab/internal/text"
)

// ErrLocked matches every *LockedError.
var ErrLocked = errors.New("another writer holds the store")

// LockedError names the process that holds the store. PID is 0 if it is not known.
type LockedError struct {
	Path string
	PID  int
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("store %s: another process writes to it, maybe by another name; --wait waits for it", e.Path)
	}
	return fmt.Sprintf("store %s: process %d writes to it; --wait waits for it", e.Path, e.PID)
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// SchemaError is a store of an unknown version.
type SchemaError struct {
	Path        string
	Have, Known int
}

func (e *SchemaError) Error() string {
	if e.Have < e.Known {
		return fmt.Sprintf("store %s has schema %d, this latlab knows %d only; use the latlab that made it", e.Path, e.Have, e.Known)
	}
	return fmt.Sprintf("store %s has schema %d, this latlab knows %d; use a newer latlab", e.Path, e.Have, e.Known)
}

// NotStoreError is a file that is not a latlab store.
type NotStoreError struct {
	Path string
	What string
	Err  error
}

func (e *NotStoreError) Error() string { return fmt.Sprintf("%s %s", e.Path, e.What) }
func (e *NotStoreError) Unwrap() error { return e.Err }

// DamagedError is a store that SQLite cannot read, or whose rows do not fit together. It is the
// environment's fault, not the user's: a disk, or a copy without its log.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("store %s is damaged (%v): use a copy of it and its -wal from before", e.Path, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// badRow is a row that latlab did not write.
type badRow struct{ what string }

func (e *badRow) Error() string { return e.what }

func badRowf(format string, args ...any) error { return &badRow{fmt.Sprintf(format, args...)} }

// unreadable is the error of a row that was read but not understood, unless reading was interrupted.
func (s *Store) unreadable(err error) error {
	var coded *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrConnDone):
		return s.wrap(err)
	}
	return &DamagedError{Path: s.path, Err: err}
}

// PathError is a path that cannot be opened: missing, a folder, not permitted, read-only.
type PathError struct {
	Path string
	Err  error
}

func (e *PathError) Error() string {
	why := e.Err.Error()
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		why = "no such file"
	case errors.Is(e.Err, fs.ErrPermission):
		why = "permission denied"
	case errors.Is(e.Err, unix.EROFS):
		why = "it is on a read-only file system"
	}
	return fmt.Sprintf("store %s: %s", e.Path, why)
}

func (e *PathError) Unwrap() error { return e.Err }

// DiskError is a disk that is full or fails. Everything stored before is still there.
type DiskError struct {
	Path string
	Full bool
	Err  error
}

func (e *DiskError) Error() string {
	if e.Full {
		return fmt.Sprintf("store %s: the disk is full; stored blocks are kept: free some space and run the same command again", e.Path)
	}
	return fmt.Sprintf("store %s: disk error (%v); blocks stored before are kept", e.Path, e.Err)
}

func (e *DiskError) Unwrap() error { return e.Err }

// isCode reports whether an error is one of SQLite's primary result codes.
func isCode(err error, codes ...int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && slices.Contains(codes, e.Code()&0xff)
}

// wrap turns SQLite's codes into this package's errors.
func (s *Store) wrap(err error) error {
	switch {
	case err == nil, isWrapped(err):
		return err
	case isCode(err, sqlite3.SQLITE_FULL) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return &DiskError{Path: s.path, Full: true, Err: err}
	case isCode(err, sqlite3.SQLITE_IOERR):
		return &DiskError{Path: s.path, Full: s.diskFull(), Err: err}
	case isCode(err, sqlite3.SQLITE_NOTADB) && hasRemains(s.file):
		return &DamagedError{Path: s.path, Err: errors.New("its header was overwritten")}
	case isCode(err, sqlite3.SQLITE_NOTADB):
		return &NotStoreError{Path: s.path, What: s.whatElse(), Err: err}
	case isCode(err, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT):
		// Every statement is the program's own, so one that cannot be compiled means a damaged schema.
		return &DamagedError{Path: s.path, Err: err}
	case isCode(err, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
		return &PathError{Path: s.path, Err: s.whyNot(err)}
	}
	return err
}

func isWrapped(err error) bool {
	_, damaged := errors.AsType[*DamagedError](err)
	_, disk := errors.AsType[*DiskError](err)
	_, path := errors.AsType[*PathError](err)
	return damaged || disk || path
}

// whatElse says what a file is that is no database.
func (s *Store) whatElse() string {
	head := make([]byte, 4096)
	if f, err := os.Open(s.file); err == nil {
		n, _ := f.ReadAt(head, 0) // a short file is an error too
		head = head[:n]
		_ = f.Close()
	}
	if why := text.WrongKind(head, s.path, text.Store); why != "" {
		return "is not a SQLite file: " + why
	}
	return "is not a SQLite file; if it was a store, use a copy of it and its -wal from before"
}

// diskFull asks the file system: SQLite reports ENOSPC in some places as an I/O error.
func (s *Store) diskFull() bool {
	var st unix.Statfs_t
	return unix.Statfs(s.file, &st) == nil && st.Bavail == 0
}

// whyNot finds the operating system's reason behind SQLite's "unable to open".
func (s *Store) whyNot(err error) error {
	mode := uint32(unix.R_OK)
	if !s.readonly {
		mode |= unix.W_OK
	}
	if aerr := unix.Access(s.file, mode); aerr != nil {
		return aerr
	}
	return err
}

// pathOrDisk turns a file system error into a PathError or a DiskError.
func pathOrDisk(path string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &DiskError{Path: path, Full: true, Err: err}
	}
	return &PathError{Path: path, Err: err}
}
