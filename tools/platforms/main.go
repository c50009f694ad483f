// Command platforms measures the tables of docs/platforms.md and writes them there, between
// the marks of each table:
//
//	go run ./tools/platforms claim # blocks by resolution and width on every device
//	go run ./tools/platforms fits  # sweeps and held-out figures of every method
//
// `make platforms` runs both. Sweeps are stored in out/platforms.db, and a second run reuses
// them. The command is not part of latlab; it uses latlab's command line.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"latlab/internal/atomicfile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "platforms:", err)
		os.Exit(1)
	}
}

// settings are the flags that all tables share.
type settings struct {
	devices []string
	doc     string
	python  string
	agent   string
	bin     string
	db      string
	scale   float64
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want claim or fits")
	}
	var s settings
	fs := flag.NewFlagSet("platforms "+args[0], flag.ContinueOnError)
	devices := fs.String("devices", "", "only these, with commas")
	fs.StringVar(&s.doc, "doc", "docs/platforms.md", "the document whose table is written; empty prints it")
	fs.StringVar(&s.python, "python", "build/python/bin/python3", "Python with the estimators' packages")
	fs.StringVar(&s.agent, "agent", "bin/latlab-agent", "the agent")
	fs.StringVar(&s.bin, "latlab", "bin/latlab", "the program")
	fs.StringVar(&s.db, "db", "out/platforms.db", "where sweeps go")
	fs.Float64Var(&s.scale, "scale", 1, "of the number of networks, to try things out")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if *devices != "" {
		s.devices = strings.Split(*devices, ",")
	}
	tables := map[string]func(context.Context, settings) (string, error){"claim": claim, "fits": fits}
	table, ok := tables[args[0]]
	if !ok {
		return fmt.Errorf("no table is named %q; want claim or fits", args[0])
	}
	text, err := table(ctx, s)
	if err != nil {
		return err
	}
	if s.doc == "" {
		_, err = fmt.Print(text)
		return err
	}
	return replace(s.doc, args[0], text)
}

// replace puts a text between a document's marks.
func replace(doc, mark, text string) error {
	data, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+mark+" begins -->\n", "<!-- "+mark+" ends -->\n"
	before, rest, ok := strings.Cut(string(data), begin)
	if !ok {
		return fmt.Errorf("%s has no line %q", doc, strings.TrimSpace(begin))
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return fmt.Errorf("%s has no line %q", doc, strings.TrimSpace(end))
	}
	return atomicfile.Write(doc, func(w io.Writer) error {
		_, err := io.WriteString(w, before+begin+text+end+after)
		return err
	})
}

// markdown is a table: the first row is its head, all columns but the first to the right.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s%s\n", "---|", strings.Repeat("---:|", len(row)-1))
		}
	}
	return b.String()
}
