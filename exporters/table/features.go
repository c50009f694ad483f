package table

import (
	"fmt"

	"latlab/sampler"
)

// feature is a reachable table entry: a column of X and a coefficient.
type feature struct {
	position, entry int
	choice          string
	in, out         int
}

// features are the reachable entries in the order of the table: the columns of both npz
// files, so that X @ coef + bias of the two is a prediction.
func features(s *sampler.Space) []feature {
	var fs []feature
	for i, p := range s.Positions() {
		for e := range p.Slots() {
			if !p.Reachable(e) {
				continue
			}
			out, in, choice := p.Split(e)
			fs = append(fs, feature{position: i, entry: e, choice: p.Choices[choice].Name, in: p.In[in], out: p.Out[out]})
		}
	}
	return fs
}

// name is "stage2/layer1 ibn_k3_e4 16->24".
func (f feature) name(ps []sampler.Position) string {
	return fmt.Sprintf("%s %s %d->%d", ps[f.position].Name, f.choice, f.in, f.out)
}

func featureNames(s *sampler.Space, fs []feature) []string {
	ps := s.Positions()
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.name(ps)
	}
	return names
}

// columns maps each position's entries to their columns; -1 is unreachable.
func columns(s *sampler.Space, fs []feature) [][]int32 {
	var cols [][]int32
	for _, p := range s.Positions() {
		c := make([]int32, p.Slots())
		for e := range c {
			c[e] = -1
		}
		cols = append(cols, c)
	}
	for i, f := range fs {
		cols[f.position][f.entry] = int32(i)
	}
	return cols
}
