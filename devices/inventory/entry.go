package inventory

import (
	"time"

	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/sampler/model"
)

// entry is a device of the user's inventory file, as the file has it. What each field means
// is in fields, which the file is read by and the document is written from.
type entry struct {
	name string
	file string // that it is in
	line int    // where its name is

	adb   string // serial number or address, as `adb devices` lists it
	ssh   sshHost
	local bool

	tool            string
	delegate        string
	delegateLibrary string
	delegateName    string
	delegateOnCPU   bool
	delegateOptions map[string]string
	arch            string
	binary          string
	libraries       []string
	compiler        string
	minRuntime      int
	soc, sdk        string
	viewer          string
	perfProfile     string
	mixed, copies   bool
	precision       model.Precision
	threads         int
	cpus            []int
	coolDown        machine.CoolDown
	settings        state.Settings
	wrap            []string
	dir             string
	budget          int64
	flags           map[string]string
	env             []string // "NAME=value", sorted
	counter         string
	harmless        []string

	// lines are where fields are in the file, for what is found wrong with them later: a
	// binary that is not there.
	lines map[string]int
}

// sshHost is where and how to log in. What is empty is ssh's own: ~/.ssh/config, the agent,
// the usual keys.
type sshHost struct {
	host       string // an alias of ~/.ssh/config, or a name or address
	user       string
	port       int
	identity   string // private key, a file of this host
	knownHosts string // a file of this host
}

// Tools of the file.
const (
	toolAgent     = "agent"
	toolBenchmark = "benchmark_model"
	toolTrtexec   = "trtexec"
	toolQNN       = "qnn-net-run"
)

var tools = []string{toolAgent, toolBenchmark, toolTrtexec, toolQNN}

// Delegates of the file.
const (
	delegateNone     = "none"
	delegateXNNPACK  = "xnnpack"
	delegateGPU      = "gpu"
	delegateNNAPI    = "nnapi"
	delegateHexagon  = "hexagon"
	delegateEdgeTPU  = "edgetpu"
	delegateExternal = "external"
	delegateStable   = "stable"
)

// delegatesOf are what a tool can be told, its default first. Those of trtexec and
// qnn-net-run are what they are made for.
var delegatesOf = map[string][]string{
	toolAgent:     {delegateXNNPACK, delegateNone, delegateEdgeTPU, delegateExternal},
	toolBenchmark: {delegateXNNPACK, delegateNone, delegateGPU, delegateNNAPI, delegateHexagon, delegateEdgeTPU, delegateExternal, delegateStable},
}

// precisionsOf are what a tool computes in, its default first.
var precisionsOf = map[string][]string{
	toolAgent:     {"float32", "int8"},
	toolBenchmark: {"float32", "int8"},
	toolTrtexec:   {"float16", "float32", "int8"},
	toolQNN:       {"int8"},
}

// edgeTPUPrecisions are what edgetpu_compiler takes.
var edgeTPUPrecisions = []model.Precision{model.Int8}

// onDevice begins a path that is the device's own; others are of this host and are pushed.
const onDevice = "device:"

// maxCoolDown is longer than anything takes to cool, and short enough that a sweep behind a
// radiator is noticed.
const maxCoolDown = time.Hour
