package regress

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"latlab/bench"
)

// ProvenanceOf is what a fit or comparison must not mix of a sweep's latencies: the device with
// its fingerprint and settings. The estimator is a matter of the blocks and left empty.
func ProvenanceOf(m bench.Sweep) Provenance {
	f := maps.Clone(m.Device.Fingerprint)
	if f == nil {
		f = map[string]string{}
	}
	f["harness"], f["threads"], f["delegate"] = m.Device.Harness, strconv.Itoa(m.Device.Threads), m.Device.Delegate
	if len(m.Device.CPUs) > 0 {
		f["affinity"] = strings.Trim(fmt.Sprint(m.Device.CPUs), "[]")
	}
	return Provenance{Device: m.Device.Name, Kind: m.Device.Kind, Precision: m.Precision, Fingerprint: f}
}
