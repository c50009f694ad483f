// Package tunas writes a cost model for TuNAS (google-research/google-research, tunas/):
//
//	cost_model_data.py   KERNEL_DATA and BIAS_DATA, what cost_model_lib.estimate_cost reads
//	model_spec.json      the space as schema_io JSON, which pins the order of the kernel
//	manifest.json        what the two omit: device, figures, counts, checksums
//	notes.json           what all three omit, and what a search must add
//
// TuNAS uses milliseconds and float32, unlike the rest of latlab. Its cost_model_lib and
// mobile_cost_model need no change to read the files. Its own spaces need no change at all, because the built-in
// ones of their names have its indices and table. A MobileDet space needs three namedtuples
// that TuNAS does not have (FusedConvSpec, TuckerConvSpec, NoExpansionSpec) and a branch in
// get_search_space_spec. It has no ActivationSpec or DetectionEndpointSpec layers:
// coupled_tf_features would give each of them its own features.
//
// Import reads such a module back, TuNAS's own too (read.go).
//
// The package never changes a prediction: what TuNAS computes from the files is
// CostModel.Predict x 1000 to float32 accuracy.
package tunas

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"latlab/devices"
	"latlab/sampler/model"

	"latlab/internal/atomicfile"
	"latlab/regress"
	"latlab/sampler"
)

// The names of the files.
const (
	DataFile     = "cost_model_data.py"
	SpecFile     = "model_spec.json"
	ManifestFile = "manifest.json"
	NotesFile    = "notes.json"
)

