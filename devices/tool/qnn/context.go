package qnn

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/devices/tool/python"
	"latlab/devices/transport"
)

//go:embed context.py
var contextScript string

// phones are chips that the compiler makes contexts for but gives no estimates of. Their soc_model is
// from Qnn_SocModel_t (QnnTypes.h of Qualcomm's SDK).
func phones() []soc {
	return []soc{
		{name: "sm8350", id: 30, arch: "68"}, // Snapdragon 888
		{name: "sm8450", id: 36, arch: "69"}, // 8 Gen 1
		{name: "sm8475", id: 42, arch: "69"}, // 8+ Gen 1
		{name: "sm8550", id: 43, arch: "73"}, // 8 Gen 2
		{name: "sm8650", id: 57, arch: "75"}, // 8 Gen 3
		{name: "sm8750", id: 69, arch: "79"}, // 8 Elite
	}
}

// Phones are the names of the chips that contexts can be compiled for.
func Phones() []string { return names(slices.Concat(phones(), socs())) }

// Arch is the version of a chip's Hexagon, "75"; empty if it is not known.
func Arch(chip string) string {
	s, _ := chipOf(chip)
	return s.arch
}

// chipOf finds a chip by its name, or uses a number as soc_model.
func chipOf(name string) (soc, bool) {
	return socIn(slices.Concat(phones(), socs()), strings.ToLower(name))
}

// Compiler makes context binaries: a network compiled for one chip's processor.
type Compiler struct {
	p    python.Interpreter
	soc  soc
	info map[string]string
	warn []string
}

// OpenCompiler checks that a Python has the compiler. chip is one of Phones, or a soc_model.
func OpenCompiler(ctx context.Context, t transport.Transport, op, chip, interpreter string) (*Compiler, error) {
	s, ok := chipOf(chip)
	if !ok {
		return nil, noChip(op, chip, Phones(), ", or a number of Qnn_SocModel_t")
	}
	c := &Compiler{p: python.Interpreter{Transport: t, Path: interpreter}, soc: s}
	found, err := probe(ctx, c.p, op)
	if err != nil {
		return nil, err
	}
	c.info = s.fingerprint("compiler", found)
	c.warn = requirement().Warnings(found.Packages)
	return c, nil
}

// Fingerprint has what a context depends on besides the model.
func (c *Compiler) Fingerprint() map[string]string { return maps.Clone(c.info) }

// Warnings are a block's warnings about packages in versions that latlab was not tested with.
func (c *Compiler) Warnings() []string { return c.warn }

// Context is a compiled network.
type Context struct {
	Path       string // of the binary, in the folder given to Compile
	Delegation devices.Delegation
	Floats     []string // nodes that are computed in floating point
	Inputs     []Input
	Warnings   tool.Warnings // of the compiler
}

// Input is an input of a compiled network.
type Input struct {
	Name  string
	Bytes int64
}

// Compile compiles a model's file into a folder of this host. If the processor does not take every node, the
// error is the model's fault: the time of a partial context would be that of a part of the network.
func (c *Compiler) Compile(ctx context.Context, op, path, dir string, timeout time.Duration) (*Context, error) {
	v := &python.Job{Op: op, Model: path, Dir: dir}
	floats, err := floatsOf(v)
	if err != nil {
		return nil, err
	}
	out, err := c.p.Run(ctx, python.Script{Op: op, Source: commonScript + contextScript, Args: c.soc.args(v), Timeout: timeout})
	if err != nil {
		return nil, err
	}
	a, err := parseContext(out.Stdout)
	if err != nil {
		return nil, out.Garbage(op, err)
	}
	d := delegation(a.answer)
	if !a.Whole {
		return nil, out.Rejected(op, fmt.Errorf("the processor takes %d of its %d nodes: %s", d.Delegated, d.Nodes, list(d.Why)))
	}
	k := &Context{Path: filepath.Join(dir, a.Files[0]), Delegation: d, Floats: floats, Warnings: out.Warnings(Package)}
	for _, i := range a.Inputs {
		n, _ := i.bytes() // parseContext has checked for errors
		k.Inputs = append(k.Inputs, Input{i.Name, n})
	}
	if info, err := os.Stat(k.Path); err != nil || info.Size() == 0 {
		return nil, out.Garbage(op, errors.New("no context was written"))
	}
	return k, nil
}

type contextAnswer struct {
	answer
	Files  []string    `json:"files"`
	Inputs []portInput `json:"inputs"`
}

type portInput struct {
	Name  string `json:"name"`
	Type  string `json:"type"`  // "tensor(uint8)"
	Shape []any  `json:"shape"` // numbers; a name or null for an extent that is not fixed
}

// maxTensor limits the bytes of an input, far above any image.
const maxTensor = 1 << 30

func (i portInput) bytes() (int64, error) {
	n := map[string]int64{"tensor(uint8)": 1, "tensor(int8)": 1, "tensor(uint16)": 2, "tensor(int16)": 2,
		"tensor(float16)": 2, "tensor(float)": 4, "tensor(int32)": 4}[i.Type]
	if n == 0 {
		return 0, fmt.Errorf("input %q is a %q", i.Name, i.Type)
	}
	for _, d := range i.Shape {
		x, ok := d.(float64)
		if !ok || x < 1 || x > maxTensor || x != float64(int64(x)) {
			return 0, fmt.Errorf("input %q has no fixed shape: %v", i.Name, i.Shape)
		}
		if n *= int64(x); n > maxTensor {
			return 0, fmt.Errorf("input %q has shape %v", i.Name, i.Shape)
		}
	}
	return n, nil
}

func parseContext(text string) (contextAnswer, error) {
	var a contextAnswer
	if err := decode(text, &a); err != nil {
		return a, err
	}
	if err := a.check(); err != nil || !a.Whole {
		return a, err
	}
	if len(a.Files) != 1 || filepath.Base(a.Files[0]) != a.Files[0] {
		return a, fmt.Errorf("the script's answer: files %q", a.Files)
	}
	if len(a.Inputs) == 0 {
		return a, errors.New("the script's answer: no inputs")
	}
	for _, i := range a.Inputs {
		if _, err := i.bytes(); err != nil {
			return a, fmt.Errorf("the script's answer: %w", err)
		}
	}
	return a, nil
}
