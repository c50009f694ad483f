// Command latlab samples networks of a search space, times them on a device and fits the
// cost model that a hardware-aware search consumes.
//
// One file a verb: an options struct, a function that registers its flags into it, and a function
// that runs it. Options that verbs share are in options.go; main.go and the flags*.go alone know the
// library that parses the command line. This package is the only one that knows the command line,
// stdout and exit codes; it wires rooms together and computes nothing itself.
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

// Main is the program with the process's arguments and streams; it returns the exit code.
func Main() int {
	return run(context.Background(), os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}

// streams are the process's, or a test's.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func run(ctx context.Context, args []string, s streams) int {
	out := &resultWriter{w: painted(s.out, args)}
	s.out = out
	err := newProgram(s).run(ctx, args)
	if p, ok := out.w.(*ui.Painter); ok {
		out.err = cmp.Or(out.err, p.Flush())
	}
	if err == nil {
		err = out.err
	}
	return reportError(s, wantsJSON(args), err)
}

// paintedVerbs are those whose result is for people. A file that is written to stdout is not.
var paintedVerbs = []string{"devices", "doctor", "fit", "show", "sweep", "time", "verify"}

// painted is w in colour where a person sees it, else w itself.
func painted(w io.Writer, args []string) io.Writer {
	verb := len(args) > 1 && slices.Contains(paintedVerbs, args[1])
	if !verb || !ui.WantsColour(w) || wantsJSON(args) || wants(args, "quiet") {
		return w
	}
	return ui.NewPainter(w)
}

// resultWriter remembers the first error: a result that was not written is a failure,
// whoever printed it.
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

// program is latlab's verbs and the parser of their command line.
type program struct {
	app   *cli.App
	verbs []*verb
	typed typedFlags
}

func newProgram(s streams) *program {
	p := &program{typed: typedFlags{}}
	p.verbs = []*verb{
		spacesVerb(), sampleVerb(), describeVerb(), compileVerb(),
		devicesVerb(), timeVerb(), sweepVerb(), showVerb(),
		fitVerb(), predictVerb(), verifyVerb(), exportVerb(), serveVerb(), reportVerb(),
		doctorVerb(), completionVerb(p), manVerb(p), versionVerb(),
	}
	p.app = &cli.App{
		Name:    "latlab",
		Usage:   "time networks on devices and fit the cost model that a search consumes",
		Version: version.Version,
		Reader:  s.in, Writer: s.out, ErrWriter: s.err,
		Suggest:     true,
		HideVersion: true,
		// Exit codes are given in one place: report.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsage,
		Action: func(c *cli.Context) error {
			if word := c.Args().First(); word != "" {
				return usagef("no verb is named %q%s", word, text.DidYouMean(word, append(verbNames(p.verbs), helpVerb)))
			}
			return cli.ShowAppHelp(c)
		},
		Description: "Exit codes: 0 ok; 1 failed; 2 usage or bad input; 3 some networks failed or some\n" +
			"lines were skipped; 4 measurements asked for are INVALID; 10 no such device;\n" +
			"11 another writer holds the store; 130 interrupted.",
	}
	for _, v := range p.verbs {
		p.app.Commands = append(p.app.Commands, v.command(s, p.typed))
	}
	return p
}

// helpVerb is the library's own: latlab help VERB.
const helpVerb = "help"

func (p *program) run(ctx context.Context, args []string) error {
	if err := applyConfig(p.verbs, os.Getenv); err != nil {
		return err
	}
	return p.app.RunContext(ctx, flagsFirst(p.verbs, args, p.typed))
}

func (p *program) manPage() (string, error) { return p.app.ToManWithSection(1) }

// wants looks for a boolean flag without the parser, which may be what failed.
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
	var quiet *silent
	said := errors.As(err, &quiet)
	if asJSON {
		_ = ui.JSON(s.err, map[string]any{
			"message_type": "exit_error", "code": code, "message": message(code, err, said), "output": toolOutput(err),
		})
		return code
	}
	if !said {
		fmt.Fprintf(s.err, "latlab: %s\n", ui.OneLine(err))
		printOutput(s.err, toolOutput(err))
	}
	return code
}

// message is the error's line, or what its code means where all has been said before.
func message(code int, err error, said bool) string {
	switch {
	case !said:
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

// toolOutput is what the program printed that the error is about.
func toolOutput(err error) string {
	var e *devices.Error
	if errors.As(err, &e) {
		return strings.TrimSpace(e.Output)
	}
	return ""
}

func printOutput(w io.Writer, output string) {
	if output != "" {
		fmt.Fprintf(w, "  its output:\n    %s\n", strings.ReplaceAll(ui.Printable(output), "\n", "\n    "))
	}
}
