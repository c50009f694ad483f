package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices/transport"
)

// TestHere: this machine's agent is started by the loader beside the file itself, not by one
// beside a link to it.
func TestHere(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"own/latlab-agent", "own/libtensorflowlite_c.so", "own/ld-linux-aarch64.so.1", "plain/latlab-agent", "plain/libtensorflowlite_c.so"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "latlab-agent")
	if err := os.Symlink("own/latlab-agent", link); err != nil {
		t.Fatal(err)
	}
	own, plain, gone := filepath.Join(dir, "own"), filepath.Join(dir, "plain", "latlab-agent"), filepath.Join(dir, "gone")
	byLoader := func(folders string) transport.Command {
		return transport.Command{Path: own + "/ld-linux-aarch64.so.1", Args: []string{"--library-path", folders, own + "/latlab-agent"}}
	}
	for name, c := range map[string]struct {
		o    Options
		want transport.Command
	}{
		"a loader of its own": {Options{Path: filepath.Join(own, "latlab-agent")}, byLoader(own)},
		"through a link":      {Options{Path: link}, byLoader(own)},
		"with a delegate":     {Options{Path: link, Delegate: Delegate{Library: "/opt/npu/libdelegate.so"}}, byLoader(own + ":/opt/npu")},
		"the machine's":       {Options{Path: plain}, transport.Command{Path: plain}},
		"not there":           {Options{Path: gone}, transport.Command{Path: gone}},
		// The loader is not used for a user's own program.
		"another's": {Options{Path: filepath.Join(own, "libtensorflowlite_c.so")}, transport.Command{Path: filepath.Join(own, "libtensorflowlite_c.so")}},
	} {
		got, err := here(c.o)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
