package vela

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// summaryColumns are the columns of Vela 5.2.0, in its order.
var summaryColumns = strings.Fields(`
	experiment network accelerator_configuration system_config memory_mode core_clock arena_cache_size
	sram_bandwidth dram_bandwidth on_chip_flash_bandwidth off_chip_flash_bandwidth
	weights_storage_area feature_map_storage_area inferences_per_second batch_size inference_time passes_before_fusing passes_after_fusing
	sram_memory_used dram_memory_used on_chip_flash_memory_used off_chip_flash_memory_used total_original_weights total_npu_encoded_weights
	sram_feature_map_read_bytes sram_feature_map_write_bytes sram_weight_read_bytes sram_weight_write_bytes sram_total_bytes
	dram_feature_map_read_bytes dram_feature_map_write_bytes dram_weight_read_bytes dram_weight_write_bytes dram_total_bytes
	on_chip_flash_feature_map_read_bytes on_chip_flash_feature_map_write_bytes on_chip_flash_weight_read_bytes on_chip_flash_weight_write_bytes on_chip_flash_total_bytes
	off_chip_flash_feature_map_read_bytes off_chip_flash_feature_map_write_bytes off_chip_flash_weight_read_bytes off_chip_flash_weight_write_bytes off_chip_flash_total_bytes
	nn_macs nn_tops cycles_npu cycles_sram_access cycles_dram_access cycles_on_chip_flash_access cycles_off_chip_flash_access cycles_total
`)

// words are the columns of the summary that hold text.
var words = []string{"experiment", "network", "accelerator_configuration", "system_config", "memory_mode", "weights_storage_area", "feature_map_storage_area"}

// mayBeNaN reports whether a figure is divided by a time that may be 0.
func mayBeNaN(column string) bool { return column == "inferences_per_second" || column == "nn_tops" }

// summary is the one row of NAME_summary_SYSTEMCONFIG.csv.
type summary struct {
	words   map[string]string
	figures map[string]float64 // finite and not negative
	line    string             // the raw row
}

// parseSummary accepts exactly the columns of the version that it was written for: if one is renamed
// or added, the others may have changed their meaning.
func parseSummary(text string) (*summary, error) {
	r := csv.NewReader(strings.NewReader(text))
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) != 2 {
		return nil, fmt.Errorf("%d rows where a header and one row should be", len(rows))
	}
	if err := sameColumns(rows[0], summaryColumns); err != nil {
		return nil, err
	}
	s := &summary{words: map[string]string{}, figures: map[string]float64{}, line: strings.Join(rows[1], ",")}
	for i, column := range rows[0] {
		if slices.Contains(words, column) {
			s.words[column] = rows[1][i]
			continue
		}
		x, err := figure(rows[1][i])
		if err != nil && !mayBeNaN(column) {
			return nil, fmt.Errorf("%s is %q", column, rows[1][i])
		}
		s.figures[column] = x
	}
	return s, nil
}

func sameColumns(got, want []string) error {
	for _, c := range want {
		if !slices.Contains(got, c) {
			return fmt.Errorf("column %q is missing", c)
		}
	}
	for _, c := range got {
		if !slices.Contains(want, c) {
			return fmt.Errorf("column %q is not known", c)
		}
	}
	if !slices.Equal(got, want) {
		return errors.New("the columns are in another order")
	}
	return nil
}

var errFigure = errors.New("no figure")

// figure reads a finite number that is not negative.
func figure(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x >= 0) || math.IsInf(x, 1) {
		return 0, errFigure
	}
	return x, nil
}

// layerColumns are the columns of Vela 5.2.0.
func layerColumns() []string {
	return []string{"Original Operator", "NNG Operator", "Target", "Staging Usage", "Peak% (Staging)", "Op Cycles", "Network% (cycles)",
		"NPU", "SRAM AC", "DRAM AC", "OnFlash AC", "OffFlash AC", "MAC Count", "Network% (MAC)", "Util% (MAC)", "Name"}
}

// layer is a row of NAME_per-layer.csv.
type layer struct {
	original, operator string // operator in the file, and the one that Vela made of it
	target             string // NPU or CPU
	cycles             float64
	macs               int64
	name               string // name of the output tensor
}

// parseLayers reads the table. It is not proper CSV: names with commas are not quoted, so everything
// behind the last column's comma is the name.
func parseLayers(text string) ([]layer, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	want := layerColumns()
	if err := sameColumns(strings.Split(lines[0], ","), want); err != nil {
		return nil, err
	}
	var rows []layer
	for n, line := range lines[1:] {
		fields := strings.SplitN(line, ",", len(want))
		if len(fields) != len(want) {
			return nil, fmt.Errorf("row %d has %d of %d columns", n+1, len(fields), len(want))
		}
		row, err := parseLayer(fields)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", n+1, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func parseLayer(fields []string) (layer, error) {
	at := func(column string) string { return fields[slices.Index(layerColumns(), column)] }
	l := layer{original: at("Original Operator"), operator: at("NNG Operator"), target: at("Target"), name: at("Name")}
	var err error
	if l.cycles, err = figure(at("Op Cycles")); err != nil {
		return l, fmt.Errorf("column Op Cycles is %q", at("Op Cycles"))
	}
	if l.macs, err = strconv.ParseInt(at("MAC Count"), 10, 64); err != nil || l.macs < 0 {
		return l, fmt.Errorf("column MAC Count is %q", at("MAC Count"))
	}
	switch {
	case l.target != npu && l.target != cpu:
		return l, fmt.Errorf("column Target is %q, neither NPU nor CPU", l.target)
	case l.operator == "":
		return l, errors.New("it names no operator")
	}
	return l, nil
}

const (
	npu = "NPU"
	cpu = "CPU"
)

// operators is what Vela prints about which unit runs which operators.
type operators struct {
	cpu, npu int
	why      []refusal
}

type refusal struct{ operator, reason string }

var (
	countLine   = regexp.MustCompile(`(?m)^(CPU|NPU) operators = (\d{1,9}) \(.*$`)
	refusalLine = regexp.MustCompile(`(?m)^Warning \(supported operators\) operator: ([^,\n]*), ofm: .*\nReason: (.*)$`)
)

func parseConsole(text string) (operators, error) {
	var o operators
	counts := map[string]int{}
	for _, m := range countLine.FindAllStringSubmatch(text, -1) {
		if _, twice := counts[m[1]]; twice {
			return o, fmt.Errorf("it says twice how many %s operators there are", m[1])
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return o, err
		}
		counts[m[1]] = n
	}
	if len(counts) != 2 {
		return o, errors.New("it does not say how many operators the CPU and the NPU have")
	}
	o.cpu, o.npu = counts[cpu], counts[npu]
	for _, m := range refusalLine.FindAllStringSubmatch(text, -1) {
		o.why = append(o.why, refusal{operator: m[1], reason: m[2]})
	}
	return o, nil
}
