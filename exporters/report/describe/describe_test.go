package describe

import (
	"math"
	"testing"

	"latlab/bench/stats"
	"latlab/regress"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ChosenPercent(0.95), "95 %"}, {Signed(-0.0001), "0.0 %"}, {Signed(0.021), "+2.1 %"}, {Signed(-0.021), "-2.1 %"}, {Signed(math.NaN()), "-"},
		{Quoted("lab.db"), "lab.db"}, {Quoted(""), "''"}, {Quoted("my lab.db"), "'my lab.db'"}, {Quoted("it's"), `'it'\''s'`},
		{Quoted("$(rm x)"), "'$(rm x)'"}, {Clip("mobiledet", 5), "mobi…"}, {OrNone(""), "none"}, {Plain("a\x00b\u202ec"), "a\uFFFDb\uFFFDc"},
		{Span([]float64{0.021, 0.0251, 0.0214}), "3 networks from 21.00 to 25.10 ms, median 21.40 ms"}, {Span([]float64{2.1e-5}), "1 network, 21.00 us"}, {Span(nil), "nothing measured"},
		{Levels(&stats.Levels{Low: 0.99, High: 1.02}), "from -1.0 % to +2.0 % over the sweep, corrected"},
		{Levels(&stats.Levels{Low: 1, High: 1, Steps: []stats.Stretch{{First: 0, Last: 20, Level: 1.076}}}), "none; +7.6 % in blocks 1 to 21, which are not used"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestWhatAFitIs(t *testing.T) {
	folds := regress.Figures{NTrain: 24, NTest: 6, Split: "2 x 5 random folds, seed 1: and so on"}
	if got, want := Fitted(folds), "fitted on all 30 networks; figures by 5-fold cross-validation, twice"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := Share(folds, new(29.5/30)), "29.5 of 30"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	splits := regress.Figures{NTrain: 200, NTest: 79, Split: "10 random splits, seed 1"}
	if got, want := Fitted(splits), "fitted on all 279 networks; figures by random splits: fits on 200 networks, tested on the other 79"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Share(splits, new(0.5)); got != "50.0 %" {
		t.Errorf("%q", got)
	}
	if got := Share(folds, nil); got != "not computed" {
		t.Errorf("%q", got)
	}
}
