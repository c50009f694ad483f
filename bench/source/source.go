// Package source gives a sweep its networks (bench.Source): sampled points of a space, networks that were
// named, or a user's own files from a list. It says what a sweep of them would cost, and finds a list's
// sweep in a store again.
//
// It refuses files that a device cannot time, with what to do, before anything runs. What to time them
// with, and when, bench decides; the files are written by sampler/model.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"latlab/bench"
	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Archs makes the models of sampled networks when their turn comes.
type Archs struct {
	Space *sampler.Space
	Archs []sampler.Arch
	Form  model.Form
	Cache *model.Cache
}

// Network is bench.Source's.
func (s Archs) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	a := s.Archs[i]
	n := bench.Network{Index: i, Name: a.ID(), Space: a.Space, Indices: a.String()}
	g, err := graph.Lower(s.Space, a)
	if err != nil {
		return n, nil, &devices.Error{Fault: devices.FaultModel, Op: "lower " + a.ID(), Reason: "lowering", Err: err}
	}
	m, err := model.New(g, s.Form, s.Cache)
	if err != nil {
		return n, nil, &devices.Error{Fault: devices.FaultModel, Op: "compile " + a.ID(), Reason: "compiling", Err: err}
	}
	n.Model = m.Identity
	return n, m, nil
}

// SpaceOf implements bench.Spaced.
func (s Archs) SpaceOf(int) *sampler.Space { return s.Space }

// Listed is a model with what is known of its network.
type Listed struct {
	Name  string
	Space *sampler.Space // nil for a user's own file
	Arch  sampler.Arch
	Model *model.Model
	// Features are a user's own, and op-level ones, of a file in a list.
	Features map[string]float64
}

func (l Listed) network(i int) bench.Network {
	n := bench.Network{Index: i, Name: l.Name, Model: l.Model.Identity, Features: l.Features}
	if l.Space != nil {
		n.Space, n.Indices = l.Arch.Space, l.Arch.String()
	}
	return n
}

// List is networks that were named.
type List []Listed

// Network is bench.Source's.
func (l List) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	return l[i].network(i), l[i].Model, nil
}

// Space is the one that all networks are points of, nil if there is none.
func (l List) Space() *sampler.Space {
	for _, one := range l {
		if one.Space == nil || one.Space.Name != l[0].Space.Name {
			return nil
		}
	}
	return l[0].Space
}

// Form is that of the networks, of which there must be one. The type of their inputs is left out where
// users' own files differ in it.
func (l List) Form() model.Form {
	form := l[0].Model.Form
	for _, one := range l {
		if one.Model.Input != form.Input {
			form.Input = ""
		}
	}
	return form
}

// Hash identifies the list in a sweep's identity.
func (l List) Hash() string {
	h := sha256.New()
	for _, one := range l {
		fmt.Fprintln(h, one.Model.Identity)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// written is the size of a model that latlab writes, 0 for a user's own file.
func (l Listed) written() (int64, error) {
	if l.Model.FileSHA256() != "" {
		return 0, nil
	}
	return l.Model.Size()
}

// Batch is Archs.Batch of the networks that latlab writes.
func (l List) Batch(cache *model.Cache) (int, error) {
	var largest int64
	for _, one := range l[:min(len(l), sizedFirst)] {
		size, err := one.written()
		if err != nil {
			return 0, err
		}
		largest = max(largest, size)
	}
	return batch(cache, largest), nil
}

// sizedFirst is how many of a run's first networks say how large its models are.
const sizedFirst = 200

// batch is how many models of a size the cache holds.
func batch(cache *model.Cache, size int64) int {
	if size == 0 {
		return 0
	}
	return int(max(1, cache.Limit()/size))
}

// Batch is how many networks the cache holds, by the largest of the first of them:
// a batch's models are then written once and not evicted between its rounds. 0 = no bound.
func (s Archs) Batch(ctx context.Context) (int, error) {
	var largest int64
	for i := range min(len(s.Archs), sizedFirst) {
		_, m, err := s.Network(ctx, i)
		if err != nil {
			continue // Run records it when its turn comes
		}
		size, err := m.Size()
		if err != nil {
			return 0, err
		}
		largest = max(largest, size)
	}
	return batch(s.Cache, largest), nil
}
