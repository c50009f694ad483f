package sampler

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fenced returns the first code block of a language in docs/spaces.md.
func fenced(t *testing.T, language string) string {
	t.Helper()
	data, err := os.ReadFile("../docs/spaces.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(strings.ReplaceAll(string(data), "\r\n", "\n"), "```"+language+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("docs/spaces.md has no block of %s", language)
	}
	return block
}

func TestDocsExample(t *testing.T) {
	t.Parallel()
	s, err := Load([]byte(fenced(t, "yaml")), "testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tiny(t), s); diff != "" {
		t.Errorf("the example is not testdata/tiny.yaml (-file +docs)\n%s", diff)
	}
	if got := s.Size().String(); got != "6912" || len(s.Decisions()) != 10 {
		t.Errorf("%s networks, %d decisions", got, len(s.Decisions()))
	}
	archs, err := Sample(s, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteJSONL(&b, archs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fenced(t, "json"), b.String()); diff != "" {
		t.Errorf("(-docs +sample)\n%s", diff)
	}
}
