package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"latlab/bench"
	"latlab/bench/stats"
)

// CreateSweep implements bench.Store.
func (s *Store) CreateSweep(ctx context.Context, m bench.Sweep) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		space, err := putSpace(ctx, tx, m.Space, m.SpaceFile)
		if err != nil {
			return err
		}
		n := m.Networks
		m.SpaceFile, m.Networks = "", 0 // have columns of their own
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sweeps (id, kind, device, space, networks, manifest) VALUES (?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET networks = max(networks, excluded.networks)`,
			m.ID, string(m.Device.Kind), m.Device.Name, space, n, string(text))
		return err
	})
	if err != nil {
		return err
	}
	return s.learn(ctx)
}

func putSpace(ctx context.Context, tx *sql.Tx, name, yaml string) (sql.NullInt64, error) {
	if name == "" && yaml == "" {
		return sql.NullInt64{}, nil
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO spaces (name, yaml) VALUES (?,?) ON CONFLICT DO NOTHING", name, yaml); err != nil {
		return sql.NullInt64{}, err
	}
	id := sql.NullInt64{Valid: true}
	err := tx.QueryRowContext(ctx, "SELECT id FROM spaces WHERE name = ? AND yaml = ?", name, yaml).Scan(&id.Int64)
	return id, err
}

// Plan implements bench.Store.
func (s *Store) Plan(ctx context.Context, sweep string, networks []bench.Network, slots []bench.Slot) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		num, err := sweepNum(ctx, tx, sweep)
		if err != nil {
			return err
		}
		if err := putNetworks(ctx, tx, num, networks); err != nil {
			return err
		}
		return putSlots(ctx, tx, num, slots)
	})
}

// putSlots adds rows of the schedule. A measured network that gets extra blocks stays measured.
func putSlots(ctx context.Context, tx *sql.Tx, num int64, slots []bench.Slot) error {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO schedule (sweep, ord, network, round, state) VALUES (?,?,?,?,'planned')")
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, sl := range slots {
		if _, err := insert.ExecContext(ctx, num, sl.Order, sl.Network, sl.Round); err != nil {
			return fmt.Errorf("plan slot %d (network %d, round %d): %w", sl.Order, sl.Network, sl.Round, err)
		}
	}
	return nil
}

const updateStatus = "UPDATE networks SET status = ? WHERE sweep = ? AND idx = ?"

// putNetworks adds the networks that are not stored yet.
func putNetworks(ctx context.Context, tx *sql.Tx, num int64, networks []bench.Network) error {
	if len(networks) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO networks (sweep, idx, name, space, indices, features, model, macs, params, status)
		VALUES (?,?,?,?,?,?,?,?,?,'planned') ON CONFLICT DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, n := range networks {
		features, err := featuresText(n.Features)
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, num, n.Index, n.Name, n.Space, n.Indices, features, n.Model, n.MACs, n.Params); err != nil {
			return err
		}
	}
	return nil
}

// featuresText is NULL for a network without features.
func featuresText(features map[string]float64) (sql.NullString, error) {
	if features == nil {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(features)
	return sql.NullString{String: string(text), Valid: true}, err
}

// Finish implements bench.Store.
func (s *Store) Finish(ctx context.Context, sweep string, done []bench.Finished) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		num, err := sweepNum(ctx, tx, sweep)
		if err != nil {
			return err
		}
		f, err := prepareFinisher(ctx, tx, num)
		if err != nil {
			return err
		}
		defer f.close()
		return f.all(ctx, done)
	})
	if err == nil {
		known := *s.known.Load()
		known.blocks += int64(len(done))
		s.known.Store(&known)
	}
	return err
}

// finisher stores blocks with statements that are compiled once per transaction.
type finisher struct {
	num                  int64
	slot, block, network *sql.Stmt
}

// prepareFinisher compiles the statements. The networks' one names a round although any would
// do: otherwise SQLite picks the schedule's primary key to find a network's slots and scans the
// sweep's whole schedule for every block.
func prepareFinisher(ctx context.Context, tx *sql.Tx, num int64) (*finisher, error) {
	f := &finisher{num: num}
	for _, s := range []struct {
		stmt **sql.Stmt
		sql  string
	}{
		{&f.slot, `UPDATE schedule SET state = 'done'
			WHERE sweep = ? AND ord = ? AND network = ? AND round = ? AND state = 'planned'`},
		{&f.block, `INSERT INTO blocks (sweep, network, ord, round, seconds, samples, cpu_samples, warmup, detail)
			VALUES (?,?,?,?,?,?,?,?,?)`},
		{&f.network, `UPDATE networks SET status = 'measured' WHERE sweep = ?1 AND idx = ?2
			AND NOT EXISTS (SELECT 1 FROM schedule WHERE sweep = ?1 AND network = ?2 AND round >= 0 AND state = 'planned')`},
	} {
		var err error
		if *s.stmt, err = tx.PrepareContext(ctx, s.sql); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *finisher) close() {
	for _, s := range []*sql.Stmt{f.slot, f.block, f.network} {
		if s != nil {
			_ = s.Close() // its transaction ends anyway
		}
	}
}

// all stores the blocks, then checks once for each of their networks whether it is measured.
func (f *finisher) all(ctx context.Context, done []bench.Finished) error {
	seen := map[int]bool{}
	for _, d := range done {
		if err := f.one(ctx, d); err != nil {
			return err
		}
		seen[d.Slot.Network] = true
	}
	for network := range seen {
		if _, err := f.network.ExecContext(ctx, f.num, network); err != nil {
			return err
		}
	}
	return nil
}

func (f *finisher) one(ctx context.Context, d bench.Finished) error {
	sl := d.Slot
	res, err := f.slot.ExecContext(ctx, f.num, sl.Order, sl.Network, sl.Round)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("slot %d (network %d, round %d) is not planned", sl.Order, sl.Network, sl.Round))
	}
	return f.putBlock(ctx, d)
}

func (f *finisher) putBlock(ctx context.Context, d bench.Finished) error {
	seconds, _, ok := stats.BlockSeconds(d.Block)
	if !ok {
		return fmt.Errorf("slot %d: the block has no usable time", d.Slot.Order)
	}
	rest := *d.Block
	rest.Samples, rest.CPUSamples, rest.WarmUp = nil, nil, nil
	detail, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	_, err = f.block.ExecContext(ctx, f.num, d.Slot.Network, d.Slot.Order, d.Slot.Round, seconds,
		pack(d.Block.Samples), pack(d.Block.CPUSamples), pack(d.Block.WarmUp), string(detail))
	return err
}

// Fail implements bench.Store.
func (s *Store) Fail(ctx context.Context, sweep string, f bench.Failure) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		num, err := sweepNum(ctx, tx, sweep)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO failures (sweep, network, round, fault, reason, message, output, final, time)
			VALUES (?,?,?,?,?,?,?,?,?)`, num, f.Network, f.Round, string(f.Fault), f.Reason, f.Message, f.Output, f.Final,
			f.Time.UTC().Format(time.RFC3339Nano)); err != nil || !f.Final {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE schedule SET state = 'dropped' WHERE sweep = ? AND network = ? AND state = 'planned'",
			num, f.Network); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, updateStatus, string(bench.Failed), num, f.Network)
		return err
	})
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func sweepNum(ctx context.Context, q queryer, id string) (num int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT num FROM sweeps WHERE id = ?", id).Scan(&num)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("sweep %s: %w", id, bench.ErrNoSweep)
	}
	return num, err
}

// pack encodes float64s little-endian; an empty list is NULL and read back as nil.
func pack(xs []float64) []byte {
	if len(xs) == 0 {
		return nil
	}
	buf, _ := binary.Append(nil, binary.LittleEndian, xs) // fails only for types of unknown size
	return buf
}

func unpack(buf []byte) []float64 {
	if buf == nil {
		return nil
	}
	xs := make([]float64, len(buf)/8)
	_, _ = binary.Decode(buf, binary.LittleEndian, xs) // buf is long enough
	return xs
}
