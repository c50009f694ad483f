package tunas

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/model"
)

// Imported is the method of a cost model that Import made.
const Imported = "imported"

// The devices of imported cost models. A module does not say what was timed: TuNAS's own is known by its biases.
const (
	PublishedDevice = "pixel1-published-by-tunas"
	UnknownDevice   = "unknown-imported-from-tunas"
)

// publishedBiases are the biases of the module in google-research/tunas, in milliseconds.
func publishedBiases() map[string]float32 {
	return map[string]float32{
		"proxylessnas_search":          92.13599395751953,
		"proxylessnas_enlarged_search": 116.6797103881836,
		"mobilenet_v3_like_search":     79.15471649169922,
	}
}

// Error is a file that is not a cost_model_data.py, or not one of the space.
type Error struct {
	File string
	Line int // from 1
	Msg  string
}

// Error is "cost_model_data.py:12: ...".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// maxModule limits a module: a table of some five million entries.
const maxModule = 64 << 20

// ImportFile is Import of a file.
func ImportFile(path string, s *sampler.Space) (*regress.CostModel, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxModule {
		return nil, &Error{path, 1, fmt.Sprintf("larger than %d MiB; a cost_model_data.py is not", maxModule>>20)}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Import(data, path, s)
}

// Import reads the cost model of a space from a cost_model_data.py, which is parsed (parse.go) and never
// executed. The space's name is the key of the module, TuNAS's ssd.
//
// The gauge is the module's: weights and bias are taken as they are, in seconds, so that an export has the
// same bytes. They are not centred, which would change every weight and no prediction. Entries that no
// network can use become 0, as in every cost model; how many networks used an entry is not known, and
// so 0. The figures are null.
func Import(data []byte, file string, s *sampler.Space) (*regress.CostModel, error) {
	m, err := parse(data, file)
	if err != nil {
		return nil, err
	}
	weights, err := m.floats(kernelData, s.Name)
	if err != nil {
		return nil, err
	}
	bias, err := m.floats(biasData, s.Name)
	if err != nil {
		return nil, err
	}
	want := coefficients(s)
	if len(weights) != want {
		return nil, m.fail(m.tables[kernelData][s.Name].line, "%s has %d coefficients; space %s has %d in TuNAS's order", s.Name, len(weights), s.Name, want)
	}
	if len(bias) != 1 {
		return nil, m.fail(m.tables[biasData][s.Name].line, "the bias of %s has %d numbers, want 1", s.Name, len(bias))
	}
	return imported(data, s, weights, bias[0])
}

// coefficients is the length of the space's kernel.
func coefficients(s *sampler.Space) int {
	n := 0
	for _, p := range s.Positions() {
		if p.Slots() > 1 {
			n += p.Slots()
		}
	}
	return max(n, 1)
}

// imported is the inverse of newKernel.
func imported(data []byte, s *sampler.Space, weights []float32, bias float32) (*regress.CostModel, error) {
	m := &regress.CostModel{
		SchemaVersion: regress.SchemaVersion, Space: s.Name, Unit: regress.Unit,
		Device: UnknownDevice, Kind: devices.Measured, Precision: model.Float32, Method: Imported,
		DataHash: sum(data), Bias: seconds(bias),
	}
	if m.Warnings = []string{"imported: the module does not say what was timed, or how; it is taken for a measured device in float32"}; publishedBiases()[s.Name] == bias {
		m.Device = PublishedDevice
		m.Warnings = []string{"imported: published by TuNAS for the CPU of a Pixel 1, without accuracy, counts of networks and protocol"}
	}
	if s.Source != "" {
		file, err := s.YAML()
		if err != nil {
			return nil, err
		}
		m.SpaceFile = string(file)
	}
	all := 0
	for _, p := range s.Positions() {
		all += p.Slots()
		t := regress.TablePosition{Name: p.Name, Weights: make([]float64, p.Slots()), Seen: make([]int, p.Slots())}
		if p.Slots() > 1 {
			for e := range t.Weights {
				if p.Reachable(e) {
					t.Weights[e] = seconds(weights[e])
				}
			}
			weights = weights[p.Slots():]
		}
		m.Table = append(m.Table, t)
	}
	if all == len(s.Positions()) {
		m.Bias += seconds(weights[0]) // of the one feature that is always 1
	}
	return m, nil
}

func seconds(ms float32) float64 { return float64(ms) / 1000 }

// floats decodes a space's numbers of one of the tables.
func (m *module) floats(table, ssd string) ([]float32, error) {
	b, ok := m.tables[table][ssd]
	if !ok {
		have := slices.Sorted(maps.Keys(m.tables[table]))
		return nil, m.fail(m.lines[table], "%s has no cost model of %s, only of %s", table, ssd, text.Few(have, 5))
	}
	// base64.decodebytes skips white space anywhere.
	compact := strings.NewReplacer("\n", "", "\r", "", " ", "", "\t", "").Replace(b.text)
	raw, err := base64.StdEncoding.DecodeString(compact)
	if corrupt := base64.CorruptInputError(0); errors.As(err, &corrupt) {
		return nil, m.fail(b.lineOf(int(corrupt)), "the base64 text of %s in %s is damaged or cut off here", ssd, table)
	}
	if err != nil {
		return nil, m.fail(b.line, "%s in %s: %v", ssd, table, err)
	}
	if len(raw)%4 != 0 {
		return nil, m.fail(b.lineOf(len(compact)), "%s in %s has %d bytes, which are no float32 numbers of 4 bytes each: the text is cut off", ssd, table, len(raw))
	}
	xs := make([]float32, len(raw)/4)
	for i := range xs {
		xs[i] = math.Float32frombits(binary.BigEndian.Uint32(raw[4*i:]))
		if x := float64(xs[i]); math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, m.fail(b.line, "number %d of %s in %s is %v", i+1, ssd, table, x)
		}
	}
	return xs, nil
}

// lineOf is the line of a character of the text, not counting white space.
func (b literal) lineOf(at int) int {
	line := b.line
	for _, c := range []byte(b.text) {
		switch {
		case c == '\n':
			line++
		case !bytes.ContainsRune([]byte(" \t\r"), rune(c)):
			if at == 0 {
				return line
			}
			at--
		}
	}
	return line
}
