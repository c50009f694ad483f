package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fitTargets are the sweeps of the second table. Simulators get as many networks as the largest
// training part, and a quarter more to test on.
var fitTargets = []struct {
	device, space string
	networks      int
	train         []int
}{
	{"sim-pixel1-cpu", "mobiledet_cpu_tucker", 3750, []int{300, 1000, 3000}},
	{"sim-pixel4-edgetpu", "mobiledet_edgetpu_tucker", 3750, []int{300, 1000, 3000}},
	{"sim-pixel4-dsp", "mobiledet_dsp_tucker", 3750, []int{300, 1000, 3000}},
	{"sim-jetson-xavier", "mobiledet_gpu_tucker", 3750, []int{300, 1000, 3000}},
	{"vela:ethos-u65-512", "mobiledet_edgetpu_tucker", 500, []int{100, 400}},
	{"hexagon:sa8775", "mobiledet_dsp_tucker", 500, []int{100, 400}},
}

var methods = []string{"indicator", "macs", "ops"}

// fits runs the sweeps with latlab's commands and fits every method to them.
func fits(ctx context.Context, s settings) (string, error) {
	if err := os.MkdirAll(filepath.Dir(s.db), 0o777); err != nil {
		return "", err
	}
	rows := [][]string{append([]string{"device, space", "trained / tested"}, methods...)}
	var speeds [][]string
	for _, t := range fitTargets {
		if len(s.devices) > 0 && !slices.Contains(s.devices, t.device) {
			continue
		}
		n := int(float64(t.networks) * s.scale)
		speed, sweep, err := s.sweep(ctx, t.device, t.space, n)
		if err != nil {
			return "", err
		}
		speeds = append(speeds, speed)
		for _, train := range t.train {
			row, err := s.methods(ctx, sweep, int(float64(train)*s.scale))
			if err != nil {
				return "", err
			}
			rows = append(rows, append([]string{t.device + ", " + t.space}, row...))
		}
	}
	head := []string{"device", "networks", "INVALID", "failed", "noise between blocks", "seconds"}
	return "\n" + markdown(append([][]string{head}, speeds...)) + "\n" + markdown(rows) + "\n", nil
}

// sweep runs `latlab sweep`; exit codes 3 and 4 mean that some networks failed or are INVALID,
// which the table shows.
func (s settings) sweep(ctx context.Context, device, space string, n int) (row []string, id string, err error) {
	out, err := s.latlab(ctx, "sweep", "--device", device, "--space", space, "-n", strconv.Itoa(n), "--seed", "1", "--db", s.db, "--json")
	if err != nil {
		return nil, "", err
	}
	var r struct {
		Sweep                              string
		Networks, Measured, Failed, Blocks int
		Invalid                            int
		NoiseCV                            *float64 `json:"noise_cv"`
		Elapsed                            float64  `json:"elapsed_seconds"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, "", err
	}
	seconds := "from an earlier run"
	if r.Blocks > 0 {
		seconds = figure(r.Elapsed)
	}
	return []string{device, strconv.Itoa(r.Measured), strconv.Itoa(r.Invalid), strconv.Itoa(r.Failed), share(r.NoiseCV), seconds}, r.Sweep, nil
}

// methods is the rest of a row after the device: sizes, then r2, MAPE and Spearman per method.
func (s settings) methods(ctx context.Context, sweep string, train int) ([]string, error) {
	var row []string
	for _, method := range methods {
		sizes, figures, err := s.fit(ctx, sweep, method, train)
		if err != nil {
			return nil, err
		}
		if row == nil {
			row = []string{sizes}
		}
		row = append(row, figures)
	}
	return row, nil
}

func (s settings) fit(ctx context.Context, sweep, method string, train int) (sizes, figures string, err error) {
	out, err := s.latlab(ctx, "fit", "--db", s.db, "--sweep", sweep, "--method", method, "--train", strconv.Itoa(train), "--json")
	if err != nil {
		return "", "", err
	}
	var r struct {
		NTrain   int `json:"n_train"`
		NTest    int `json:"n_test"`
		R2, MAPE *float64
		Spearman *float64
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return "", "", err
	}
	return fmt.Sprintf("%d / %d", r.NTrain, r.NTest), fmt.Sprintf("%s, %s, %s", fixed(r.R2), share(r.MAPE), fixed(r.Spearman)), nil
}

func (s settings) latlab(ctx context.Context, args ...string) ([]byte, error) {
	fmt.Fprintln(os.Stderr, s.bin, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Env = append(os.Environ(), "LATLAB_PYTHON="+s.python)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 3 || exit.ExitCode() == 4) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

func fixed(x *float64) string {
	if x == nil {
		return "null"
	}
	return strconv.FormatFloat(*x, 'f', 3, 64)
}

func share(x *float64) string {
	if x == nil {
		return "null"
	}
	return strconv.FormatFloat(100**x, 'f', 1, 64) + " %"
}
