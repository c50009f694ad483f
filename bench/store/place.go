package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// LostError is a store that was deleted, replaced or emptied while it was written.
type LostError struct {
	Path string
	What string // what happened to it
	Kept string // a store with everything that was measured; empty if it could not be written
	// Parts is true if Kept is a copy of what was left of the file and of its log, which may be damaged.
	Parts bool
	Err   error // why Kept is incomplete or missing
}

func (e *LostError) Error() string {
	text := fmt.Sprintf("store %s: %s while it was written", e.Path, e.What)
	switch {
	case e.Kept == "":
		return fmt.Sprintf("%s, and its content could not be saved anywhere (%v)", text, e.Err)
	case e.Parts:
		return fmt.Sprintf("%s; what is left of it was copied to %s and %s-wal (%v)", text, e.Kept, e.Kept, e.Err)
	}
	return fmt.Sprintf("%s; everything measured so far is saved in %s: remove what is at the store's path (-wal and -shm too), move that file there, and run the same command again", text, e.Kept)
}

func (e *LostError) Unwrap() error { return e.Err }

// place is what a writer knows of its files, to notice that they are no longer those of its path. The
// database goes on working on a file without a name, so everything would seem to be well until its end.
type place struct {
	path  string
	store *os.File    // the open database
	log   fs.FileInfo // the database's -wal
	size  int64       // of the database: it never gets smaller while it is open
	mtime time.Time   // of the database, after the last transaction

	mu   sync.Mutex
	lost *LostError
}

// watch begins to watch a database that has just been opened.
func watch(path string, f *os.File) (*place, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p := &place{path: path, store: f, size: info.Size(), mtime: info.ModTime()}
	if p.log, err = os.Lstat(p.logPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return p, nil
}

func (p *place) logPath() string { return p.path + "-wal" }

const overwritten = "its content was overwritten"

// touched reports whether somebody else wrote to the database since the last transaction. It may have been a
// second transaction of this process, or a program that wrote the log back.
func (p *place) touched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := p.store.Stat()
	return err == nil && !info.ModTime().Equal(p.mtime)
}

// content is what a store must still have.
type content struct {
	sweeps string // their manifests, to which others may be added
	blocks int64
}

