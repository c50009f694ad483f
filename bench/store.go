package bench

import (
	"context"
	"errors"
	"iter"
	"time"

	"latlab/devices"
	"latlab/sampler"
	"latlab/sampler/model"
)

// Status of a network in a sweep.
type Status string

// The states of a network.
const (
	Planned  Status = "planned"  // fewer blocks than the protocol's minimum
	Measured Status = "measured" // its first blocks are done; extra ones may be planned
	Failed   Status = "failed"   // the network is at fault; no more blocks
)

// Network is one network of a sweep.
type Network struct {
	Index    int                `json:"index"` // in the Source
	Name     string             `json:"name"`
	Space    string             `json:"space,omitempty"`
	Indices  string             `json:"indices,omitempty"`  // text form
	Features map[string]float64 `json:"features,omitempty"` // from a user's own list
	Model    string             `json:"model"`              // model.Model.Identity
	MACs     *int64             `json:"macs,omitempty"`     // per inference; nil = some op is unknown, or stored by an older latlab
	Params   *int64             `json:"params,omitempty"`   // nil like MACs
	Status   Status             `json:"status"`
}

// Source yields networks. The i-th is the same on every call and in every process.
type Source interface {
	// Network returns the i-th network and its model. If the error's fault is the model's, the
	// network is recorded as failed and the sweep goes on.
	Network(ctx context.Context, i int) (Network, *model.Model, error)
}

// Spaced is a Source that knows which space a network is a point of; profiles then name its positions. Networks
// of one sweep may be of several spaces, or of none (nil).
type Spaced interface {
	SpaceOf(i int) *sampler.Space
}

// Slot is one planned block: a row of the schedule. Order is its position in the sweep,
// counted from 0. Orders are unique, and so are pairs of network and round.
type Slot struct {
	Order   int `json:"order"`
	Network int `json:"network"`
	Round   int `json:"round"`
}

// SlotState is the state of a slot.
type SlotState string

// The states of a slot.
const (
	SlotPlanned SlotState = "planned"
	SlotDone    SlotState = "done"
	SlotDropped SlotState = "dropped" // its network failed
)

// Scheduled is a slot with its state.
type Scheduled struct {
	Slot
	State SlotState `json:"state"`
}

// Finished is a block and its slot.
type Finished struct {
	Slot  Slot
	Block *devices.Block
}

// StoredBlock is a finished block as read back.
type StoredBlock struct {
	Slot  Slot
	Block devices.Block
}

// Failure is one failed attempt.
type Failure struct {
	Network int           `json:"network"`
	Name    string        `json:"name"`
	Round   int           `json:"round"`
	Fault   devices.Fault `json:"fault"`
	Reason  string        `json:"reason"`
	Message string        `json:"message"` // one line
	Output  string        `json:"output"`  // the tool's complete output
	Final   bool          `json:"final"`   // the network gets no more blocks
	Time    time.Time     `json:"time"`
}

// ErrNoSweep is returned if a store does not hold the requested sweep.
var ErrNoSweep = errors.New("no such sweep")

// Reader is the read-only part of a Store, for exports and fits. Sequences use bounded memory
// and yield an error once, last. They may run while a writer writes: the sequence is then not
// a snapshot, but every network in it is consistent.
type Reader interface {
	// Sweeps lists manifests, oldest first.
	Sweeps(ctx context.Context) ([]Sweep, error)
	// Sweep returns a manifest or an error that is ErrNoSweep.
	Sweep(ctx context.Context, id string) (Sweep, error)
	// Networks yields all networks that were ever planned, by index.
	Networks(ctx context.Context, sweep string) iter.Seq2[Network, error]
	// Schedule yields all slots in order.
	Schedule(ctx context.Context, sweep string) iter.Seq2[Scheduled, error]
	// Blocks yields all finished blocks by network, then in the order of the schedule.
	Blocks(ctx context.Context, sweep string) iter.Seq2[StoredBlock, error]
	// Values yields the same blocks in the same order, with only the fields that values and noise
	// depend on: Samples, CPUSamples, Clock, Summary, Delegation, Unit, Elapsed, and QuotaSeconds of
	// Before and After. Other fields may be zero.
	Values(ctx context.Context, sweep string) iter.Seq2[StoredBlock, error]
	// Failures yields failed attempts in the order in which they happened.
	Failures(ctx context.Context, sweep string) iter.Seq2[Failure, error]
	// Conditions yields what the sweep's processes reported, in order.
	Conditions(ctx context.Context, sweep string) iter.Seq2[Condition, error]
	// Profiles yields the profiles of networks, by network; most sweeps have none or a few.
	Profiles(ctx context.Context, sweep string) iter.Seq2[Profiled, error]
}

// Store keeps sweeps. Every method is one transaction: if the process is killed, the store
// holds either all of its changes or none.
type Store interface {
	Reader
	// CreateSweep stores a new manifest. For an existing one only Networks is raised; everything
	// else stays as first stored.
	CreateSweep(ctx context.Context, s Sweep) error
	// Plan adds networks (those not there yet) and slots.
	Plan(ctx context.Context, sweep string, networks []Network, slots []Slot) error
	// Finish stores blocks and marks their slots done. If a slot is not planned or is already
	// done, it returns an error and stores nothing.
	Finish(ctx context.Context, sweep string, done []Finished) error
	// Fail records a failed attempt. A final one marks the network failed and drops its
	// planned slots.
	Fail(ctx context.Context, sweep string, f Failure) error
	// Note records the condition of the sweep's process.
	Note(ctx context.Context, sweep string, c Condition) error
	// AddProfile stores the profile of a network that was planned, in place of an earlier one.
	AddProfile(ctx context.Context, sweep string, p Profiled) error
}
