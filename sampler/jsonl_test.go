package sampler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// readAll returns the networks and the errors of a JSON lines text.
func readAll(r io.Reader, resolve func(string) (*Space, error)) (archs []Arch, errs []string) {
	for a, err := range ReadJSONL(r, "a.jsonl", resolve) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		archs = append(archs, a)
	}
	return archs, errs
}

func resolveTiny(t testing.TB) func(string) (*Space, error) {
	s := tiny(t)
	return func(name string) (*Space, error) {
		if name == "tiny" {
			return s, nil
		}
		return Builtin(name)
	}
}

func TestJSONLRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		n := 1
		if s.Size().IsInt64() {
			n = min(int(s.Size().Int64()), rapid.IntRange(1, 50).Draw(t, "n"))
		}
		archs, err := Sample(s, n, 1)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteJSONL(&b, archs); err != nil {
			t.Fatal(err)
		}
		got, errs := readAll(&b, func(string) (*Space, error) { return s, nil })
		if diff := cmp.Diff(archs, got); diff != "" || errs != nil {
			t.Fatalf("%v (-written +read)\n%s", errs, diff)
		}
	})
}

func TestWriteJSONL(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := WriteJSONL(&b, []Arch{{Space: "tiny", Indices: []int{0, 3, 1}}}); err != nil {
		t.Fatal(err)
	}
	// printf 'tiny:0:3:1' | sha256sum
	want := `{"id":"18adc046c3a7","space":"tiny","indices":"0:3:1"}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	full := errors.New("disk full")
	if err := WriteJSONL(iotestErrWriter{full}, []Arch{{}}); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type iotestErrWriter struct{ err error }

func (w iotestErrWriter) Write([]byte) (int, error) { return 0, w.err }

const good = `{"space":"tiny","indices":"0:0:0:0:0:0:0:0:0:0"}`

func TestReadJSONLKeepsGoing(t *testing.T) {
	t.Parallel()
	long := `{"space":"tiny","indices":"` + strings.Repeat("0:", maxLine/2) + `0"}`
	lines := []string{
		"\ufeff" + good + "\r",
		"",
		"  \t\r",
		`{"id":"3cd2dfe4cbfa","space":"tiny","indices":"0:0:0:0:0:0:0:0:0:0","latency_seconds":0.1}`,
		`{"id":"abc","space":"tiny","indices":"0:0:0:0:0:0:0:0:0:0"}`,
		`{"space":"tinny","indices":"0"}`,
		`{"space":"mobiledet_cpu_inb","indices":"0"}`,
		`{"indices":"0"}`,
		`{"space":"tiny"}`,
		`{"space":"tiny","indices":"0:9"}`,
		`{"space":"tiny","indices":[0,9]}`,
		`{"space":"tiny","indices":"0"} {}`,
		`nonsense`,
		long,
		`{"space":"tiny","indices":"0:0:0:0:0:0:0:0:0:2"}`,
	}
	archs, errs := readAll(strings.NewReader(strings.Join(lines, "\n")), resolveTiny(t))
	wantArchs := []Arch{
		{"tiny", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"tiny", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"tiny", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
	}
	if diff := cmp.Diff(wantArchs, archs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	wantErrs := []string{
		`a.jsonl:5: id is "abc", but 3cd2dfe4cbfa is the id of these indices in space tiny`,
		"a.jsonl:6: unknown space \"tinny\"; `latlab spaces` lists them",
		`a.jsonl:7: unknown space "mobiledet_cpu_inb"; did you mean "mobiledet_cpu_ibn"?`,
		`a.jsonl:8: "space" is missing`,
		`a.jsonl:9: "indices" is missing`,
		`a.jsonl:10: space tiny has 10 decisions, indices 0:9 have 2`,
		`a.jsonl:11: not a network in JSON: "indices" is array, want text`,
		`a.jsonl:12: not a network in JSON: invalid character '{' after top-level value`,
		`a.jsonl:13: not a network in JSON: invalid character 'o' in literal null (expecting 'u')`,
		`a.jsonl:14: line is longer than 1048576 bytes`,
	}
	if diff := cmp.Diff(wantErrs, errs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadJSONLLongLastLine(t *testing.T) {
	t.Parallel()
	_, errs := readAll(strings.NewReader(strings.Repeat("x", 3*maxLine)), resolveTiny(t))
	if diff := cmp.Diff([]string{"a.jsonl:1: line is longer than 1048576 bytes"}, errs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadJSONLReaderFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("cable pulled")
	r := io.MultiReader(strings.NewReader(good+"\n"+good+"\n"), iotest.ErrReader(broken))
	var n int
	var last error
	for _, err := range ReadJSONL(r, "a.jsonl", resolveTiny(t)) {
		if last = err; err == nil {
			n++
		}
	}
	var line *LineError
	if n != 2 || !errors.Is(last, broken) || errors.As(last, &line) {
		t.Errorf("%d networks, then %v", n, last)
	}
}

func TestReadJSONLStops(t *testing.T) {
	t.Parallel()
	for _, err := range ReadJSONL(strings.NewReader(strings.Repeat(good+"\n", 5)+"bad\n"), "a.jsonl", resolveTiny(t)) {
		if err != nil {
			t.Error(err)
		}
		break // reading on after it would panic
	}
}

func TestReadJSONLResolvesEachNameOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	resolve := resolveTiny(t)
	readAll(strings.NewReader(strings.Repeat(good+"\n", 5)), func(name string) (*Space, error) {
		asked++
		return resolve(name)
	})
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func FuzzReadJSONL(f *testing.F) {
	f.Add([]byte(good + "\r\n\n" + good))
	f.Add([]byte("\ufeff" + `{"id":"x","space":"tiny","indices":"0:1"}`))
	f.Add([]byte("{}\nnull\n[]\n{\"space\":1}"))
	resolve := resolveTiny(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := bytes.Count(data, []byte("\n")) + 1
		before := 0
		for a, err := range ReadJSONL(bytes.NewReader(data), "f.jsonl", resolve) {
			if err == nil {
				if s, err := resolve(a.Space); err != nil || s.Check(a) != nil {
					t.Fatalf("read %v, which is no network", a)
				}
				continue
			}
			var bad *LineError
			if !errors.As(err, &bad) || bad.Line <= before || bad.Line > lines || !strings.HasPrefix(err.Error(), fmt.Sprintf("f.jsonl:%d: ", bad.Line)) {
				t.Fatalf("error %v after line %d of %d", err, before, lines)
			}
			before = bad.Line
		}
	})
}

// TestBadLines: all bad lines of a list are reported, and few of a file without a good one.
func TestBadLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines    string // g = good, b = bad, s = bad for the same reason
		reported string // the numbers of lines
		count    int
		shown    string
	}{
		{"", "", 0, ""}, {"ggg", "", 0, ""}, {"bbb", "123", 3, ""}, {"bbbbb", "123", 5, "; 3 of 5 bad lines are shown"},
		{"bbbbbg", "12345", 5, ""}, {"gbbbbbgb", "234568", 6, ""},
		{"ssss", "1", 4, "; 1 of 4 bad lines is shown"}, {"sbsbsbs", "124", 7, "; 3 of 7 bad lines are shown"},
		{"sssg", "123", 3, ""}, {"gsss", "234", 3, ""},
	} {
		reported := ""
		b := BadLines{Report: func(err error) {
			line, _ := errors.AsType[*LineError](err)
			reported += strconv.Itoa(line.Line)
		}}
		for i, l := range c.lines {
			switch l {
			case 'g':
				b.Good()
			case 's':
				b.Bad(&LineError{"a.jsonl", i + 1, ErrUnknownSpace})
			default:
				b.Bad(&LineError{"a.jsonl", i + 1, fmt.Errorf("%d", i+1)})
			}
		}
		if reported != c.reported || b.Count != c.count || b.Shown() != c.shown {
			t.Errorf("%s: reported %s, %d bad%s", c.lines, reported, b.Count, b.Shown())
		}
	}
}
