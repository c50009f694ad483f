package sampler

import (
	"slices"

	"latlab/internal/strictyaml"
)

// mapSize is a stage's output at its largest width.
type mapSize struct{ height, width, channels int }

func (l *loader) head(v strictyaml.Value, stages []Stage) Head {
	o := v.Object("type", "classes", "taps", "extra", "anchors")
	h := Head{Type: HeadType(o.Get("type").OneOf(string(SSDLite), string(Classifier), string(NoHead)))}
	if !v.OK() {
		return h
	}
	if h.Type == NoHead {
		refuse(o, h.Type, "classes", "taps", "extra", "anchors")
		return h
	}
	h.Classes = o.Get("classes").Int(1, maxWidth)
	if h.Type == Classifier {
		refuse(o, h.Type, "taps", "extra", "anchors")
		pooled := mapSize{1, 1, l.maps[len(l.maps)-1].channels}
		l.addHead(o.Get("classes"), pooled, h.Classes)
		return h
	}
	h.Taps = taps(o.Get("taps"), stages)
	if extra, ok := o.Opt("extra"); ok {
		h.Extra = l.extra(extra)
	}
	h.Anchors = anchors(o.Get("anchors"), len(h.Taps), len(h.Extra))
	if v.OK() {
		l.countSSDLite(v, h, stages)
	}
	return h
}

// countSSDLite keeps the head within the limits.
func (l *loader) countSSDLite(v strictyaml.Value, h Head, stages []Stage) {
	var maps []mapSize
	for i, st := range stages {
		if slices.Contains(h.Taps, st.Name) {
			maps = append(maps, l.maps[i])
		}
	}
	for _, depth := range h.Extra {
		m := maps[len(maps)-1]
		l.addHead(v, mapSize{m.height, m.width, m.channels + depth}, depth/2)
		maps = append(maps, mapSize{shrink(m.height, 2), shrink(m.width, 2), depth})
	}
	for i, m := range maps {
		l.addHead(v, m, h.Anchors[i]*(h.Classes+4))
	}
}

// addHead counts the 1x1 convolutions of a map, with this many outputs in all.
func (l *loader) addHead(v strictyaml.Value, m mapSize, outputs int) {
	if tensor := float64(m.height) * float64(m.width) * float64(outputs); tensor > maxElements {
		v.Fail("a tensor of %dx%dx%d has more than %d elements", m.height, m.width, outputs, maxElements)
	}
	l.weights += float64(m.channels) * float64(outputs)
	if l.weights > maxElements {
		v.Fail("the largest network has more than %d weights with this head", maxElements)
	}
}

func refuse(o strictyaml.Object, t HeadType, keys ...string) {
	for _, key := range keys {
		if v, ok := o.Opt(key); ok {
			v.Fail("does not belong to a head of type %s", t)
		}
	}
}

func taps(v strictyaml.Value, stages []Stage) []string {
	var names, taps []string
	index := map[string]int{}
	for i, st := range stages {
		names = append(names, st.Name)
		index[st.Name] = i
	}
	last := -1
	for _, t := range v.List(maxStages) {
		name := t.Text()
		i, ok := index[name]
		switch {
		case !ok:
			t.Fail("unknown stage %s%s", t, strictyaml.DidYouMean(name, names))
		case i <= last:
			t.Fail("taps must be in the order of the stages: %s after %s", name, names[last])
		}
		last = i
		taps = append(taps, name)
	}
	if last != len(stages)-1 {
		v.Fail("must end with %q, the last stage, whose output would be unused", names[len(names)-1])
	}
	return taps
}

func (l *loader) extra(v strictyaml.Value) []int {
	var depths []int
	h, w := l.height, l.width
	for _, e := range v.List(maxStages) {
		depth := e.Int(2, maxWidth)
		if depth%2 != 0 {
			e.Fail("must be even, since the map is computed from half as many channels, not %d", depth)
		}
		if h == 1 && w == 1 {
			e.Fail("the map before is 1x1 and cannot be halved")
		}
		h, w = shrink(h, 2), shrink(w, 2)
		depths = append(depths, depth)
	}
	return depths
}

func anchors(v strictyaml.Value, taps, extra int) []int {
	var as []int
	for _, a := range v.List(2 * maxStages) {
		as = append(as, a.Int(1, 64))
	}
	if len(as) != taps+extra {
		v.Fail("must have one number per map, %d taps and %d extra, not %d", taps, extra, len(as))
	}
	return as
}
