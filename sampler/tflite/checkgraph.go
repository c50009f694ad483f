package tflite

import "latlab/sampler/graph"

// CheckGraph says why no runtime would take the graph: ops that latlab does not write, in
// the wrong order, or with shapes that do not fit. Every format's writer asks it first.
func CheckGraph(g *graph.Graph) error { return checkGraph(g) }
