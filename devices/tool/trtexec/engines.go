package trtexec

import "latlab/devices/machine"

// engine is a model that was built. It lies in a folder of the machine's.
type engine struct {
	dir    *machine.Temp
	bytes  int64
	sha256 string // of the model's bytes
	table  layers
	build  float64 // seconds that building took
}

// engineFile is its name in its folder.
const engineFile = "engine.plan"

func (e *engine) remove() { e.dir.Close() }
