package weights

import "latlab/sampler/graph"

// What a layer is assumed to see. He initialisation assumes a ReLU in front of every
// convolution; a MobileDet has linear projections, sums, h-swish and gates too, and
// seventy layers of a wrong factor end in infinity or zero. So the mean square of every
// tensor is followed through the graph, and weights are scaled to make each convolution's
// output, before its activation, of mean square 1.
const (
	inputSquare = 1.0 / 3 // uniform between -1 and 1: what the released nets' preprocessing gives

	// Mean squares of f(x) for a standard normal x.
	relu6Square    = 0.5
	hardSwishShare = 0.3315673751
	sigmoidSquare  = 0.2933790358

	// The mean of relu6(x), squared: what is left when a whole map is averaged.
	averageShare = 0.3183098862 // of relu6Square: 0.3989^2 / 0.5

	biasVariance = 0.01
)

// meanSquares estimates the mean square of every tensor. No expression both multiplies
// and adds: a fused multiply-add would make it differ between machines.
func meanSquares(g *graph.Graph) []float64 {
	ms := make([]float64, len(g.Tensors))
	for _, t := range g.Inputs {
		ms[t] = inputSquare
	}
	for _, op := range g.Ops {
		in := ms[op.Inputs[0]]
		out := in
		switch op.Kind {
		case graph.Conv2D, graph.DepthwiseConv, graph.FullyConnected:
			out = 1
		case graph.AveragePool:
			out = in * averageShare
		case graph.Add:
			out = in + ms[op.Inputs[1]]
		case graph.Mul:
			out = in * ms[op.Inputs[1]]
		case graph.HardSwish:
			out = in * hardSwishShare
		case graph.Logistic:
			out = sigmoidSquare
		}
		if op.Activation == graph.ReLU6 {
			out *= relu6Square
		}
		ms[op.Output] = out
	}
	return ms
}

// fanIn is how many products make one output.
func fanIn(g *graph.Graph, op graph.Op) int64 {
	return g.Weights(op) / int64(g.Out(op)[3])
}
