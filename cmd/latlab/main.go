// Command latlab samples networks of a search space, times them on a device and fits the
// cost model that a hardware-aware search consumes.
//
// newProgram lists the verbs. Each has a file of its name: an options struct with a method that
// registers its flags and one that runs it. A verb that outgrows one file has more whose names begin with
// the verb (exportformats.go, fitcsv.go, sweepplan.go). Options that verbs share are in
// options.go, those that name networks in networks.go, those of ranked ones in rank.go. Only main.go and the flags*.go import the library that parses the command line.
//
// This package is the only one that knows the command line, stdout and exit codes. It refuses
// to compute anything: networks come from bench/source, measurements from bench, cost models
// from regress, devices from devices/inventory, formats from exporters, the server from
// internal/serve, and tables, colours, units and progress from internal/ui.
//
// It has more than 3,000 lines because it is the command line of more than twenty verbs, some 300 lines each:
// flags with their help, checks of what was typed, and what is printed. A package a verb was
// rejected: they share options, exit codes and output.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"latlab/devices"
	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/internal/version"
)

func main() { os.Exit(Main()) }

// Main runs latlab with the process's arguments and streams and returns the exit code.
func Main() int {
	return run(context.Background(), os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}

// streams are stdin, stdout and stderr, or what a test puts in their place.
type streams struct {
	in       io.Reader
	out, err io.Writer
	columns  int // of the terminal that out is; ui.Columns if it is none
}

func run(ctx context.Context, args []string, s streams) int {
	s.columns = ui.Width(s.out)
	out := &resultWriter{w: painted(s.out, args)}
	s.out = out
	newSafe := ui.NewSafe
	if wantsJSON(args) {
		newSafe = ui.NewSafeJSON
	}
	s.err = newSafe(s.err)
	var safe *ui.Safe
	if !fileToStdout(args) {
		safe = newSafe(out)
		s.out = safe
	}
	err := newProgram(s).run(ctx, args)
	if safe != nil {
		out.err = cmp.Or(out.err, safe.Flush())
	}
	if p, ok := out.w.(*ui.Painter); ok {
		out.err = cmp.Or(out.err, p.Flush())
	}
	if err == nil {
		err = out.err
	}
	return reportError(s, wantsJSON(args), err)
}

// paintedVerbs are the verbs whose results may be coloured. The others write files to stdout.
var paintedVerbs = []string{"compare", "devices", "doctor", "fit", "show", "sweep", "time", "verify"}

// dataVerbs write to stdout what other programs read.
var dataVerbs = []string{"completion", "man", "sample"}

// fileToStdout reports whether stdout gets a file, which no character may be changed in.
func fileToStdout(args []string) bool {
	if len(args) > 1 && slices.Contains(dataVerbs, args[1]) {
		return true
	}
	stdout := []string{stdoutPath, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}
	for i, a := range args {
		name, value, joined := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		if strings.HasPrefix(a, "-") && name == "o" && slices.Contains(stdout, value) {
			return true
		}
	}
	return false
}

// painted returns a writer that colours what it writes to w, or w itself where colours are not wanted.
func painted(w io.Writer, args []string) io.Writer {
	verb := len(args) > 1 && slices.Contains(paintedVerbs, args[1])
	if !verb || !ui.WantsColour(w) || wantsJSON(args) || wants(args, "quiet") {
		return w
	}
	return ui.NewPainter(w)
}

// resultWriter remembers the first write error, so that a result that could not be written fails
// the command even where the caller ignores the error.
type resultWriter struct {
	w   io.Writer
	err error
}

func (r *resultWriter) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("the result cannot be written: %w", err)
	}
	return n, err
}

type program struct {
	app   *cli.App
	verbs []*verb
	typed typedFlags
}

