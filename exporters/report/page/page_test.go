package page

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/exporters/report"
	"latlab/exporters/report/reporttest"
	"latlab/exporters/report/reporttest/cases"
)

// FuzzNames: whatever the names of devices and networks, the page has only its own two scripts, no
// style or image from a name, and its data can be read.
func FuzzNames(f *testing.F) {
	for i := range 11 {
		f.Add(cases.Hostile(i), cases.Hostile(10-i))
	}
	f.Add(`\u003c/script>`, "\xff\xfe")
	f.Fuzz(func(t *testing.T, device, network string) {
		st := memory.New()
		m := reporttest.Add(t, st, reporttest.Spec{Networks: 2, Device: device, Listed: true, Name: func(int) string { return network }})
		var b bytes.Buffer
		if err := Write(&b, cases.Collect(t, st, []bench.Sweep{m}, nil, report.Options{}), network); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		for tag, want := range map[string]int{"<script": 2, "</script": 2, "<style": 1, "</style": 1, "<img": 0, "<!--": 0, "<iframe": 0} {
			if n := strings.Count(strings.ToLower(page), tag); n != want {
				t.Errorf("%d times %s, want %d", n, tag, want)
			}
		}
		_, data, _ := strings.Cut(page, `id="data">`)
		data, _, _ = strings.Cut(data, "</script>")
		var read struct {
			SchemaVersion int `json:"schema_version"`
			Sweeps        []struct {
				Label   []string   `json:"label"`
				Seconds []*float64 `json:"latency_seconds"`
			} `json:"sweeps"`
		}
		if err := json.Unmarshal([]byte(data), &read); err != nil {
			t.Fatal(err)
		}
		want := string([]rune(network)) // each invalid byte becomes a replacement character
		if read.SchemaVersion != 1 || len(read.Sweeps) != 1 || len(read.Sweeps[0].Seconds) != 2 || read.Sweeps[0].Label[0] != want {
			t.Errorf("data are %+v, want label %q", read, want)
		}
	})
}

func TestEmptyChartsSayWhy(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 5, InvalidEvery: 1})
	d := cases.Collect(t, st, []bench.Sweep{m}, nil, report.Options{LeaveOutInvalid: true})
	page := &strings.Builder{}
	if err := Write(page, d, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no network with a latency is shown", "No block is shown."} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
