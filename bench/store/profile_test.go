package store

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/profile"
	"latlab/devices"
	"latlab/sampler/graph"
)

func profiled(network int, seconds float64) bench.Profiled {
	return bench.Profiled{
		Network: network,
		Profile: devices.Profile{
			Layers: []devices.Layer{{Name: "a", Op: "CONV", Kernel: "GEMM", Nodes: []int{0}, Seconds: seconds}}, Runs: 20,
			WholeSeconds: new(1.1 * seconds), PlainSeconds: new(seconds), Started: time.Unix(1e9, 0).UTC(), Runtime: "r",
		},
		Ops: []profile.Op{{Node: 0, Row: graph.Row{Name: "a", Kind: graph.Conv2D, MACs: 7, Input: [4]int{1, 2, 3, 4}}}},
	}
}

// TestProfiles: a store holds one profile a network; one of a network without a profile, or from before there
// were any, is read as before.
func TestProfiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openStore(t, path)
	ctx := t.Context()
	for _, id := range []string{"abc", "other"} {
		must(t, s.CreateSweep(ctx, manifest(id)))
		must(t, s.Plan(ctx, id, []bench.Network{{Index: 0, Name: "a", Model: "m"}, {Index: 5, Name: "b", Model: "m"}}, nil))
	}
	r, err := OpenRead(ctx, path)
	must(t, err)
	defer r.Close()
	if none := all(t, r.Profiles(ctx, "abc")); len(none) > 0 {
		t.Errorf("it has %v", none)
	}
	before, err := r.Version(ctx, "abc")
	must(t, err)
	must(t, s.AddProfile(ctx, "abc", profiled(5, 3)), s.AddProfile(ctx, "abc", profiled(0, 1)), s.AddProfile(ctx, "abc", profiled(5, 2)))
	if err := s.AddProfile(ctx, "abc", profiled(1, 1)); err == nil {
		t.Error("the profile of a network that is not planned was taken")
	}
	if err := s.AddProfile(ctx, "none", profiled(0, 1)); err == nil {
		t.Error("a profile of no sweep was taken")
	}
	if diff := cmp.Diff([]bench.Profiled{profiled(0, 1), profiled(5, 2)}, all(t, r.Profiles(ctx, "abc"))); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	if other := all(t, r.Profiles(ctx, "other")); len(other) > 0 {
		t.Errorf("another sweep has %v", other)
	}
	if after, err := r.Version(ctx, "abc"); err != nil || after == before {
		t.Errorf("version is still %q, %v", after, err)
	}
	must(t, s.Close())
	again := openStore(t, path)
	if n := len(all(t, again.Profiles(ctx, "abc"))); n != 2 {
		t.Errorf("opened again it has %d profiles", n)
	}
}
