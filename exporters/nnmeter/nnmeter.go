// Package nnmeter writes what single kernels take as the training data that nn-Meter
// (microsoft/nn-Meter, nn_meter/builder) fits its kernel predictors to:
//
//	origin_kernels.json    kernel type -> id -> {model, shapes, config}
//	profiled_results.json  kernel type -> id -> {"latency": "37.5 +- 0.3"}, milliseconds
//	notes.json             what the pair cannot carry, and what was left out
//
// Kernels come from a cost model of method ops, whose weights price each op that its table
// stands for (Priced), or from per-layer tables of a device (Timed). The package refuses
// cost models that know no ops: a table of whole layers has no figure of a kernel.
//
// Kernels have the names that nn-Meter predicts by: every convolution is conv-bn-relu,
// whatever is fused behind it. An h-swish is a kernel of its own, squeeze-and-excite one
// kernel. What has no kernel there, or a shape that no config can say, is left out and
// named in the notes.
package nnmeter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"latlab/exporters"
	"latlab/internal/atomicfile"
)

// The names of the files.
const (
	KernelsFile = "origin_kernels.json"
	ResultsFile = "profiled_results.json"
	NotesFile   = "notes.json"
)

// kernelEntry is an entry of origin_kernels.json.
type kernelEntry struct {
	Model  string  `json:"model"` // nn-Meter wants the key; no model file was written
	Shapes [][]int `json:"shapes"`
	Config Config  `json:"config"`
}

// result is an entry of profiled_results.json.
type result struct {
	Latency string `json:"latency"` // "avg +- std", milliseconds
}

// Write writes the pair and its notes into a directory, which is made where it is missing,
// and returns the notes. They come last: where they are, the pair is whole.
func (k *Kernels) Write(dir string) (exporters.Notes, error) {
	if len(k.list) == 0 {
		return exporters.Notes{}, errors.New("no kernel of nn-Meter's is left to write")
	}
	for s, x := range k.list {
		if ms := x.mean() * 1000; math.IsInf(ms, 0) || math.IsNaN(ms) {
			return exporters.Notes{}, fmt.Errorf("a kernel %s takes %v ms: that is no time", s.kind, ms)
		}
	}
	configs, results := k.files()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return exporters.Notes{}, err
	}
	for _, f := range []struct {
		name string
		doc  any
	}{{KernelsFile, configs}, {ResultsFile, results}} {
		err := atomicfile.Write(filepath.Join(dir, f.name), func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(f.doc)
		})
		if err != nil {
			return exporters.Notes{}, err
		}
	}
	notes := k.notes()
	return notes, notes.Write(filepath.Join(dir, NotesFile))
}

// files gives each kernel the same id in both files: numbered in the order of the configs,
// so that an export of the same figures is the same file.
func (k *Kernels) files() (map[string]map[string]kernelEntry, map[string]map[string]result) {
	configs, results := map[string]map[string]kernelEntry{}, map[string]map[string]result{}
	for _, x := range k.sorted() {
		if configs[x.kind] == nil {
			configs[x.kind], results[x.kind] = map[string]kernelEntry{}, map[string]result{}
		}
		id := fmt.Sprintf("id_%05d", len(configs[x.kind]))
		configs[x.kind][id] = kernelEntry{Shapes: x.shapes(), Config: x.config}
		results[x.kind][id] = result{x.latency()}
	}
	return configs, results
}

// latency is what nn-Meter splits at "+-": Python reads "nan" as a float, and nothing but
// the average is used.
func (x *kernel) latency() string {
	std := "nan"
	if s, ok := x.std(); ok {
		std = number(s * 1000)
	}
	return number(x.mean()*1000) + " +- " + std
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
