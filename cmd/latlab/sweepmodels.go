package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/sampler/model"
)

// planModels is a sweep of a list of a user's own files.
func planModels(s streams, c *cli.Context, info devices.Info) (sweepPlan, error) {
	if err := onlyModels(c); err != nil {
		return sweepPlan{}, err
	}
	l, err := readModels(s, c, info)
	if err != nil {
		return sweepPlan{}, err
	}
	m, err := manifest(c, l.form)
	return sweepPlan{
		skipped: func() int { return l.skipped },
		dry:     func() error { return partly(l.skipped, dryRunModels(s, c, m, info, l)) },
		job: func(ctx context.Context, st bench.Reader, d devices.Info) (job, error) {
			return l.job(ctx, s, st, m, d)
		},
	}, err
}

// onlyModels refuses flags that choose other networks.
func onlyModels(c *cli.Context) error {
	for _, name := range []string{"space", "n", "coverage", "input"} {
		if c.IsSet(name) {
			return usagef("--models and --%s choose different networks; give one", name)
		}
	}
	return nil
}

// partly is exit code 3 where lines were skipped, whatever else went well.
func partly(skipped int, err error) error {
	if skipped > 0 && (err == nil || exitCodeIs(err, exitInvalid)) {
		return exitSilently(exitPartial)
	}
	return err
}

// job finds the list's sweep in the store, or begins it.
func (l *modelList) job(ctx context.Context, s streams, st bench.Reader, m bench.Sweep, d devices.Info) (job, error) {
	m.Device = d
	head, found, err := l.head(ctx, st, m)
	if err != nil {
		return job{}, err
	}
	m.ModelsHash = headHash(head)
	src, err := l.source(ctx, s, st, m, found)
	return job{sweep: m, n: len(src), source: src, resume: commandLine()}, err
}

// head is the identity of the network that the list's sweep is known by: of the first sweep
// of the same settings whose head is in the list, by its bytes or by its name, where the
// file was changed; otherwise of the list's first.
func (l *modelList) head(ctx context.Context, st bench.Reader, m bench.Sweep) (identity string, found bool, err error) {
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return "", false, err
	}
	for _, was := range sweeps {
		m.ModelsHash = was.ModelsHash
		if was.Sampling != bench.Listed || m.Identity() != was.ID {
			continue
		}
		n, err := firstNetwork(ctx, st, was.ID)
		if err != nil {
			return "", false, err
		}
		isIn := func(one listed) bool { return one.model.Identity == n.Model || one.name == n.Name }
		if headHash(n.Model) == was.ModelsHash && slices.ContainsFunc(l.usable, isIn) {
			return n.Model, true, nil
		}
	}
	return l.usable[0].model.Identity, false, nil
}

// firstNetwork is the network of index 0, zero where a sweep has none yet.
func firstNetwork(ctx context.Context, st bench.Reader, sweep string) (bench.Network, error) {
	for n, err := range st.Networks(ctx, sweep) {
		if err != nil || n.Index == 0 {
			return n, err
		}
		break
	}
	return bench.Network{}, nil
}

// source gives networks that the sweep has their places, and the others those behind.
func (l *modelList) source(ctx context.Context, s streams, st bench.Reader, m bench.Sweep, found bool) (ownSource, error) {
	var src ownSource
	placed, names := map[string]bool{}, map[string]bool{}
	if found {
		for n, err := range st.Networks(ctx, m.Identity()) {
			if err != nil {
				return nil, err
			}
			for len(src) <= n.Index {
				src = append(src, ownModel{})
			}
			src[n.Index] = l.stored(n)
			placed[n.Model], names[n.Name] = true, true
		}
	}
	for _, one := range l.usable {
		switch {
		case placed[one.model.Identity]:
		case names[one.name]:
			fmt.Fprintf(s.err, "latlab: %s:%d: model %s has changed since this sweep first had it; give the new one another name\n",
				l.file, l.line[one.model.Identity], one.name)
			l.skipped++
		default:
			src = append(src, ownModel{listed: one})
		}
	}
	return src, nil
}

// stored is a network that the sweep has already: as the list has it, or by its old path.
func (l *modelList) stored(n bench.Network) ownModel {
	for _, one := range l.usable {
		if one.model.Identity == n.Model {
			one.name = n.Name
			return ownModel{listed: one}
		}
	}
	return ownModel{listed: listed{name: n.Name, features: n.Features}, path: l.path(n.Name), identity: n.Model}
}

// ownSource are a list's networks by their place in the sweep.
type ownSource []ownModel

// ownModel is a network of a list, or one that no line names any more.
type ownModel struct {
	listed
	path, identity string // of one that is to be looked for
}

func (s ownSource) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	o := s[i]
	if o.model == nil {
		m, err := o.find()
		if err != nil {
			return bench.Network{Index: i, Name: o.name}, nil, err
		}
		o.model = m
	}
	return o.network(i)
}

// find reads a file that the sweep began with and that the list no longer names.
func (o ownModel) find() (*model.Model, error) {
	m, err := model.FromFile(o.path)
	if err == nil && m.Identity != o.identity {
		err = fmt.Errorf("model %s: %w since this sweep first had it", o.path, model.ErrChanged)
	}
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultModel, Op: "read " + o.name, Reason: "file-changed", Err: err}
	}
	return m, nil
}
