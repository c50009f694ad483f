package vela

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"latlab/devices/tool/python"
	"latlab/devices/transport"
	"latlab/internal/text"
)

//go:embed probe.py
var probeScript string

const probeTimeout = time.Minute

// findings is what a Python reports about Vela.
type findings struct {
	Python       string             `json:"python"`
	Packages     map[string]*string `json:"packages"`
	Missing      string             `json:"missing"` // why the package cannot be loaded
	Sections     []string           `json:"sections"`
	Accelerators []string           `json:"accelerators"`
	CoreClock    float64            `json:"core_clock_hz"`
	Problem      string             `json:"problem"`
}

func probe(ctx context.Context, p python.Interpreter, o Options, config string) (*findings, error) {
	op := "open device " + o.Name
	if config == armConfig {
		config = ""
	}
	var f findings
	err := p.Ask(ctx, python.Script{Op: op, Source: probeScript, Timeout: probeTimeout,
		Args: []string{o.Accelerator, config, o.SystemConfig, o.MemoryMode}}, &f)
	if err != nil {
		return nil, err
	}
	if f.Missing != "" {
		return nil, requirement().Missing(op, p, f.Missing, f.Packages)
	}
	return &f, nil
}

func requirement() python.Requirement {
	return python.Requirement{Packages: []python.Package{{Name: Package, Version: Version}}, Licence: "Apache-2.0"}
}

// check refuses unknown sections, a configuration that Vela refused, and a missing or wrong clock.
func (f *findings) check(o Options) error {
	for _, section := range []struct{ what, prefix, word string }{
		{"system configuration", "System_Config.", o.SystemConfig}, {"memory mode", "Memory_Mode.", o.MemoryMode},
	} {
		if f.Sections == nil {
			break // the file is not an .ini file; Problem says so
		}
		if err := unknown(o, section.what, section.word, f.known(o, section.prefix)); err != nil {
			return err
		}
	}
	switch {
	case f.Problem != "":
		return o.userError(fmt.Errorf("the configuration is refused: %s", text.ClipTo(text.OneLine(f.Problem), 300)), "")
	case f.CoreClock < minClock:
		return o.userError(fmt.Errorf("system configuration %s has a core_clock of %g Hz", o.SystemConfig, f.CoreClock),
			"Vela takes 1 Hz where the .ini has none; write core_clock=500e6, in Hz")
	}
	return nil
}

// known returns the sections of a kind, without those that Arm wrote for other NPUs.
func (f *findings) known(o Options, prefix string) []string {
	var words []string
	for _, s := range f.Sections {
		word, ok := strings.CutPrefix(s, prefix)
		o.SystemConfig = word
		if ok && (o.ConfigFile != "" || o.checkFamily() == nil) {
			words = append(words, word)
		}
	}
	return words
}

// minClock is far below any NPU's: a lower clock has a missing or wrong unit.
const minClock = 1e6

// Check reports, step by step, whether a Python can estimate with Vela, and what to type if it cannot.
func Check(ctx context.Context, t transport.Transport, interpreter string) []python.Step {
	p := python.Interpreter{Transport: t, Path: interpreter}
	o, _ := Options{Accelerator: "ethos-u65-512"}.complete()
	f, err := probe(ctx, p, o, armConfig)
	if err == nil {
		err = f.check(o)
	}
	if err != nil {
		return requirement().Failed(p, err)
	}
	return requirement().Passed(p, f.Python, f.Packages)
}
