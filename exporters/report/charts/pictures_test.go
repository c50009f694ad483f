package charts

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/exporters/report/reporttest"
	"latlab/exporters/report/reporttest/cases"
)

// svgOf reads a picture as any viewer would: its texts, and the number of each element.
func svgOf(t testing.TB, p *Picture) (texts []string, elements map[string]int) {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b, "svg"); err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	elements = map[string]int{}
	dec := xml.NewDecoder(&b)
	inText := false
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return texts, elements
		}
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			elements[x.Name.Local]++
			inText = x.Name.Local == "text"
			for _, a := range x.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "alert") {
					t.Errorf("%s: attribute %s=%q", p.Name, a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			if inText {
				texts = append(texts, string(x))
			}
		case xml.EndElement:
			inText = false
		}
	}
}

// TestPicturesOfAnything: everything that a page can show has pictures that name the kind of their
// numbers, are XML whatever the names are, and are the same each time.
func TestPicturesOfAnything(t *testing.T) {
	for _, c := range cases.All() {
		t.Run(c.Name, func(t *testing.T) {
			if testing.Short() && c.Large {
				t.Skip("large")
			}
			d := c.Make(t)
			var kinds []string
			for _, k := range d.Kinds() {
				kinds = append(kinds, describe.Kind(k))
			}
			names := map[string]bool{}
			for _, p := range Pictures(d) {
				if names[p.Name] || p.Name != fileWord(p.Name) {
					t.Errorf("%q is there twice, or no name for a file", p.Name)
				}
				names[p.Name] = true
				texts, elements := svgOf(t, &p)
				for e := range elements {
					if !slices.Contains([]string{"svg", "title", "g", "rect", "circle", "path", "text"}, e) {
						t.Errorf("%s has an element %s", p.Name, e)
					}
				}
				words := strings.Join(texts, " ")
				if !slices.ContainsFunc(kinds, func(k string) bool { return strings.Contains(words, ", "+k+" "+k+" ") }) {
					t.Errorf("%s does not say its kind in the title and on the badge: %q", p.Name, words)
				}
				var one, two bytes.Buffer
				if err := errors.Join(p.Write(&one, "svg"), p.Write(&two, "svg")); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
					t.Errorf("%s differs from time to time, or %v", p.Name, err)
				}
			}
			if len(d.Sweeps) > 0 && len(names) == 0 {
				t.Error("no pictures of a sweep")
			}
		})
	}
}

// TestHostileNamesInPictures: hostile names appear as text.
func TestHostileNamesInPictures(t *testing.T) {
	d := cases.HostileData(t)
	for _, p := range Pictures(d) {
		texts, _ := svgOf(t, &p)
		words := strings.Join(texts, " ")
		if strings.HasPrefix(p.Name, "verdicts-"+d.Sweeps[0].Manifest.ID) && !strings.Contains(words, cases.HostileDevice) {
			t.Errorf("%s does not name the device: %s", p.Name, words)
		}
		if strings.ContainsAny(words, "\u202e\u2028\x00") {
			t.Errorf("%s turns or breaks what follows: %q", p.Name, words)
		}
	}
}

// manyData is a sweep of n networks with a cost model.
func manyData(t testing.TB, n int) *report.Data {
	t.Helper()
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 40, InvalidEvery: 7})
	cost := report.Cost{File: "cost.json", Model: reporttest.Fit(t, st, m, reporttest.Tiny(t)), Space: reporttest.Tiny(t)}
	d := cases.Collect(t, st, []bench.Sweep{m}, []report.Cost{cost}, report.Options{Now: reporttest.Began()})
	cases.Repeated(d, n, 20)
	return d
}

// TestPicturesOf50000: no picture grows with the networks.
func TestPicturesOf50000(t *testing.T) {
	for _, p := range Pictures(manyData(t, 50000)) {
		_, elements := svgOf(t, &p)
		n := 0
		for _, k := range elements {
			n += k
		}
		if n > 8000 {
			t.Errorf("%s has %d elements", p.Name, n)
		}
	}
}

// TestWriteFiles: the folder is created, each file is a picture that is not empty, and each
// kind has its own file.
func TestWriteFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("draws millions of pixels")
	}
	st := memory.New()
	a := reporttest.Add(t, st, reporttest.Spec{Networks: 40, InvalidEvery: 5})
	b := reporttest.Add(t, st, reporttest.Spec{Networks: 12, Device: "phone", Kind: devices.Measured})
	cost := report.Cost{File: "cost.json", Model: reporttest.Fit(t, st, a, reporttest.Tiny(t)), Space: reporttest.Tiny(t)}
	d := cases.Collect(t, st, []bench.Sweep{a, b}, []report.Cost{cost}, report.Options{Now: reporttest.Began()})
	dir := filepath.Join(t.TempDir(), "deep", "pictures")
	if err := WriteFiles(dir, "png", d); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		colours := pixelColours(t, filepath.Join(dir, f.Name()))
		if colours < 20 {
			t.Errorf("%s has %d colours", f.Name(), colours)
		}
	}
	for _, want := range []string{
		"latency-simulated", "latency-measured", "verdicts-" + a.ID, "time-" + b.ID, "intervals-" + a.ID, "budgets-" + b.ID,
		"cost1-predicted-" + a.ID, "cost1-errors-" + a.ID, "cost1-residuals-" + a.ID, "cost1-table",
	} {
		if !slices.Contains(names, want+".png") {
			t.Errorf("no %s.png in %v", want, names)
		}
	}
	if err := WriteFiles(dir, "gif", d); err == nil {
		t.Error("a gif is written")
	}
}

func pixelColours(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	seen := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 6 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 6 {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	return len(seen)
}
