package benchmarkmodel

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// fileResult is the content of the file result_file_path: single-precision milliseconds, which have
// one more digit than the printed mean. Missing figures are NaN, missing numbers of runs 0.
//
// Source: LiteRT, tflite/tools/benchmark/proto/benchmark_result.proto.
type fileResult struct {
	Mean, Min, Max, StdDev, Median, Init, First, WarmUp float64 // milliseconds
	PeakMB                                              float64
	Runs, WarmUpRuns                                    int64
}

var errResultFile = errors.New("the result file is no BenchmarkResult")

func parseResultFile(b []byte) (fileResult, error) {
	nan := math.NaN()
	r := fileResult{nan, nan, nan, nan, nan, nan, nan, nan, nan, 0, 0}
	latency := map[protowire.Number]*float64{1: &r.Mean, 2: &r.Min, 3: &r.Max, 4: &r.StdDev, 5: &r.Median, 8: &r.Init, 9: &r.First, 10: &r.WarmUp}
	err := messages(b, func(n protowire.Number, msg []byte) error {
		switch n {
		case 2:
			return fields(msg, latency, nil)
		case 3:
			return fields(msg, map[protowire.Number]*float64{3: &r.PeakMB}, nil)
		case 4:
			return fields(msg, nil, map[protowire.Number]*int64{2: &r.Runs, 3: &r.WarmUpRuns})
		}
		return nil
	})
	return r, err
}

// messages calls f with every field that is bytes and skips other fields.
func messages(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errResultFile
		}
		b = b[size:]
		if typ != protowire.BytesType {
			size = protowire.ConsumeFieldValue(n, typ, b)
			if size < 0 {
				return errResultFile
			}
			b = b[size:]
			continue
		}
		msg, size := protowire.ConsumeBytes(b)
		if size < 0 {
			return errResultFile
		}
		b = b[size:]
		if err := f(n, msg); err != nil {
			return err
		}
	}
	return nil
}

// fields reads the floats (fixed32) and whole numbers (varint) of a message.
func fields(b []byte, floats map[protowire.Number]*float64, integers map[protowire.Number]*int64) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errResultFile
		}
		b = b[size:]
		size = protowire.ConsumeFieldValue(n, typ, b)
		if size < 0 {
			return errResultFile
		}
		if to := floats[n]; to != nil && typ == protowire.Fixed32Type {
			v, _ := protowire.ConsumeFixed32(b)
			*to = float64(math.Float32frombits(v))
		}
		if to := integers[n]; to != nil && typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(b)
			*to = int64(v)
		}
		b = b[size:]
	}
	return nil
}

// refine takes the mean from the file, which has one more digit. A file that does not match the
// printed run is refused.
func (f fileResult) refine(s *Stat) error {
	mean := f.Mean * 1000
	switch {
	case f.Runs != s.Count:
		return fmt.Errorf("the result file has %d runs, %d were printed", f.Runs, s.Count)
	case !(mean > 0) || !near(mean, s.Mean):
		return fmt.Errorf("the result file has a mean of %g us, %g was printed", mean, s.Mean)
	}
	if resolution := mean * 0x1p-23; resolution < s.Resolution {
		s.Mean, s.Resolution = mean, resolution
	}
	return nil
}
