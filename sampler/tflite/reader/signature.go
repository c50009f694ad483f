package reader

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"latlab/internal/text"
	"latlab/sampler/tflite/internal/schema"
)

// signature is the signature that is described.
type signature struct {
	subgraph int
	// named are its inputs and outputs. The runtime's SignatureRunner lists inputs in this order, by
	// the bytes of their names.
	inputs, outputs []namedTensor
}

type namedTensor struct {
	name   []byte
	tensor int
}

// chooseSignature sets the signature and the subgraph that are described: those of the key, or for "" of the
// first signature, or the first subgraph of a file without signatures.
func (r *reader) chooseSignature(key string) error {
	n := r.m.SignatureDefsLength()
	if n > maxItems {
		return fmt.Errorf("%d signatures, want at most %d", n, maxItems)
	}
	chosen := -1
	for i := range n {
		var s schema.SignatureDef
		r.m.SignatureDefs(&s, i)
		own := r.string(s.SignatureKey())
		r.net.Signatures = append(r.net.Signatures, own)
		if chosen < 0 && (key == "" || own == key) {
			chosen = i
		}
	}
	switch {
	case chosen < 0 && key == "":
		return nil
	case n == 0:
		return &SignatureError{fmt.Sprintf("it has no signatures, so none is named %q", text.Clip(key))}
	case chosen < 0:
		return &SignatureError{fmt.Sprintf("it has no signature %q%s; it has %s", text.Clip(key), text.DidYouMean(key, r.net.Signatures), text.ClipTo(strings.Join(r.net.Signatures, ", "), 400))}
	}
	s, err := r.readSignatureDef(chosen)
	if err != nil {
		return fmt.Errorf("signature %q: %w", r.net.Signatures[chosen], err)
	}
	r.signature, r.net.Signature, r.net.SubGraph = s, r.net.Signatures[chosen], s.subgraph
	if s.subgraph > 0 {
		r.net.Runner = &chosen
	}
	return nil
}

// SignatureError is a key that the file does not have.
type SignatureError struct{ text string }

func (e *SignatureError) Error() string { return e.text }

func (r *reader) readSignatureDef(i int) (*signature, error) {
	var d schema.SignatureDef
	r.m.SignatureDefs(&d, i)
	if int64(d.SubgraphIndex()) >= int64(r.m.SubgraphsLength()) {
		return nil, fmt.Errorf("subgraph %d of %d", d.SubgraphIndex(), r.m.SubgraphsLength())
	}
	s := &signature{subgraph: int(d.SubgraphIndex())}
	var sub schema.SubGraph
	r.m.Subgraphs(&sub, s.subgraph)
	var err error
	if s.inputs, err = readNamed(d.InputsLength(), d.Inputs, sub.TensorsLength()); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if s.outputs, err = readNamed(d.OutputsLength(), d.Outputs, sub.TensorsLength()); err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	// The runtime gives values to a signature's own inputs only, unless the subgraph is the first.
	for i := range sub.InputsLength() {
		if x := int(sub.Inputs(i)); s.subgraph > 0 && find(s.inputs, x) < 0 {
			return nil, fmt.Errorf("input %d of its subgraph %d has no name, so it cannot be given a value", i, s.subgraph)
		}
	}
	return s, nil
}

func readNamed(n int, get func(*schema.TensorMap, int) bool, tensors int) ([]namedTensor, error) {
	if n > maxPorts {
		return nil, fmt.Errorf("%d names, want at most %d", n, maxPorts)
	}
	list := make([]namedTensor, n)
	for i := range list {
		var m schema.TensorMap
		get(&m, i)
		if int64(m.TensorIndex()) >= int64(tensors) {
			return nil, fmt.Errorf("tensor %d of %d", m.TensorIndex(), tensors)
		}
		list[i] = namedTensor{m.Name(), int(m.TensorIndex())}
	}
	slices.SortFunc(list, func(a, b namedTensor) int {
		return cmp.Or(bytes.Compare(a.name, b.name), cmp.Compare(a.tensor, b.tensor))
	})
	for i := 1; i < n; i++ {
		if bytes.Equal(list[i].name, list[i-1].name) {
			return nil, fmt.Errorf("two of them are named %q", text.Clip(string(list[i].name)))
		}
	}
	return list, nil
}

// nameSignature adds the signature's names and the runtime's order to the ports.
func (r *reader) nameSignature() {
	s := r.signature
	for i := range r.net.Inputs {
		p := &r.net.Inputs[i]
		p.Index = i
		if s == nil {
			continue
		}
		at := find(s.inputs, int(r.sub.Inputs(i)))
		if at < 0 {
			continue
		}
		p.SignatureName = r.string(s.inputs[at].name)
		if s.subgraph > 0 {
			p.Index = at
		}
	}
	for i := range r.net.Outputs {
		if s == nil {
			break
		}
		if at := find(s.outputs, int(r.sub.Outputs(i))); at >= 0 {
			r.net.Outputs[i].SignatureName = r.string(s.outputs[at].name)
		}
	}
}

func find(list []namedTensor, tensor int) int {
	return slices.IndexFunc(list, func(n namedTensor) bool { return n.tensor == tensor })
}

// findIdle sets the subgraphs that are not executed.
func (r *reader) findIdle() {
	calls := false
	for _, op := range r.net.Operators {
		switch op.Name {
		case "WHILE", "IF", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "STABLEHLO_REDUCE", "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SCATTER", "STABLEHLO_SORT":
			calls = true
		}
	}
	others := map[int]bool{}
	for i := range r.m.SignatureDefsLength() {
		var s schema.SignatureDef
		r.m.SignatureDefs(&s, i)
		others[int(s.SubgraphIndex())] = true
	}
	for i := range r.m.SubgraphsLength() {
		if i != r.net.SubGraph && (!calls || others[i]) {
			r.net.Idle = append(r.net.Idle, i)
		}
	}
}

// noteSignatures says which of a file's subgraphs is described.
func (r *reader) noteSignatures() {
	n := r.net
	switch {
	case len(n.Signatures) > 1:
		r.note("%d signatures: %s is described and executed, --signature KEY chooses another: %s", len(n.Signatures), n.Signature, text.Clip(strings.Join(n.Signatures, ", ")))
	case n.SubGraphs > 1:
		r.note("%d subgraphs: only subgraph %d is described, which runtimes run by default, and not those that it calls", n.SubGraphs, n.SubGraph)
	}
}
