package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"latlab/internal/testboard/trtfake"
)

// flag is a flag of some versions; form is "" for a switch.
type flag struct {
	name, form  string
	since, gone int // versions; 0 = no limit
}

// flags lists the flags that latlab may use, from sampleOptions.cpp in releases 7.2, 8.2, 8.4, 8.6
// and 10.
func flags(version int) []flag {
	all := []flag{
		{"--onnx", "=<file>", 0, 0}, {"--saveEngine", "=<file>", 0, 0}, {"--loadEngine", "=<file>", 0, 0},
		{"--explicitBatch", "", 0, 8600}, {"--workspace", "=N", 0, 100000}, {"--memPoolSize", "=poolspec", 8400, 0},
		{"--noTF32", "", 7100, 0}, {"--fp16", "", 0, 110000}, {"--int8", "", 0, 110000},
		{"--buildOnly", "", 7000, 8600}, {"--skipInference", "", 8600, 0},
		{"--profilingVerbosity", "=mode", 8200, 0}, {"--exportLayerInfo", "=<file>", 8200, 0},
		{"--shapes", "=spec", 0, 0}, {"--loadInputs", "=spec", 0, 0},
		{"--useDLACore", "=N", 0, 0}, {"--allowGPUFallback", "", 0, 0},
		{"--streams", "=N", 0, 100000}, {"--infStreams", "=N", 8600, 0},
		{"--iterations", "=N", 0, 0}, {"--warmUp", "=N", 0, 0}, {"--duration", "=N", 0, 0}, {"--avgRuns", "=N", 0, 0},
		{"--exposeDMA", "", 0, 0}, {"--useSpinWait", "", 0, 0}, {"--exportTimes", "=<file>", 0, 0},
		{"--exportProfile", "=<file>", 0, 0}, {"--dumpProfile", "", 0, 0}, {"--separateProfileRun", "", 7200, 0},
	}
	var have []flag
	for _, f := range all {
		if version >= f.since && (f.gone == 0 || version < f.gone) {
			have = append(have, f)
		}
	}
	return have
}

// parse is as strict as trtexec: it refuses unknown flags.
func (p *program) parse(args []string) error {
	p.opts = map[string]string{}
	for _, a := range args {
		name, value, valued := strings.Cut(a, "=")
		if err := p.known(name, valued); err != nil {
			return err
		}
		if _, twice := p.opts[name]; twice {
			return fmt.Errorf("%s is there twice", name)
		}
		p.opts[name] = value
		if !valued {
			p.opts[name] = "yes"
		}
	}
	if (p.opts["--onnx"] == "") == (p.opts["--loadEngine"] == "") {
		return complaint("Model missing or format not recognized")
	}
	for _, name := range []string{"--iterations", "--warmUp", "--duration", "--avgRuns", "--streams", "--infStreams", "--workspace", "--useDLACore"} {
		if v, there := p.opts[name]; there {
			if n, err := strconv.Atoi(v); err != nil || n < 0 {
				return fmt.Errorf("%s=%s is no number", name, v)
			}
		}
	}
	return nil
}

func (p *program) known(name string, valued bool) error {
	for _, f := range flags(p.Version) {
		if f.name == name && valued == (f.form != "") {
			return nil
		}
	}
	return complaint("Unknown option: " + name)
}

// complaint is an error text of the real trtexec.
type complaint string

func (c complaint) Error() string { return string(c) }

func (p *program) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(p.opts[name]); err == nil {
		return n
	}
	return otherwise
}

// peek is Load for --help, which does not count as a run.
func peek(dir string) (c trtfake.Control, run int64, fault string, err error) {
	data, err := os.ReadFile(filepath.Join(dir, "trtexec.json"))
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	return c, 0, "", err
}
