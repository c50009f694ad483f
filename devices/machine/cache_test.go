package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"latlab/internal/text"

	"pgregory.net/rapid"
)

// reference is what the cache should hold, least recently used first.
type reference struct {
	budget int64
	sizes  map[string]int64
	order  []string // least recently used first
	users  map[string]int
}

func (r *reference) touch(name string) {
	r.order = append(slices.DeleteFunc(r.order, func(n string) bool { return n == name }), name)
}

func (r *reference) held() (all, inUse int64) {
	for _, n := range r.order {
		all += r.sizes[n]
		if r.users[n] > 0 {
			inUse += r.sizes[n]
		}
	}
	return all, inUse
}

// room removes models to make room. It returns false if those in use leave too little.
func (r *reference) room(size int64) bool {
	all, inUse := r.held()
	if inUse+size > r.budget {
		return false
	}
	r.order = slices.DeleteFunc(r.order, func(n string) bool {
		if all+size > r.budget && r.users[n] == 0 {
			all -= r.sizes[n]
			return true
		}
		return false
	})
	return true
}

// TestCache: whatever is staged, closed and lost, the budget is kept, models in use stay, and
// the least recently used are removed first.
func TestCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := rapid.Int64Range(1, 1000).Draw(t, "budget")
		s := newCache(budget)
		ref := &reference{budget: budget, sizes: map[string]int64{}, users: map[string]int{}}
		done := map[string][]func(){}
		name := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("m%d", rapid.IntRange(0, 9).Draw(t, "model")) })
		t.Repeat(map[string]func(*rapid.T){
			"stage": func(t *rapid.T) {
				n := name.Draw(t, "name")
				f := s.get(n)
				if (f != nil) != slices.Contains(ref.order, n) {
					t.Fatalf("%s is in the cache: %v", n, f != nil)
				}
				if f == nil {
					size := rapid.Int64Range(1, budget).Draw(t, "size")
					got, want := s.room(size), ref.room(size)
					if got != want {
						t.Fatalf("room for %d: %v, want %v", size, got, want)
					}
					if !got || rapid.Bool().Draw(t, "the push fails") {
						if got {
							s.discard(n)
						}
						return
					}
					f = &stagedModel{name: n, size: size}
					s.put(f)
					ref.sizes[n] = size
					ref.touch(n)
				}
				done[n] = append(done[n], s.use(f))
				ref.users[n]++
			},
			"close": func(t *rapid.T) {
				n := name.Draw(t, "name")
				if len(done[n]) == 0 {
					t.Skip("nobody uses it")
				}
				done[n][0]()
				done[n][0]() // a second call does nothing
				done[n] = done[n][1:]
				ref.users[n]--
				ref.touch(n)
			},
			"lose": func(t *rapid.T) {
				n := name.Draw(t, "name")
				f := s.get(n)
				if f == nil || f.users > 0 {
					t.Skip("not there, or in use")
				}
				s.lose(f)
				ref.order = slices.DeleteFunc(ref.order, func(o string) bool { return o == n })
			},
			"tidy": func(*rapid.T) { s.removed(s.toRemove()) },
			"": func(t *rapid.T) {
				all, _ := ref.held()
				if s.total() != all || s.total() > budget || len(s.files) != len(ref.order) {
					t.Fatalf("%d bytes of %d models in a cache for %d; want %d of %v", s.total(), len(s.files), budget, all, ref.order)
				}
				for _, n := range s.toRemove() {
					if s.get(n) != nil {
						t.Fatalf("%s is to be removed and in the cache", n)
					}
				}
			},
		})
	})
}

func TestCacheHasAnEnd(t *testing.T) {
	s := newCache(1 << 40)
	for i := range maxStaged + 10 {
		if !s.room(1) {
			t.Fatal("no room")
		}
		s.put(&stagedModel{name: fmt.Sprint(i), size: 1})
	}
	if len(s.files) != maxStaged || len(s.toRemove()) != 10 {
		t.Errorf("%d models, %d to remove", len(s.files), len(s.toRemove()))
	}
	for _, f := range s.files {
		s.use(f)
	}
	if s.room(1) || s.dropOldest() {
		t.Error("one in use was taken away")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("folder 1 0\nmodels 3 61440\nprograms -1 18432\ntmp 1 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, out string) {
		for kind, a := range parseLook(out) {
			if a.n < 0 || a.kib < 0 || strings.ContainsAny(kind, " \n") {
				t.Errorf("%q: %+v", kind, a)
			}
		}
	})
}

// TestBatches: nothing is lost or reordered, arguments that belong together stay together, and
// no command is longer than the oldest daemons accept.
func TestBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "n")
		args := rapid.SliceOfN(rapid.StringN(0, 200, 400), 0, 60).Draw(t, "args")
		args = args[:len(args)/n*n]
		var all []string
		for _, batch := range batches(args, n) {
			if len(batch) == 0 || len(batch)%n != 0 {
				t.Fatalf("a batch of %d, %d belong together", len(batch), n)
			}
			size := 0
			for _, a := range batch {
				size += len(text.ShellQuote(a)) + 1
			}
			if size > maxArgs && len(batch) > n {
				t.Fatalf("%d bytes of arguments", size)
			}
			all = append(all, batch...)
		}
		if !slices.Equal(all, args) {
			t.Fatalf("%q became %q", args, all)
		}
	})
}

// TestScriptsAreShort: the oldest adb daemons accept commands of 4096 bytes, including
// `shell,v2:` and the quotes.
func TestScriptsAreShort(t *testing.T) {
	for name, script := range map[string]string{
		"begin": folderScript + beginScript, "tidy": folderScript + tidyScript, "sum": sumScript, "prepare": folderScript + prepareScript,
		"parts": folderScript + partsScript, "temp": folderScript + tempScript, "drop": enterScript + dropScript,
		"look": enterScript + lookScript, "wipe": folderScript + wipeScript,
	} {
		if n := len(text.ShellQuote(script)); n > 4096-maxArgs-300 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
