package store

import (
	"bytes"
	"errors"

	// encoding/json took two fifths of the time of reading a large store; this one needs a third
	// of that per block. A hand-written parser was no faster.
	"github.com/segmentio/encoding/json"

	"latlab/devices"
)

// maxDepth is far above the depth of any block's or profile's JSON. The decoder has no limit of its own: 10 MB
// of brackets overflow the stack, which ends the process.
const maxDepth = 1000

var errDeep = errors.New("its JSON is nested too deeply")

// deep reports whether brackets are nested more than maxDepth levels.
func deep(text []byte) bool {
	if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxDepth {
		return false // of nearly all blocks
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return false
}

// decodeDetail reads a block's JSON.
func decodeDetail(text []byte) (b devices.Block, err error) {
	if deep(text) {
		return b, errDeep
	}
	err = json.Unmarshal(text, &b)
	return b, err
}

// quota is what a state says of a CPU quota.
type quota struct {
	Seconds *float64 `json:"quota_stopped_seconds"`
}

// decodeValue reads the fields that bench.Reader's Values need. It does not check the others;
// reading the blocks does.
func decodeValue(text []byte) (devices.Block, error) {
	var value struct {
		Summary    *devices.Summary   `json:"summary"`
		Delegation devices.Delegation `json:"delegation"`
		Unit       string             `json:"unit"`
		Clock      []devices.Clock    `json:"clock"`
		Elapsed    float64            `json:"elapsed_seconds"`
		Before     quota              `json:"before"`
		After      quota              `json:"after"`
	}
	if deep(text) {
		return devices.Block{}, errDeep
	}
	err := json.Unmarshal(text, &value)
	return devices.Block{
		Summary: value.Summary, Delegation: value.Delegation, Unit: value.Unit, Clock: value.Clock, Elapsed: value.Elapsed,
		Before: devices.State{QuotaSeconds: value.Before.Seconds}, After: devices.State{QuotaSeconds: value.After.Seconds},
	}, err
}
