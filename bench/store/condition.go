package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"latlab/bench"
)

// Note implements bench.Store.
func (s *Store) Note(ctx context.Context, sweep string, c bench.Condition) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		num, err := sweepNum(ctx, tx, sweep)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO conditions (sweep, state, time, condition) VALUES (?,?,?,?)",
			num, string(c.State), c.Time.UTC().Format(time.RFC3339Nano), string(text))
		return err
	})
}

// Conditions implements bench.Reader. A store without the table has no conditions.
func (s *Store) Conditions(ctx context.Context, sweep string) iter.Seq2[bench.Condition, error] {
	return optionalPages(ctx, s, sweep, "conditions", `SELECT id, condition FROM conditions WHERE sweep = ? AND id > ? ORDER BY id LIMIT ?`, scanCondition)
}

// optionalPages yields rows of a table that a store may lack: of an older version, or made when it is needed.
func optionalPages[T any](ctx context.Context, s *Store, sweep, table, query string, scan func(scanner) (T, []any, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		known, err := s.has(ctx, table, "sweep")
		if err == nil && !known {
			_, err = sweepNum(ctx, s.db, sweep)
			err = s.wrap(err)
		}
		if err != nil {
			yield(*new(T), err)
		}
		if err != nil || !known {
			return
		}
		pages(ctx, s, sweep, query, []any{-1}, scan)(yield)
	}
}

func scanCondition(r scanner) (c bench.Condition, key []any, err error) {
	var id int64
	var text []byte
	if err = r.Scan(&id, &text); err == nil {
		err = json.Unmarshal(text, &c)
	}
	return c, []any{id}, err
}

// Version is a text that changes whenever something is stored for a sweep. It counts by indexes
// (some 7 ms for 150,000 blocks), so a watcher need not read the store to see that nothing
// changed.
func (s *Store) Version(ctx context.Context, sweep string) (string, error) {
	num, err := sweepNum(ctx, s.db, sweep)
	if err != nil {
		return "", s.wrap(err)
	}
	known, err := s.has(ctx, "conditions", "id")
	if err != nil {
		return "", err
	}
	conditions, profiles := "0", "0"
	if known {
		conditions = "(SELECT coalesce(max(id), 0) FROM conditions WHERE sweep = ?1)"
	}
	if known, err = s.has(ctx, "profiles", "network"); err != nil {
		return "", err
	}
	if known {
		profiles = "(SELECT count(*) FROM profiles WHERE sweep = ?1)"
	}
	var networks, planned, blocks, failures, notes, profiled int64
	var created string // a sweep that was removed and measured again may have as many rows
	err = s.db.QueryRowContext(ctx, `SELECT networks, coalesce(json_extract(manifest, '$.created'), ''),
		(SELECT coalesce(max(ord), -1) FROM schedule WHERE sweep = ?1),
		(SELECT count(*) FROM blocks WHERE sweep = ?1),
		(SELECT count(*) FROM failures WHERE sweep = ?1), `+conditions+", "+profiles+`
		FROM sweeps WHERE num = ?1`, num).Scan(&networks, &created, &planned, &blocks, &failures, &notes, &profiled)
	return fmt.Sprint(networks, created, planned, blocks, failures, notes, profiled), s.wrap(err)
}
