// Package lut writes a cost model as the latency lookup table that ProxylessNAS
// (mit-han-lab/proxylessnas, search/utils/latency_estimator.py) and Once-for-All
// (mit-han-lab/once-for-all, ofa/nas/efficiency_predictor/latency_lookup_table.py) read:
//
//	lookup_table.yaml       dialect proxylessnas: `expand` is the ratio, entries have `var`
//	320_lookup_table.yaml   dialect ofa: `expand` is the number of expanded channels, keys
//	                        end with se and hs, entries have `std`; one file per resolution
//	notes.json              what the two omit
//
// Times are milliseconds. Those tables have one key per shape and no intercept, while a cost
// model has one entry per position and an intercept. So the intercept is the key `Base`,
// layers that the readers do not know have additional keys (fused_conv, tucker_conv), and
// if positions have different weights for a shape, each has its own key.
//
// The package never changes a prediction: the means of a network's keys plus Base equal
// CostModel.Predict x 1000. It does not fit or average.
package lut

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"latlab/exporters"
	"latlab/internal/atomicfile"
	"latlab/regress"
	"latlab/sampler"
)

// Dialect is the project whose keys are written.
type Dialect string

// The dialects.
const (
	OFA          Dialect = "ofa"
	ProxylessNAS Dialect = "proxylessnas"
)

// Dialects lists them, the default first.
func Dialects() []Dialect { return []Dialect{OFA, ProxylessNAS} }

// NotesFile is the notes file in the folder.
const NotesFile = "notes.json"

// Write writes the table and its notes into a directory, which it creates if necessary, and
// returns the notes. They are written last, so if they exist the table is complete.
func Write(dir string, m *regress.CostModel, s *sampler.Space, d Dialect) (exporters.Notes, error) {
	if !slices.Contains(Dialects(), d) {
		return exporters.Notes{}, fmt.Errorf("no dialect of lookup tables is %q; there are %s and %s", d, OFA, ProxylessNAS)
	}
	t, err := newTable(m, s, d)
	if err != nil {
		return exporters.Notes{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return exporters.Notes{}, err
	}
	notes := t.notes(m, s)
	err = atomicfile.Write(filepath.Join(dir, d.file(s)), func(w io.Writer) error { return t.write(w, m) })
	if err != nil {
		return exporters.Notes{}, err
	}
	return notes, notes.Write(filepath.Join(dir, NotesFile))
}

// file is the name that the reader expects; OFA's contains the resolution.
func (d Dialect) file(s *sampler.Space) string {
	if d == ProxylessNAS {
		return "lookup_table.yaml"
	}
	return resolution(s) + "_lookup_table.yaml"
}

func resolution(s *sampler.Space) string {
	if s.Input.Height == s.Input.Width {
		return fmt.Sprint(s.Input.Height)
	}
	return fmt.Sprintf("%dx%d", s.Input.Height, s.Input.Width)
}

// write writes simple YAML: a block mapping of block mappings. A comment at the top has the
// most important notes.
func (t *table) write(w io.Writer, m *regress.CostModel) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Milliseconds, predicted by a cost model of %s that was fitted to %s latencies of %s (%s).\n",
		m.Space, strings.ToUpper(comment(string(m.Kind))), comment(m.Device), comment(string(m.Precision)))
	fmt.Fprintf(&b, "# A network's latency is the sum of the means of its keys and %s. %s has further notes.\n", baseKey, NotesFile)
	for _, r := range t.rows {
		fmt.Fprintf(&b, "%s:\n  count: %s\n  mean: %s\n  %s: null\n", r.key, r.count, number(r.ms()), t.dialect.spread())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// comment escapes a text of the model's file, so that it stays inside its comment: YAML
// refuses control characters there too.
func comment(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return quoted[1 : len(quoted)-1]
}

// spread is the key of the measurements' spread; the readers ignore it.
func (d Dialect) spread() string {
	if d == ProxylessNAS {
		return "var"
	}
	return "std"
}
