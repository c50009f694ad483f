package describe

import (
	"math"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ChosenPercent(0.95), "95 %"}, {Signed(-0.0001), "0.0 %"}, {Signed(0.021), "+2.1 %"}, {Signed(-0.021), "-2.1 %"}, {Signed(math.NaN()), "-"},
		{Quoted("lab.db"), "lab.db"}, {Quoted(""), "''"}, {Quoted("my lab.db"), "'my lab.db'"}, {Quoted("it's"), `'it'\''s'`},
		{Quoted("$(rm x)"), "'$(rm x)'"}, {Clip("mobiledet", 5), "mobi…"}, {OrNone(""), "none"}, {Plain("a\x00b\u202ec"), "a\uFFFDb\uFFFDc"},
		{Span([]float64{0.021, 0.0251, 0.0214}), "3 networks from 21.00 to 25.10 ms, median 21.40 ms"}, {Span([]float64{2.1e-5}), "1 network, 21.00 us"}, {Span(nil), "nothing measured"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
