// Package devicetest is the conformance suite that every Device passes: agents, phones, boards,
// simulators and estimators. A new device provides a Suite and gets every check; it must give a
// reason for each hook that it cannot provide.
//
// The package refuses to judge how fast a device is. No check depends on a wall-clock figure: the
// few time limits only end what would never end. Its own tests run it on devices that each
// misbehave in one way, and list the checks that notice.
package devicetest

import (
	"testing"
	"time"

	"latlab/devices"
	"latlab/sampler/model"
)

// Suite is what a device provides to be tested. Hooks take a testing.TB, so that they can call a
// test's helpers, TempDir and Cleanup.
type Suite struct {
	// Open makes a fresh device.
	Open func(t testing.TB) devices.Device
	// Good is a small model that the device accepts, Bad one that its tool rejects. Good is called
	// repeatedly and may return the same model each time.
	Good, Bad func(t testing.TB) *model.Model

	// Crash, Hang and Offline return a device and a model. At the next Run the tool crashes, never
	// answers, or the device cannot be reached. This happens once: the following Run, of Good,
	// succeeds. A tool that is a program can be replaced by a shell script that misbehaves and
	// creates a file if that is missing, and otherwise execs the real tool.
	Crash, Hang, Offline func(t testing.TB) (devices.Device, *model.Model)
	// Lasting gives reasons for hooks whose failure happens at every Run: hook name to reason.
	Lasting map[string]string
	// Partial returns a device and a model with some nodes that are not delegated. Its Run succeeds and
	// reports this as data.
	Partial func(t testing.TB) (devices.Device, *model.Model)

	// Processes counts the programs that the device's Runs are running now.
	Processes func() int
	// State is a snapshot of everything that a device could change outside of itself: affinity,
	// frequencies, pushed files, temporary folders. It must be equal before and after.
	State func() string

	// Cannot gives reasons why something cannot happen on this device: hook name (Crash, Hang, Offline,
	// Partial, Processes, State) to reason. The suite fails for a hook that is neither provided nor
	// explained.
	Cannot map[string]string
}

// Plan is a quick block.
func Plan() devices.Plan {
	return devices.Plan{WarmUpRuns: 1, MinRuns: 3, MaxRuns: 5, MaxSeconds: 1, Timeout: time.Minute, Seed: 1}
}

// endless is a block of so many invokes that it practically never ends.
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
