package main

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

// archSource makes the models of sampled networks when their turn comes.
type archSource struct {
	space *sampler.Space
	archs []sampler.Arch
	form  model.Form
	cache *model.Cache
}

func (s archSource) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	a := s.archs[i]
	n := bench.Network{Index: i, Name: a.ID(), Space: a.Space, Indices: a.String()}
	g, err := graph.Lower(s.space, a)
	if err != nil {
		return n, nil, &devices.Error{Fault: devices.FaultModel, Op: "lower " + a.ID(), Reason: "lowering", Err: err}
	}
	m, err := model.New(g, s.form, s.cache)
	if err != nil {
		return n, nil, &devices.Error{Fault: devices.FaultModel, Op: "compile " + a.ID(), Reason: "compiling", Err: err}
	}
	n.Model = m.Identity
	return n, m, nil
}

// listed is a model with what is known of its network.
type listed struct {
	name  string
	space *sampler.Space // nil for a user's own file
	arch  sampler.Arch
	model *model.Model
	// features are a user's own, and op-level ones, of a file in a list.
	features map[string]float64
}

// listSource are networks that the user named.
type listSource []listed

func (s listSource) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	return s[i].network(i)
}

func (l listed) network(i int) (bench.Network, *model.Model, error) {
	n := bench.Network{Index: i, Name: l.name, Model: l.model.Identity, Features: l.features}
	if l.space != nil {
		n.Space, n.Indices = l.arch.Space, l.arch.String()
	}
	return n, l.model, nil
}

// hash identifies the list in a sweep's identity.
func (s listSource) hash() string {
	h := sha256.New()
	for _, l := range s {
		fmt.Fprintln(h, l.model.Identity)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// batch is how many networks half the cache holds, by the largest of the first of them:
// a batch's models are then written once and not evicted between its rounds.
func (s archSource) batch() (int, error) {
	var largest int64
	for i := range min(len(s.archs), 200) {
		_, m, err := s.Network(context.Background(), i)
		if err != nil {
			continue // Run records it when its turn comes
		}
		size, err := m.Size()
		if err != nil {
			return 0, err
		}
		largest = max(largest, size)
	}
	if largest == 0 {
		return 0, nil
	}
	return int(max(1, s.cache.Limit()/2/largest)), nil
}
