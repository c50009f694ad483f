package store

import (
	// encoding/json took two fifths of the time of reading a large store through; this one reads a
	// block in a third of its time. A parser of our own was no faster.
	"github.com/segmentio/encoding/json"

	"latlab/devices"
)

// decodeDetail reads a block's JSON.
func decodeDetail(text []byte) (b devices.Block, err error) {
	err = json.Unmarshal(text, &b)
	return b, err
}

// decodeValue reads of a block's JSON what bench.Reader's Values are to have. What it passes over
// is looked at by whoever reads the blocks.
func decodeValue(text []byte) (devices.Block, error) {
	var value struct {
		Summary    *devices.Summary   `json:"summary"`
		Delegation devices.Delegation `json:"delegation"`
	}
	err := json.Unmarshal(text, &value)
	return devices.Block{Summary: value.Summary, Delegation: value.Delegation}, err
}
