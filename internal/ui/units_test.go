package ui

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestAUnitSuitsAColumn(t *testing.T) {
	for _, tt := range []struct {
		scale  func(...float64) Scale
		values []float64
		want   string
	}{
		{SecondsScale, []float64{0.02096e-3}, "20.96 us"},
		{SecondsScale, []float64{0.0054}, "5.400 ms"},
		{SecondsScale, []float64{0.0054, 0.01234567}, "5.400 ms, 12.346 ms"},
		{SecondsScale, []float64{1.2345, 0.999}, "1234.5 ms, 999.0 ms"},
		{SecondsScale, []float64{2.5e-7, 0}, "250.0 ns, 0 ns"},
		{SecondsScale, []float64{5e-7, 0.02}, "0.5 us, 20000.0 us"},
		{SecondsScale, []float64{0, math.NaN(), math.Inf(1)}, "0 s, - s, - s"},
		{SecondsScale, nil, ""},
		{CountScale, []float64{4.55e9, 4.2898e9}, "4.550 G, 4.290 G"},
		{CountScale, []float64{4620, 12}, "4,620, 12"},
		{CountScale, []float64{4620, 12000}, "4.620 k, 12.000 k"},
		{BytesScale, []float64{1000}, "1,000 B"},
		{BytesScale, []float64{3 << 20, 1.5 * (1 << 20)}, "3.000 MiB, 1.500 MiB"},
	} {
		s := tt.scale(tt.values...)
		var got []string
		for _, v := range tt.values {
			got = append(got, s.Format(v))
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%v are %s, want %s", tt.values, text, tt.want)
		}
	}
	if got, want := SecondsRange(0.0098765, 0.0123), "9.877 to 12.300 ms"; got != want {
		t.Errorf("the range is %q, want %q", got, want)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Count(4620), "4,620"}, {Count(4289800000), "4.290 G"}, {Count(0), "0"},
		{Bytes(4096), "4.000 KiB"}, {Bytes(0), "0 B"},
		{Percent(0.0123), "1.2 %"}, {Percent(12.5), "1,250 %"}, {Percent(math.NaN()), "-"},
		{Optional(nil, Percent), "not computed"}, {Optional(new(0.5), Percent), "50.0 %"},
		{Digits(0.000123456, 3), "0.000123"}, {Digits(5, 4), "5"},
		{Plural(1, "network"), "1 network"}, {Plural(3000, "network"), "3,000 networks"},
		{Thousands(-1234567), "-1,234,567"},
		{Duration(0), "0.1 s"}, {Duration(75 * time.Second), "1 min 15 s"}, {Duration(65 * time.Minute), "1 h 05 min"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}
