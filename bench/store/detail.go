package store

import (
	// encoding/json took two fifths of the time of reading a large store; this one needs a third
	// of that per block. A hand-written parser was no faster.
	"github.com/segmentio/encoding/json"

	"latlab/devices"
)

// decodeDetail reads a block's JSON.
func decodeDetail(text []byte) (b devices.Block, err error) {
	err = json.Unmarshal(text, &b)
	return b, err
}

// decodeValue reads the fields that bench.Reader's Values need. It does not check the others;
// reading the blocks does.
func decodeValue(text []byte) (devices.Block, error) {
	var value struct {
		Summary    *devices.Summary   `json:"summary"`
		Delegation devices.Delegation `json:"delegation"`
	}
	err := json.Unmarshal(text, &value)
	return devices.Block{Summary: value.Summary, Delegation: value.Delegation}, err
}
