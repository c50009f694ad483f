package sampler

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The slots and reachable entries of edgetpu_tucker were counted by hand:
// 6 + 4*6*6 + 6*4*12 + 3*36*13 + 7*6*12 + 3*49*13 + 3*(588 + 3*49*13) + 588 = 12342.
func TestBuiltinSizes(t *testing.T) {
	t.Parallel()
	type row struct {
		Name                        string
		Decisions, Slots, Reachable int
		Bound                       int
		Size                        string
	}
	want := []row{
		{"mobiledet_cpu_fused", 31, 8414, 3068, 392, "261252377489978827468701696"},
		{"mobiledet_cpu_ibn", 31, 4582, 1612, 196, "605052000000000000000"},
		{"mobiledet_cpu_tucker", 31, 12342, 4620, 588, "2219431284496666074167511220224"},
		{"mobiledet_dsp_fused", 31, 4558, 1588, 196, "302526000000000000000"},
		{"mobiledet_dsp_ibn", 31, 2642, 860, 98, "2222549728809984"},
		{"mobiledet_dsp_tucker", 31, 8486, 3140, 392, "653130943724947068671754240"},
		{"mobiledet_edgetpu_fused", 31, 8414, 3068, 392, "261252377489978827468701696"},
		{"mobiledet_edgetpu_ibn", 31, 4582, 1612, 196, "605052000000000000000"},
		{"mobiledet_edgetpu_tucker", 31, 12342, 4620, 588, "2219431284496666074167511220224"},
		{"mobiledet_gpu_fused", 31, 4558, 1588, 196, "302526000000000000000"},
		{"mobiledet_gpu_ibn", 31, 2642, 860, 98, "2222549728809984"},
		{"mobiledet_gpu_tucker", 31, 8486, 3140, 392, "653130943724947068671754240"},
		// google-research/tunas: vectors of 29068 and 5983 features; the 144 of proxylessnas_search are without
		// its positions of one entry. The sizes are those of TuNAS's README: 10^43, 10^28 and 10^21.
		{"mobilenet_v3_like_search", 86, 29068, 10096, 1764, "8480913417270962668399786129693618420580352"},
		{"proxylessnas_enlarged_search", 73, 5983, 2179, 294, "13917744905701978305736998912"},
		{"proxylessnas_search", 73, 155, 155, 7, "2156489995751704756224"},
	}
	var got []row
	for _, name := range BuiltinNames() {
		s := builtin(t, name)
		slots, reachable := s.Slots()
		got = append(got, row{s.Name, len(s.Decisions()), slots, reachable, coverageBound(s), s.Size().String()})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBuiltinWidths(t *testing.T) {
	t.Parallel()
	want := [][]int{
		{16, 24, 32, 40, 48, 64}, {8, 16, 24, 32}, {16, 24, 32, 40, 48, 64}, {24, 32, 40, 48, 64, 72, 96},
		{48, 64, 72, 96, 120, 144, 192}, {48, 64, 72, 96, 120, 144, 192}, {80, 104, 120, 160, 200, 240, 320},
		{96, 120, 144, 192, 240, 288, 384},
	}
	gpu := []int{64, 80, 96, 128, 160, 192, 256}
	for _, name := range mobileDets() {
		s := builtin(t, name)
		for i, st := range s.Stages {
			w := want[i]
			if name[:13] == "mobiledet_gpu" && i >= 4 && i <= 6 {
				w = gpu
			}
			if diff := cmp.Diff(w, st.Widths); diff != "" {
				t.Errorf("%s %s (-want +got)\n%s", name, st.Name, diff)
			}
		}
	}
}

// The order of choices is the order of indices in every store and cost model.
func TestBuiltinChoices(t *testing.T) {
	t.Parallel()
	ibn := []string{"ibn_k3_e4", "ibn_k3_e8", "ibn_k5_e4", "ibn_k5_e8"}
	fused := []string{"fused_k3_e4", "fused_k3_e8", "fused_k5_e4", "fused_k5_e8"}
	tucker := []string{"tucker_k3_25_25", "tucker_k3_25_75", "tucker_k3_75_25", "tucker_k3_75_75"}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, want := range map[string]struct{ first, block []string }{
		"mobiledet_edgetpu_ibn":    {[]string{"ibn_k3_e1", "ibn_k5_e1"}, ibn},
		"mobiledet_cpu_fused":      {[]string{"ibn_k3_e1", "ibn_k5_e1"}, join(ibn, fused)},
		"mobiledet_edgetpu_tucker": {join([]string{"ibn_k3_e1", "ibn_k5_e1"}, tucker), join(ibn, fused, tucker)},
		"mobiledet_dsp_tucker":     {join([]string{"ibn_k3_e1"}, tucker), join(ibn[:2], fused[:2], tucker)},
		"mobiledet_gpu_ibn":        {[]string{"ibn_k3_e1"}, ibn[:2]},
	} {
		s := builtin(t, name)
		ds := s.Decisions()
		check := func(decision int, want []string) {
			t.Helper()
			if diff := cmp.Diff(want, ds[decision].Names); diff != "" {
				t.Errorf("%s %s (-want +got)\n%s", name, ds[decision].Name, diff)
			}
		}
		check(0, []string{"conv_k3"})
		check(2, want.first)
		check(4, want.block)
		check(5, join(want.block, []string{"skip"}))
		check(len(ds)-2, want.block)
	}
}

func TestBuiltinShapes(t *testing.T) {
	t.Parallel()
	for _, name := range mobileDets() {
		s := builtin(t, name)
		cpu := name[:13] == "mobiledet_cpu"
		if (s.Activation == HSwish) != cpu {
			t.Errorf("%s: activation %s", name, s.Activation)
		}
		var strides []int
		for _, st := range s.Stages {
			for i, l := range st.Layers {
				strides = append(strides, l.Stride)
				if l.Residual != (i > 0) {
					t.Errorf("%s %s: residual %v in layer %d", name, st.Name, l.Residual, i)
				}
				for _, c := range l.Choices {
					if want := cpu && (c.Type == IBN || c.Type == Fused); (c.SE == 0.25) != want {
						t.Errorf("%s %s: se %v", name, c.Name, c.SE)
					}
				}
			}
		}
		want := []int{2, 1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1}
		if diff := cmp.Diff(want, strides); diff != "" {
			t.Errorf("%s strides (-want +got)\n%s", name, diff)
		}
		head := Head{SSDLite, 91, []string{"stage5", "stage7"}, []int{512, 256, 256, 128}, []int{3, 6, 6, 6, 6, 6}}
		if diff := cmp.Diff(head, s.Head); diff != "" {
			t.Errorf("%s head (-want +got)\n%s", name, diff)
		}
		if s.Input != (Input{320, 320, 3}) || s.Source != "" || s.Doc == "" {
			t.Errorf("%s: input %v, source %q, doc %q", name, s.Input, s.Source, s.Doc)
		}
	}
}

func mobileDets() (names []string) {
	for _, name := range BuiltinNames() {
		if strings.HasPrefix(name, "mobiledet_") {
			names = append(names, name)
		}
	}
	return names
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, space, err string }{
		{"mobiledet_dsp_ibn", "mobiledet_dsp_ibn", ""},
		{"testdata/tiny.yaml", "tiny", ""},
		{"mobiledet_cpu_inb", "", `unknown space "mobiledet_cpu_inb"; did you mean "mobiledet_cpu_ibn"?`},
		{"resnet", "", "unknown space \"resnet\"; `latlab spaces` lists them"},
		{"tiny.yaml", "", "open tiny.yaml: no such file or directory"},
	} {
		s, err := Find(c.name)
		switch {
		case c.err == "" && (err != nil || s.Name != c.space):
			t.Errorf("%s: got %v, %v", c.name, s, err)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%s: error %v, want %s", c.name, err, c.err)
		}
	}
	if _, err := Builtin("x"); !errors.Is(err, ErrUnknownSpace) {
		t.Errorf("got %v, want ErrUnknownSpace", err)
	}
}

func builtin(t testing.TB, name string) *Space {
	t.Helper()
	s, err := Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tiny(t testing.TB) *Space {
	t.Helper()
	s, err := LoadFile("testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
