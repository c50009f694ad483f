package card

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/regress"
)

// metadata is what the Hub reads. Figures that nobody computed are not in it: it has no null.
type metadata struct {
	Library  string       `yaml:"library_name"`
	Pipeline string       `yaml:"pipeline_tag,omitempty"`
	Tags     []string     `yaml:"tags"`
	Metrics  []string     `yaml:"metrics,omitempty"`
	Index    []modelIndex `yaml:"model-index,omitempty"`
}

type modelIndex struct {
	Name    string        `yaml:"name"`
	Results []modelResult `yaml:"results"`
}

type modelResult struct {
	Task    typed    `yaml:"task"`
	Dataset typed    `yaml:"dataset"`
	Metrics []metric `yaml:"metrics"`
}

type typed struct {
	Type string `yaml:"type"`
	Name string `yaml:"name"`
}

type metric struct {
	Type  string  `yaml:"type"`
	Name  string  `yaml:"name"`
	Value float64 `yaml:"value"`
}

func frontMatter(d *report.Data) (string, error) {
	m := metadata{Library: "latlab", Tags: []string{"latency", "latlab"}}
	for _, k := range d.Kinds() {
		m.Tags = append(m.Tags, describe.Plain(string(k)))
	}
	for i := range d.Fits {
		f := &d.Fits[i]
		m.Pipeline = "tabular-regression"
		metrics := cardMetrics(f.Model.Figures)
		for _, x := range metrics {
			if !slices.Contains(m.Metrics, x.Type) {
				m.Metrics = append(m.Metrics, x.Type)
			}
		}
		if len(metrics) == 0 {
			continue // the Hub refuses a result without one
		}
		m.Index = append(m.Index, modelIndex{describe.Plain(filepath.Base(f.File)), []modelResult{{
			Task:    typed{"tabular-regression", "latency of a network from its layers"},
			Dataset: typed{"latlab-sweep", describe.Plain(fmt.Sprintf("held-out networks of %s on %s, %s", f.Model.Space, f.Model.Device, f.Model.Kind))},
			Metrics: metrics,
		}}})
	}
	b, err := yaml.Marshal(m)
	return string(b), err
}

func cardMetrics(g regress.Figures) []metric {
	var all []metric
	for _, x := range []struct {
		kind, name string
		value      *float64
	}{
		{"r_squared", "r2, held out", g.R2}, {"mape", "MAPE, held out, a ratio", g.MAPE}, {"rmse", "RMSE, held out, seconds", g.RMSESeconds},
		{"spearmanr", "Spearman, held out", g.Spearman},
	} {
		if x.value != nil && !describe.Unknown(*x.value) {
			// Six digits are far below what another split would change.
			all = append(all, metric{x.kind, x.name, sixDigits(*x.value)})
		}
	}
	return all
}

func sixDigits(x float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	if err != nil {
		return x
	}
	return rounded
}
