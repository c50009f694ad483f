package store

import (
	"context"
	"database/sql"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// Remove removes sweeps and everything that was stored for them, in one transaction. Readers see the
// store with all of them or with none.
func (s *Store) Remove(ctx context.Context, sweeps ...string) error {
	tables, err := sweepTables(ctx, s.db, "main")
	if err != nil {
		return s.wrap(err)
	}
	s.known.Store(&content{}) // what is removed must not be missed
	err = s.tx(ctx, func(tx *sql.Tx) error {
		// Rows of a table refer to those of others; what counts is that they fit at the end.
		if _, err := tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		for _, id := range sweeps {
			num, err := sweepNum(ctx, tx, id)
			if err != nil {
				return err
			}
			for _, t := range tables {
				if _, err := tx.ExecContext(ctx, "DELETE FROM "+t.quoted()+" WHERE sweep = ?", num); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM sweeps WHERE num = ?", num); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM spaces WHERE id NOT IN (SELECT space FROM sweeps WHERE space IS NOT NULL)")
		return err
	})
	if err != nil {
		return err
	}
	return s.learn(ctx)
}

// Shrink gives the space of removed sweeps back to the file system. It needs room for a second copy of
// the store meanwhile; without it, the store stays as large as it is and later sweeps use the space.
func (s *Store) Shrink(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "VACUUM")
	if err == nil {
		_, err = s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if s.place != nil { // the smaller file is the same one
		s.place.mu.Lock()
		s.place.size = 0
		s.place.mu.Unlock()
	}
	if isCode(err, sqlite3.SQLITE_BUSY) { // a reader is at work, and the log is written back later
		return nil
	}
	return s.wrap(err)
}

// sweepTable is a table whose rows belong to sweeps: its column sweep is a sweep's number. Tables that later
// versions add are found by that column, so Remove and Merge need not know them.
type sweepTable struct {
	name    string
	columns []string // without sweep, and without a number of the row alone
	order   string   // the column that orders rows, "" if the primary key of columns does
}

func (t sweepTable) quoted() string { return quoted(t.name) }

func quoted(name string) string { return fmt.Sprintf("%q", name) }

// sweepTables lists the tables of a database that rows of sweeps are in, those of the file schema first.
func sweepTables(ctx context.Context, db rowsQueryer, database string) ([]sweepTable, error) {
	rows, err := db.QueryContext(ctx, fmt.Sprintf(`SELECT m.name, c.name, upper(c.type) = 'INTEGER' AND c.pk = 1 AND
		(SELECT count(*) FROM pragma_table_info(m.name, ?1) WHERE pk > 0) = 1
		FROM %s.sqlite_schema m JOIN pragma_table_info(m.name, ?1) c
		WHERE m.type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name, ?1) WHERE name = 'sweep')
		ORDER BY m.rowid, c.cid`, quoted(database)), database)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []sweepTable
	for rows.Next() {
		var table, column string
		var number bool // SQLite's own number of the row, which differs between stores
		if err := rows.Scan(&table, &column, &number); err != nil {
			return nil, err
		}
		if len(tables) == 0 || tables[len(tables)-1].name != table {
			tables = append(tables, sweepTable{name: table})
		}
		t := &tables[len(tables)-1]
		switch {
		case column == "sweep":
		case number:
			t.order = column
		default:
			t.columns = append(t.columns, column)
		}
	}
	return tables, rows.Err()
}

type rowsQueryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