func newProgram(s streams) *program {
	p := &program{typed: typedFlags{}}
	p.verbs = []*verb{
		{name: "spaces", usage: "list search spaces: decisions, size, table slots, reachable entries", options: &spacesOptions{},
			examples: []string{
				"latlab spaces",
				"latlab spaces --space mobiledet_cpu_ibn",
			}},
		{name: "protocols", usage: "list the timing protocols, field by field", options: &protocolsOptions{},
			examples: []string{
				"latlab protocols",
				"latlab protocols precise mine.yaml",
			}},
		{name: "fixtures", usage: "list the built-in networks: MACs, parameters, published figures with their source", options: &fixturesOptions{},
			examples: []string{
				"latlab fixtures",
				"latlab fixtures --json | jq '.fixtures[] | {name, macs}'",
			}},
		{name: "sample", usage: "draw random networks of a space, as JSON lines", options: &sampleOptions{},
			needs: "-n NUMBER (--space NAME or --cost FILE)",
			examples: []string{
				"latlab sample --space mobiledet_cpu_ibn -n 300 --seed 7 > networks.jsonl",
				"latlab sample --cost cost.json -n 20 --below 10ms > fast.jsonl",
			}},
		{name: "describe", usage: "print a network's layers: shapes, MACs, parameters, bytes", options: &describeOptions{},
			needs: "(--fixture NAME or --space NAME --arch INDICES or --model FILE)",
			examples: []string{
				"latlab describe --fixture mobiledet_cpu",
				"latlab describe --model my.tflite --json",
			}},
		{name: "compile", usage: "write networks as model files", options: &compileOptions{},
			needs: "-o FOLDER (--fixture NAME or --space NAME --arch INDICES or --archs FILE)",
			examples: []string{
				"latlab compile --fixture mobiledet_cpu -o models",
				"latlab compile --archs networks.jsonl --precision int8 -o models",
			}},
		{name: "devices", usage: "list devices and their state", options: &devicesOptions{}, examples: []string{
			"latlab devices",
			"latlab devices check cpu",
		}, verbs: []*verb{
			{name: "check", usage: "check step by step what timing on a device needs", options: &checkOptions{}, examples: []string{
				"latlab devices check cpu",
				"latlab devices check adb:9A281FFAZ001VD",
			}},
			{name: "clean", usage: "remove everything that latlab put on a device, and restore its settings", options: &cleanOptions{}, examples: []string{
				"latlab devices clean adb:9A281FFAZ001VD",
				"latlab devices clean ssh:pi@raspberrypi.local",
			}},
		}},
		{name: "time", usage: "time networks or model files of your own, and rank them", options: &timeOptions{},
			needs: "--device NAME (--fixture NAME or --space NAME --arch INDICES or --archs FILE or --model PATH)",
			examples: []string{
				"latlab time --device cpu --fixture mobiledet_cpu --layers",
				"latlab time --device cpu --model my.tflite --threads 4 --protocol precise",
			}},
		{name: "sweep", usage: "sample, compile, time and store networks, or time named ones; the same command resumes", options: &sweepOptions{},
			needs: "--device NAME --db FILE (--space NAME -n NUMBER or --model PATH or --models LIST.jsonl)",
			examples: []string{
				"latlab sweep --device cpu --space tiny.yaml -n 40 --db lab.db --dry-run",
				"latlab sweep --device adb:SERIAL,cpu --space tiny.yaml -n 40 --db lab.db",
			}},
		{name: "show", usage: "list a store's sweeps, or print one's manifest, failures and ranked networks", options: &showOptions{},
			needs: "--db FILE",
			examples: []string{
				"latlab show --db lab.db",
				"latlab show --db lab.db a98fe53c9749 --json",
			}},
		{name: "compare", usage: "compare two sweeps of the same networks: what became slower or faster, and is it noise", options: &compareOptions{},
			examples: []string{
				"latlab compare before.db after.db",
				"latlab compare --db lab.db --fail-over 3%",
			}},
		{name: "remove", usage: "remove sweeps from a store", options: &removeOptions{},
			needs: "--db FILE",
			examples: []string{
				"latlab remove --db lab.db a98fe53c9749",
				"latlab remove --db lab.db --yes a98fe53c9749",
			}},
		{name: "merge", usage: "write a new store with the sweeps of others", options: &mergeOptions{},
			needs: "-o FILE",
			examples: []string{
				"latlab merge pixel.db jetson.db -o lab.db",
				"latlab merge monday.db tuesday.db friday.db -o week.db",
			}},
		{name: "fit", usage: "fit a cost model to a sweep and print its held-out error", options: &fitOptions{},
			needs: "(--db FILE or --csv FILE --target COLUMN)",
			examples: []string{
				"latlab fit --db lab.db --device cpu -o cost.json",
				"latlab fit --csv theirs.csv --target latency_ms",
			}},
		{name: "import", usage: "read a cost model that others have published", options: importVerb{}, examples: []string{
			"latlab import tunas theirs.py --space proxylessnas_search -o cost.json",
			"latlab import tunas theirs.py --space mobilenet_v3_like_search -o v3.json",
		}, verbs: []*verb{
			{name: "tunas", usage: "read the cost model of a space from TuNAS's cost_model_data.py", options: &importTunasOptions{},
				needs: "--space NAME -o FILE",
				examples: []string{
					"latlab import tunas theirs.py --space proxylessnas_search -o cost.json",
					"latlab import tunas theirs.py --space mobilenet_v3_like_search -o v3.json",
				}},
		}},
		{name: "predict", usage: "predict latencies of networks, given as indices or as JSON lines on stdin", options: &predictOptions{},
			needs: "--cost FILE",
			examples: []string{
				"latlab predict --cost cost.json 0:0:0:0:3:1:2:0:0:1",
				"latlab predict --cost cost.json --top 10 < networks.jsonl",
			}},
		{name: "search", usage: "search a space for the best networks below a predicted latency", options: &searchOptions{},
			needs: "--cost FILE --below DURATION -n NUMBER",
			examples: []string{
				"latlab search --cost cost.json --below 7ms -n 10 -o found.jsonl",
				"latlab search --cost cost.json --below 7ms -n 5 --quality 'python3 score.py'",
			}},
		{name: "verify", usage: "time networks and compare their latencies with predictions", options: &verifyOptions{},
			needs: "--cost FILE --device NAME (--fixture NAME or --archs FILE)",
			examples: []string{
				"latlab verify --cost cost.json --device cpu --fixture mobiledet_cpu",
				"latlab verify --cost cost.json --device cpu --archs unseen.jsonl",
			}},
		{name: "export", usage: "write a cost model, a sweep's measurements or per-layer tables in a file format", options: &exportOptions{},
			needs: "--format FORMAT -o PATH (--cost FILE or --db FILE or --layers FILE)",
			examples: []string{
				"latlab export --cost cost.json --format tunas -o tunas",
				"latlab export --db lab.db --format parquet -o measurements.parquet",
			}},
		{name: "serve", usage: "serve metrics for Prometheus, probes of devices and predictions over HTTP", options: &serveOptions{},
			examples: []string{
				"latlab serve --db lab.db --cost cost.json",
				"latlab serve --web.listen-address :19767 --web.config.file web.yml",
			}},
		{name: "report", usage: "write a page, a model card or pictures of sweeps and cost models", options: &reportOptions{},
			needs: "--db FILE -o PATH",
			examples: []string{
				"latlab report --db lab.db --cost cost.json -o report.html",
				"latlab report --db lab.db --format svg -o pictures",
			}},
		{name: "doctor", usage: "check what this host lacks, and print how to fix it", options: &doctorOptions{},
			examples: []string{
				"latlab doctor",
				"latlab doctor --json",
			}},
		completionVerb(p),
		{name: "man", usage: "print the manual page, for man -l - or a file latlab.1", options: printed(p.manPage),
			examples: []string{
				"latlab man | man -l -",
				"latlab man > ~/.local/share/man/man1/latlab.1",
			}},
		{name: "version", usage: "print versions: latlab, Go, the writer, the agent's runtime", options: &versionOptions{},
			examples: []string{
				"latlab version",
				"latlab --version --json",
			}},
	}
	p.app = &cli.App{
		Name:    "latlab",
		Usage:   "time networks on devices and fit the cost model that a search consumes",
		Version: version.Version,
		Reader:  s.in, Writer: s.out, ErrWriter: s.err,
		Suggest:     true,
		HideVersion: true,
		// Names of files may have commas; flagSet.several separates what has none.
		DisableSliceFlagSeparator: true,
		// reportError alone chooses exit codes.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsage,
		Action: func(c *cli.Context) error {
			if word := c.Args().First(); word != "" {
				return usagef("no verb is named %q%s", word, text.DidYouMean(word, append(verbNames(p.verbs), helpVerb)))
			}
			return cli.ShowAppHelp(c)
		},
		Description: "Exit codes: 0 ok; 1 failed; 2 usage or bad input; 3 some networks failed or some\n" +
			"lines were skipped; 4 measurements asked for are INVALID (IMPRECISE too with\n" +
			"--require-precision); 5 a change is slower (compare --fail-over); 10 no such\n" +
			"device, or it is away; 11 another writer holds the store; 130 interrupted.",
	}
	for _, v := range p.verbs {
		p.app.Commands = append(p.app.Commands, v.command(s, p.typed))
	}
	return p
}

