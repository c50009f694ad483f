// Package devicetest is the conformance suite that every Device passes: the local agent,
// simulators, estimators, and later phones and boards. A new device brings a Suite and
// gets every check; what it cannot bring it must explain.
//
// The package refuses to judge how fast a device is, and no wall-clock figure decides a
// check: the few limits in it only end what would go on for ever. Its own tests run it on
// devices that misbehave in one way each and say which checks notice.
package devicetest

import (
	"testing"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// Suite is what a device brings to be tested. Hooks take a testing.TB, so that they may call
// a test's helpers, TempDir and Cleanup.
type Suite struct {
	// Open makes a fresh device.
	Open func(t testing.TB) devices.Device
	// Good is a small model that the device takes, Bad one that its tool rejects. Good is
	// asked for again and again and may be the same each time.
	Good, Bad func(t testing.TB) *model.Model

	// Crash, Hang and Offline give a device and a model with which at the next Run the tool
	// crashes, never answers, or the device cannot be reached. They happen once: the Run
	// after it, of Good, goes well. A tool that is a program can be replaced by a shell
	// script that misbehaves when a file is missing, makes it, and else execs the real one.
	Crash, Hang, Offline func(t testing.TB) (devices.Device, *model.Model)
	// Lasting says of those that happen at every Run why they do: hook name to reason.
	Lasting map[string]string
	// Partial gives a device and a model of which some nodes are not delegated. Its Run
	// succeeds and says so as data.
	Partial func(t testing.TB) (devices.Device, *model.Model)

	// Processes counts the programs that Runs of the device have running now.
	Processes func() int
	// State is a snapshot of all that a device could change outside of itself: affinity,
	// frequencies, files pushed, temporary folders. It is equal before and after.
	State func() string

	// Cannot says why a thing cannot happen on this device: name of a hook (Crash, Hang,
	// Offline, Partial, Processes, State) to the reason. A hook that is neither brought nor
	// explained fails the suite.
	Cannot map[string]string
}

// Plan is a quick block.
func Plan() devices.Plan {
	return devices.Plan{WarmUpRuns: 1, MinRuns: 3, MaxRuns: 5, MaxSeconds: 1, Timeout: time.Minute, Seed: 1}
}

// endless is a block that takes as many invokes as nobody waits for.
func endless(timeout time.Duration) devices.Plan {
	return devices.Plan{MinRuns: 1 << 30, Timeout: timeout, Seed: 1}
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) { c.run(&subject{TB: t, Suite: s}) })
	}
}

type check struct {
	name string
	run  func(*subject)
}

func checks() []check {
	return []check{
		{"brings every hook", checkHooks},
		{"describes itself", checkInfo},
		{"gives a whole block", checkTime},
		{"survives a plan without minimum", checkSmallPlan},
		{"keeps its blocks apart", checkTwoBlocks},
		{"proves its delegation", checkDelegation},
		{"tells partial delegation as data", checkPartial},
		{"tells its layers", checkLayers},
		{"refuses other precisions and formats", checkUnsupported},
		{"names the model's fault", checkBadModel},
		{"goes on after a bad model", checkAfterBadModel},
		{"names a crash and goes on", checkCrash},
		{"names a hang and goes on", checkHang},
		{"names an absence and goes on", checkOffline},
		{"returns at once on a dead context", checkDeadContext},
		{"stops when the context ends", checkCancel},
		{"stops at the deadline", checkDeadline},
		{"refuses one Run too many", checkBusy},
		{"leaves nothing behind", checkNothingLeft},
	}
}
