package charts

import (
	_ "embed"
	"encoding/hex"
	"image/color"
	"regexp"
	"strings"
	"sync"
)

// Colours are the page's colours as CSS variables by class: light, dark and on paper. Blue and
// orange carry the most meaning and differ for every common colour blindness; IMPRECISE and INVALID have
// shapes of their own.
//
//go:embed colours.css
var Colours string

var colourOf = regexp.MustCompile(`--(\w+):#([0-9a-f]+)`)

// lightColours are the colours of pictures.
var lightColours = sync.OnceValue(func() map[string]color.NRGBA {
	light, _, _ := strings.Cut(Colours, "@media")
	all := map[string]color.NRGBA{}
	for _, m := range colourOf.FindAllStringSubmatch(light, -1) {
		digits := m[2]
		if len(digits) == 3 {
			digits = digits[:1] + digits[:1] + digits[1:2] + digits[1:2] + digits[2:] + digits[2:]
		}
		if len(digits) == 6 {
			digits += "ff"
		}
		if b, err := hex.DecodeString(digits); err == nil && len(b) == 4 {
			all[m[1]] = color.NRGBA{b[0], b[1], b[2], b[3]}
		}
	}
	return all
})

// colour returns the colour of a class; unknown classes are drawn in the soft ink.
func colour(class string) color.NRGBA {
	switch class {
	case "middle", "unseen":
		class = "ink"
	case "zero", "cut":
		class = "soft"
	case "disturbed":
		class = "rest"
	case "part", "unseen-rim", "none":
		class = "bg"
	case "up0", "down0":
		class = "card"
	case "unreachable":
		class = "line"
	}
	if c, ok := lightColours()[class]; ok {
		return c
	}
	return lightColours()["soft"]
}
