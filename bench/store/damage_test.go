package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/bench"
)

// readAll reads everything of a store by all of its readers, and resumes its sweep.
func readAll(ctx context.Context, path string) error {
	r, err := OpenRead(ctx, path)
	if err != nil {
		return err
	}
	sweeps, err := r.Sweeps(ctx)
	for _, m := range sweeps {
		_, serr := r.Sweep(ctx, m.ID)
		_, verr := r.Version(ctx, m.ID)
		_, _, cerr := countAll(ctx, r, m)
		_, lerr := m.LoadSpace()
		err = errors.Join(err, serr, verr, cerr, lerr)
	}
	return errors.Join(err, r.Close(), resumeAt(ctx, path))
}

func countAll(ctx context.Context, r *Store, m bench.Sweep) (bench.Tally, []bench.Failure, error) {
	t, err := bench.Count(ctx, r, m.ID)
	f, ferr := bench.OpenFailures(ctx, r, m.ID)
	for _, serr := range r.Schedule(ctx, m.ID) {
		err = errors.Join(err, serr)
	}
	for _, cerr := range r.Conditions(ctx, m.ID) {
		err = errors.Join(err, cerr)
	}
	for _, perr := range r.Profiles(ctx, m.ID) {
		err = errors.Join(err, perr)
	}
	return t, f, errors.Join(err, ferr)
}

func resumeAt(ctx context.Context, path string) error {
	s, err := Open(ctx, path, Options{Relaxed: true})
	if err != nil {
		return err
	}
	_, err = bench.Run(ctx, childOptions(s, 6))
	return errors.Join(err, s.Close())
}

// addProfile adds the profile of the first network.
func addProfile(t *testing.T, path string) {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Relaxed: true})
	must(t, err)
	must(t, s.AddProfile(t.Context(), onlySweep(t, s), profiled(0, 1)), s.Close())
}

func onlySweep(t *testing.T, s *Store) string {
	t.Helper()
	sweeps, err := s.Sweeps(t.Context())
	must(t, err)
	return sweeps[0].ID
}

// written returns the bytes of a store with a log, as a copy of it while it is written would have.
func written(t *testing.T) (store, log []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "l.db")
	must(t, resumeAt(t.Context(), path))
	s := openStore(t, path)
	_, err := bench.Run(t.Context(), childOptions(s, 12))
	must(t, err, s.AddProfile(t.Context(), onlySweep(t, s), profiled(0, 1)))
	store, err = os.ReadFile(path)
	must(t, err)
	log, err = os.ReadFile(path + "-wal")
	must(t, err)
	return store, log
}

