// Package bench times the networks of a sweep on a device: it plans blocks, runs them, and reads the
// networks' estimates back.
//
// Data flows one way. A Source yields networks, Run plans blocks in a Store and has a
// devices.Device time them, and Estimates turns a network's stored blocks into a Measurement.
//
// The package does not print, does not know how a device works (devices) or how rows are
// stored (bench/store), and fits nothing (regress). It declares the Store and the Source
// that it needs. Its neighbours: protocol says how many blocks and runs, stats computes values and
// intervals, verdict judges them, and fleet runs sweeps on several devices at once.
package bench