// helpVerb is implemented by the library: latlab help VERB.
const helpVerb = "help"

func (p *program) run(ctx context.Context, args []string) error {
	if err := applyConfig(p.verbs, os.Getenv); err != nil {
		return err
	}
	args, err := flagsFirst(p.verbs, args, p.typed)
	if err != nil {
		return err
	}
	p.setHelp()
	return p.app.RunContext(ctx, args)
}

// wants looks for a boolean flag without the parser, because parsing may have failed.
func wants(args []string, flag string) bool {
	asked, _ := strconv.ParseBool(os.Getenv(envName(flag)))
	return asked || slices.Contains(args, "--"+flag) || slices.Contains(args, "-"+flag)
}

func wantsJSON(args []string) bool { return wants(args, "json") }

// reportError prints the error, if any, and returns the exit code.
func reportError(s streams, asJSON bool, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitCode(err)
	_, printed := errors.AsType[*silent](err)
	if asJSON {
		_ = ui.JSON(s.err, map[string]any{
			"message_type": "exit_error", "code": code, "message": message(code, err, printed), "output": toolOutput(err),
		})
		return code
	}
	if !printed {
		fmt.Fprintf(s.err, "latlab: %s\n", ui.OneLine(err))
		printOutput(s.err, toolOutput(err))
	}
	return code
}

// message is the error's line, or what its code means where the error was printed before.
func message(code int, err error, printed bool) string {
	switch {
	case !printed || err.Error() != "":
		return ui.OneLine(err)
	case code == exitPartial:
		return "some networks failed or some lines were skipped"
	case code == exitInvalid:
		return "measurements asked for are INVALID"
	case code == exitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// toolOutput is the output of the program that failed, "" where no program did.
func toolOutput(err error) string {
	if e, ok := errors.AsType[*devices.Error](err); ok {
		return strings.TrimSpace(e.Output)
	}
	return ""
}

func printOutput(w io.Writer, output string) {
	if output != "" {
		fmt.Fprintf(w, "  its output:\n    %s\n", strings.ReplaceAll(ui.Printable(output), "\n", "\n    "))
	}
}
