package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// MergeError is a merge that the user asked for and that cannot be.
type MergeError struct{ what string }

func (e *MergeError) Error() string { return e.what }

func mergeErrorf(format string, args ...any) error { return &MergeError{fmt.Sprintf(format, args...)} }

// Merged counts what a merge wrote.
type Merged struct {
	Sweeps int // in the new store
	Twice  int // of those, the same in several stores
	Blocks int
}

// Merge writes a new store with all sweeps of others, in their order, oldest store's schema included. A
// sweep that several have is written once if its rows are the same, and refused otherwise: they are two
// measurements under one identity. The new store appears whole or not at all, and none may be there
// before. The others are only read, and may be written meanwhile: of each, one moment is taken.
func Merge(ctx context.Context, to string, from ...string) (m Merged, err error) {
	for _, part := range []string{"", "-wal", "-journal"} {
		if _, err := os.Lstat(to + part); !errors.Is(err, fs.ErrNotExist) {
			return m, mergeErrorf("%s exists already; a merge makes a new store", to+part)
		}
	}
	var sources []*Store
	defer func() {
		for _, s := range sources {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, path := range from {
		s, err := OpenRead(ctx, path)
		if err != nil {
			return m, err
		}
		if slices.ContainsFunc(sources, func(o *Store) bool { return o.file == s.file }) {
			return m, errors.Join(mergeErrorf("%s is named twice", path), s.Close())
		}
		sources = append(sources, s)
	}
	f, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*")
	if err != nil {
		return m, pathOrDisk(to, err)
	}
	temp := f.Name()
	defer func() { _ = os.Remove(temp) }() // it is gone once it is renamed
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return m, pathOrDisk(to, err)
	}
	if m, err = mergeInto(ctx, temp, to, sources); err != nil {
		return m, err
	}
	return m, publish(temp, to)
}

// publish gives a whole file its name, unless another one has got it.
func publish(temp, to string) error {
	f, err := os.Open(temp)
	if err != nil {
		return pathOrDisk(to, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return pathOrDisk(to, err)
	}
	switch err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); {
	case errors.Is(err, unix.EEXIST):
		return mergeErrorf("%s exists by now; a merge makes a new store", to)
	case err == nil:
		return nil
	}
	return pathOrDisk(to, os.Rename(temp, to)) // a file system without that flag
}

// merger copies into the database "main".
type merger struct {
	tx     *sql.Tx
	from   *Store
	merged Merged
	owner  map[string]*Store // of each sweep
}

func mergeInto(ctx context.Context, temp, to string, sources []*Store) (m Merged, err error) {
	s := &Store{path: to, file: temp}
	// The file has no name yet, so nothing of it need survive a crash.
	if s.db, err = open(temp, url.Values{"mode": {"rwc"}, "_pragma": {"journal_mode(off)", "synchronous(off)", "foreign_keys(1)"}}); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	s.db.SetMaxOpenConns(1)
	if err := s.upgrade(ctx, 0); err != nil {
		return m, err
	}
	g := &merger{owner: map[string]*Store{}}
	for _, from := range sources {
		if _, err := s.db.ExecContext(ctx, "ATTACH ? AS source", from.uri()); err != nil {
			return m, from.wrap(err)
		}
		g.from = from
		err := s.commit(ctx, func(tx *sql.Tx) error {
			g.tx = tx
			return g.copy(ctx)
		})
		if err != nil {
			return m, err
		}
		if _, err := s.db.ExecContext(ctx, "DETACH source"); err != nil {
			return m, s.wrap(err)
		}
	}
	if err := s.checkRows(ctx); err != nil {
		return m, err
	}
	g.merged.Sweeps = len(g.owner)
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM blocks").Scan(&g.merged.Blocks)
	return g.merged, s.wrap(err)
}

// uri is the store as SQLite attaches it.
func (s *Store) uri() string {
	u := url.URL{Path: s.file}
	q := "?mode=ro"
	if s.immutable {
		q += "&immutable=1"
	}
	return "file:" + u.EscapedPath() + q
}

// copy copies all sweeps of the source.
func (g *merger) copy(ctx context.Context) error {
	if _, err := g.tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
		return err
	}
	tables, err := g.tables(ctx)
	if err != nil {
		return err
	}
	rows, err := g.tx.QueryContext(ctx, "SELECT num, id FROM source.sweeps ORDER BY num")
	if err != nil {
		return err
	}
	defer rows.Close()
	type sweep struct {
		num int64
		id  string
	}
	var sweeps []sweep
	for rows.Next() {
		var s sweep
		if err := rows.Scan(&s.num, &s.id); err != nil {
			return err
		}
		sweeps = append(sweeps, s)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, s := range sweeps {
		if has := g.owner[s.id]; has != nil {
			if err := g.same(ctx, tables, s.num, s.id, has); err != nil {
				return err
			}
			g.merged.Twice++
			continue
		}
		if err := g.sweep(ctx, tables, s.num, s.id); err != nil {
			return err
		}
		g.owner[s.id] = g.from
	}
	return nil
}

// tables are those of the source, with the columns that the new store has too. It gets the tables that
// only the source has.
func (g *merger) tables(ctx context.Context) ([]sweepTable, error) {
	theirs, err := sweepTables(ctx, g.tx, "source")
	if err != nil {
		return nil, err
	}
	for _, t := range theirs {
		if err := g.create(ctx, t.name); err != nil {
			return nil, err
		}
	}
	ours, err := sweepTables(ctx, g.tx, "main")
	if err != nil {
		return nil, err
	}
	for i := range theirs {
		of := ours[slices.IndexFunc(ours, func(t sweepTable) bool { return t.name == theirs[i].name })]
		theirs[i].columns = slices.DeleteFunc(theirs[i].columns, func(c string) bool { return !slices.Contains(of.columns, c) })
	}
	return theirs, nil
}

// create makes a table of the source, with its indexes, if the new store does not have it.
func (g *merger) create(ctx context.Context, table string) error {
	var n int
	if err := g.tx.QueryRowContext(ctx, "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = ?", table).Scan(&n); err != nil || n > 0 {
		return err
	}
	rows, err := g.tx.QueryContext(ctx, "SELECT sql FROM source.sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC", table)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		all = append(all, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, text := range all {
		if _, err := g.tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// sweep copies a sweep under a number of the new store.
func (g *merger) sweep(ctx context.Context, tables []sweepTable, num int64, id string) error {
	if _, err := g.tx.ExecContext(ctx, `INSERT OR IGNORE INTO main.spaces (name, yaml)
		SELECT p.name, p.yaml FROM source.sweeps s JOIN source.spaces p ON p.id = s.space WHERE s.num = ?`, num); err != nil {
		return err
	}
	if _, err := g.tx.ExecContext(ctx, `INSERT INTO main.sweeps (id, kind, device, space, networks, manifest)
		SELECT s.id, s.kind, s.device, n.id, s.networks, s.manifest FROM source.sweeps s
		LEFT JOIN source.spaces p ON p.id = s.space LEFT JOIN main.spaces n ON n.name = p.name AND n.yaml = p.yaml WHERE s.num = ?`, num); err != nil {
		return err
	}
	to, err := sweepNum(ctx, g.tx, id)
	if err != nil {
		return err
	}
	for _, t := range tables {
		columns := t.list()
		order := ""
		if t.order != "" {
			order = " ORDER BY " + quoted(t.order)
		}
		if _, err := g.tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO main.%s (sweep%s) SELECT ?%s FROM source.%s WHERE sweep = ?%s",
			t.quoted(), columns, columns, t.quoted(), order), to, num); err != nil {
			return err
		}
	}
	return nil
}

// list is the table's columns behind others.
func (t sweepTable) list() string {
	var b strings.Builder
	for _, c := range t.columns {
		b.WriteString(", " + quoted(c))
	}
	return b.String()
}

// same refuses a sweep that differs from the one that another store has under its id. What its processes
// reported of themselves may differ: a copy that was made a second before a sweep's end is a copy.
func (g *merger) same(ctx context.Context, tables []sweepTable, num int64, id string, has *Store) error {
	ours, err := sweepNum(ctx, g.tx, id)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.name == "conditions" {
			continue
		}
		columns := t.list()
		rows := func(database string) string {
			return fmt.Sprintf("SELECT 1%s FROM %s.%s WHERE sweep = ?", columns, database, t.quoted())
		}
		var differs bool
		err := g.tx.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS (%s EXCEPT %s) OR EXISTS (%s EXCEPT %s)",
			rows("main"), rows("source"), rows("source"), rows("main")), ours, num, num, ours).Scan(&differs)
		switch {
		case err != nil:
			return err
		case differs:
			return mergeErrorf("sweep %s is in %s and in %s with different %s: keep the stores apart, or remove one of the two first (latlab remove)",
				id, has.path, g.from.path, t.name)
		}
	}
	return nil
}
