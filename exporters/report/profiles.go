package report

import (
	"cmp"
	"context"
	"slices"

	"latlab/bench"
	"latlab/bench/profile"
)

// collectProfiles keeps the profiles of the fastest, the median and the slowest network of those profiled: a
// page of all would hold thousands of rows.
func (s *Sweep) collectProfiles(ctx context.Context, st bench.Reader) error {
	rows := map[int]int{}
	for r, i := range s.Networks.Index {
		if s.Networks.Measured(r) {
			rows[i] = r
		}
	}
	var found []bench.Profiled
	for p, err := range st.Profiles(ctx, s.Manifest.ID) {
		if err != nil {
			return err
		}
		if _, shown := rows[p.Network]; shown {
			found = append(found, p)
		}
	}
	s.Profiled = len(found)
	slices.SortStableFunc(found, func(a, b bench.Profiled) int {
		return cmp.Compare(s.Networks.Seconds[rows[a.Network]], s.Networks.Seconds[rows[b.Network]])
	})
	for i, which := range chosen(len(found)) {
		p := &found[i]
		s.Profiles = append(s.Profiles, Profile{
			Row: rows[p.Network], Which: which, Runs: p.Profile.Runs, Overhead: profile.Overhead(&p.Profile), Table: p.Table(),
		})
	}
	slices.SortFunc(s.Profiles, func(a, b Profile) int { return cmp.Compare(s.Networks.Seconds[a.Row], s.Networks.Seconds[b.Row]) })
	return nil
}

// chosen are the positions of what is shown of n sorted profiles, and what they are.
func chosen(n int) map[int]string {
	switch n {
	case 0:
		return nil
	case 1:
		return map[int]string{0: ""}
	}
	which := map[int]string{0: "fastest", n - 1: "slowest"}
	if n > 2 {
		which[n/2] = "median"
	}
	return which
}