// Rows that do not fit together are damage, never a panic.
func TestRowsThatDoNotFit(t *testing.T) {
	for _, text := range []string{
		"DELETE FROM networks",
		"DELETE FROM networks WHERE idx = 0",
		"DELETE FROM sweeps",
		"UPDATE blocks SET network = 77 WHERE rowid = 1",
		"UPDATE schedule SET network = 77, round = ord",
		"UPDATE networks SET idx = -1 WHERE idx = 0",
		"UPDATE networks SET idx = 'x' WHERE idx = 0",
		"UPDATE networks SET idx = 4611686018427387904 WHERE idx = 0",
		"UPDATE networks SET macs = 'many'",
		"UPDATE networks SET features = '[1'",
		"UPDATE networks SET status = 'odd'",
		"UPDATE schedule SET ord = 'x' WHERE ord = 0",
		"UPDATE schedule SET round = -1 WHERE ord = 0",
		"UPDATE blocks SET round = 9223372036854775807",
		"UPDATE blocks SET samples = x'00ff00'",
		"UPDATE blocks SET detail = '{'",
		"UPDATE blocks SET detail = '[]'",
		"UPDATE sweeps SET manifest = '{}'",
		"UPDATE sweeps SET manifest = 'null'",
		"UPDATE sweeps SET manifest = x'ff'",
		"UPDATE sweeps SET networks = -1",
		"UPDATE sweeps SET networks = 'all'",
		"UPDATE conditions SET condition = ''",
		"UPDATE profiles SET profile = ''",
		"UPDATE profiles SET profile = '{}'",
		"UPDATE profiles SET profile = x'ff'",
		"UPDATE profiles SET profile = replace(profile, '\"seconds\":1', '\"seconds\":-1')",
		"UPDATE profiles SET network = 1",
		"UPDATE profiles SET network = 77",
		"UPDATE profiles SET network = 'x'",
		"ALTER TABLE profiles RENAME COLUMN profile TO profiles",
		"DROP TABLE networks",
		"DROP TABLE blocks",
		"DROP TABLE failures",
		"ALTER TABLE blocks RENAME COLUMN detail TO details",
		"ALTER TABLE blocks RENAME TO b; CREATE VIEW blocks AS SELECT sweep, network, ord, round, seconds, zeroblob(900000000) AS samples, cpu_samples, warmup, detail FROM b",
		"ALTER TABLE sweeps RENAME TO s; CREATE VIEW Sweeps AS WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM c) SELECT s.* FROM s, c",
		"ALTER TABLE blocks DROP COLUMN samples; ALTER TABLE blocks ADD COLUMN samples BLOB AS (zeroblob(900000000))",
		"INSERT INTO failures VALUES (1, 1, 77, 0, 'model', '', '', '', 1, '')",
		"INSERT INTO failures VALUES (1, 1, 0, 0, 'model', '', '', '', 1, 'yesterday')",
	} {
		path := filepath.Join(t.TempDir(), "l.db")
		must(t, resumeAt(t.Context(), path))
		addProfile(t, path)
		db, err := sql.Open("sqlite", path)
		must(t, err)
		db.SetMaxOpenConns(1)
		_, err = db.Exec("PRAGMA ignore_check_constraints = 1; PRAGMA foreign_keys = 0; " + text)
		must(t, err, db.Close())
		err = readAll(t.Context(), path)
		if !wrapsAny[*DamagedError](err) && (err == nil || !strings.Contains(err.Error(), "is damaged")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func wrapsAny[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// NULL where a column does not allow it: only a file that was damaged has that.
func TestNullIsDamage(t *testing.T) {
	for _, column := range []string{"sweeps.manifest", "networks.name", "networks.model", "blocks.detail", "blocks.round", "profiles.profile"} {
		path := filepath.Join(t.TempDir(), "l.db")
		must(t, resumeAt(t.Context(), path))
		addProfile(t, path)
		table, name, _ := strings.Cut(column, ".")
		for _, text := range []string{
			"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')",
			fmt.Sprintf("UPDATE %s SET %s = NULL", table, name),
		} {
			alter(t, path, text)
		}
		if err := readAll(t.Context(), path); !wrapsAny[*DamagedError](err) {
			t.Errorf("%s: %v", column, err)
		}
	}
}

// Damage that SQLite takes for a different file or for no log at all is reported once, and neither a reader
// nor a writer changes what is left.
func TestOverwritten(t *testing.T) {
	store, log := written(t)
	over := func(b []byte, at int, text string) []byte {
		return append(append(append([]byte(nil), b[:at]...), text...), b[at+len(text):]...)
	}
	for name, tt := range map[string]struct {
		store, log []byte
		want       string
	}{
		"the mark":             {over(store, 0, "\x00\x00\x00\x00"), nil, "its header was overwritten"},
		"the header":           {over(store, 0, strings.Repeat("x", 100)), nil, "its header was overwritten"},
		"the page size":        {over(store, 16, "\x00\x03"), nil, "its header was overwritten"},
		"the application":      {over(store, 68, "LATL"), nil, "its header was overwritten"},
		"the log's mark":       {store, over(log, 0, "mark"), "-wal has a damaged header"},
		"the log's salt":       {store, over(log, 16, "salt"), "-wal has a damaged header"},
		"empty beside its log": {nil, log, "it is empty and its log "},
		"pages":                {over(store, 8192, strings.Repeat("x", 40000)), nil, "malformed"},
		"the end":              {store[:len(store)/2], nil, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "l.db")
			must(t, os.WriteFile(path, tt.store, 0o600), os.WriteFile(path+"-wal", tt.log, 0o600))
			_, rerr := OpenRead(t.Context(), path)
			_, werr := Open(t.Context(), path, Options{})
			for _, err := range []error{rerr, werr} {
				if !wrapsAny[*DamagedError](err) || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "is damaged") != 1 {
					t.Errorf("%v\nwant %q", err, tt.want)
				}
			}
			left, err := os.ReadFile(path)
			must(t, err)
			logLeft, _ := os.ReadFile(path + "-wal")
			if string(left) != string(tt.store) || string(logLeft) != string(tt.log) {
				t.Error("the files were changed")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "l.db")
	must(t, os.WriteFile(path, store, 0o600), os.WriteFile(path+"-wal", make([]byte, 5000), 0o600))
	must(t, resumeAt(t.Context(), path)) // after a power loss
}

// Bytes of a store and of its log are flipped at random, or its end is cut off. Whatever SQLite makes of
// it, every reader returns.
func TestFlippedBytes(t *testing.T) {
	store, log := written(t)
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	path := filepath.Join(t.TempDir(), "l.db")
	errs := map[string]int{}
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		s, l := append([]byte(nil), store...), append([]byte(nil), log...)
		in := s
		if seed%2 == 0 {
			in = l
		}
		for range 1 + rng.IntN(1+[]int{1, 8, 200}[seed%3]) {
			in[rng.IntN(len(in))] = byte(rng.Uint32())
		}
		if seed%5 == 0 {
			s = s[:rng.IntN(len(s))]
		}
		must(t, os.WriteFile(path, s, 0o600), os.WriteFile(path+"-wal", l, 0o600))
		_ = os.Remove(path + "-shm")
		err := readAll(t.Context(), path)
		errs[fmt.Sprintf("%T", err)]++
	}
	t.Log(errs)
}