func (s *Store) content(ctx context.Context) (c content, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT coalesce(group_concat(manifest, char(10) ORDER BY num), ''), (SELECT count(*) FROM blocks) FROM sweeps`).
		Scan(&c.sweeps, &c.blocks)
	return c, s.wrap(err)
}

// learn records what the writer's store has. It may have more by then.
func (s *Store) learn(ctx context.Context) error {
	c, err := s.content(ctx)
	if err == nil {
		s.known.Store(&c)
	}
	return err
}

// holds returns what a new connection finds wrong with the store at a path. The open connection may still have
// pages that the file has no more.
func (s *Store) holds(ctx context.Context, path string) error {
	want := s.known.Load()
	r, err := OpenRead(ctx, path)
	if err != nil {
		return err
	}
	defer r.Close()
	have, err := r.content(ctx)
	if err == nil && (!strings.HasPrefix(have.sweeps, want.sweeps) || have.blocks < want.blocks) {
		err = fmt.Errorf("it has %d of %d blocks, or other sweeps", have.blocks, want.blocks)
	}
	return err
}

// changed returns what happened to the store's files, or "".
func (p *place) changed() string {
	info, err := p.store.Stat()
	if err != nil {
		return "" // the next transaction reports it
	}
	there, err := os.Lstat(p.path)
	switch {
	case err != nil:
		if now, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", p.store.Fd())); filepath.IsAbs(now) && !strings.HasSuffix(now, " (deleted)") && now != p.path {
			return "it was moved to " + now
		}
		return "it was deleted"
	case !os.SameFile(info, there):
		return "it was replaced by another file"
	case info.Size() < p.size:
		return fmt.Sprintf("it was cut from %d to %d bytes", p.size, info.Size())
	case p.log != nil && !p.ownLog():
		return "its log " + p.logPath() + " was deleted or replaced"
	}
	p.size, p.mtime = info.Size(), info.ModTime()
	return ""
}

// ownLog reports whether the file with the log's name is the database's.
func (p *place) ownLog() bool {
	there, err := os.Lstat(p.logPath())
	return err == nil && p.log != nil && os.SameFile(p.log, there)
}

// checkPlace returns a *LostError if the store's files are no longer at its path. It saves the content of the
// open files first, again after every transaction: blocks that other devices were timing are kept too. If somebody
// else touched the file, its content is checked as well.
func (s *Store) checkPlace(ctx context.Context, changed, touched bool) error {
	p := s.place
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost == nil {
		what := p.changed()
		if what == "" && touched && s.holds(context.WithoutCancel(ctx), p.path) != nil {
			what = overwritten
		}
		if what == "" {
			return nil
		}
		p.lost = &LostError{Path: s.path, What: what}
		changed = true
	}
	if changed {
		s.save(context.WithoutCancel(ctx), p)
	}
	return p.lost
}

// save writes the database beside its path, or where there is room.
func (s *Store) save(ctx context.Context, p *place) {
	e := *p.lost // an error that was returned does not change
	p.lost = &e
	if e.Parts || e.Kept != "" && s.saveAt(ctx, e.Kept) == nil {
		return
	}
	e.Kept, e.Parts, e.Err = "", false, nil
	for _, folder := range []func() (string, error){
		func() (string, error) { return filepath.Dir(p.path), nil },
		os.Getwd,
		func() (string, error) { return os.MkdirTemp("", "latlab-saved-") },
	} {
		dir, err := folder()
		if err != nil {
			e.Err = errors.Join(e.Err, err)
			continue
		}
		to, err := freeName(filepath.Join(dir, filepath.Base(p.path)+".saved"))
		switch {
		case err != nil:
		case e.What == overwritten: // a copy by SQLite would mix both contents
			err = errors.New("its pages are not all its own")
		default:
			err = s.saveAt(ctx, to)
		}
		if err == nil {
			e.Kept, e.Err = to, nil
			return
		}
		e.Err = err
		if perr := p.saveParts(to); perr == nil && to != "" {
			e.Kept, e.Parts = to, true
			return
		}
	}
}

// freeName returns a name that no file has.
func freeName(path string) (string, error) {
	for i := 1; i < 1000; i++ {
		name := path
		if i > 1 {
			name = fmt.Sprintf("%s-%d", path, i)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s to %s-999 exist", path, path)
}

// saveAt writes a copy of the database, which is one file without a log.
func (s *Store) saveAt(ctx context.Context, to string) error {
	temp := to + ".part"
	_ = os.Remove(temp)
	_, err := s.db.ExecContext(ctx, "VACUUM INTO ?", temp)
	if err == nil {
		err = s.holds(ctx, temp)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return os.Rename(temp, to)
}

// saveParts copies the open file and its log as they are, if SQLite cannot read them any more.
func (p *place) saveParts(to string) error {
	copyTo := func(to string, from io.Reader) error {
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, from)
		return errors.Join(err, f.Sync(), f.Close())
	}
	if err := copyTo(to, io.NewSectionReader(p.store, 0, 1<<62)); err != nil || !p.ownLog() {
		return err
	}
	log, err := os.Open(p.logPath())
	if err != nil {
		return err
	}
	defer log.Close()
	return copyTo(to+"-wal", log)
}

// keepForeignLog makes SQLite leave the file with its log's name when it closes: it deletes it by name.
func (s *Store) keepForeignLog(ctx context.Context) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(driver any) error {
		control, ok := driver.(sqlite.FileControl)
		if !ok {
			return errors.New("the driver has no file control")
		}
		_, err := control.FileControlPersistWAL("main", 1)
		return err
	})
}

// closeWriter writes the log back into the file, unless the file is no longer the store.
func (s *Store) closeWriter() error {
	ctx := context.Background()
	lost := s.checkPlace(ctx, false, s.place.touched())
	// A full disk or a reader may prevent it; then the log stays and nothing is lost. SQLite does not do
	// it by itself for a file that was moved.
	_, _ = s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if lost != nil && !s.place.ownLog() {
		lost = errors.Join(lost, s.keepForeignLog(ctx))
	}
	return errors.Join(lost, s.db.Close())
}

// tx runs f in one transaction. It returns a *LostError if the transaction went into a file that is no
// longer the store.
func (s *Store) tx(ctx context.Context, f func(*sql.Tx) error) error {
	touched := s.place != nil && s.place.touched() // before the transaction writes the log back
	err := s.commit(ctx, f)
	if lost := s.checkPlace(ctx, err == nil, touched); lost != nil {
		return lost
	}
	return err
}
