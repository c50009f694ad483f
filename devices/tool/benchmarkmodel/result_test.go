package benchmarkmodel

import (
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// resultBytes writes a BenchmarkResult with a mean in milliseconds.
func resultBytes(ms float32, runs uint64) []byte {
	var latency, misc, all []byte
	latency = protowire.AppendFixed32(protowire.AppendTag(latency, 1, protowire.Fixed32Type), math.Float32bits(ms))
	misc = protowire.AppendVarint(protowire.AppendTag(misc, 2, protowire.VarintType), runs)
	all = protowire.AppendString(protowire.AppendTag(all, 1, protowire.BytesType), "name")
	all = protowire.AppendBytes(protowire.AppendTag(all, 2, protowire.BytesType), latency)
	all = protowire.AppendBytes(protowire.AppendTag(all, 4, protowire.BytesType), misc)
	return protowire.AppendVarint(protowire.AppendTag(all, 9, protowire.VarintType), 1) // an unknown field
}

// The file has one more digit than the line, and must belong to the same run.
func TestResultFile(t *testing.T) {
	line := Stat{Count: 50, Mean: 2.95034e6, Resolution: 10}
	for name, tt := range map[string]struct {
		ms   float32
		runs uint64
		want float64 // 0 = refused
	}{
		"finer":           {2950.338, 50, 2950338},
		"of another run":  {2940.338, 50, 0},
		"of other counts": {2950.338, 49, 0},
		"zero":            {0, 50, 0},
		"nan":             {float32(math.NaN()), 50, 0},
		"negative":        {-2950.338, 50, 0},
	} {
		f, err := parseResultFile(resultBytes(tt.ms, tt.runs))
		if err != nil {
			t.Fatal(err)
		}
		s := line
		err = f.refine(&s)
		if (err != nil) != (tt.want == 0) || err == nil && (math.Abs(s.Mean-tt.want) > 0.2 || s.Resolution > 1) {
			t.Errorf("%s: %v us +- %v, %v", name, s.Mean, s.Resolution, err)
		}
	}
	for _, bad := range [][]byte{{0xff}, {0x12, 0x7f, 1}, resultBytes(1, 1)[:9]} {
		if f, err := parseResultFile(bad); err == nil {
			t.Errorf("%x: %+v", bad, f)
		}
	}
	f, err := parseResultFile(nil)
	if err != nil || f.refine(&Stat{Count: 1, Mean: 1}) == nil {
		t.Errorf("an empty file: %+v, %v", f, err)
	}
}

func FuzzResultFile(f *testing.F) {
	f.Add(resultBytes(12.5, 50))
	f.Add([]byte{0x12, 0x05, 0x0d, 0, 0, 0x48, 0x41})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseResultFile(b)
		if err != nil {
			return
		}
		s := Stat{Count: 50, Mean: 12500, Resolution: 0.1}
		if r.refine(&s) == nil && !(math.Abs(s.Mean-12500) < 1) {
			t.Errorf("%x: %v", b, s.Mean)
		}
	})
}

func FuzzUsage(f *testing.F) {
	f.Add("usage: x <flags>\nFlags:\n\t--num_runs=50\tint32\toptional\tx\n\t--graph=\tstring\trequired\ty\n")
	f.Add("ERROR: usage: x\n\t--graph=\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseUsage(text)
		if err == nil && (!u["graph"] || u.missing([]string{"--graph=x"}) != "") {
			t.Errorf("%q: %v", text, u)
		}
	})
}
