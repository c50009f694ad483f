package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"latlab/fixtures"
	"latlab/sampler"
	"latlab/sampler/graph"
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

func networkFlags() []cli.Flag {
	return []cli.Flag{
		stringFlag("fixture", "a known network, by `NAME`", ""),
		spaceFlag(),
		stringFlag("arch", "a point of the space: `INDICES` such as 0:3:1", ""),
	}
}

// oneNetwork reads --fixture, or --space with --arch.
func oneNetwork(c *cli.Context) (network, error) {
	fixture, arch := c.String("fixture"), c.String("arch")
	switch {
	case fixture != "" && (arch != "" || c.String("space") != ""):
		return network{}, usagef("--fixture names a network, --space with --arch another; give one")
	case fixture != "":
		return fixtureNetwork(fixture)
	case arch == "":
		return network{}, usagef("name a network: --fixture NAME, or --space NAME with --arch INDICES")
	}
	sp, err := requiredSpaceOf(c)
	if err != nil {
		return network{}, err
	}
	a, err := sp.ParseArch(arch)
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
