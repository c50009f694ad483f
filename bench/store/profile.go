package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"latlab/bench"
	"latlab/devices"
)

// profilesTable is made with the first profile, so that the store of a sweep without any is as it was before
// there were profiles, and older programs read both.
const profilesTable = `
CREATE TABLE IF NOT EXISTS profiles (
	sweep   INTEGER NOT NULL,
	network INTEGER NOT NULL,
	time    TEXT NOT NULL,
	profile TEXT NOT NULL,         -- JSON: the device's profile and the model's operators
	PRIMARY KEY (sweep, network),
	FOREIGN KEY (sweep, network) REFERENCES networks (sweep, idx)
);
`

// AddProfile implements bench.Store.
func (s *Store) AddProfile(ctx context.Context, sweep string, p bench.Profiled) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		num, err := sweepNum(ctx, tx, sweep)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, profilesTable); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO profiles (sweep, network, time, profile) VALUES (?,?,?,?)
			ON CONFLICT (sweep, network) DO UPDATE SET time = excluded.time, profile = excluded.profile`,
			num, p.Network, p.Profile.Started.UTC().Format(time.RFC3339Nano), string(text))
		if err != nil {
			err = fmt.Errorf("profile of network %d: %w", p.Network, err)
		}
		return err
	})
}

// Profiles implements bench.Reader. A store without the table has no profiles.
func (s *Store) Profiles(ctx context.Context, sweep string) iter.Seq2[bench.Profiled, error] {
	return optionalPages(ctx, s, sweep, "profiles", `SELECT network, profile FROM profiles WHERE sweep = ? AND network > ? ORDER BY network LIMIT ?`, scanProfile)
}

func scanProfile(r scanner) (p bench.Profiled, key []any, err error) {
	var network int
	var text []byte
	if err = r.Scan(&network, &text); err == nil && deep(text) {
		err = errDeep
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil && p.Network != network {
		err = badRowf("network %d has the profile of network %d", network, p.Network)
	}
	if err == nil {
		err = numbered("a profile", network)
	}
	if err == nil {
		if why := devices.PossibleProfile(&p.Profile); why != nil {
			err = badRowf("network %d has %v", network, why)
		}
	}
	return p, []any{network}, err
}
