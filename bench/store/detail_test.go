package store

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices"
)

// anyBlock has any value in any field: one that devices gets later, too.
func anyBlock() *rapid.Generator[devices.Block] {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "cpu0", "performance", `a "b" \ <c>`, "\xff", "µs\n"}), rapid.String())
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "minutes"))
		at := time.Unix(rapid.Int64Range(-1e9, 1e10).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds"))
		return rapid.SampledFrom([]time.Time{{}, at.UTC(), at.In(zone)}).Draw(t, "time")
	})
	return rapid.MakeCustom[devices.Block](rapid.MakeConfig{
		Types: map[reflect.Type]*rapid.Generator[any]{reflect.TypeFor[time.Time](): moment.AsAny()},
		Kinds: map[reflect.Kind]*rapid.Generator[any]{
			reflect.Float64: rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).AsAny(), // JSON has no others
			reflect.String:  text.AsAny(),
		},
	})
}

// TestDetail: whatever a block holds, its JSON is read as encoding/json reads it, and not by
// encoding/json. Where this fails after devices.Block got a field, detail.go wants it, too.
func TestDetail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text, err := json.Marshal(anyBlock().Draw(rt, "block"))
		if err != nil {
			rt.Fatal(err)
		}
		sameAsJSON(rt, string(text), true)
		sameValue(rt, string(text))
	})
}

// sameValue fails where a block's value or noise would be another one by what bench.Reader's
// Values have of it: intervals would be wrong, and nobody would see it.
func sameValue(t rapid.TB, text string) {
	t.Helper()
	whole, err := decodeDetail(text, words{})
	if err != nil {
		t.Fatal(err)
	}
	value, err := decodeValue(text, words{})
	if err != nil {
		t.Fatal(err)
	}
	want := devices.Block{Summary: whole.Summary, Delegation: whole.Delegation}
	if diff := cmp.Diff(want, value); diff != "" {
		t.Fatalf("of %s the value is read otherwise: %s", text, diff)
	}
}

// sameAsJSON fails where the two readers differ.
func sameAsJSON(t rapid.TB, text string, must bool) {
	t.Helper()
	got, ok := parseDetail(text, words{})
	if must && !ok {
		t.Fatalf("left to encoding/json: %s", text)
	}
	if !ok {
		return
	}
	var want devices.Block
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatalf("%s was read, but it is wrong: %v", text, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s is read otherwise: %s", text, diff)
	}
}

// odd are texts that json.Marshal would not write.
func odd(t testing.TB) []string {
	t.Helper()
	text, err := json.Marshal(block(0.1, 0.2))
	if err != nil {
		t.Fatal(err)
	}
	usual := string(text)
	all := []string{"", "null", "{}", "[]", usual + " ", usual + "}", usual[:len(usual)-1], strings.Replace(usual, ":", ": ", 1)}
	return append(all, []string{
		`{"elapsed_seconds":1}`, `{"elapsed_seconds":01}`, `{"elapsed_seconds":1.}`, `{"elapsed_seconds":.5}`, `{"elapsed_seconds":+1}`,
		`{"elapsed_seconds":1e}`, `{"elapsed_seconds":1e999}`, `{"elapsed_seconds":-0}`, `{"elapsed_seconds":0x1p3}`, `{"elapsed_seconds":1_0}`,
		`{"elapsed_seconds":Inf}`, `{"elapsed_seconds":null}`, `{"elapsed_seconds":"1"}`, `{"elapsed_seconds":1,"elapsed_seconds":2}`,
		`{"Elapsed_Seconds":1}`, `{"elapsed_seconds":1,"init_seconds":2}`, `{"elapsed_seconds":1,}`, `{,"elapsed_seconds":1}`, `{"other":1}`,
		`{"peak_memory_bytes":1.0}`, `{"peak_memory_bytes":1e3}`, `{"peak_memory_bytes":9223372036854775808}`, `{"peak_memory_bytes":-0}`,
		`{"cpus":[]}`, `{"cpus":[1,]}`, `{"cpus":[,1]}`, `{"cpus":[1 ]}`, `{"cpus":[null]}`, `{"cpus":[1}`, `{"cpus":{}}`,
		`{"counters":{}}`, `{"counters":{"a":1,"a":null}}`, `{"counters":{"a":1,}}`, `{"counters":{a:1}}`, `{"counters":{"\u0061":1,"a":2}}`,
		`{"runtime":"a\u003cb"}`, `{"runtime":"a\qb"}`, `{"runtime":"a` + "\n" + `b"}`, `{"runtime":"` + "\xff\x7f" + `"}`, `{"runtime":"\`, `{"runtime":"\"`, `{"runtime":"\ud800"}`,
		`{"started":"2026-11-25T22:42:01Z"}`, `{"started":"2026-11-25"}`, `{"started":null}`, `{"started":1}`, `{"started":"2026-11-25T22:42:01\u005a"}`,
		`{"before":null}`, `{"before":{"turbo":null,"raspberry_throttled":4294967296}}`, `{"before":{"raspberry_throttled":-1}}`, `{"before":{"turbo":1}}`,
		`{"before":{"battery":null,"screen_on":true}}`, `{"before":{"thermal_status":2}}`, `{"doubts":[null,{}]}`, `{"summary":{"Line":"x","Count":1}}`,
	}...)
}

// TestOddDetail: what is not as this program writes it is read as encoding/json reads it, or is
// an error.
func TestOddDetail(t *testing.T) {
	for _, text := range odd(t) {
		sameAsJSON(t, text, false)
		var want devices.Block
		wantErr := json.Unmarshal([]byte(text), &want)
		got, err := decodeDetail(text, words{})
		if (err == nil) != (wantErr == nil) {
			t.Errorf("%q: error %v, encoding/json says %v", text, err, wantErr)
		}
		if err != nil {
			continue
		}
		if !cmp.Equal(want, got) {
			t.Errorf("%q is read otherwise: %s", text, cmp.Diff(want, got))
		}
		if v, err := decodeValue(text, words{}); err != nil || !cmp.Equal(want.Summary, v.Summary) || !cmp.Equal(want.Delegation, v.Delegation) {
			t.Errorf("of %q the value is read otherwise: %+v, %v", text, v, err)
		}
	}
}

func FuzzDetail(f *testing.F) {
	for _, text := range odd(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { sameAsJSON(t, text, false) })
}

// TestWords: what is kept is bounded, and is no part of a text.
func TestWords(t *testing.T) {
	w := words{}
	for i := range 2 * maxWords {
		if s := string(rune(i)); w.intern(s) != s {
			t.Errorf("%q came out otherwise", s)
		}
	}
	if long := strings.Repeat("x", maxWordSize+1); w.intern(long) != long || len(w) != maxWords {
		t.Errorf("%d words are kept, want %d", len(w), maxWords)
	}
}
