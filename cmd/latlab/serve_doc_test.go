package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"latlab/internal/testenv"
)

// servingBlocks are those of docs/serving.md that need a server.
var servingBlocks = regexp.MustCompile("(?s)<!-- not run: TestServingDocument runs it -->\n```sh\n(.*?)```")

// TestServingDocument runs the document's servers and asks them what it asks, on a free port.
func TestServingDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a page from its beginning to its end")
	}
	t.Parallel()
	testenv.Program(t, "curl", "curl")
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "serving.md"))
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	// An answer that is an error is one here.
	if err := os.WriteFile(l.path(".curlrc"), []byte("fail\nsilent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.runs([]int{exitOK, exitInvalid}, "sweep", "--device", "sim-pixel1-cpu:exact", "--space", tinySpace(t), "-n", "60", "--db", "serving.db", "--quiet")
	l.run(0, "fit", "--db", "serving.db", "-o", "serving.json", "--quiet")
	var server *proc
	address, asked := "", 0
	for _, block := range servingBlocks.FindAllStringSubmatch(string(text), -1) {
		for _, e := range commands(strings.Split(block[1], "\n"), 1) {
			if args, ok := strings.CutPrefix(e.command, "latlab serve "); ok {
				var url string
				server, url = l.serving(strings.Fields(args)...)
				address = strings.TrimPrefix(url, "http://")
				until(t, "it is ready", func() bool { code, _ := fetch(t, url+"/-/ready"); return code == http.StatusOK })
				continue
			}
			if address == "" {
				t.Fatalf("%s: before a server", e.command)
			}
			p := l.start("sh", "-c", strings.ReplaceAll(e.command, serveAddress, address))
			if code := p.wait(); code != 0 || p.out.String() == "" {
				t.Errorf("%s: exit code %d\n%s%s", e.command, code, &p.out, &p.err)
			}
			asked++
		}
	}
	if asked < 8 {
		t.Errorf("%d questions are asked, the document has more", asked)
	}
	if code := l.stop(server); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestServingDocumentNamesAllFlags: a flag that nobody describes is not found.
func TestServingDocumentNamesAllFlags(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "serving.md"))
	if err != nil {
		t.Fatal(err)
	}
	var flags flagSet
	(&serveOptions{}).register(&flags)
	for _, name := range flags.names() {
		if !strings.Contains(string(text), "`--"+name) {
			t.Errorf("docs/serving.md does not name --%s", name)
		}
	}
}
