package tunas

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
)

// theirs is a module as TuNAS has published it, with a licence, constants and several spaces; the weights
// are made up.
func theirs(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# coding=utf-8\n# Licensed.\n\n\"\"\"Auto-generated file with data for cost models.\"\"\"\n\n")
	tables := map[string]string{}
	for _, name := range []string{"proxylessnas_search", "proxylessnas_enlarged_search"} {
		s := space(t, name)
		k, err := newKernel(randomModel(s, 5), s)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("_" + constant(name) + "_KERNEL = b\"\"\"\n" + encodeBytes(k.weights) + "\"\"\"\n\n")
		b.WriteString("_" + constant(name) + "_BIAS = b\"\"\"\n" + encodeBytes([]float32{publishedBiases()[name]}) + "\"\"\"\n\n")
		tables[kernelData] += "    '" + name + "': _" + constant(name) + "_KERNEL,\n"
		tables[biasData] += "    '" + name + "': _" + constant(name) + "_BIAS,\n"
	}
	b.WriteString("SERIALIZATION_DTYPE = '>f4'\n\n")
	b.WriteString("KERNEL_DATA = {\n" + tables[kernelData] + "}\n\nBIAS_DATA = {\n" + tables[biasData] + "}\n")
	return b.String()
}

// An imported model predicts what TuNAS computes, and its export has the bytes of the module.
func TestImport(t *testing.T) {
	text := theirs(t)
	for _, name := range []string{"proxylessnas_search", "proxylessnas_enlarged_search"} {
		s := space(t, name)
		m, err := Import([]byte(text), "cost_model_data.py", s)
		if err != nil {
			t.Fatal(err)
		}
		if m.Device != PublishedDevice || m.Kind != "measured" || m.Precision != "float32" || m.DataHash != sum([]byte(text)) || m.Figures.R2 != nil {
			t.Errorf("%s: origin %s %s %s %s, r2 %v", name, m.Device, m.Kind, m.Precision, m.DataHash, m.Figures.R2)
		}
		var file bytes.Buffer
		if err := m.Write(&file); err != nil {
			t.Error(err)
		}
		k, err := newKernel(m, s)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "\n"+encodeBytes(k.weights)+"\"\"\"") || k.bias != publishedBiases()[name] {
			t.Errorf("%s: the export has other numbers than the module that was imported", name)
		}
		want := randomModel(s, 5)
		archs, err := sampler.Sample(s, 20, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range archs {
			moved := 0.0 // into the bias
			for i, p := range s.Positions() {
				if p.Slots() == 1 {
					moved += want.Table[i].Weights[0]
				}
			}
			got, want := m.Predict(s, a)-m.Bias, want.Predict(s, a)-want.Bias-moved
			if math.Abs(got-want) > 1e-7 {
				t.Errorf("%s: %v, want %v", a, got, want)
			}
		}
	}
	// Our own exports are modules too, of a device that the module does not name.
	own := space(t, narrow)
	k, err := newKernel(randomModel(own, 1), own)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Import(moduleText(own.Name, k), "x.py", own)
	if err != nil || m.Device != UnknownDevice || m.SpaceFile == "" {
		t.Errorf("own export: %v, %+v", err, m)
	}
}

func TestImportRefuses(t *testing.T) {
	whole := theirs(t)
	replace := func(old, new string) string { return strings.Replace(whole, old, new, 1) }
	lines := strings.Split(whole, "\n")
	noBiases, _, _ := strings.Cut(whole, biasData)
	without := func(n int) string { return strings.Join(slices.Delete(slices.Clone(lines), 8, 8+n), "\n") } // n lines of 57 bytes
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "x.py:1: no SERIALIZATION_DTYPE up to here; is this a cost_model_data.py?"},
		{"other Python", "import os\nos.remove('x')\n", `x.py:1: want NAME = VALUE, not "import os"; is this a cost_model_data.py?`},
		{"a call", replace("b\"\"\"\n", "open('x').read()\n"), `x.py:6: want a bytes literal, not "open('x').read()"; is this a cost_model_data.py?`},
		{"cut off", whole[:len(whole)/3], "x.py:24: a text that begins here has no end: the file is cut off or damaged"},
		{"half a number", without(2), "x.py:16: proxylessnas_search in KERNEL_DATA has 462 bytes, which are no float32 numbers of 4 bytes each: the text is cut off"},
		{"a short kernel", without(4), "x.py:6: proxylessnas_search has 87 coefficients; space proxylessnas_search has 144 in TuNAS's order"},
		{"another ssd", strings.ReplaceAll(whole, "'proxylessnas_search'", "'theirs'"), "has no cost model of proxylessnas_search, only of proxylessnas_enlarged_search, theirs"},
		{"damaged base64", strings.Replace(whole, lines[9], "*"+lines[9][1:], 1), "x.py:10: the base64 text of proxylessnas_search in KERNEL_DATA is damaged or cut off here"},
		{"another type", replace("'>f4'", "'<f8'"), "SERIALIZATION_DTYPE is '<f8'; only '>f4' is known"},
		{"a missing name", replace("'proxylessnas_search': _PROXYLESSNAS_SEARCH_BIAS", "'proxylessnas_search': _NOWHERE"), "_NOWHERE is not assigned before this line"},
		{"no biases", noBiases, "no BIAS_DATA up to here"},
		{"two biases", replace("QrhFoQ==", "QrhFoUK4RaE="), "the bias of proxylessnas_search has 2 numbers, want 1"},
		{"a weight that is no number", replace("QrhFoQ==", "f8AAAA=="), "number 1 of proxylessnas_search in BIAS_DATA is NaN"},
		{"assigned twice", whole + "KERNEL_DATA = {}\n", "KERNEL_DATA is assigned twice"},
		{"an escape", replace("'>f4'", `'>f\x34'`), "a backslash in a text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Import([]byte(tc.text), "x.py", space(t, "proxylessnas_search"))
			var bad *Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := Import([]byte(whole), "x.py", space(t, narrow)); err == nil {
		t.Error("a space that the module does not have was imported")
	}
}

// Whatever the bytes are, the parser ends, and its errors name a line of the file.
func FuzzImport(f *testing.F) {
	s, err := sampler.Load([]byte(narrow), "test.yaml")
	if err != nil {
		f.Fatal(err)
	}
	k, err := newKernel(randomModel(s, 1), s)
	if err != nil {
		f.Fatal(err)
	}
	whole := moduleText(s.Name, k)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("A = b'x'\nKERNEL_DATA = {'a': A, 'b': b\"\"}\n# end"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Import(data, "x.py", s)
		var bad *Error
		switch {
		case err == nil:
			if _, err := newKernel(m, s); err != nil {
				t.Errorf("an imported model cannot be exported: %v", err)
			}
		case !errors.As(err, &bad):
			t.Errorf("error %v has no line", err)
		case bad.Line < 1 || bad.Line > bytes.Count(data, []byte("\n"))+1:
			t.Errorf("error %v on a line that the file does not have", err)
		}
	})
}

func TestCoefficients(t *testing.T) {
	for _, name := range []string{narrow, fixed, "mobiledet_cpu_ibn", "mobilenet_v3_like_search"} {
		s := space(t, name)
		k, err := newKernel(randomModel(s, 1), s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(len(k.weights), coefficients(s)); diff != "" {
			t.Errorf("%s (-exported +wanted by the import):\n%s", s.Name, diff)
		}
	}
}
