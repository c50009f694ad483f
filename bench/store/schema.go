package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// schema of a new store. Raw figures are little-endian float64 blobs; everything else of a
// block is JSON in detail. The column seconds is for SQL queries by people: programs recompute it.
const schema = `
CREATE TABLE spaces (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	yaml TEXT NOT NULL,            -- canonical
	UNIQUE (name, yaml)
);
CREATE TABLE sweeps (
	num      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	kind     TEXT NOT NULL,        -- measured, estimated, simulated
	device   TEXT NOT NULL,
	space    INTEGER REFERENCES spaces (id),
	networks INTEGER NOT NULL,     -- asked for, the most so far
	manifest TEXT NOT NULL         -- JSON
);
CREATE TABLE networks (
	sweep    INTEGER NOT NULL REFERENCES sweeps (num),
	idx      INTEGER NOT NULL,     -- in the sweep's source
	name     TEXT NOT NULL,
	space    TEXT NOT NULL,
	indices  TEXT NOT NULL,        -- 0:3:1
	features TEXT,                 -- JSON
	model    TEXT NOT NULL,        -- identity
	macs     INTEGER,              -- multiply-accumulates of one inference; NULL = not known
	params   INTEGER,
	status   TEXT NOT NULL CHECK (status IN ('planned', 'measured', 'failed')),
	PRIMARY KEY (sweep, idx)
) WITHOUT ROWID;
CREATE TABLE schedule (
	sweep   INTEGER NOT NULL,
	ord     INTEGER NOT NULL,      -- order of running
	network INTEGER NOT NULL,
	round   INTEGER NOT NULL,
	state   TEXT NOT NULL CHECK (state IN ('planned', 'done', 'dropped')),
	PRIMARY KEY (sweep, ord),
	UNIQUE (sweep, network, round),
	FOREIGN KEY (sweep, network) REFERENCES networks (sweep, idx)
) WITHOUT ROWID;
CREATE TABLE blocks (
	sweep       INTEGER NOT NULL,
	network     INTEGER NOT NULL,
	ord         INTEGER NOT NULL,
	round       INTEGER NOT NULL,
	seconds     REAL NOT NULL,     -- median sample, or the tool's mean
	samples     BLOB,              -- seconds, float64 little-endian
	cpu_samples BLOB,
	warmup      BLOB,
	detail      TEXT NOT NULL,     -- JSON
	PRIMARY KEY (sweep, network, ord),
	UNIQUE (sweep, ord),           -- a slot is filled once
	FOREIGN KEY (sweep, ord) REFERENCES schedule (sweep, ord)
);
CREATE TABLE failures (
	id      INTEGER PRIMARY KEY,
	sweep   INTEGER NOT NULL,
	network INTEGER NOT NULL,
	round   INTEGER NOT NULL,
	fault   TEXT NOT NULL,
	reason  TEXT NOT NULL,
	message TEXT NOT NULL,
	output  TEXT NOT NULL,
	final   INTEGER NOT NULL,
	time    TEXT NOT NULL,
	FOREIGN KEY (sweep, network) REFERENCES networks (sweep, idx)
);
CREATE INDEX failures_by_network ON failures (sweep, network);
`

// conditionsTable was added to version 1 later, so a store of that version may lack it.
const conditionsTable = `
CREATE TABLE IF NOT EXISTS conditions (
	id        INTEGER PRIMARY KEY,
	sweep     INTEGER NOT NULL REFERENCES sweeps (num),
	state     TEXT NOT NULL,       -- running, backing off, quarantined, ended
	time      TEXT NOT NULL,
	condition TEXT NOT NULL        -- JSON
);
CREATE INDEX IF NOT EXISTS conditions_by_sweep ON conditions (sweep);
`

// fromVersion1 upgrades a store from version 1 to 2. Existing networks keep NULL: counting
// their ops needs the space, which the exports have and the store does not.
const fromVersion1 = conditionsTable + `
ALTER TABLE networks ADD COLUMN macs INTEGER;
ALTER TABLE networks ADD COLUMN params INTEGER;
`

