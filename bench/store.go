package bench

import (
	"context"
	"errors"
	"iter"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// Status of a network in a sweep.
type Status string

// The states of a network.
const (
	Planned  Status = "planned"  // blocks of it are still to run
	Measured Status = "measured" // every planned block is done
	Failed   Status = "failed"   // a fault of its own; no more blocks
)

// Network is one network of a sweep.
type Network struct {
	Index    int                `json:"index"` // in the Source
	Name     string             `json:"name"`
	Space    string             `json:"space,omitempty"`
	Indices  string             `json:"indices,omitempty"`  // text form
	Features map[string]float64 `json:"features,omitempty"` // of a user's own list
	Model    string             `json:"model"`              // model.Model.Identity
	MACs     *int64             `json:"macs,omitempty"`     // of one inference; nil = not all ops known, or stored by an older latlab
	Params   *int64             `json:"params,omitempty"`   // nil as MACs
	Status   Status             `json:"status"`
}

// Source yields networks. The i-th is the same on every call and in every process.
type Source interface {
	// Network returns the i-th network and its model. An error whose fault is the model's
	// records the network as failed and the sweep goes on.
	Network(ctx context.Context, i int) (Network, *model.Model, error)
}

// Slot is one planned block: a row of the schedule. Order is its place in the sweep, from
// 0 on; no two slots share one, nor a network and round.
type Slot struct {
	Order   int `json:"order"`
	Network int `json:"network"`
	Round   int `json:"round"`
}

// SlotState is what became of a slot.
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

// Finished is a block and the slot that it fills.
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
	Output  string        `json:"output"`  // the tool's, whole
	Final   bool          `json:"final"`   // the network gets no more blocks
	Time    time.Time     `json:"time"`
}

// ErrNoSweep is returned where a store does not hold the sweep asked for.
var ErrNoSweep = errors.New("no such sweep")

// Reader is a Store as exports and fits see it. Sequences are bounded in memory; they
// yield an error once, last. Reading goes on while a writer writes; a sequence is then
// not one moment's picture, but every network in it is.
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
	// Values yields the same blocks in the same order, with no more than their values and noise
	// depend on: Samples, Summary and Delegation. The rest is zero, or may be there.
	Values(ctx context.Context, sweep string) iter.Seq2[StoredBlock, error]
	// Failures yields failed attempts in the order they happened.
	Failures(ctx context.Context, sweep string) iter.Seq2[Failure, error]
	// Conditions yields what the sweep's processes said that they do, in the order they did.
	Conditions(ctx context.Context, sweep string) iter.Seq2[Condition, error]
}

// Store keeps sweeps. Every method is one transaction: a process that is killed at any
// instant leaves it as it was before or after.
type Store interface {
	Reader
	// CreateSweep stores a new manifest. One that is there already only has its Networks
	// raised; all else stays as first stored.
	CreateSweep(ctx context.Context, s Sweep) error
	// Plan adds networks (those not there yet) and slots.
	Plan(ctx context.Context, sweep string, networks []Network, slots []Slot) error
	// Finish stores blocks and marks their slots done. A slot that is not planned, or is
	// done already, is an error and nothing is stored.
	Finish(ctx context.Context, sweep string, done []Finished) error
	// Fail records a failed attempt. A final one marks the network failed and drops its
	// planned slots.
	Fail(ctx context.Context, sweep string, f Failure) error
	// Note records what the sweep's process does now.
	Note(ctx context.Context, sweep string, c Condition) error
}
