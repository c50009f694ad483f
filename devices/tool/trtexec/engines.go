package trtexec

import "latlab/devices/machine"

// engine is a built model. It is in a folder on the machine.
type engine struct {
	dir    *machine.Temp
	bytes  int64
	sha256 string // of the model's bytes
	table  layers
	build  float64 // seconds of the build
}

// engineFile is the engine's name in its folder.
const engineFile = "engine.plan"

func (e *engine) remove() { e.dir.Close() }
