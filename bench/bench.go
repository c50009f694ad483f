// Package bench decides how networks are timed and what the numbers are worth: the
// Protocol, the measuring loop, the statistics, the verdicts and the Sweep.
//
// Data flows one way. A Source yields networks, Run plans blocks in a Store and has a
// devices.Device time them, and Measure turns a network's blocks into a Measurement.
// Measure is a pure function of blocks: an estimate can always be recomputed from what
// the Store keeps.
//
// A Measurement carries its doubts: a verdict with reasons, and warnings with their figures.
// Nothing is dropped, corrected or averaged away.
//
// The package does not print, does not know how a device works (devices) or how rows are
// stored (bench/store), and fits nothing (regress). It declares the Store and the Source
// that it needs.
//
// It has more than 3,000 lines because the loop asks the statistics after each block whether more are
// needed, and verdicts read the same blocks; the fleet, which only runs loops, could leave first.
package bench
