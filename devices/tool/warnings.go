package tool

import (
	"regexp"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// warningLine has the ways in which tools begin a warning: "[W] text" with or without a time, "WARNING: text",
// "[WARNING] text", a milliseconds' clock before it (Qualcomm's), "W0000 00:00:17 4242 file.cc:12] text"
// (glog), "2026-11-25 16:00:00.1 [W:onnxruntime:, file.cc:12 f] text", "file.py:12: UserWarning: text".
var warningLine = regexp.MustCompile(`^(?:\[[0-9/:. -]{8,32}\] ?)?(?:` +
	`\[W\]|\[(?i:warn|warning)\]|(?i:warn|warning)(?:: | - )|[0-9.]+ ?ms +\[ *(?i:warn|warning) *\]|` +
	`W[0-9]{4} \S+ +[0-9]+ \S+\]|[0-9-]+ [0-9:.]+ \[W:[^\]]*\]|\S+:[0-9]+: [A-Za-z]*Warning: ` +
	`)\s*(.*)$`)

// Warning returns the text of a line that is a warning, whatever it begins with.
func Warning(line string) (text string, ok bool) {
	m := warningLine.FindStringSubmatch(strings.TrimSpace(colour.ReplaceAllString(line, "")))
	if m == nil || m[1] == "" {
		return "", false
	}
	return m[1], true
}

var (
	shapeWord  = regexp.MustCompile(`(?i)\b(?:shapes?|dimensions?|dims?|batch size|input size)\b`)
	chosenWord = regexp.MustCompile(`(?i)overrid|assum|guess|\bchose|choos|default(?:s|ed|ing)? to|using default|set(?:ting)? to 1\b|were provided`)
)

// ChoseShape reports whether a warning says that the tool chose a shape that nobody gave: then another network was
// timed than the one that was asked for.
func ChoseShape(warning string) bool {
	return shapeWord.MatchString(warning) && chosenWord.MatchString(warning)
}

// maxWarnings limits the warnings that are kept of a run.
const maxWarnings = 20

// Warnings are what a program warned of, each text once, and the doubt about each that says that a shape was chosen.
type Warnings struct {
	Texts  []string
	Doubts []devices.Doubt
}

// Warnings are those of a run.
func (o Output) Warnings(program string) (w Warnings) {
	for _, stream := range []string{o.Stdout, o.Stderr} {
		for line := range strings.Lines(stream) {
			said, found := Warning(line)
			if said = program + ": " + text.Line(said, maxLine); !found || slices.Contains(w.Texts, said) {
				continue
			}
			if ChoseShape(said) && len(w.Doubts) < maxWarnings {
				w.Doubts = append(w.Doubts, devices.Doubt{Code: ReasonShape, Text: "the tool chose the shape of an input: " + said})
			}
			if len(w.Texts) < maxWarnings {
				w.Texts = append(w.Texts, said)
			}
		}
	}
	return w
}

// AddTo adds them to a block's.
func (w Warnings) AddTo(b *devices.Block) {
	b.Warnings, b.Doubts = slices.Concat(b.Warnings, w.Texts), slices.Concat(b.Doubts, w.Doubts)
}

// ReasonShape is the code of the doubt about such a measurement.
const ReasonShape = "shape_chosen"
