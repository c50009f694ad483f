package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Call is how a user's own file is executed where the file leaves a choice: which of its
// signatures, and the shapes and values of its inputs. Latency may depend on all of them, so they
// are part of the Model's identity. The zero Call is the file as it is: its first signature, the
// shapes that it has, and values chosen by the device.
type Call struct {
	Signature string  `json:"signature,omitempty"` // key of a .tflite's signature; empty = the first
	Inputs    []Given `json:"inputs,omitempty"`    // those of which the user gives something, sorted by name
}

// Given is what the user gives for one input.
type Given struct {
	Name   string   `json:"name"`             // of the input tensor, or of the signature's input
	Shape  []int    `json:"shape,omitempty"`  // extents, all above 0
	Value  *float64 `json:"value,omitempty"`  // of every element; nil if Word is not a finite number
	Text   string   `json:"text,omitempty"`   // Word, of a text input
	Word   string   `json:"-"`                // the value as it was given
	File   string   `json:"-"`                // a .npy file or the tensor's raw bytes, little-endian
	SHA256 string   `json:"sha256,omitempty"` // of File, hex
}

// CallOption is a part of a Call. A device lists those that it supports.
type CallOption string

// The parts, by the flag that sets them.
const (
	GivenSignature CallOption = "signature"
	GivenShape     CallOption = "input-shape"
	GivenValue     CallOption = "input-value"
	GivenFile      CallOption = "input-file"
)

// Empty reports whether the file is executed as it is.
func (c Call) Empty() bool { return c.Signature == "" && len(c.Inputs) == 0 }

// Options lists the parts that are given, in the order of the constants.
func (c Call) Options() []CallOption {
	var o []CallOption
	if c.Signature != "" {
		o = append(o, GivenSignature)
	}
	for _, part := range []struct {
		option CallOption
		given  func(Given) bool
	}{
		{GivenShape, func(g Given) bool { return g.Shape != nil }},
		{GivenValue, func(g Given) bool { return g.Word != "" }},
		{GivenFile, func(g Given) bool { return g.File != "" }},
	} {
		if slices.ContainsFunc(c.Inputs, part.given) {
			o = append(o, part.option)
		}
	}
	return o
}

// Input returns what is given for an input, nil for nothing.
func (c Call) Input(name string) *Given {
	for i := range c.Inputs {
		if c.Inputs[i].Name == name {
			return &c.Inputs[i]
		}
	}
	return nil
}

// identity is that of a file with this Call: the file's own hash for the zero Call.
func (c Call) identity(file string) string {
	if c.Empty() {
		return file
	}
	b, err := json.Marshal(c)
	if err != nil { // strings, integers and finite numbers only: ParseCall
		panic(err)
	}
	sum := sha256.Sum256(append([]byte(file+"\n"), b...))
	return hex.EncodeToString(sum[:])
}

// ParseCall reads the flags --signature KEY, --input-shape NAME=1x3x320x320, --input-value NAME=V
// and --input-file NAME=FILE. Each input has at most one shape, and a value or a file. Names and values are
// checked against the model by FromFile. Files are hashed here.
func ParseCall(signature string, shapes, values, files []string) (Call, error) {
	c := Call{Signature: signature}
	for _, list := range []struct {
		option CallOption
		words  []string
		set    func(g *Given, word string) error
	}{
		{GivenShape, shapes, (*Given).setShape},
		{GivenValue, values, (*Given).setValue},
		{GivenFile, files, (*Given).setFile},
	} {
		for _, w := range list.words {
			if err := c.give(w, list.set); err != nil {
				return Call{}, fmt.Errorf("--%s %q: %w", list.option, w, err)
			}
		}
	}
	slices.SortFunc(c.Inputs, func(a, b Given) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// give parses NAME=WORD. The name ends at the first "=", since a file's name may contain one.
func (c *Call) give(text string, set func(g *Given, word string) error) error {
	name, word, ok := strings.Cut(text, "=")
	if !ok || name == "" || word == "" {
		return fmt.Errorf("want NAME=..., with the name of an input")
	}
	g := c.Input(name)
	if g == nil {
		c.Inputs = append(c.Inputs, Given{Name: name})
		g = &c.Inputs[len(c.Inputs)-1]
	}
	return set(g, word)
}

func (g *Given) setShape(word string) error {
	if g.Shape != nil {
		return fmt.Errorf("input %s has a shape already", g.Name)
	}
	elements := 1
	for extent := range strings.SplitSeq(word, "x") {
		n, err := strconv.Atoi(extent)
		if err != nil || n < 1 || elements > maxElements/n {
			return fmt.Errorf("want positive extents such as 1x3x320x320, with at most %d elements", maxElements)
		}
		elements *= n
		g.Shape = append(g.Shape, n)
	}
	return nil
}

// maxElements is the limit of an input: 4 GiB of float32.
const maxElements = 1 << 30

// setValue keeps a word, which is a text or the number that it stands for: the input's type decides.
func (g *Given) setValue(word string) error {
	if g.Word != "" || g.File != "" {
		return fmt.Errorf("input %s has a value already", g.Name)
	}
	g.Word = word
	v, err := strconv.ParseFloat(word, 64)
	switch {
	case word == "true":
		g.Value = new(1.0)
	case word == "false":
		g.Value = new(0.0)
	case err == nil && v-v == 0:
		g.Value = &v
	}
	return nil
}

func (g *Given) setFile(path string) error {
	if g.Word != "" || g.File != "" {
		return fmt.Errorf("input %s has a value already", g.Name)
	}
	g.File = path
	return mapped(path, func(data []byte) error { g.SHA256 = hashOf(data); return nil })
}
