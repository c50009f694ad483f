package regress

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/model"
)

// MinNetworks is how many different networks a fit needs. With fewer, the held-out part is too
// small for its figures to mean anything.
const MinNetworks = 20

// Provenance describes where latencies come from. A fit never mixes latencies of different
// provenance.
type Provenance struct {
	Device      string
	Kind        devices.Kind
	Precision   model.Precision
	Estimator   string            // how a network's value is computed from its blocks
	Fingerprint map[string]string // further properties of the device: runtime, threads, harness
}

// ProvenanceOf is the provenance of a sweep's latencies: the device with its fingerprint and
// settings. The estimator depends on the blocks and is left empty.
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

// Data is the input of a fit.
type Data struct {
	Space *sampler.Space
	Provenance
	Observations []Observation
	// Profiles are of networks among the observations, for the profile method alone.
	Profiles []OpProfile
	// MeasuredUntil is when the last of the measurements ended; zero = unknown.
	MeasuredUntil time.Time
	// NoiseDF are the degrees of freedom behind the observations' SDs; 0 = the SDs are exact.
	NoiseDF int
}

// TooFewError is a fit with fewer different networks than required.
type TooFewError struct {
	Have, Need int
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("%d networks measured, a fit needs at least %d: measure more (`sweep` with a larger -n, or a longer list)", e.Have, e.Need)
}

// ObservationError is a latency or indices that a fit cannot use.
type ObservationError struct {
	Arch   sampler.Arch
	Reason string
}

func (e *ObservationError) Error() string {
	return fmt.Sprintf("network %s (indices %s): %s", e.Arch.ID(), e.Arch, e.Reason)
}

// MixedError reports data of two provenances in one fit or comparison.
type MixedError struct {
	Field string // "device", "kind", "precision", "estimator", "space" or "fingerprint KEY"
	A, B  string
}

func (e *MixedError) Error() string {
	return fmt.Sprintf("%s differs: %q and %q; a fit cannot mix them, choose one", e.Field, e.A, e.B)
}

