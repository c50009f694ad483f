package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latlab/bench"
	"latlab/devices"
	"latlab/fixtures"
	"latlab/sampler"
	"latlab/sampler/model"
)

// maxListed is more than any list has: a network beyond it is not one that latlab stored.
const maxListed = 1 << 20

// Resume finds the sweep of the networks in the store, or begins it. It returns the sweep with the
// networks' part of its identity, and the networks by their place in it; m has the device and the
// settings. A file that changed since the sweep first had it is refused.
func (l *Named) Resume(ctx context.Context, st bench.Reader, m bench.Sweep) (bench.Sweep, Resumed, error) {
	head, found, err := l.head(ctx, st, m)
	if err != nil {
		return m, nil, err
	}
	m.ModelsHash = headHash(head)
	src, err := l.places(ctx, st, m, found)
	return m, src, err
}

// head is the identity of the network that the list's sweep is known by: of the first sweep
// of the same settings whose head is in the list, by its bytes or by its name, where the
// file was changed; otherwise of the list's first.
func (l *Named) head(ctx context.Context, st bench.Reader, m bench.Sweep) (identity string, found bool, err error) {
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
		isIn := func(one Listed) bool { return one.Model.Identity == n.Model || one.Name == n.Name }
		if headHash(n.Model) == was.ModelsHash && slices.ContainsFunc(l.Networks, isIn) {
			return n.Model, true, nil
		}
	}
	return l.Networks[0].Model.Identity, false, nil
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

// places gives networks that the sweep has their places, and the others those behind.
func (l *Named) places(ctx context.Context, st bench.Reader, m bench.Sweep, found bool) (Resumed, error) {
	var src Resumed
	placed, names := map[string]bool{}, map[string]bool{}
	if found {
		for n, err := range st.Networks(ctx, m.Identity()) {
			if err != nil {
				return nil, err
			}
			if n.Index < 0 || n.Index >= maxListed {
				return nil, fmt.Errorf("the store is damaged: sweep %s has a network %d", m.Identity(), n.Index)
			}
			for len(src) <= n.Index {
				src = append(src, resumedModel{})
			}
			if src[n.Index], err = l.stored(m, n); err != nil {
				return nil, err
			}
			placed[n.Model], names[n.Name] = true, true
		}
	}
	for _, one := range l.Networks {
		switch {
		case placed[one.Model.Identity]:
		case names[one.Name]:
			err := fmt.Errorf("model %s has changed since this sweep first had it; give the new one another name", one.Name)
			l.refused(one.Name, err)
			if line, is := strings.CutPrefix(l.where[one.Model.Identity], "line "); is {
				err = fmt.Errorf("%s:%s: %w", l.list, line, err)
			}
			l.o.Report(err)
		default:
			src = append(src, resumedModel{Listed: one})
		}
	}
	return src, nil
}

// stored is a network that the sweep has already: as it is named now, or as the store has it.
func (l *Named) stored(m bench.Sweep, n bench.Network) (resumedModel, error) {
	for _, one := range l.Networks {
		if one.Model.Identity == n.Model {
			one.Name = n.Name
			return resumedModel{Listed: one}, nil
		}
	}
	gone := resumedModel{Listed: Listed{Name: n.Name, Features: n.Features}, path: l.path(n.Name), identity: n.Model}
	named, err := writtenBefore(m, n)
	if err != nil || named == nil {
		return gone, err
	}
	one, err := named.Listed(l.Form, l.o.Cache)
	if one.Name, one.Features = n.Name, n.Features; err == nil && one.Model.Identity == n.Model {
		return resumedModel{Listed: one}, nil
	}
	return gone, err
}

// writtenBefore is a network that latlab wrote for the sweep and that is not named now: a fixture, or a
// point of the sweep's space or of a built-in one; nil for others.
func writtenBefore(m bench.Sweep, n bench.Network) (*Network, error) {
	made, err := Fixture(n.Name)
	if errors.Is(err, fixtures.ErrUnknown) && n.Space != "" {
		made, err = pointBefore(m, n)
	}
	if errors.Is(err, fixtures.ErrUnknown) || errors.Is(err, sampler.ErrUnknownSpace) {
		return nil, nil
	}
	return &made, err
}

func pointBefore(m bench.Sweep, n bench.Network) (Network, error) {
	sp, err := m.LoadSpace()
	if err == nil && (sp == nil || sp.Name != n.Space) {
		sp, err = sampler.Builtin(n.Space)
	}
	if err != nil {
		return Network{}, err
	}
	a, err := sp.ParseArch(n.Indices)
	if err != nil {
		return Network{}, err
	}
	return Point(sp, a)
}

// Resumed are a list's networks by their place in the sweep.
type Resumed []resumedModel

// resumedModel is a network of a list, or one that no line names any more.
type resumedModel struct {
	Listed
	path, identity string // of one that is to be looked for
}

// Network is bench.Source's.
func (s Resumed) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	o := s[i]
	if o.Model == nil {
		m, err := o.find()
		if err != nil {
			return bench.Network{Index: i, Name: o.Name}, nil, err
		}
		o.Model = m
	}
	return o.network(i), o.Model, nil
}

// SpaceOf implements bench.Spaced.
func (s Resumed) SpaceOf(i int) *sampler.Space { return s[i].Space }

// find reads a file that the sweep began with and that the list no longer names.
func (o resumedModel) find() (*model.Model, error) {
	m, err := model.FromFile(o.path, model.Call{})
	if err == nil && m.Identity != o.identity {
		err = fmt.Errorf("model %s: %w since this sweep first had it", o.path, model.ErrChanged)
	}
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultModel, Op: "read " + o.Name, Reason: "file-changed", Err: err}
	}
	return m, nil
}

// headHash identifies a list by one network. A sweep's identity leaves out how many
// networks there are; a space and a seed tell all of them, a list only those that it has.
// So a list goes on with the sweep whose first network it holds, wherever its lines were
// moved, mended or appended. The hash of all lines was rejected: a line more would begin
// anew. The file's name was too: two lists are often called models.jsonl.
func headHash(identity string) string {
	sum := sha256.Sum256([]byte("list\n" + identity))
	return hex.EncodeToString(sum[:])
}
