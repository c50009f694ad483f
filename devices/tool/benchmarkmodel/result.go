package benchmarkmodel

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// fileResult has what is used of the file result_file_path, whose latencies are single-precision
// milliseconds: one more digit than the printed mean. A missing mean is NaN, a missing number of runs 0.
//
// Source: LiteRT, tflite/tools/benchmark/proto/benchmark_result.proto.
type fileResult struct {
	Mean float64 // milliseconds
	Runs int64
}

var errResultFile = errors.New("the result file is no BenchmarkResult")

// Messages of the file, and their fields that are used.
const (
	latencyMessage, meanField protowire.Number = 2, 1
	miscMessage, runsField    protowire.Number = 4, 2
)

func parseResultFile(b []byte) (fileResult, error) {
	r := fileResult{Mean: math.NaN()}
	err := fields(b, func(message protowire.Number, typ protowire.Type, value []byte) error {
		if typ != protowire.BytesType || message < latencyMessage || message > miscMessage {
			return nil
		}
		content, _ := protowire.ConsumeBytes(value)
		return fields(content, func(n protowire.Number, typ protowire.Type, value []byte) error {
			switch {
			case message == latencyMessage && n == meanField && typ == protowire.Fixed32Type:
				v, _ := protowire.ConsumeFixed32(value)
				r.Mean = float64(math.Float32frombits(v))
			case message == miscMessage && n == runsField && typ == protowire.VarintType:
				v, _ := protowire.ConsumeVarint(value)
				r.Runs = int64(v)
			}
			return nil
		})
	})
	return r, err
}

// fields calls f with every field of a message.
func fields(b []byte, f func(protowire.Number, protowire.Type, []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errResultFile
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
			return errResultFile
		}
		if err := f(n, typ, b[:size]); err != nil {
			return err
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
