package tool_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/devices/tool"
)

// TestCache: after any sequence of puts and uses, the cache is within its budget except for values in
// use and the one stored last, and every value is dropped exactly once.
func TestCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const budget = 10
		dropped, size, held := map[int]int{}, map[int]int64{}, map[int]func(){}
		s := tool.NewCache(budget, func(v int) { dropped[v]++ })
		there := map[string]int{}
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "key")
			v, done, ok := s.Use(key)
			if want, kept := there[key]; ok != (kept && dropped[want] == 0) || ok && v != want {
				t.Fatalf("%s is %d, %v; want %d, dropped %d times", key, v, ok, want, dropped[want])
			}
			switch {
			case !ok:
				size[i] = rapid.Int64Range(0, 12).Draw(t, "bytes")
				s.Put(key, i, size[i])
				there[key] = i
				var kept, free int64
				for k, n := range size {
					if dropped[k] == 0 {
						kept += n
						if held[k] == nil && k != i {
							free += n
						}
					}
				}
				if kept > budget && free > 0 {
					t.Fatalf("%d bytes are kept, %d of them not in use", kept, free)
				}
			case held[v] == nil && rapid.Bool().Draw(t, "hold"):
				held[v] = done
			default:
				done()
				done()
			}
			if f := held[v]; ok && f != nil && rapid.Bool().Draw(t, "release") {
				f()
				delete(held, v)
			}
		}
		s.Clear()
		for v := range size {
			if dropped[v] != 1 {
				t.Fatalf("%d was dropped %d times", v, dropped[v])
			}
		}
	})
}

// TestCacheBuildsOneAtATime: a second build waits for the first, or until its own context ends.
func TestCacheBuildsOneAtATime(t *testing.T) {
	s := tool.NewCache(1, func(string) {})
	never := func() (string, int64, error) { t.Error("built twice at a time"); return "", 0, nil }
	valid := func(string) (bool, error) { return true, nil }
	_, done, err := s.Get(t.Context(), "a", valid, func() (string, int64, error) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := s.Get(ctx, "b", valid, never); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return "one", 5, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	done()
	s.Clear()
	_, _, ok := s.Use("a")
	if diff := cmp.Diff(false, ok); diff != "" {
		t.Error(diff)
	}
}
