// Command latlab samples networks of a search space, times them on a device and fits the
// cost model that a hardware-aware search consumes.
//
// One file a verb. This package is the only one that knows the command line, stdout and
// exit codes; it wires rooms together and computes nothing itself.
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
	app := newApp(s)
	err := applyConfig(app, os.Getenv)
	if err == nil {
		err = app.RunContext(ctx, flagsFirst(app, args))
	}
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

// flagsFirst moves a verb's flags in front of its other words, where the library reads
// them: "show SWEEP --db FILE" is how people type, and --version for the verb.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	if args[1] == "--version" {
		args = append([]string{args[0], "version"}, args[2:]...)
	}
	cmd := app.Command(args[1])
	if cmd == nil {
		return args
	}
	head, rest := slices.Clone(args[:2]), args[2:]
	if len(rest) > 0 {
		for _, sub := range cmd.Subcommands {
			if sub.HasName(rest[0]) {
				cmd, head, rest = sub, append(head, rest[0]), rest[1:]
				break
			}
		}
	}
	var words []string
	for len(rest) > 0 && rest[0] != "--" {
		n := 1
		switch name, dashed := strings.CutPrefix(rest[0], "-"); {
		case !dashed || name == "":
			words = append(words, rest[0])
		case takesValue(cmd, strings.TrimPrefix(name, "-")):
			n = min(2, len(rest))
			fallthrough
		default:
			head = append(head, rest[:n]...)
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		head, rest = append(head, "--"), rest[1:]
	}
	return append(append(head, words...), rest...)
}

// takesValue reports whether the next word belongs to a flag.
func takesValue(cmd *cli.Command, name string) bool {
	for _, f := range cmd.Flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}

func newApp(s streams) *cli.App {
	app := &cli.App{
		Name:    "latlab",
		Usage:   "time networks on devices and fit the cost model that a search consumes",
		Version: version.Version,
		Reader:  s.in, Writer: s.out, ErrWriter: s.err,
		Suggest:     true,
		HideVersion: true,
		// Exit codes are given in one place: report.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsage,
		Commands: []*cli.Command{
			spacesCommand(s), sampleCommand(s), describeCommand(s), compileCommand(s),
			devicesCommand(s), timeCommand(s), sweepCommand(s), showCommand(s),
			fitCommand(s), predictCommand(s), verifyCommand(s), exportCommand(s), serveCommand(s), reportCommand(s),
			doctorCommand(s), completionCommand(s), manCommand(s), versionCommand(s),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownVerb(c)
			}
			return cli.ShowAppHelp(c)
		},
		Description: "Exit codes: 0 ok; 1 failed; 2 usage or bad input; 3 some networks failed or some\n" +
			"lines were skipped; 4 measurements asked for are INVALID; 10 no such device;\n" +
			"11 another writer holds the store; 130 interrupted.",
	}
	for _, c := range app.Commands {
		c.OnUsageError = onUsage
		c.HideHelpCommand = true
	}
	return app
}

// onUsage words the flag library's errors, and suggests the flag that was meant.
func onUsage(c *cli.Context, err error, _ bool) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usagef("%v", err)
	}
	flags := c.App.Flags
	if c.Command != nil && len(c.Command.Flags) > 0 {
		flags = c.Command.Flags
	}
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return usagef("no flag is named %q%s", "--"+name, didYouMean(name, names))
}

func unknownVerb(c *cli.Context) error {
	word := c.Args().First()
	return usagef("no verb is named %q%s", word, didYouMean(word, verbNames(c.App)))
}

func verbNames(app *cli.App) []string {
	var names []string
	for _, cmd := range app.Commands {
		names = append(names, cmd.Name)
	}
	return names
}

// noArguments refuses words that no flag takes: a forgotten "--" would be ignored else.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected argument %q; `latlab %s --help` lists the flags", c.Args().First(), c.Command.Name)
	}
	return nil
}

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
