package qnnrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/tool/qnn"
	"latlab/sampler/model"
)

// compiled is a context on the machine, with the inputs for its execution.
type compiled struct {
	dir    *machine.Temp
	qnn    *qnn.Context
	bytes  int64
	sha256 string // of the model's bytes
	took   float64
}

func (c *compiled) remove() { c.dir.Close() }

// Files in its folder. The list names the inputs relative to qnn-net-run's working directory, because
// it splits its lines at spaces.
const (
	contextFile = "context.bin"
	listFile    = "inputs.txt"
)

func inputFile(i int) string { return "input" + strconv.Itoa(i) + ".raw" }

// context returns the model's context on the machine, and a function that ends its use.
func (d *Device) context(ctx context.Context, op string, m *model.Model, deadline time.Time) (*compiled, func(), error) {
	return d.contexts.Get(ctx, m.Identity, func(c *compiled) (bool, error) { return d.isThere(ctx, op, c) }, func() (*compiled, int64, error) {
		return d.compile(ctx, op, m, deadline)
	})
}

func (d *Device) isThere(ctx context.Context, op string, c *compiled) (bool, error) {
	info, err := d.m.Stat(ctx, op, c.dir.Path(contextFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size == c.bytes, err
}

func (d *Device) compile(ctx context.Context, op string, m *model.Model, deadline time.Time) (*compiled, int64, error) {
	f, err := tool.OpenModel(ctx, op, m)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	here, err := os.MkdirTemp(d.dir, "compile-")
	if err != nil {
		return nil, 0, hostError(op, err)
	}
	defer os.RemoveAll(here)
	start := time.Now()
	path, err := m.Fixed(f, here)
	if err != nil {
		return nil, 0, hostError(op, err)
	}
	k, err := d.compiler.Compile(ctx, op, path, here, time.Until(deadline))
	if err != nil {
		return nil, 0, err
	}
	c := &compiled{qnn: k, sha256: f.SHA256, took: time.Since(start).Seconds()}
	if c.dir, err = d.m.Temp(ctx, op); err != nil {
		return nil, 0, err
	}
	if err := d.push(ctx, op, m, c); err != nil {
		c.remove()
		return nil, 0, err
	}
	return c, c.bytes, nil
}

func hostError(op string, err error) error {
	return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: machine.ReasonFolder, Err: err}
}

// push copies the context, its inputs and their list to the machine. Values that the user does not give are random
// but the same for every network: an integer network's time does not depend on them. qnn-net-run reads the files in
// the inputs' own types (--use_native_input_files); by default it would take all of them for float32.
func (d *Device) push(ctx context.Context, op string, m *model.Model, c *compiled) error {
	f, err := os.Open(c.qnn.Path)
	if err != nil {
		return hostError(op, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return hostError(op, err)
	}
	c.bytes = info.Size()
	if err := c.dir.Put(ctx, op, contextFile, f, c.bytes); err != nil {
		return err
	}
	var list []string
	random := rand.NewChaCha8([32]byte{})
	for i, in := range c.qnn.Inputs {
		if strings.ContainsAny(in.Name, " \t\r\n,:=") {
			return &devices.Error{Fault: devices.FaultModel, Op: op, Reason: devices.ReasonRejected, Err: fmt.Errorf("qnn-net-run's list of inputs cannot name %q", in.Name)}
		}
		list = append(list, in.Name+":="+inputFile(i))
		content := io.LimitReader(random, in.Bytes)
		if at := slices.IndexFunc(m.Ports, func(p model.Port) bool { return p.Name == in.Name && p.HasValues() }); at >= 0 {
			raw, err := m.Ports[at].Raw()
			if err != nil {
				return devices.ModelBytes(op, err)
			}
			if int64(len(raw)) != in.Bytes {
				return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
					Err: fmt.Errorf("input %s has %d bytes in the compiled network, %d are given", in.Name, in.Bytes, len(raw))}
			}
			content = bytes.NewReader(raw)
		}
		if err := c.dir.Put(ctx, op, inputFile(i), content, in.Bytes); err != nil {
			return err
		}
	}
	text := strings.Join(list, " ") + "\n"
	return c.dir.Put(ctx, op, listFile, strings.NewReader(text), int64(len(text)))
}
