package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// hashHeader changes whenever the serialization changes.
const hashHeader = "latlab graph 1\n"

// Hash identifies the graph. It is the hex sha256 of a text with these lines, in this order:
//
//	latlab graph 1
//	name "NAME" space "SPACE" indices "INDICES"
//	tensor "NAME" N H W C
//	op "KIND" "NAME" inputs N I... output O kernel H W stride H W activation "A" norm 0|1 position P [READ]
//	inputs N I...
//	outputs N I...
//
// READ are the fields that only networks read from files have, if set:
// padding "P", dilation H W, groups N, nobias, dynamic, more N I..., counted M W B.
//
// Strings are quoted as in Go, so that fields cannot be confused. Name, space, indices and
// positions are included, although they do not change the computation: a model file carries them
// as metadata, so graphs that differ in them give different files.
func (g *Graph) Hash() string {
	b := make([]byte, 0, 160*(len(g.Ops)+len(g.Tensors)))
	b = append(b, hashHeader...)
	b = text(b, "name ", g.Name)
	b = text(b, " space ", g.Space)
	b = text(b, " indices ", g.Indices)
	b = append(b, '\n')
	for _, t := range g.Tensors {
		b = text(b, "tensor ", t.Name)
		b = append(numbers(b, "", t.Shape[:]...), '\n')
	}
	for _, op := range g.Ops {
		b = append(opLine(b, op), '\n')
	}
	b = append(list(b, "inputs", g.Inputs), '\n')
	b = append(list(b, "outputs", g.Outputs), '\n')
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func opLine(b []byte, op Op) []byte {
	b = text(b, "op ", string(op.Kind))
	b = text(b, " ", op.Name)
	b = list(b, " inputs", op.Inputs)
	b = numbers(b, " output", op.Output)
	b = numbers(b, " kernel", op.Kernel[:]...)
	b = numbers(b, " stride", op.Stride[:]...)
	b = text(b, " activation ", string(op.Activation))
	norm := 0
	if op.BatchNorm {
		norm = 1
	}
	b = numbers(b, " norm", norm)
	b = numbers(b, " position", op.Position)
	return readFields(b, op)
}

// readFields writes only the fields that are set, so that graphs of spaces keep the hashes from
// before the fields existed: stores and caches use them as names.
func readFields(b []byte, op Op) []byte {
	if op.Padding != "" {
		b = text(b, " padding ", string(op.Padding))
	}
	if op.Dilation != [2]int{} {
		b = numbers(b, " dilation", op.Dilation[:]...)
	}
	if op.Groups != 0 {
		b = numbers(b, " groups", op.Groups)
	}
	if op.NoBias {
		b = append(b, " nobias"...)
	}
	if op.DynamicWeights {
		b = append(b, " dynamic"...)
	}
	if len(op.MoreOutputs) > 0 {
		b = list(b, " more", op.MoreOutputs)
	}
	if c := op.Counted; c != (Counts{}) {
		b = numbers(b, " counted", int(c.MACs), int(c.Weights), int(c.Biases))
	}
	return b
}

func text(b []byte, key, s string) []byte {
	b = append(b, key...)
	if !plain(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(append(append(b, '"'), s...), '"')
}

// plain reports whether quoting adds only the quotes. This is true for every name that the
// lowering gives, and skipping the quoting is several times as fast.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func numbers(b []byte, key string, xs ...int) []byte {
	b = append(b, key...)
	for _, x := range xs {
		b = strconv.AppendInt(append(b, ' '), int64(x), 10)
	}
	return b
}

// list writes the numbers after their count.
func list(b []byte, key string, xs []int) []byte {
	return numbers(numbers(b, key, len(xs)), "", xs...)
}
