package source

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

var phone = devices.Info{
	Name: "phone", Formats: []model.Format{model.TFLite, model.ONNX}, Precisions: []model.Precision{model.Float32, model.Int8},
}

// networks collects what was named, and what was reported.
func networks(t *testing.T, o NamedOptions) (*Named, *[]string) {
	t.Helper()
	reported := &[]string{}
	o.Device, o.Cache = phone, model.NewCache(t.TempDir(), 1<<30)
	o.Report = func(err error) { *reported = append(*reported, err.Error()) }
	return NewNamed(o), reported
}

func names(l *Named) []string {
	var all []string
	for _, one := range l.Networks {
		all = append(all, one.Name)
	}
	return all
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// sized is a small model whose bytes depend on n.
func sized(n int) []byte { return tflitetest.Sized([]int{1, n, n, 3}, nil) }

// TestAddFiles: a file, a folder and a glob; every file that cannot be timed is refused by its name.
func TestAddFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("own", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "a.tflite", sized(4))
	write(t, "copy.tflite", sized(4))
	write(t, "own/c.tflite", sized(6))
	write(t, "own/b.tflite", sized(5))
	write(t, "own/cut.tflite", sized(7)[:200])
	write(t, "own/notes.txt", []byte("no model"))
	write(t, "list.jsonl", []byte(`{"path": "a.tflite"}`))
	for _, c := range []struct {
		paths   []string
		names   []string
		refused []bench.Refused
		err     string
	}{
		{paths: []string{"a.tflite"}, names: []string{"a.tflite"}},
		{paths: []string{"own"}, names: []string{"own/b.tflite", "own/c.tflite"}, refused: []bench.Refused{{Name: "own/cut.tflite", Reason: "not a readable TFLite model"}}},
		{paths: []string{"own/[bc].tflite", "a.tflite"}, names: []string{"own/b.tflite", "own/c.tflite", "a.tflite"}},
		{paths: []string{"own/*"}, names: []string{"own/b.tflite", "own/c.tflite"}, refused: []bench.Refused{
			{Name: "own/cut.tflite", Reason: "not a readable"}, {Name: "own/notes.txt", Reason: "not a readable"},
		}},
		{
			paths: []string{"a.tflite", "copy.tflite", "a.tflite", "none.tflite", "list.jsonl"}, names: []string{"a.tflite"},
			refused: []bench.Refused{
				{Name: "copy.tflite", Reason: "has the same bytes as that of a.tflite"}, {Name: "a.tflite", Reason: "it is named twice"},
				{Name: "none.tflite", Reason: "file does not exist"}, {Name: "list.jsonl", Reason: "it is a list of models; type --models list.jsonl (sweep)"},
			},
		},
		{paths: []string{"none.tflite"}, refused: []bench.Refused{{Name: "none.tflite", Reason: "file does not exist"}}, err: "model none.tflite: file does not exist"},
		{paths: []string{"none.tflite", "cut.tflite"}, refused: []bench.Refused{{Name: "none.tflite", Reason: "file does not"}, {Name: "cut.tflite", Reason: "file does not"}}, err: "none of the 2 networks can be timed on device phone"},
		{paths: []string{"*.onnx"}, err: "model *.onnx: no file matches"},
	} {
		t.Run(strings.Join(c.paths, " "), func(t *testing.T) {
			l, reported := networks(t, NamedOptions{})
			var err error
			for _, p := range c.paths {
				if err = l.AddFiles(p, model.Call{}); err != nil {
					break
				}
			}
			if err == nil {
				err = l.Done()
			}
			if text := fmt.Sprint(err); err != nil && text != c.err || err == nil && c.err != "" {
				t.Errorf("error %q, want %q", text, c.err)
			}
			if d := cmp.Diff(c.names, names(l)); d != "" {
				t.Error(d)
			}
			begins := cmp.Comparer(func(a, b bench.Refused) bool {
				return a.Name == b.Name && (strings.HasPrefix(a.Reason, b.Reason) || strings.HasPrefix(b.Reason, a.Reason))
			})
			if d := cmp.Diff(c.refused, l.Refused, begins); d != "" {
				t.Error(d)
			}
			if len(c.refused) > 1 && len(*reported) != len(c.refused) {
				t.Errorf("reported %q", *reported)
			}
			for i, line := range *reported {
				if len(c.refused) > 1 && !strings.Contains(line, c.refused[i].Name) {
					t.Errorf("reported %q, without the name %s", line, c.refused[i].Name)
				}
			}
		})
	}
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	l, _ := networks(t, NamedOptions{})
	if err := l.AddFiles("empty", model.Call{}); err == nil || err.Error() != "model empty: the folder has no .tflite or .onnx file" {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestAddNetworks: fixtures and points in one run, in its form; a file of another precision is refused.
func TestAddNetworks(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.tflite", sized(4)) // in float32
	l, reported := networks(t, NamedOptions{Form: model.Form{Format: model.TFLite, Precision: model.Int8}, Written: true})
	for _, name := range []string{"mobiledet_cpu", "mobiledet_dsp", "mobiledet_cpu"} {
		n, err := Fixture(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.AddNetwork(n, "--fixture "+name); err != nil {
			t.Fatal(err)
		}
	}
	sp, err := sampler.Builtin("mobiledet_cpu_ibn")
	if err != nil {
		t.Fatal(err)
	}
	point, err := sampler.Sample(sp, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	lines := &strings.Builder{}
	if err := sampler.WriteJSONL(lines, []sampler.Arch{point[0], point[0]}); err != nil {
		t.Fatal(err)
	}
	if err := l.AddArchs(strings.NewReader("no network\n"+lines.String()), "archs.jsonl", sampler.Builtin); err != nil {
		t.Fatal(err)
	}
	if err := l.AddFiles("a.tflite", model.Call{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Done(); err != nil {
		t.Fatal(err)
	}
	want := []string{"mobiledet_cpu", "mobiledet_dsp", "mobiledet_cpu_ibn-" + point[0].ID()}
	if d := cmp.Diff(want, names(l)); d != "" {
		t.Error(d)
	}
	var refused []string
	for _, r := range l.Refused {
		refused = append(refused, r.Name+": "+r.Reason)
	}
	for i, begin := range []string{
		"mobiledet_cpu: it is named twice", "archs.jsonl:1: not a network in JSON", "mobiledet_cpu_ibn-" + point[0].ID() + ": it is named twice",
		"a.tflite: is float32, this sweep is of int8: --precision float32 times the others",
	} {
		if i >= len(refused) || !strings.HasPrefix(refused[i], begin) {
			t.Errorf("refused %q, want %d: %s", refused, i, begin)
		}
	}
	if len(*reported) != 4 || l.Asked() != 7 {
		t.Errorf("%d asked, reported %q", l.Asked(), *reported)
	}
	if l.Networks.Space() != nil || l.Networks[2:].Space() == nil {
		t.Error("three networks of different spaces are in one, or a point is in none")
	}
	if f, err := l.Networks.Forecast(); err != nil || f.Networks != 3 || f.Known != 3 || f.Written < 1e6 {
		t.Errorf("forecast %+v, %v", f, err)
	}
	if n, err := l.Networks.Batch(model.NewCache(t.TempDir(), 30e6)); err != nil || n < 1 || n > 3 {
		t.Errorf("a batch of %d, %v", n, err)
	}
}

// TestAddArchsOfAnotherKind: a file without any network shows a few of its lines only.
func TestAddArchsOfAnotherKind(t *testing.T) {
	l, reported := networks(t, NamedOptions{Written: true})
	err := l.AddArchs(strings.NewReader(strings.Repeat("no network\n", 500)), "log.txt", sampler.Builtin)
	if err == nil || err.Error() != "log.txt: no line is a network; 1 of 500 bad lines is shown" || len(*reported) != 1 {
		t.Errorf("%v, reported %q", err, *reported)
	}
	if err := l.AddArchs(strings.NewReader("\n"), "empty.jsonl", sampler.Builtin); err == nil || err.Error() != "empty.jsonl has no network" {
		t.Errorf("no line: %v", err)
	}
}

// TestAddList: every line that is refused is counted with its file's name and the reason.
func TestAddList(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.tflite", sized(4))
	write(t, "b.tflite", sized(5))
	write(t, "list.jsonl", []byte("no JSON\nno JSON\nno JSON\nno JSON\n"+`{"path":"none.tflite"}
{"path":"a.tflite"}
{"path":"b.tflite","features":{"depth":1}}
{"path":"b.tflite"}
`))
	l, reported := networks(t, NamedOptions{})
	if err := l.AddList("list.jsonl"); err != nil {
		t.Fatal(err)
	}
	if err := l.Done(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a.tflite", "b.tflite"}, names(l)); d != "" {
		t.Error(d)
	}
	if len(*reported) != 6 || len(l.Refused) != 6 || l.Asked() != 8 {
		t.Errorf("%d asked, refused %v, reported %q", l.Asked(), l.Refused, *reported)
	}
	if got := l.Refused[4]; got.Name != "none.tflite" || got.Reason != "file does not exist" {
		t.Errorf("a missing file is refused as %v", got)
	}
	write(t, "log.txt", []byte(strings.Repeat("no JSON\n", 10)))
	l, reported = networks(t, NamedOptions{})
	if err := l.AddList("log.txt"); err != nil {
		t.Fatal(err)
	}
	want := "log.txt: no line is a model that device phone can time; 1 of 10 bad lines is shown"
	if err := l.Done(); err == nil || err.Error() != want || len(*reported) != 1 {
		t.Errorf("%v, reported %q", err, *reported)
	}
	l, _ = networks(t, NamedOptions{})
	if err := l.AddList("a.tflite"); err == nil || !strings.Contains(err.Error(), "a.tflite is not a list of models: it is a model file; type --model a.tflite") {
		t.Errorf("a model as a list: %v", err)
	}
}

// TestResumeWithoutName: networks that a sweep has and that are not named now are found again: a
// fixture by its name, a file by its path.
func TestResumeWithoutName(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.tflite", sized(4))
	form := model.Form{Format: model.TFLite, Precision: model.Float32}
	st := memory.New()
	m := bench.Sweep{Sampling: bench.Listed, Device: phone, Format: form.Format, Precision: form.Precision}
	named := func(files ...string) *Named {
		l, _ := networks(t, NamedOptions{Form: form, Written: true})
		n, err := Fixture("mobiledet_cpu")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.AddNetwork(n, "--fixture"); err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			if n, err = Fixture("mobiledet_dsp"); err != nil {
				t.Fatal(err)
			}
			if err := l.AddNetwork(n, "--fixture"); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range files {
			if err := l.AddFiles(f, model.Call{}); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	first, src, err := named("a.tflite").Resume(t.Context(), st, m)
	if err != nil {
		t.Fatal(err)
	}
	first.ID, first.Networks = first.Identity(), len(src)
	if err := st.CreateSweep(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	var planned []bench.Network
	for i := range src {
		n, _, err := src.Network(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		planned = append(planned, n)
	}
	if err := st.Plan(t.Context(), first.ID, planned, nil); err != nil {
		t.Fatal(err)
	}
	again, src, err := named().Resume(t.Context(), st, m)
	if err != nil || again.Identity() != first.ID || len(src) != 3 {
		t.Fatalf("sweep %s, want %s; %d networks, %v", again.Identity(), first.ID, len(src), err)
	}
	for i, want := range planned {
		n, _, err := src.Network(t.Context(), i)
		if err != nil || n.Model != want.Model || n.Name != want.Name {
			t.Errorf("network %d is %s, want %s; %v", i, n.Name, want.Name, err)
		}
	}
}
