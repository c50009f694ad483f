package bench

import "context"

// OpenFailures are the final failures, and the attempts on networks that are not measured
// yet: what there is to look at after a sweep was stopped.
func OpenFailures(ctx context.Context, st Reader, sweep string) ([]Failure, error) {
	measured := map[int]bool{}
	for n, err := range st.Networks(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		measured[n.Index] = n.Status != Planned
	}
	failures := []Failure{}
	for f, err := range st.Failures(ctx, sweep) {
		if err != nil {
			return nil, err
		}
		if f.Final || !measured[f.Network] {
			failures = append(failures, f)
		}
	}
	return failures, nil
}
