package reader

import (
	"fmt"
	"strconv"
	"strings"
)

// String is "input  int8 1x224x224x3 = 0.0078 x (q + 1)".
func (p Port) String() string {
	extents := make([]string, len(p.Shape))
	for i, n := range p.Shape {
		extents[i] = strconv.Itoa(n)
		if n < 0 {
			extents[i] = "?"
		}
	}
	text := fmt.Sprintf("%s  %s %s", p.Name, p.Type, strings.Join(extents, "x"))
	if p.Scale != nil {
		text += fmt.Sprintf(" = %s x %s", strconv.FormatFloat(*p.Scale, 'g', 6, 64), quantum(*p.ZeroPoint))
	}
	if p.SignatureName != "" && p.SignatureName != p.Name {
		text += ", in the signature " + p.SignatureName
	}
	return text
}

// quantum is what a scale is multiplied by.
func quantum(zero int64) string {
	switch {
	case zero == 0:
		return "q"
	case zero < 0:
		return fmt.Sprintf("(q + %d)", -zero)
	}
	return fmt.Sprintf("(q - %d)", zero)
}
