package edgetpu

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"latlab/internal/text"
)

// report is the compiler's output for one model.
type report struct {
	millis    int64 // duration of the compilation
	onChip    int64 // bytes of weights kept on the chip
	remaining int64 // bytes still free on the chip
	offChip   int64 // bytes of weights that are streamed in every inference
	subgraphs int64
	total     int64 // operators of the model
	rows      []row
}

// row is a row of the table of operators. An operator may have several, one for each status.
type row struct {
	op     string
	count  int64
	status string
}

// mapped is the status of operators that run on the Edge TPU.
const mapped = "Mapped to Edge TPU"

// maxRows limits the table: operators times statuses.
const maxRows = 1000

// onTPU counts the operators that the Edge TPU runs.
func (r *report) onTPU() int64 {
	var n int64
	for _, x := range r.rows {
		if x.status == mapped {
			n += x.count
		}
	}
	return n
}

// why returns the reasons of operators that run on the CPU, each kind and status once.
func (r *report) why() []string {
	var why []string
	for _, x := range r.rows {
		if x.status != mapped {
			why = append(why, fmt.Sprintf("%s x%d: %s", x.op, x.count, x.status))
		}
	}
	slices.Sort(why)
	return why
}

var (
	tableHead = regexp.MustCompile(`^Operator\s+Count\s+Status\s*$`)
	tableRow  = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.-]{0,99})\s+([0-9]{1,9})\s+([A-Z][^\x00-\x1f]{0,199}?)\s*$`)
	size      = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(B|KiB|MiB|GiB)$`)
	compiled  = regexp.MustCompile(`^Model compiled successfully in ([0-9]+) ms[.!]$`)
)

// Lines "LABEL: FIGURE" that are read. Version 2 printed the memory available on the chip instead of
// what remains.
const (
	onChipLabel    = "On-chip memory used for caching model parameters"
	remainingLabel = "On-chip memory remaining for caching model parameters"
	availableLabel = "On-chip memory available for caching model parameters"
	offChipLabel   = "Off-chip memory used for streaming uncached model parameters"
	subgraphsLabel = "Number of Edge TPU subgraphs"
	totalLabel     = "Total number of operations"
	onTPULabel     = "Number of operations that will run on Edge TPU"
	onCPULabel     = "Number of operations that will run on CPU"
	outputLabel    = "Output size"
	millisLabel    = "Model compiled successfully" // its line has a different form
)

var labels = []string{onChipLabel, remainingLabel, availableLabel, offChipLabel, subgraphsLabel, totalLabel, onTPULabel, onCPULabel, outputLabel}

// parseReport reads a report of exactly one model, with its table (-s). The required lines must appear
// exactly once, and the figures must agree.
func parseReport(text string) (*report, error) {
	p := &parser{figures: map[string]int64{}}
	for line := range strings.Lines(text) {
		if err := p.line(strings.TrimRight(line, "\r\n")); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

type parser struct {
	figures map[string]int64
	rows    []row
	inTable bool
	tables  int
}

func (p *parser) line(line string) error {
	if tableHead.MatchString(line) {
		p.inTable, p.tables = true, p.tables+1
		return nil
	}
	if p.inTable && strings.TrimSpace(line) != "" {
		if m := tableRow.FindStringSubmatch(line); m != nil {
			return p.row(m)
		}
		p.inTable = false
	}
	if m := compiled.FindStringSubmatch(line); m != nil {
		return p.figure(millisLabel, m[1])
	}
	if name, value, found := strings.Cut(line, ": "); found && slices.Contains(labels, name) {
		return p.figure(name, strings.TrimSpace(value))
	}
	return nil
}

func (p *parser) row(m []string) error {
	n, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || n == 0 {
		return fmt.Errorf("%q operators of %s", m[2], m[1])
	}
	if len(p.rows) == maxRows {
		return fmt.Errorf("the table has more than %d rows", maxRows)
	}
	p.rows = append(p.rows, row{m[1], n, m[3]})
	return nil
}

func (p *parser) figure(name, value string) error {
	if _, twice := p.figures[name]; twice {
		return fmt.Errorf("%q is there twice", name)
	}
	x, err := parseFigure(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.figures[name] = x
	return nil
}

// parseFigure reads a whole number, or a size such as 3.45MiB, which is rounded to 3 digits.
func parseFigure(s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n <= math.MaxInt32 {
		return n, nil
	}
	m := size.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no figure", text.Line(s, maxKept))
	}
	x, err := strconv.ParseFloat(m[1], 64)
	x *= map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[m[2]]
	if err != nil || x > 1<<40 {
		return 0, fmt.Errorf("%q is no size", text.Line(s, maxKept))
	}
	return int64(math.Round(x)), nil
}

func (p *parser) finish() (*report, error) {
	for _, name := range []string{millisLabel, onChipLabel, offChipLabel, subgraphsLabel, totalLabel} {
		if _, there := p.figures[name]; !there {
			return nil, fmt.Errorf("it does not say %q", name)
		}
	}
	if p.tables != 1 || len(p.rows) == 0 {
		return nil, fmt.Errorf("it has %d tables of operators, with %d rows", p.tables, len(p.rows))
	}
	f := p.figures
	r := &report{millis: f[millisLabel], onChip: f[onChipLabel], remaining: f[remainingLabel], offChip: f[offChipLabel],
		subgraphs: f[subgraphsLabel], total: f[totalLabel], rows: p.rows}
	if available, there := f[availableLabel]; there {
		r.remaining = max(0, available-r.onChip)
	}
	return r, p.agree(r)
}

func (p *parser) agree(r *report) error {
	var all int64
	for _, x := range r.rows {
		all += x.count
	}
	on := r.onTPU()
	if all != r.total {
		return fmt.Errorf("its table has %d operators, the model %d", all, r.total)
	}
	if n, there := p.figures[onTPULabel]; there && n != on {
		return fmt.Errorf("%d operators run on the Edge TPU, its table has %d", n, on)
	}
	if n, there := p.figures[onCPULabel]; there && n != all-on {
		return fmt.Errorf("%d operators run on the CPU, its table has %d", n, all-on)
	}
	if (on > 0) != (r.subgraphs > 0) {
		return fmt.Errorf("%d operators run on the Edge TPU, in %d subgraphs", on, r.subgraphs)
	}
	return nil
}

var errInternal = errors.New("the compiler failed of itself: Internal compiler error")

// complaint is the compiler's reason for compiling nothing.
func complaint(output string) error {
	if strings.Contains(output, "Internal compiler error") {
		return errInternal
	}
	var said []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		for _, begin := range []string{"ERROR: ", "Invalid model", "Model not quantized", "Compilation failed", "Compilation child process", "Internal error", "Error"} {
			if strings.HasPrefix(line, begin) && len(said) < 4 {
				said = append(said, text.Line(line, maxKept))
				break
			}
		}
	}
	if len(said) == 0 {
		return errors.New("it does not say why")
	}
	return errors.New(strings.Join(said, "; "))
}

// maxKept is how many bytes of a program's output an error or a fact keeps.
const maxKept = 200
