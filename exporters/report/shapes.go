package report

import "slices"

// key is an entry of a picture's legend as it is drawn: like what it stands for.
type key struct {
	legend
	Dot bool // of dots; else of boxes, unless Class is a line's
}

// Shape is the outline of a dot that shall be told apart without its colour, around 0,0 in
// pixels: in print, and by who sees few colours. Empty = a circle.
func (m mark) Shape() string { return shapeOf(m.Class) }

// Shape is that of the dots that it stands for.
func (k key) Shape() string {
	if !k.Dot {
		return ""
	}
	return shapeOf(k.Class)
}

func shapeOf(class string) string {
	switch class {
	case "bad":
		return "M0-4.6L4.2 3L-4.2 3Z"
	case "hot":
		return "M0-4.4L4.4 0L0 4.4L-4.4 0Z"
	}
	return ""
}

// keys are the legend's entries that the picture has something of: one that stands for nothing
// makes a reader search.
func (c chart) keys() []key {
	var all []key
	for _, l := range c.Legend {
		marks, dot := 0, false
		for _, f := range c.Frames {
			of := func(m mark) bool { return m.Class == l.Class }
			if i := slices.IndexFunc(f.Marks, of); i >= 0 {
				marks++
				dot = dot || f.Marks[i].W == ""
			}
		}
		if marks > 0 || !slices.Contains([]string{"dot", "bad", "hot", "front", "middle"}, l.Class) {
			all = append(all, key{l, dot})
		}
	}
	return all
}
