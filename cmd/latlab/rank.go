package main

import (
	"bufio"
	"cmp"
	"container/heap"
	"slices"

	"github.com/urfave/cli/v2"

	"latlab/sampler"
)

// ranked is a network as it waits for its rank: 1 million of them are some 100 MB, where
// Archs would be three times that.
type ranked struct {
	seconds float64
	macs    int64  // 0 where nobody asked
	indices string // text form
}

// compareLatency puts the faster first; of two as fast, the one whose text comes first.
func compareLatency(r, o ranked) int {
	return cmp.Or(cmp.Compare(r.seconds, o.seconds), cmp.Compare(r.indices, o.indices))
}

// compareMACs puts the one with most MACs first; of two with as many, the faster.
func compareMACs(r, o ranked) int {
	return cmp.Or(cmp.Compare(o.macs, r.macs), compareLatency(r, o))
}

// What --rank-by names.
const (
	rankByLatency = "latency"
	rankByMACs    = "macs"
)

// ranking keeps networks until all are there: the first top of them, or all where top is 0.
type ranking struct {
	top     int
	compare func(r, o ranked) int // negative where r comes first
	kept    []ranked              // a heap where top is set, the last at its root
}

func (k *ranking) add(r ranked) {
	switch {
	case k.top == 0:
		k.kept = append(k.kept, r)
	case len(k.kept) < k.top:
		heap.Push(k, r)
	case k.compare(r, k.kept[0]) < 0:
		k.kept[0] = r
		heap.Fix(k, 0)
	}
}

// sorted is the ranking, the first first.
func (k *ranking) sorted() []ranked {
	slices.SortFunc(k.kept, k.compare)
	return k.kept
}

// What container/heap asks for.

func (k *ranking) Len() int           { return len(k.kept) }
func (k *ranking) Less(i, j int) bool { return k.compare(k.kept[i], k.kept[j]) > 0 }
func (k *ranking) Swap(i, j int)      { k.kept[i], k.kept[j] = k.kept[j], k.kept[i] }
func (k *ranking) Push(x any)         { k.kept = append(k.kept, x.(ranked)) }

func (k *ranking) Pop() any {
	last := len(k.kept) - 1
	r := k.kept[last]
	k.kept = k.kept[:last]
	return r
}

// readRanking is nil where predictions keep the order of the input.
func readRanking(c *cli.Context) (*ranking, error) {
	k := &ranking{top: c.Int("top"), compare: compareLatency}
	by := c.String("rank-by")
	switch {
	case typedOf(c, "top") && k.top < 1:
		return nil, usagef("--top must be at least 1")
	case by == rankByMACs:
		k.compare = compareMACs
	case by != "" && by != rankByLatency:
		return nil, usagef("--rank-by %q is not known; there are %s and %s", by, rankByLatency, rankByMACs)
	}
	if k.top < 1 && by == "" && !c.Bool("rank") {
		return nil, nil
	}
	return k, nil
}

// print prints the ranking with the predictor's own lines.
func (k *ranking) print(s streams, p predictor) error {
	out := bufio.NewWriter(s.out)
	s.out = out
	for i, r := range k.sorted() {
		a, err := p.space.ParseArch(r.indices)
		if err != nil {
			return err
		}
		if err := p.print(s, a, r, i+1); err != nil {
			return err
		}
	}
	return out.Flush()
}

// predictAll gives f every network of --arch, the arguments or stdin.
func predictAll(s streams, c *cli.Context, sp *sampler.Space, f func(sampler.Arch) error) error {
	archs := append(c.StringSlice("arch"), c.Args().Slice()...)
	for _, text := range archs {
		a, err := sp.ParseArch(text)
		if err != nil {
			return withCode(exitUsage, err)
		}
		if err := f(a); err != nil {
			return err
		}
	}
	if len(archs) > 0 {
		return nil
	}
	return eachLine(s, s.in, "stdin", onlySpace(sp), f)
}
