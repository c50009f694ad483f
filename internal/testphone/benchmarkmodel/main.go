// Command benchmarkmodel plays TFLite's benchmark_model in tests: it reads a .tflite, takes the time
// of each run from a simulator (devices/sim) in virtual time, and prints it as the real program
// does. It takes the real program's flags. Its configuration can make it fail.
//
// It copies the program's behaviour, not its code: the order of its lines and their streams and its
// exit codes. Unknown flags are only a warning, a delegate that cannot be created is a warning and
// the CPU runs the model, and libraries must exist.
//
// It reads fake_benchmark_model.json (config.go) beside itself or in /data/local/tmp, or the file
// that FAKE_BENCHMARK_MODEL names.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() {
	c, err := loadConfig()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake benchmark_model:", err)
		os.Exit(99)
	}
	p := &program{c: c, out: &cutter{w: os.Stdout, left: -1}}
	p.info("STARTING!")
	switch err := p.run(os.Args); {
	case errors.Is(err, errDone):
	case err != nil:
		p.error("Benchmarking failed.")
		os.Exit(1)
	}
}

var (
	errFailed = errors.New("failed")
	errDone   = errors.New("done")
)

type program struct {
	c         *config
	out       *cutter
	flags     flags
	fault     string
	runNumber int // number of earlier runs
}

// cutter ends the process in the middle of its output, for the fault "truncated".
type cutter struct {
	w    io.Writer
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.left >= 0 && len(b) > c.left {
		_, _ = c.w.Write(b[:c.left])
		os.Exit(0)
	}
	if c.left >= 0 {
		c.left -= len(b)
	}
	return c.w.Write(b)
}

// say prints as TFLITE_LOG does: INFO and WARN to stdout, ERROR to stderr, with a prefix in
// newer builds.
func (p *program) say(w io.Writer, level, format string, args ...any) {
	if p.c.Prefix {
		format = level + ": " + format
	}
	fmt.Fprintf(w, format+"\n", args...)
}

func (p *program) info(format string, args ...any)  { p.say(p.out, "INFO", format, args...) }
func (p *program) warn(format string, args ...any)  { p.say(p.out, "WARN", format, args...) }
func (p *program) error(format string, args ...any) { p.say(os.Stderr, "ERROR", format, args...) }

// runtime prints as the runtime itself does, always with a prefix.
func runtimeSays(level, format string, args ...any) {
	fmt.Fprintf(os.Stderr, level+": "+format+"\n", args...)
}

// number formats a double as a C++ stream does.
func number(v float64) string { return fmt.Sprintf("%.6g", v) }

func (p *program) run(argv []string) error {
	if err := p.parse(argv); err != nil {
		return err
	}
	if p.flags.text("graph") == "" {
		p.error("Please specify the name of your TF Lite input file with --graph")
		return errFailed
	}
	p.logParams()
	p.runNumber = p.c.nextRun()
	p.fault = p.c.nextFault(p.runNumber)
	p.begin()
	n, err := p.load()
	if err != nil {
		return err
	}
	d, err := p.delegate(n)
	if err != nil {
		return err
	}
	return p.benchmark(n, d)
}

// begin causes the faults that happen before anything else.
func (p *program) begin() {
	switch p.fault {
	case "killed":
		die(syscall.SIGKILL)
	case "hang":
		for {
			time.Sleep(time.Hour)
		}
	case "exit":
		os.Exit(3)
	case "endless":
		for {
			fmt.Fprintln(p.out, strings.Repeat("vendor log ", 100))
		}
	case "garbage":
		fmt.Fprint(p.out, "\x00\x01count=\xff\nInference timings in us: banana\n")
		os.Exit(0)
	case "truncated":
		p.out.left = 700
	}
}

// die sends a signal to this process that the Go runtime does not turn into a panic.
func die(s syscall.Signal) {
	// Restore the default action in this process: a forked shell would end with the signal instead.
	resetSignal(s)
	_ = syscall.Kill(os.Getpid(), s)
	select {}
}