// Write writes the files into a directory, which it creates if necessary. The manifest is
// written after the files whose checksums it has, so if it exists they are complete.
func Write(dir string, m *regress.CostModel, s *sampler.Space) error {
	data, spec, manifest, err := encode(m, s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{DataFile, data}, {SpecFile, spec}, {ManifestFile, manifest}} {
		err := atomicfile.Write(filepath.Join(dir, f.name), func(w io.Writer) error {
			_, err := w.Write(f.data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return Notes(m, s).Write(filepath.Join(dir, NotesFile))
}

func encode(m *regress.CostModel, s *sampler.Space) (data, spec, manifest []byte, err error) {
	k, err := newKernel(m, s)
	if err != nil {
		return nil, nil, nil, err
	}
	data = moduleText(s.Name, k)
	if spec, err = Spec(s); err != nil {
		return nil, nil, nil, err
	}
	manifest, err = k.manifest(m, s, data, spec)
	return data, spec, manifest, err
}

// kernel is a cost model in the form that TuNAS multiplies.
type kernel struct {
	weights []float32 // milliseconds, in the order of coupled_tf_features
	bias    float32   // milliseconds
	dropped []string  // positions with one entry, whose weight is in the bias
}

// newKernel lays the table out in the order of coupled_tf_features: the table's own order,
// position after position. TuNAS drops a position with one entry; every network uses
// that entry, so its weight moves into the bias. If all positions are dropped, TuNAS has one
// feature that is always 1: it gets weight 0.
func newKernel(m *regress.CostModel, s *sampler.Space) (kernel, error) {
	if err := m.CheckSpace(s); err != nil {
		return kernel{}, err
	}
	var k kernel
	bias := m.Bias
	for i, p := range s.Positions() {
		w := m.Table[i].Weights
		if len(w) == 1 {
			bias += w[0]
			k.dropped = append(k.dropped, p.Name)
			continue
		}
		for e, x := range w {
			if !p.Reachable(e) {
				x = 0
			}
			k.weights = append(k.weights, milliseconds(x))
		}
	}
	if len(k.weights) == 0 {
		k.weights = []float32{0}
	}
	k.bias = milliseconds(bias)
	return k, k.check()
}

func milliseconds(seconds float64) float32 { return float32(seconds * 1000) }

func (k kernel) check() error {
	for _, x := range append([]float32{k.bias}, k.weights...) {
		if math.IsInf(float64(x), 0) || math.IsNaN(float64(x)) {
			return errors.New("a weight is out of range of float32, which TuNAS needs")
		}
	}
	return nil
}

// moduleText is cost_model_data.py. The line break before the base64 text is as in the original;
// base64.decodebytes skips it.
func moduleText(space string, k kernel) []byte {
	name := constant(space)
	var b bytes.Buffer
	b.WriteString("\"\"\"Auto-generated file with data for cost models, in milliseconds.\"\"\"\n\n")
	b.WriteString("SERIALIZATION_DTYPE = '>f4'\n\n")
	fmt.Fprintf(&b, "_%s_KERNEL = b\"\"\"\n%s\"\"\"\n\n", name, encodeBytes(k.weights))
	fmt.Fprintf(&b, "_%s_BIAS = b\"\"\"\n%s\"\"\"\n\n", name, encodeBytes([]float32{k.bias}))
	fmt.Fprintf(&b, "KERNEL_DATA = {\n    '%s': _%s_KERNEL,\n}\n\n", space, name)
	fmt.Fprintf(&b, "BIAS_DATA = {\n    '%s': _%s_BIAS,\n}\n", space, name)
	return b.Bytes()
}

// constant is a space's name as part of a Python constant. The loader ensures that names have
// only letters, digits, "_", "-" and ".".
func constant(space string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, space))
}

// lineBytes is the number of bytes in a line of base64.encodebytes, 76 characters.
const lineBytes = 57

// encodeBytes is base64.encodebytes of big-endian float32.
func encodeBytes(values []float32) string {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.BigEndian.AppendUint32(raw, math.Float32bits(v))
	}
	var b strings.Builder
	for len(raw) > 0 {
		n := min(lineBytes, len(raw))
		b.WriteString(base64.StdEncoding.EncodeToString(raw[:n]))
		b.WriteByte('\n')
		raw = raw[n:]
	}
	return b.String()
}

// Manifest is manifest.json.
type Manifest struct {
	SchemaVersion int               `json:"schema_version"`
	SSD           string            `json:"ssd"` // key of KERNEL_DATA: the space's name
	Unit          string            `json:"unit"`
	Device        string            `json:"device"`
	Kind          devices.Kind      `json:"kind"`
	Precision     model.Precision   `json:"precision"`
	Estimator     string            `json:"estimator"`
	Method        string            `json:"method"`
	Fingerprint   map[string]string `json:"fingerprint,omitempty"`
	DataHash      string            `json:"data_hash"`
	MeasuredUntil *time.Time        `json:"measured_until,omitempty"` // absent = unknown
	// Decisions is the length of `indices`, Coefficients that of the kernel.
	Decisions    int     `json:"decisions"`
	Coefficients int     `json:"coefficients"`
	BiasMS       float32 `json:"bias_ms"`
	// InBias are the positions with one entry: TuNAS has no feature for them.
	InBias []string `json:"in_bias"`
	// Gauge says which of the equivalent tables this is; only predictions compare.
	Gauge    string            `json:"gauge"`
	Figures  regress.Figures   `json:"figures"`
	Warnings []string          `json:"warnings"`
	SHA256   map[string]string `json:"sha256"` // of the other two files
}

func (k kernel) manifest(m *regress.CostModel, s *sampler.Space, data, spec []byte) ([]byte, error) {
	out, err := json.MarshalIndent(Manifest{
		SchemaVersion: 1, SSD: s.Name, Unit: "milliseconds",
		Device: m.Device, Kind: m.Kind, Precision: m.Precision, Estimator: m.Estimator, Method: m.Method,
		Fingerprint: m.Fingerprint, DataHash: m.DataHash, MeasuredUntil: m.MeasuredUntil,
		Decisions: len(s.Decisions()), Coefficients: len(k.weights), BiasMS: k.bias,
		InBias: append([]string{}, k.dropped...), Gauge: gauge(m),
		Figures: m.Figures, Warnings: append(append([]string{}, m.Warnings...), lost(s)...),
		SHA256: map[string]string{DataFile: sum(data), SpecFile: sum(spec)},
	}, "", "  ")
	return append(out, '\n'), err
}

func gauge(m *regress.CostModel) string {
	if m.Method == Imported {
		return "as imported"
	}
	return "as fitted"
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
