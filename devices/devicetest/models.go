package devicetest

import (
	"path/filepath"
	"testing"

	"latlab/internal/testenv"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// TinyGraph is a network of 32x32 pixels in some 25 ops, drawn from sampler/testdata/tiny.yaml by a seed.
func TinyGraph(t testing.TB, seed uint64) *graph.Graph {
	t.Helper()
	s, err := sampler.LoadFile(filepath.Join(testenv.Root(t), "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, 1, seed)
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Lower(s, archs[0])
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Model is a network as a file in a cache of the test's own.
func Model(t testing.TB, g *graph.Graph, format model.Format, precision model.Precision) *model.Model {
	t.Helper()
	m, err := model.New(g, model.Form{Format: format, Precision: precision}, model.NewCache(t.TempDir(), 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
