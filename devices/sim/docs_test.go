package sim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// line is a constant as the page shows it.
type line struct{ path, value, source string }

// constants lists a Spec's constants in the order of the file.
func constants(s *Spec) []line {
	var lines []line
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch x := v.Interface().(type) {
		case Constant:
			lines = append(lines, line{path, fmt.Sprintf("%.4g", x.Value), x.Source})
			return
		case Series:
			var vs []string
			for _, f := range x.Values {
				vs = append(vs, fmt.Sprintf("%.4g", f))
			}
			lines = append(lines, line{path, strings.Join(vs, ", "), x.Source})
			return
		}
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem(), path)
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
				walk(v.Field(i), strings.TrimPrefix(path+"."+name, "."))
			}
		}
	}
	walk(reflect.ValueOf(s).Elem(), "")
	return lines
}

// TestEveryConstantHasASource: a source is a published figure, what the constant was derived from or
// fitted to, or a statement that it was chosen.
func TestEveryConstantHasASource(t *testing.T) {
	for _, name := range Names() {
		s, err := builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := constants(s)
		if len(lines) < 25 {
			t.Errorf("%s: only %d constants were found", name, len(lines))
		}
		for _, l := range lines {
			if len(l.source) < 4 || l.source == "fitted" {
				t.Errorf("%s: %s has source %q: fitted to what?", name, l.path, l.source)
			}
		}
	}
}

// blocksTable compares the blocks of the paper on every simulator, by resolution and width.
func blocksTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| map, width | MACs regular / separable |")
	for _, name := range Names() {
		fmt.Fprintf(&b, " %s |", name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(Names())) + "\n")
	for _, at := range [][2]int{{160, 16}, {160, 32}, {80, 32}, {80, 64}, {40, 32}, {40, 64}, {20, 96}, {10, 160}} {
		side, c := at[0], at[1]
		work := float64(regular(side, c).g.TotalMACs()) / float64(separable(side, c).g.TotalMACs())
		fmt.Fprintf(&b, "| %dx%d, %d | %.1f |", side, side, c, work)
		for _, name := range Names() {
			fmt.Fprintf(&b, " %.2f / %.2f |",
				opSeconds(t, name, separable(side, c))/opSeconds(t, name, regular(side, c)),
				opSeconds(t, name, inverted(side, c, 4))/opSeconds(t, name, fused(side, c, 4)))
		}
		b.WriteString("\n")
	}
	return b.String()
}
