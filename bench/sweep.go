package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/model"
)

// SweepSchema is the version of the manifest's JSON.
const SweepSchema = 1

// Sampling says how a sweep's networks were chosen.
type Sampling string

// The ways to choose networks.
const (
	Uniform  Sampling = "uniform"  // seeded, unique, uniform over the space
	Coverage Sampling = "coverage" // seeded, every table entry seen early
	Listed   Sampling = "list"     // a user's own models or archs
)

// Sweep is the manifest: networks x one device under one Protocol and one seed. Its identity
// does not include the number of networks, so a sweep can be resumed and extended.
type Sweep struct {
	SchemaVersion int               `json:"schema_version"`
	ID            string            `json:"id"`
	Space         string            `json:"space,omitempty"`      // empty for a list of models
	SpaceFile     string            `json:"space_file,omitempty"` // canonical YAML of the space
	ModelsHash    string            `json:"models_hash,omitempty"`
	Sampling      Sampling          `json:"sampling"`
	Seed          uint64            `json:"seed"`
	Format        model.Format      `json:"format"`
	Precision     model.Precision   `json:"precision"`
	Input         model.Input       `json:"input,omitempty"` // type of the networks' inputs, if it differs from the activations'
	Device        devices.Info      `json:"device"`
	Protocol      protocol.Protocol `json:"protocol"`
	Run           int               `json:"run,omitempty"` // 0 = first run, n = measured anew for the n-th time

	// Outside the identity.
	Networks int               `json:"networks"` // the most requested so far
	Created  time.Time         `json:"created"`
	Tools    map[string]string `json:"tools,omitempty"` // latlab's own version, writer revision
}

// Rule is how the sweep's blocks become values.
func (s *Sweep) Rule() stats.Rule {
	return stats.Rule{Info: s.Device, Percentile: s.Protocol.Percentile}
}

// LoadSpace reads the space stored in the sweep. It is nil for a list of models. An error is the store's
// fault: latlab wrote the space.
func (s *Sweep) LoadSpace() (*sampler.Space, error) {
	if s.SpaceFile == "" && s.Space == "" {
		return nil, nil
	}
	sp, err := sampler.Load([]byte(s.SpaceFile), s.Space+".yaml")
	if err != nil {
		return nil, fmt.Errorf("the store is damaged: the space of sweep %s cannot be read: %v", s.ID, err) //nolint:errorlint // not the user's file
	}
	return sp, nil
}

// Identity is the first 12 hex digits of sha256 over the request: networks, device by name and
// settings, precision, protocol and seed. It deliberately leaves the device's fingerprint out:
// an upgraded runtime under the same name must be refused (CheckDevice) instead of quietly
// starting a second sweep in the same store.
func (s *Sweep) Identity() string {
	return protocol.Hash(struct {
		Space, SpaceFile, Models, Sampling string
		Seed                               uint64
		Format, Precision                  string
		Input                              string `json:",omitempty"` // added later: older sweeps keep their identity
		Device, Kind, Harness, Delegate    string
		Threads                            int
		CPUs                               []int
		Protocol                           string
		Run                                int `json:",omitempty"` // likewise
	}{
		s.Space, s.SpaceFile, s.ModelsHash, string(s.Sampling), s.Seed, string(s.Format), string(s.Precision), string(s.Input),
		s.Device.Name, string(s.Device.Kind), s.Device.Harness, s.Device.Delegate, s.Device.Threads,
		slices.Sorted(slices.Values(s.Device.CPUs)), s.Protocol.Identity(), s.Run,
	})
}

// Request is the identity of the sweep's first run, which all its runs share.
func (s *Sweep) Request() string {
	first := *s
	first.Run = 0
	return first.Identity()
}

// CheckDevice refuses to continue a sweep on a device that has changed, and lists the changes.
func (s *Sweep) CheckDevice(now devices.Info) error {
	diff := fingerprintDiff(s.Device.Fingerprint, now.Fingerprint)
	if len(diff) == 0 {
		return nil
	}
	return &devices.Error{
		Fault: devices.FaultUser, Op: "resume sweep " + s.ID, Reason: "device changed",
		Err:    fmt.Errorf("device %s has changed since this sweep began: %s", now.Name, strings.Join(diff, "; ")),
		Advice: "its numbers would mix; measure it anew (sweep --again), use another store or seed, or restore the device",
	}
}

// CheckTwin refuses to continue a sweep on a device that differs from the sweep's in more than its unit, and lists how.
func (s *Sweep) CheckTwin(now devices.Info) error {
	diff := fingerprintDiff(twinPrint(s.Device), twinPrint(now))
	if len(diff) == 0 {
		return nil
	}
	return &devices.Error{
		Fault: devices.FaultUser, Op: "resume sweep " + s.ID, Reason: "no twin",
		Err:    fmt.Errorf("device %s is no twin of %s and does not get its work: %s", now.Name, s.Device.Name, strings.Join(diff, "; ")),
		Advice: "a twin has the same model, build and runtime",
	}
}

// twinPrint is what twins have in common.
func twinPrint(d devices.Info) map[string]string {
	f := map[string]string{
		"kind": string(d.Kind), "harness": d.Harness, "delegate": d.Delegate, "threads": fmt.Sprint(d.Threads),
		"affinity": fmt.Sprint(d.CPUs), "computed_in": fmt.Sprint(d.Compute),
	}
	maps.Copy(f, d.Fingerprint)
	maps.DeleteFunc(f, func(k, _ string) bool { return slices.Contains(devices.UnitKeys, k) })
	return f
}

func fingerprintDiff(was, is map[string]string) []string {
	all := maps.Clone(is)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, was)
	var diff []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if was[k] != is[k] {
			diff = append(diff, fmt.Sprintf("%s was %q, is %q", k, was[k], is[k]))
		}
	}
	return diff
}
