package sampler

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTiny(t *testing.T) {
	s, err := LoadFile("testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	slots, reachable := s.Slots()
	t.Log(len(s.Decisions()), s.Size(), slots, reachable)
	b, err := s.YAML()
	t.Logf("%s %v", b, err)
	_ = strings.Contains
	_ = filepath.Join
	_ = os.Open
	_ = errors.As
	_ = cmp.Diff
}
