package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"latlab/bench"
)

// page is how many rows a sequence reads at once. No statement stays open between pages: the
// consumer may write to the same store, and a slow consumer does not block the write-back of
// the log.
const page = 200

const selectSweep = `SELECT sweeps.id, sweeps.manifest, sweeps.networks, coalesce(spaces.yaml, '')
	FROM sweeps LEFT JOIN spaces ON spaces.id = sweeps.space `

// Sweeps implements bench.Reader.
func (s *Store) Sweeps(ctx context.Context) ([]bench.Sweep, error) {
	return collect(ctx, s, nil, scanSweep, selectSweep+"ORDER BY num")
}

// Sweep implements bench.Reader.
func (s *Store) Sweep(ctx context.Context, id string) (bench.Sweep, error) {
	m, err := scanSweep(s.db.QueryRowContext(ctx, selectSweep+"WHERE sweeps.id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return bench.Sweep{}, fmt.Errorf("sweep %s: %w", id, bench.ErrNoSweep)
	}
	return m, s.unreadable(err)
}

type scanner interface{ Scan(to ...any) error }

func scanSweep(r scanner) (m bench.Sweep, err error) {
	var id, text, yaml string
	var n int
	if err := r.Scan(&id, &text, &n, &yaml); err != nil {
		return m, err
	}
	err = json.Unmarshal([]byte(text), &m)
	m.Networks, m.SpaceFile = n, yaml
	if err == nil && m.ID != id {
		err = badRowf("sweep %q has the manifest of sweep %q", id, m.ID)
	}
	if err == nil && (n < 0 || n > maxNumber) {
		err = badRowf("sweep %s has %d networks", id, n)
	}
	return m, err
}

// maxNumber is far above every network, position and round of a sweep: a row beyond it was not written
// by latlab.
const maxNumber = 1 << 30

// numbered checks the numbers of a row.
func numbered(what string, numbers ...int) error {
	for _, n := range numbers {
		if n < 0 || n > maxNumber {
			return badRowf("%s has the number %d", what, n)
		}
	}
	return nil
}

// Networks implements bench.Reader.
func (s *Store) Networks(ctx context.Context, sweep string) iter.Seq2[bench.Network, error] {
	return func(yield func(bench.Network, error) bool) {
		known, err := s.has(ctx, "networks", "macs")
		if err != nil {
			yield(bench.Network{}, err)
			return
		}
		counts := "macs, params"
		if !known {
			counts = "NULL, NULL"
		}
		pages(ctx, s, sweep, `SELECT idx, name, space, indices, features, model, status, `+counts+` FROM networks
			WHERE sweep = ? AND idx > ? ORDER BY idx LIMIT ?`, []any{-1}, scanNetwork)(yield)
	}
}

func scanNetwork(r scanner) (n bench.Network, key []any, err error) {
	var features sql.NullString
	err = r.Scan(&n.Index, &n.Name, &n.Space, &n.Indices, &features, &n.Model, (*string)(&n.Status), &n.MACs, &n.Params)
	if err == nil && features.Valid {
		err = json.Unmarshal([]byte(features.String), &n.Features)
	}
	if err == nil {
		err = numbered("a network", n.Index)
	}
	if err == nil && !slices.Contains([]bench.Status{bench.Planned, bench.Measured, bench.Failed}, n.Status) {
		err = badRowf("network %d has the status %q", n.Index, n.Status)
	}
	return n, []any{n.Index}, err
}

// Schedule implements bench.Reader.
func (s *Store) Schedule(ctx context.Context, sweep string) iter.Seq2[bench.Scheduled, error] {
	return pages(ctx, s, sweep, `SELECT ord, network, round, state FROM schedule
		WHERE sweep = ? AND ord > ? ORDER BY ord LIMIT ?`,
		[]any{-1}, func(r scanner) (x bench.Scheduled, key []any, err error) {
			err = r.Scan(&x.Order, &x.Network, &x.Round, (*string)(&x.State))
			if err == nil {
				err = numbered("a planned block", x.Order, x.Network, x.Round)
			}
			return x, []any{x.Order}, err
		})
}

// Blocks implements bench.Reader.
func (s *Store) Blocks(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return pages(ctx, s, sweep, `SELECT network, ord, round, samples, cpu_samples, warmup, detail FROM blocks
		WHERE sweep = ? AND (network, ord) > (?, ?) ORDER BY network, ord LIMIT ?`, []any{-1, -1}, scanBlock)
}

// Values implements bench.Reader.
func (s *Store) Values(ctx context.Context, sweep string) iter.Seq2[bench.StoredBlock, error] {
	return pages(ctx, s, sweep, `SELECT network, ord, round, samples, cpu_samples, detail FROM blocks
		WHERE sweep = ? AND (network, ord) > (?, ?) ORDER BY network, ord LIMIT ?`, []any{-1, -1}, scanValue)
}

func scanValue(r scanner) (b bench.StoredBlock, key []any, err error) {
	var samples, cpu, detail []byte
	if err = r.Scan(&b.Slot.Network, &b.Slot.Order, &b.Slot.Round, &samples, &cpu, &detail); err == nil {
		b.Block, err = decodeValue(detail)
	}
	if err == nil {
		err = checkBlock(b.Slot, samples, cpu)
	}
	b.Block.Samples, b.Block.CPUSamples = unpack(samples), unpack(cpu)
	return b, []any{b.Slot.Network, b.Slot.Order}, err
}

func scanBlock(r scanner) (b bench.StoredBlock, key []any, err error) {
	var samples, cpu, warm, detail []byte
	if err = r.Scan(&b.Slot.Network, &b.Slot.Order, &b.Slot.Round, &samples, &cpu, &warm, &detail); err == nil {
		b.Block, err = decodeDetail(detail)
	}
	if err == nil {
		err = checkBlock(b.Slot, samples, cpu, warm)
	}
	b.Block.Samples, b.Block.CPUSamples, b.Block.WarmUp = unpack(samples), unpack(cpu), unpack(warm)
	return b, []any{b.Slot.Network, b.Slot.Order}, err
}

// checkBlock checks a block's numbers, and that its lists are of whole values.
func checkBlock(slot bench.Slot, lists ...[]byte) error {
	for _, l := range lists {
		if len(l)%8 != 0 {
			return badRowf("block %d of network %d has a list of %d bytes", slot.Order, slot.Network, len(l))
		}
	}
	return numbered("a block", slot.Network, slot.Order, slot.Round)
}

// Failures implements bench.Reader.
func (s *Store) Failures(ctx context.Context, sweep string) iter.Seq2[bench.Failure, error] {
	return pages(ctx, s, sweep, `SELECT f.id, f.network, n.name, f.round, f.fault, f.reason, f.message, f.output, f.final, f.time
		FROM failures f JOIN networks n ON n.sweep = f.sweep AND n.idx = f.network
		WHERE f.sweep = ? AND f.id > ? ORDER BY f.id LIMIT ?`, []any{-1}, scanFailure)
}

func scanFailure(r scanner) (f bench.Failure, key []any, err error) {
	var id int64
	var at string
	if err = r.Scan(&id, &f.Network, &f.Name, &f.Round, (*string)(&f.Fault), &f.Reason, &f.Message, &f.Output, &f.Final, &at); err == nil {
		f.Time, err = time.Parse(time.RFC3339Nano, at)
	}
	if err == nil {
		err = numbered("a failure", f.Network, f.Round)
	}
	return f, []any{id}, err
}

// pages yields the rows of a query that continues after the last row's key, first after start. The
// query's arguments are the sweep, the key and the limit.
func pages[T any](ctx context.Context, s *Store, sweep, query string, start []any,
	scan func(scanner) (T, []any, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		num, err := sweepNum(ctx, s.db, sweep)
		if err != nil {
			yield(zero, s.wrap(err))
			return
		}
		items := make([]T, 0, page)
		for after := start; ; {
			items, err = collect(ctx, s, items[:0], func(r scanner) (x T, err error) {
				x, after, err = scan(r)
				return x, err
			}, query, append(append([]any{num}, after...), page)...)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, x := range items {
				if !yield(x, nil) {
					return
				}
			}
			if len(items) < page {
				return
			}
		}
	}
}

// collect appends all rows of a query to items.
func collect[T any](ctx context.Context, s *Store, items []T, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, s.unreadable(err)
		}
		items = append(items, x)
	}
	return items, s.wrap(rows.Err())
}
