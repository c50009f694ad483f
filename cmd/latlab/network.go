package main

import (
	"errors"

	"latlab/bench/source"
	"latlab/fixtures"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// network is one network that a verb was asked for: a fixture or a point of a space.
type network struct {
	name      string
	space     *sampler.Space // nil where it is a point of none
	arch      sampler.Arch
	graph     *graph.Graph
	published []fixtures.Figure // of a fixture
}

// id is the point's, "" where there is none.
func (n network) id() string {
	if n.space == nil {
		return ""
	}
	return n.arch.ID()
}

// networkOptions name one network: a fixture, or a point of a space.
type networkOptions struct{ fixture, space, arch string }

func (o *networkOptions) register(f *flagSet) {
	f.string(&o.fixture, "fixture", "a known network, by `NAME`", "")
	f.space(&o.space)
	f.string(&o.arch, "arch", "a point of the space: `INDICES` such as 0:3:1", "")
}

func (o networkOptions) network() (network, error) {
	switch {
	case o.fixture != "" && (o.arch != "" || o.space != ""):
		return network{}, usagef("--fixture names a network, --space with --arch another; give one")
	case o.fixture != "":
		return fixtureNetwork(o.fixture)
	case o.arch == "":
		return network{}, usagef("name a network: --fixture NAME, or --space NAME with --arch INDICES")
	}
	sp, err := requiredSpace(o.space)
	if err != nil {
		return network{}, err
	}
	a, err := sp.ParseArch(o.arch)
	if err != nil {
		return network{}, withCode(exitUsage, err)
	}
	return archNetwork(sp, a)
}

func fixtureNetwork(name string) (network, error) {
	f, err := fixtures.Get(name)
	if err != nil {
		if errors.Is(err, fixtures.ErrUnknown) {
			err = withCode(exitUsage, err)
		}
		return network{}, err
	}
	g, err := f.Graph()
	return network{name: f.Name, space: f.Space, arch: f.Arch, graph: g, published: f.Published}, err
}

func archNetwork(sp *sampler.Space, a sampler.Arch) (network, error) {
	g, err := graph.Lower(sp, a)
	if err != nil {
		return network{}, withCode(exitUsage, err)
	}
	return network{name: g.Name, space: sp, arch: a, graph: g}, nil
}

// model is the network as a file that is made when it is timed.
func (n network) model(form model.Form, cache *model.Cache) (source.Listed, error) {
	m, err := model.New(n.graph, form, cache)
	return source.Listed{Name: n.name, Space: n.space, Arch: n.arch, Model: m}, err
}
