package web

import (
	"context"
	"encoding/json"
	"net/http"
)

// targetGroup is what Prometheus' http_sd_configs reads.
//
// Source: Prometheus, "Writing HTTP service discovery": a JSON list, the content type
// application/json, the status 200, the whole list each time.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// discovery serves /sd: the devices that /probe accepts, with labels for the scrape
// configuration. A target is a device's name, not an address: docs/serving.md has the
// relabelling that makes it the parameter of /probe.
func (h *handler) discovery(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.o.Limits.ProbeTimeout)
	defer cancel()
	groups := []targetGroup{}
	for _, t := range h.o.Prober.Targets(ctx) {
		groups = append(groups, targetGroup{[]string{t.Name}, map[string]string{
			"device": t.Name, "kind": t.Kind,
			"__meta_latlab_device": t.Name, "__meta_latlab_kind": t.Kind,
			"__meta_latlab_transport": t.Transport, "__meta_latlab_source": t.Source,
		}})
	}
	body, err := json.Marshal(groups)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}
