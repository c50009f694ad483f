package regress

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

// MinNetworks is how many different networks a fit needs. Fewer leave so little held out
// that no figure would mean anything.
const MinNetworks = 20

// Provenance says where latencies come from. Numbers of different provenance are never
// mixed in a fit.
type Provenance struct {
	Device      string
	Kind        devices.Kind
	Precision   model.Precision
	Estimator   string            // how a network's value came from its blocks
	Fingerprint map[string]string // what else identifies the device: runtime, threads, harness
}

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

// Data is what a fit takes.
type Data struct {
	Space *sampler.Space
	Provenance
	Observations []Observation
	// MeasuredUntil is when the last of the measurements ended; zero = not known.
	MeasuredUntil time.Time
}

// TooFewError is a fit with fewer different networks than it needs.
type TooFewError struct {
	Have, Need int
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("%d networks measured, a fit needs at least %d: measure more (`sweep` with a larger -n, or a longer list)", e.Have, e.Need)
}

// ObservationError is a latency or indices that no fit can use.
type ObservationError struct {
	Arch   sampler.Arch
	Reason string
}

func (e *ObservationError) Error() string {
	return fmt.Sprintf("network %s (indices %s): %s", e.Arch.ID(), e.Arch, e.Reason)
}

// MixedError is data of two provenances in one fit.
type MixedError struct {
	Field string // "device", "kind", "precision", "estimator", "space" or "fingerprint KEY"
	A, B  string
}

func (e *MixedError) Error() string {
	return fmt.Sprintf("%s differs: %q and %q; a fit never mixes them, choose one", e.Field, e.A, e.B)
}

// Merge joins data of one provenance, for instance several sweeps on one device. Data that
// differ in space, device, kind, precision, estimator or fingerprint are a *MixedError.
func Merge(parts ...Data) (Data, error) {
	if len(parts) == 0 {
		return Data{}, &TooFewError{Have: 0, Need: MinNetworks}
	}
	all := parts[0]
	all.Observations = slices.Clone(all.Observations)
	for _, d := range parts[1:] {
		if err := sameSpace(all.Space, d.Space); err != nil {
			return Data{}, err
		}
		if err := all.Same(d.Provenance); err != nil {
			return Data{}, err
		}
		all.Observations = append(all.Observations, d.Observations...)
		all.MeasuredUntil = later(all.MeasuredUntil, d.MeasuredUntil)
	}
	return all, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// known is nil for a time that is not.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// Same is nil, or a *MixedError for the first field that differs.
func (p Provenance) Same(q Provenance) error {
	for _, f := range []struct{ name, a, b string }{
		{"device", p.Device, q.Device},
		{"kind", string(p.Kind), string(q.Kind)},
		{"precision", string(p.Precision), string(q.Precision)},
		{"estimator", p.Estimator, q.Estimator},
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
	return nil
}

// network is one row of a fit: a distinct Arch and its latency.
type network struct {
	arch    sampler.Arch
	seconds float64
	n       int // observations averaged
}

// networks checks the observations and joins those of one Arch into their arithmetic mean.
// Joining is what keeps a network out of the training part and the held-out part at once;
// a fit warns when it happened. Networks come sorted by their indices, so that the order
// in which a store gives them changes no fold.
func (d Data) networks() ([]network, error) {
	if d.Space == nil {
		return nil, fmt.Errorf("no space given with the observations")
	}
	var nets []network
	at := make(map[string]int, len(d.Observations))
	for _, o := range d.Observations {
		if err := d.checkObservation(o); err != nil {
			return nil, err
		}
		key := o.Arch.String()
		i, seen := at[key]
		if !seen {
			i = len(nets)
			at[key] = i
			nets = append(nets, network{arch: o.Arch})
		}
		nets[i].seconds += o.Seconds
		nets[i].n++
	}
	for i := range nets {
		nets[i].seconds /= float64(nets[i].n)
	}
	slices.SortFunc(nets, func(a, b network) int { return slices.Compare(a.arch.Indices, b.arch.Indices) })
	return nets, nil
}

func (d Data) checkObservation(o Observation) error {
	bad := func(reason string) error { return &ObservationError{Arch: o.Arch, Reason: reason} }
	if o.Arch.Space != d.Space.Name {
		return bad(fmt.Sprintf("is of space %q, the fit is of %q", o.Arch.Space, d.Space.Name))
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

// Hash is the sha256 of the space's name and every observation, duplicates included. The
// order of the observations does not matter: they are hashed as sorted lines
// "indices<TAB>seconds", seconds in the shortest form that reads back exactly.
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
	fmt.Fprintln(h, d.Space.Name)
	for _, l := range lines {
		fmt.Fprintf(h, "%s\t%s\n", l.indices, l.seconds)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sameSpace compares what spaces say, not their names alone: a user may edit a file and
// keep its name.
func sameSpace(a, b *sampler.Space) error {
	if a == b {
		return nil
	}
	if a == nil || b == nil {
		return fmt.Errorf("no space given with the observations")
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
		return &MixedError{Field: "space of the same name", A: a.Name + " (" + shortHash(x) + ")", B: b.Name + " (" + shortHash(y) + ")"}
	}
	return nil
}

func shortHash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])[:12]
}
