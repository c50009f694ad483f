package source

import (
	"latlab/fixtures"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Network is one network that was named: a fixture or a point of a space.
type Network struct {
	Name      string
	Space     *sampler.Space // nil where it is not in a search space
	Arch      sampler.Arch
	Graph     *graph.Graph
	Published []fixtures.Figure // of a fixture
}

// Fixture is a known network. It wraps fixtures.ErrUnknown for a name that there is not.
func Fixture(name string) (Network, error) {
	f, err := fixtures.Get(name)
	if err != nil {
		return Network{}, err
	}
	g, err := f.Graph()
	return Network{Name: f.Name, Space: f.Space, Arch: f.Arch, Graph: g, Published: f.Published}, err
}

// Point is a network of a space.
func Point(sp *sampler.Space, a sampler.Arch) (Network, error) {
	g, err := graph.Lower(sp, a)
	if err != nil {
		return Network{}, err
	}
	return Network{Name: g.Name, Space: sp, Arch: a, Graph: g}, nil
}

// ID is the point's, "" where there is none.
func (n Network) ID() string {
	if n.Space == nil {
		return ""
	}
	return n.Arch.ID()
}

// Listed is the network with its file, which is made when it is timed.
func (n Network) Listed(form model.Form, cache *model.Cache) (Listed, error) {
	m, err := model.New(n.Graph, form, cache)
	return Listed{Name: n.Name, Space: n.Space, Arch: n.Arch, Model: m}, err
}