// Merge joins data of one provenance, for instance several sweeps on one device. If space,
// device, kind, precision, estimator or fingerprint differ, the error is a *MixedError.
func Merge(parts ...Data) (Data, error) {
	if len(parts) == 0 {
		return Data{}, &TooFewError{Have: 0, Need: MinNetworks}
	}
	all := parts[0]
	all.Observations, all.Profiles = slices.Clone(all.Observations), slices.Clone(all.Profiles)
	for _, d := range parts[1:] {
		if err := sameSpace(all.Space, d.Space); err != nil {
			return Data{}, err
		}
		if err := all.Same(d.Provenance); err != nil {
			return Data{}, err
		}
		all.Observations = append(all.Observations, d.Observations...)
		all.Profiles = append(all.Profiles, d.Profiles...)
		all.MeasuredUntil = later(all.MeasuredUntil, d.MeasuredUntil)
		all.NoiseDF += d.NoiseDF
	}
	return all, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// known is nil for a zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// Same returns nil, or a *MixedError for the first field that differs.
func (p Provenance) Same(q Provenance) error {
	for _, f := range []struct{ name, a, b string }{
		{"device", p.Device, q.Device},
		{"kind", string(p.Kind), string(q.Kind)},
		{"precision", string(p.Precision), string(q.Precision)},
	} {
		if f.a != f.b {
			return &MixedError{Field: f.name, A: f.a, B: f.b}
		}
	}
	keys := slices.Sorted(maps.Keys(p.Fingerprint))
	keys = append(keys, slices.Sorted(maps.Keys(q.Fingerprint))...)
	for _, k := range keys {
		a, inA := p.Fingerprint[k]
		b, inB := q.Fingerprint[k]
		if a != b || inA != inB {
			return &MixedError{Field: "fingerprint " + k, A: a, B: b}
		}
	}
	// Last: a difference of settings, such as threads, brings another estimator with it.
	if p.Estimator != q.Estimator {
		return &MixedError{Field: "estimator", A: p.Estimator, B: q.Estimator}
	}
	return nil
}

// network is one row of a fit: a distinct Arch and its latency.
type network struct {
	arch     sampler.Arch
	seconds  float64
	variance float64 // of the latency's logarithm; NaN if unknown
	n        int     // observations averaged
}

// networks checks the observations and averages those of the same Arch (arithmetic mean), so
// that no network is in the training part and the held-out part at once; a fit warns about it.
// Networks are sorted by their indices, so that the store's order does not change the folds.
func (d Data) networks() ([]network, error) {
	if d.Space == nil {
		return nil, fmt.Errorf("the observations have no space")
	}
	for _, o := range d.Observations {
		if err := d.checkObservation(o); err != nil {
			return nil, err
		}
	}
	nets, _ := averaged(d.Observations)
	slices.SortFunc(nets, func(a, b network) int { return slices.Compare(a.arch.Indices, b.arch.Indices) })
	return nets, nil
}

// averaged lists the networks in order of appearance; of is the network of each observation.
func averaged(observations []Observation) (nets []network, of []int) {
	at := make(map[string]int, len(observations))
	for _, o := range observations {
		key := o.Arch.String()
		i, seen := at[key]
		if !seen {
			i = len(nets)
			at[key] = i
			nets = append(nets, network{arch: o.Arch})
		}
		nets[i].seconds += o.Seconds
		nets[i].variance += square(o.SD)
		nets[i].n++
		of = append(of, i)
	}
	for i := range nets {
		nets[i].seconds /= float64(nets[i].n)
		nets[i].variance /= float64(nets[i].n * nets[i].n)
	}
	return nets, of
}

// square is NaN for nil.
func square(sd *float64) float64 {
	if sd == nil {
		return math.NaN()
	}
	return *sd * *sd
}

func (d Data) checkObservation(o Observation) error {
	bad := func(reason string) error { return &ObservationError{Arch: o.Arch, Reason: reason} }
	if o.Arch.Space != d.Space.Name {
		return bad(fmt.Sprintf("its space is %q, the fit's is %q", o.Arch.Space, d.Space.Name))
	}
	if err := d.Space.Check(o.Arch); err != nil {
		return bad(err.Error())
	}
	if math.IsNaN(o.Seconds) || math.IsInf(o.Seconds, 0) {
		return bad(fmt.Sprintf("latency is %v, want a number", o.Seconds))
	}
	if o.Seconds <= 0 {
		return bad(fmt.Sprintf("latency is %v s, want more than 0", o.Seconds))
	}
	return nil
}

// Hash is the sha256 of the space's name and every observation, duplicates included. It does
// not depend on the order: the observations are hashed as sorted lines
// "indices<TAB>seconds", seconds in the shortest form that reads back exactly. Rows of profiles
// follow as lines "indices<TAB>kernel<TAB>seconds", if there are any.
func (d Data) Hash() string {
	type line struct{ indices, seconds string }
	lines := make([]line, len(d.Observations))
	for i, o := range d.Observations {
		lines[i] = line{o.Arch.String(), strconv.FormatFloat(o.Seconds, 'g', -1, 64)}
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.indices, b.indices), cmp.Compare(a.seconds, b.seconds))
	})
	h := sha256.New()
	_, _ = io.WriteString(h, d.Space.Name+"\n")
	for _, l := range lines {
		_, _ = io.WriteString(h, l.indices+"\t"+l.seconds+"\n")
	}
	d.hashProfiles(h)
	return hex.EncodeToString(h.Sum(nil))
}

func (d Data) hashProfiles(h io.Writer) {
	var lines []string
	for _, p := range d.Profiles {
		for _, r := range p.Rows {
			lines = append(lines, p.Arch.String()+"\t"+r.Kernel+"\t"+strconv.FormatFloat(r.Seconds, 'g', -1, 64)+"\n")
		}
	}
	slices.Sort(lines)
	for _, l := range lines {
		_, _ = io.WriteString(h, l)
	}
}

// sameSpace compares the content of spaces, not only their names: a user may edit a file and
// keep its name.
func sameSpace(a, b *sampler.Space) error {
	if a == b {
		return nil
	}
	if a == nil || b == nil {
		return fmt.Errorf("the observations have no space")
	}
	if a.Name != b.Name {
		return &MixedError{Field: "space", A: a.Name, B: b.Name}
	}
	x, err := a.YAML()
	if err != nil {
		return err
	}
	y, err := b.YAML()
	if err != nil {
		return err
	}
	if !bytes.Equal(x, y) {
		return &MixedError{Field: "content of the space", A: a.Name + " (" + shortHash(x) + ")", B: b.Name + " (" + shortHash(y) + ")"}
	}
	return nil
}

func shortHash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])[:12]
}
