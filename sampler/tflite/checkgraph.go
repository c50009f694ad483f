package tflite

import "latlab/sampler/graph"

// CheckGraph says why no runtime would take the graph: ops that latlab does not write, in
// the wrong order, or with shapes that do not fit. Every format's writer asks it first.
func CheckGraph(g *graph.Graph) error { return checkGraph(g) }

// Looks says that data has the identifier of a .tflite; Check says whether it is one.
func Looks(data []byte) bool { return len(data) >= 8 && string(data[4:8]) == Identifier }