// checkSchema returns the schema's version, 0 for an empty database, and refuses databases of
// other programs. It changes nothing.
func (s *Store) checkSchema(ctx context.Context) (version int, err error) {
	var app, tables int
	for _, q := range []struct {
		sql string
		to  *int
	}{
		{"PRAGMA application_id", &app},
		{"PRAGMA user_version", &version},
		{"SELECT count(*) FROM sqlite_schema", &tables},
	} {
		if err := s.db.QueryRowContext(ctx, q.sql).Scan(q.to); err != nil {
			return 0, err
		}
	}
	switch {
	case app == 0 && version == 0 && tables == 0:
		return 0, nil
	case app != ApplicationID && hasRemains(s.file):
		return 0, &DamagedError{Path: s.path, Err: errors.New("its header was overwritten")}
	case app != ApplicationID:
		return 0, &NotStoreError{Path: s.path, What: "is a SQLite file, but not a latlab store"}
	case version < 1 || version > SchemaVersion:
		return 0, &SchemaError{Path: s.path, Have: version, Known: SchemaVersion}
	}
	return version, nil
}

// ownTables are the tables of schema, in SQL.
const ownTables = "('spaces', 'sweeps', 'networks', 'schedule', 'blocks', 'failures', 'conditions', 'profiles')"

type misfit struct{ what, sql string }

// misfits find first what latlab never makes in place of its tables: a view or a computed column of a
// file of 200 kB has rows without end, or of gigabytes. Then they find rows of something that the store
// does not have: foreign keys hold only while latlab itself writes. Those read indexes only, some 0.1 s
// for 150,000 blocks.
var misfits = []misfit{
	{"a view in place of a table", `SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND type <> 'table' AND lower(name) IN ` + ownTables},
	{"computed columns", `SELECT 1 FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE c.hidden <> 0 AND lower(t.name) IN ` + ownTables},
	{"networks of a sweep that it does not have", `SELECT 1 FROM (SELECT min(sweep) AS x FROM networks UNION SELECT max(sweep) FROM networks)
		WHERE x IS NOT NULL AND x NOT IN (SELECT num FROM sweeps)`},
	{"planned blocks of a network that it does not have", `SELECT 1 FROM (SELECT DISTINCT sweep, network FROM schedule) x
		WHERE NOT EXISTS (SELECT 1 FROM networks WHERE sweep = x.sweep AND idx = x.network)`},
	{"blocks of a network that it does not have", `SELECT 1 FROM (SELECT DISTINCT sweep, network FROM blocks) x
		WHERE NOT EXISTS (SELECT 1 FROM networks WHERE sweep = x.sweep AND idx = x.network)`},
	{"failures of a network that it does not have", `SELECT 1 FROM (SELECT DISTINCT sweep, network FROM failures) x
		WHERE NOT EXISTS (SELECT 1 FROM networks WHERE sweep = x.sweep AND idx = x.network)`},
}

// orphanProfiles are looked for where the store has the table.
var orphanProfiles = misfit{"profiles of a network that it does not have", `SELECT 1 FROM (SELECT DISTINCT sweep, network FROM profiles) x
	WHERE NOT EXISTS (SELECT 1 FROM networks WHERE sweep = x.sweep AND idx = x.network)`}

// checkRows refuses a store whose tables are not latlab's, or whose rows do not fit together.
func (s *Store) checkRows(ctx context.Context) error {
	all := misfits
	switch known, err := s.has(ctx, "profiles", "network"); {
	case err != nil:
		return err
	case known:
		all = append(slices.Clone(misfits), orphanProfiles)
	}
	for _, o := range all {
		var found int
		switch err := s.db.QueryRowContext(ctx, o.sql+" LIMIT 1").Scan(&found); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return s.unreadable(err)
		default:
			return &DamagedError{Path: s.path, Err: badRowf("it has %s", o.what)}
		}
	}
	return nil
}

// upgrade brings a database to the current version in one transaction, version marks included:
// if the process is killed, the database stays as it was.
func (s *Store) upgrade(ctx context.Context, version int) error {
	var steps string
	switch version {
	case 0:
		steps = schema + conditionsTable
	case 1:
		steps = fromVersion1
	default:
		return nil
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", steps, ApplicationID, SchemaVersion))
		return err
	})
}

// has reports whether a table has a column. Readers need it: they read stores of older versions
// without an upgrade, and a writer may upgrade one meanwhile.
func (s *Store) has(ctx context.Context, table, column string) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?", table, column).Scan(&n)
	return n > 0, s.wrap(err)
}

// commit runs f in one transaction.
func (s *Store) commit(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.wrap(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := f(tx); err != nil {
		return s.wrap(err)
	}
	return s.wrap(tx.Commit())
}
