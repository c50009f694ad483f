// Package nnmeter writes latencies of single kernels as the training data to which nn-Meter
// (microsoft/nn-Meter, nn_meter/builder) fits its kernel predictors:
//
//	origin_kernels.json    kernel type -> id -> {model, shapes, config}
//	profiled_results.json  kernel type -> id -> {"latency": "37.5 +- 0.3"}, milliseconds
//	notes.json             what the pair omits
//
// Kernels come from a cost model of method ops, whose weights predict each op of its table
// (Priced), or from per-layer tables of a device (Timed). The package refuses cost models
// without op-level weights: a table of whole layers has no latencies of kernels.
//
// Kernels have the names that nn-Meter predicts by: every convolution is conv-bn-relu,
// whatever is fused into it. An h-swish is a separate kernel, a squeeze-and-excite one
// kernel. Ops without a kernel there, or with a shape that its config cannot describe, are left
// out and listed in the notes.
package nnmeter

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"latlab/exporters"
)

// The names of the files.
const (
	KernelsFile = "origin_kernels.json"
	ResultsFile = "profiled_results.json"
	NotesFile   = "notes.json"
)

// kernelEntry is an entry of origin_kernels.json.
type kernelEntry struct {
	Model  string  `json:"model"` // required by nn-Meter; no model file was written
	Shapes [][]int `json:"shapes"`
	Config Config  `json:"config"`
}

// result is an entry of profiled_results.json.
type result struct {
	Latency string `json:"latency"` // "avg +- std", milliseconds
}

// Write writes the pair and its notes into a directory, which it creates if necessary, and
// returns the notes. They are written last, so if they exist the pair is complete.
func (k *Kernels) Write(dir string) (exporters.Notes, error) {
	if len(k.list) == 0 {
		return exporters.Notes{}, errors.New("there is no kernel that nn-Meter knows")
	}
	for s, x := range k.list {
		if ms := x.mean() * 1000; math.IsInf(ms, 0) || math.IsNaN(ms) {
			return exporters.Notes{}, fmt.Errorf("a kernel %s has the latency %v ms, which is not valid", s.kind, ms)
		}
	}
	configs, results := k.files()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return exporters.Notes{}, err
	}
	if err := exporters.WriteJSON(filepath.Join(dir, KernelsFile), configs); err != nil {
		return exporters.Notes{}, err
	}
	if err := exporters.WriteJSON(filepath.Join(dir, ResultsFile), results); err != nil {
		return exporters.Notes{}, err
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

// latency is the text that nn-Meter splits at "+-": Python reads "nan" as a float, and only
// the average is used.
func (x *kernel) latency() string {
	std := "nan"
	if s, ok := x.std(); ok {
		std = number(s * 1000)
	}
	return number(x.mean()*1000) + " +- " + std
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
