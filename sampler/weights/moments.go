package weights

import "latlab/sampler/graph"

// Assumptions about a layer's input. He initialisation assumes a ReLU before every convolution, but a
// MobileDet also has linear projections, sums, h-swish and gates, and a wrong factor over seventy layers
// ends in infinity or zero. So the mean square of every tensor is propagated through the graph, and
// weights are scaled so that each convolution's output has mean square 1 before its activation.
const (
	inputSquare = 1.0 / 3 // uniform between -1 and 1, like the released networks' preprocessing

	// Mean squares of f(x) for a standard normal x.
	relu6Square    = 0.5
	hardSwishShare = 0.3315673751
	sigmoidSquare  = 0.2933790358

	// The mean of relu6(x), squared: what remains when a whole map is averaged.
	averageShare = 0.3183098862 // of relu6Square: 0.3989^2 / 0.5

	biasVariance = 0.01
)

// meanSquares estimates the mean square of every tensor. No expression both multiplies and adds: a fused
// multiply-add would give different results on different machines.
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

// fanIn is the number of products per output.
func fanIn(g *graph.Graph, op graph.Op) int64 {
	return g.Weights(op) / int64(g.Out(op)[3])
}
