package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/regress"
)

// CostModel is a cost model for the metrics.
type CostModel struct {
	Name     string // its name in requests
	Model    *regress.CostModel
	Modified time.Time // of its file
	Failures int       // reads that found the file broken or missing
}

// NewCostCollector returns the metrics of the current cost models. Figures that were not
// computed have no series.
func NewCostCollector(models func() []CostModel) prometheus.Collector {
	descs := descriptions("latlab_cost_model_")
	delete(descs, "latlab_cost_model_predictions_total") // exporters/web counts them
	return &costCollector{models: models, descs: descs}
}

type costCollector struct {
	models func() []CostModel
	descs  map[string]*prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *costCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *costCollector) Collect(ch chan<- prometheus.Metric) {
	out := sink{c.descs, ch}
	for _, m := range c.models() {
		f, of := m.Model.Figures, []string{m.Name, m.Model.Device}
		out.gauge("latlab_cost_model_info", 1, append(of, string(m.Model.Kind), m.Model.Space, m.Model.Method, string(m.Model.Precision))...)
		for _, figure := range []struct {
			name  string
			value *float64
		}{
			{"latlab_cost_model_r2", f.R2}, {"latlab_cost_model_mape_ratio", f.MAPE}, {"latlab_cost_model_noise_ceiling_r2", f.NoiseCeilingR2},
		} {
			if figure.value != nil {
				out.gauge(figure.name, *figure.value, of...)
			}
		}
		out.gauge("latlab_cost_model_train_networks", float64(f.NTrain), of...)
		out.gauge("latlab_cost_model_test_networks", float64(f.NTest), of...)
		if !m.Modified.IsZero() {
			out.gauge("latlab_cost_model_modified_timestamp_seconds", seconds(m.Modified), of...)
		}
		if until := m.Model.MeasuredUntil; until != nil {
			out.gauge("latlab_cost_model_measured_timestamp_seconds", seconds(*until), of...)
		}
		out.counter("latlab_cost_model_read_failures_total", float64(m.Failures), m.Name)
	}
}
