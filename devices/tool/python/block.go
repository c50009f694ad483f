package python

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// Estimator is the common part of devices that estimate.
type Estimator struct {
	Info      devices.Info
	Python    Interpreter
	Workspace *Workspace
}

// Job is the estimate of one model.
type Job struct {
	Op    string // "estimate NAME"
	Dir   string // folder for its files, removed afterwards
	Model string // path of the model's file in Dir: tools name their files after it
	Block *devices.Block
}

// Estimate copies a model into a folder of the workspace, runs its estimate, and returns the block
// with the fields that all estimators share.
func (e *Estimator) Estimate(ctx context.Context, m *model.Model, estimate func(*Job) error) (*devices.Block, error) {
	v := &Job{Op: "estimate " + m.Name}
	if err := e.accepts(m, v.Op); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, leave, err := e.Workspace.Folder(v.Op)
	if err != nil {
		return nil, err
	}
	defer leave()
	v.Dir = dir
	f, err := m.Open(ctx)
	if err == nil {
		defer f.Close()
		var path string
		if path, err = m.Fixed(f, dir); err == nil {
			err = v.link(path, "model."+string(m.Format))
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &devices.Error{Fault: devices.FaultLab, Op: v.Op, Reason: "model-bytes", Err: err}
	}
	now := time.Now()
	v.Block = &devices.Block{ModelSHA256: f.SHA256, Started: now, Before: devices.State{Time: now}}
	if err := estimate(v); err != nil {
		return nil, err
	}
	b := v.Block
	b.Elapsed = time.Since(b.Started).Seconds()
	// The host's clocks and temperatures do not affect a computed figure.
	b.After = devices.State{Time: time.Now()}
	return b, nil
}

func (e *Estimator) accepts(m *model.Model, op string) error {
	if slices.Contains(e.Info.Formats, m.Format) && slices.Contains(e.Info.Precisions, m.Precision) {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("device %s takes %s models in %s, not %s in %s", e.Info.Name, e.Info.Formats[0], e.Info.Precisions[0], m.Format, m.Precision)}
}

// link links the model's file into the folder under a plain name, since the user's file may have any
// name.
func (v *Job) link(path, name string) error {
	v.Model = filepath.Join(v.Dir, name)
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return os.Symlink(path, v.Model)
}
