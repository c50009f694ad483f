package store

import (
	"encoding/json"
	"errors"
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

// TestDetail: every block is read back exactly as encoding/json, which wrote it, reads it.
func TestDetail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text, err := json.Marshal(anyBlock().Draw(rt, "block"))
		if err != nil {
			rt.Fatal(err)
		}
		sameAsJSON(rt, text)
	})
}

// sameAsJSON fails if a block that encoding/json accepts is decoded differently, or if its value
// or noise differs when only the fields of bench.Reader's Values are read: intervals would
// silently be wrong.
func sameAsJSON(t rapid.TB, text []byte) {
	t.Helper()
	var want devices.Block
	if err := json.Unmarshal(text, &want); err != nil {
		return
	}
	got, err := decodeDetail(text)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%s is read otherwise: %v %s", text, err, diff)
	}
	value, err := decodeValue(text)
	want = devices.Block{Summary: want.Summary, Delegation: want.Delegation, Unit: want.Unit, Clock: want.Clock, Elapsed: want.Elapsed,
		Before: devices.State{QuotaSeconds: want.Before.QuotaSeconds}, After: devices.State{QuotaSeconds: want.After.QuotaSeconds}}
	if diff := cmp.Diff(want, value); err != nil || diff != "" {
		t.Fatalf("of %s the value is read otherwise: %v %s", text, err, diff)
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

// TestOddDetail: JSON that this program does not write is also read as encoding/json reads it;
// invalid JSON and wrong types are errors.
func TestOddDetail(t *testing.T) {
	for _, text := range odd(t) {
		sameAsJSON(t, []byte(text))
		if json.Unmarshal([]byte(text), new(devices.Block)) == nil {
			continue
		}
		if b, err := decodeDetail([]byte(text)); err == nil {
			t.Errorf("%q is no block, but was read: %+v", text, b)
		}
	}
}

// FuzzDetail: no text crashes the reader, and a block that this program can write is read back as
// written. For other texts the two readers may differ, for example on a time without a date.
func FuzzDetail(f *testing.F) {
	for _, text := range odd(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := decodeDetail(text)
		if err != nil {
			return
		}
		if written, err := json.Marshal(b); err == nil {
			sameAsJSON(t, written)
		}
	})
}

// Nested brackets once overflowed the stack, which no program survives.
func TestDeepDetail(t *testing.T) {
	for _, text := range []string{
		`{"x":` + strings.Repeat("[", 1<<24),
		`{"layers":` + strings.Repeat("[", 1<<24),
		`{"before":{"x":` + strings.Repeat(`{"a":`, 1<<22),
		`{"x":"\\\"","y":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + "}",
	} {
		_, err := decodeDetail([]byte(text))
		_, verr := decodeValue([]byte(text))
		if !errors.Is(err, errDeep) || !errors.Is(verr, errDeep) {
			t.Errorf("%.30s: %.99v, %.99v", text, err, verr)
		}
	}
	for _, text := range []string{
		`{"warnings":["` + strings.Repeat("[{", maxDepth) + `"]}`,
		`{"layers":[` + strings.Repeat("{},", maxDepth) + `{}]}`,
	} {
		if _, err := decodeDetail([]byte(text)); err != nil {
			t.Errorf("%.30s: %v", text, err)
		}
	}
}
