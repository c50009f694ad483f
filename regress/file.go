package regress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"latlab/devices"
	"latlab/internal/atomicfile"
	"latlab/internal/text"
	"latlab/sampler"
	"latlab/sampler/model"
)

// maxFile limits a cost model's file: a table of some ten million slots.
const maxFile = 256 << 20

// VersionError is a file of a newer schema than this program supports.
type VersionError struct {
	File        string
	Have, Known int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s: cost model of schema version %d, this program knows up to %d: use a newer one", e.File, e.Have, e.Known)
}

// FileError is a file that is not a valid cost model.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string { return e.File + ": not a cost model: " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Write writes the model as indented JSON. Numbers read back to the same bits.
func (m *CostModel) Write(w io.Writer) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("cost model of %s: %w", m.Space, err)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(m)
}

// Save writes the model to a file, completely or not at all.
func (m *CostModel) Save(path string) error { return atomicfile.Write(path, m.Write) }

// Load reads a cost model that Save wrote, and its space. It is strict: a newer version is a
// *VersionError; unknown or missing fields, a table whose shape differs from the space's, and
// numbers that are not finite are a *FileError. Both name the file.
func Load(path string) (*CostModel, *sampler.Space, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return Read(f, path)
}

// Read is Load from a stream; file names it in errors.
func Read(r io.Reader, file string) (*CostModel, *sampler.Space, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	if bytes.HasPrefix(data, []byte("SQLite format 3\x00")) {
		return nil, nil, &FileError{file, errors.New("it is a store of sweeps; `latlab fit --db` fits a cost model to it")}
	}
	if len(data) > maxFile {
		return nil, nil, &FileError{file, fmt.Errorf("larger than %d MiB", maxFile>>20)}
	}
	m, s, err := parse(data, file)
	var version *VersionError
	switch {
	case err == nil || errors.As(err, &version):
	case isFeatureModel(data):
		err = &FileError{file, errors.New("it is of listed models and weighs features (docs/models.md); a table takes a sweep of --space")}
	default:
		if why := text.WrongKind(data, file, text.CostModel); why != "" {
			err = errors.New(why)
		}
		err = &FileError{file, err}
	}
	if err != nil {
		return nil, nil, err
	}
	return m, s, nil
}

func parse(data []byte, file string) (*CostModel, *sampler.Space, error) {
	// Read the version first: a newer file may have fields that this program does not know.
	var version struct {
		SchemaVersion *int `json:"schema_version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, nil, err
	}
	switch v := version.SchemaVersion; {
	case v == nil || *v < 1:
		return nil, nil, errors.New("no schema_version of 1 or more")
	case *v > SchemaVersion:
		return nil, nil, &VersionError{File: file, Have: *v, Known: SchemaVersion}
	}
	m := &CostModel{Bias: math.NaN()} // stays NaN if the file has none
	if err := decodeStrict(data, m); err != nil {
		return nil, nil, err
	}
	if err := m.check(); err != nil {
		return nil, nil, err
	}
	s, err := m.space(file)
	if err != nil {
		return nil, nil, err
	}
	if err := m.CheckSpace(s); err != nil {
		return nil, nil, err
	}
	return m, s, checkSource(m.Device, m.Kind, m.Precision, m.Method)
}

func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one JSON document")
	}
	return nil
}

// UnmarshalJSON refuses null weights, which encoding/json would read as 0.
func (t *TablePosition) UnmarshalJSON(data []byte) error {
	var raw struct {
		Name    string     `json:"name"`
		Weights []*float64 `json:"weights_seconds"`
		Seen    []*int     `json:"seen"`
	}
	if err := decodeStrict(data, &raw); err != nil {
		return err
	}
	*t = TablePosition{Name: raw.Name, Weights: make([]float64, len(raw.Weights)), Seen: make([]int, len(raw.Seen))}
	for i, w := range raw.Weights {
		if w == nil {
			return fmt.Errorf("position %q: weight %d is null", raw.Name, i)
		}
		t.Weights[i] = *w
	}
	for i, n := range raw.Seen {
		if n == nil || *n < 0 {
			return fmt.Errorf("position %q: seen %d is not a count", raw.Name, i)
		}
		t.Seen[i] = *n
	}
	return nil
}

// check verifies what holds for a model of any space.
func (m *CostModel) check() error {
	if m.SchemaVersion != SchemaVersion {
		return fmt.Errorf("schema_version is %d, want %d", m.SchemaVersion, SchemaVersion)
	}
	if m.Space == "" {
		return errors.New("space is missing")
	}
	if m.Unit != Unit {
		return fmt.Errorf("unit is %q, want %q", m.Unit, Unit)
	}
	if math.IsNaN(m.Bias) || math.IsInf(m.Bias, 0) {
		return fmt.Errorf("bias_seconds is missing or not a number")
	}
	for _, t := range m.Table {
		if len(t.Seen) != len(t.Weights) {
			return fmt.Errorf("position %q: %d weights, but %d counts of networks seen", t.Name, len(t.Weights), len(t.Seen))
		}
		for e, w := range t.Weights {
			if math.IsNaN(w) || math.IsInf(w, 0) {
				return fmt.Errorf("position %q: weight %d is %v", t.Name, e, w)
			}
		}
	}
	return nil
}

// checkSource refuses a file that does not say where its latencies come from: without its kind, a
// simulator's would lose the word SIMULATED. Every version of latlab wrote these fields.
func checkSource(device string, kind devices.Kind, p model.Precision, method string) error {
	kinds := []devices.Kind{devices.Measured, devices.Estimated, devices.Simulated}
	precisions := []model.Precision{model.Float32, model.Int8, "int16"}
	switch {
	case device == "":
		return errors.New("device is missing")
	case kind == "":
		return fmt.Errorf("kind is missing, want one of %s", text.Or(kinds))
	case !slices.Contains(kinds, kind):
		return fmt.Errorf("kind is %q, want one of %s", kind, text.Or(kinds))
	case p == "":
		return fmt.Errorf("precision is missing, want one of %s", text.Or(precisions))
	case !slices.Contains(precisions, p):
		return fmt.Errorf("precision is %q, want one of %s", p, text.Or(precisions))
	case method == "":
		return errors.New("method is missing")
	}
	return nil
}

// space is the space stored in the model, or the built-in one with its name.
func (m *CostModel) space(file string) (*sampler.Space, error) {
	if m.SpaceFile == "" {
		return sampler.Builtin(m.Space)
	}
	s, err := sampler.Load([]byte(m.SpaceFile), file+": space_file")
	if err != nil {
		return nil, err
	}
	if s.Name != m.Space {
		return nil, fmt.Errorf("space is %q, but the space in space_file is %q", m.Space, s.Name)
	}
	return s, nil
}

// CheckSpace reports where the table differs from the space's positions.
func (m *CostModel) CheckSpace(s *sampler.Space) error {
	if s.Name != m.Space {
		return fmt.Errorf("the cost model is for space %s, not for %s", m.Space, s.Name)
	}
	ps := s.Positions()
	if len(ps) != len(m.Table) {
		return fmt.Errorf("table has %d positions, space %s has %d", len(m.Table), s.Name, len(ps))
	}
	for i, p := range ps {
		t := m.Table[i]
		if t.Name != p.Name {
			return fmt.Errorf("table position %d is %q, in space %s it is %q", i, t.Name, s.Name, p.Name)
		}
		if len(t.Weights) != p.Slots() {
			return fmt.Errorf("position %s has %d weights, space %s has %d", p.Name, len(t.Weights), s.Name, p.Slots())
		}
	}
	return nil
}
