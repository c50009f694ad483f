package choose

import (
	"math/big"
	"slices"

	"latlab/regress"
	"latlab/sampler"
)

// spreadOver is how many random networks Spread chooses from.
const spreadOver = 256

// Spread chooses n networks whose predicted latencies are spread over those of random networks of the space:
// the middles of n equally large parts. It chooses the same ones each time, and all of a space that has no more.
func Spread(p *regress.Predictor, sp *sampler.Space, n int) ([]sampler.Arch, error) {
	drawn := spreadOver
	if size := sp.Size(); size.Cmp(big.NewInt(spreadOver)) < 0 {
		drawn = int(size.Int64())
	}
	const seed = 1 << 32 // of nobody's sweep
	archs, err := sampler.Sample(sp, drawn, seed)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(archs, func(a, b sampler.Arch) int {
		return ByLatency(Prediction{Seconds: p.Predict(a.Indices), Indices: a.String()}, Prediction{Seconds: p.Predict(b.Indices), Indices: b.String()})
	})
	n = min(n, drawn)
	chosen := make([]sampler.Arch, n)
	for i := range chosen {
		chosen[i] = archs[(2*i+1)*drawn/(2*n)]
	}
	return chosen, nil
}
