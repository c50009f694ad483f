package text_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/internal/text"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, head string
		want       text.FileKind
	}{
		{"empty", "", ""},
		{"a sentence", "this is no model, only some text", ""},
		{"zeros", strings.Repeat("\x00", 64), ""},
		{"JSON of others", `{"a": 1}`, ""},
		{"broken JSON", `{"schema_version": 1, "space":`, ""},
		{"TFLite", "\x1c\x00\x00\x00TFL3\x14\x00", text.Model},
		{"ONNX", "\x08\x08\x12\x07pytorch", text.Model},
		{"SQLite", "SQLite format 3\x00\x10\x00", text.Store},
		{"networks", `{"id":"7ab88dcc9d41","space":"tiny","indices":"0:0"}` + "\n", text.Networks},
		{"networks after a byte order mark", "\ufeff" + `{"space":"tiny","indices":"0:0"}`, text.Networks},
		{"models", `{"path": "a.tflite", "features": {"depth": 3}}` + "\n", text.ModelList},
		{"cost model", "{\n \"schema_version\": 1,\n \"space\": \"tiny\",\n", text.CostModel},
		{"space", "name: mine\ninput: {height: 32, width: 32, channels: 3}\nchoices:\n", text.SpaceFile},
		{"table", "kernel,width,latency\n3,8,0.1\n", text.Table},
		{"a character cut off at the end", "kernel,width,latency \xc3", text.Table},
		{"noise", "kernel,width,latency\xff\xfe\xfd\xfc\xfb,", ""},
	} {
		if got := text.KindOf([]byte(c.head)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCheckKind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "my list.jsonl")
	if err := os.WriteFile(path, []byte(`{"space":"tiny","indices":"0:0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(path string, want text.FileKind) error {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return text.CheckKind(f, want)
	}
	if err := check(path, text.Networks); err != nil {
		t.Error(err)
	}
	want := path + " is not a list of models: it is a list of networks; type --archs '" + path + "' (time, sweep, compile and verify)"
	if err := check(path, text.ModelList); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := check(filepath.Dir(path), text.Networks); err == nil || !strings.Contains(err.Error(), "it is a folder; type --model") {
		t.Errorf("a folder: %v", err)
	}
	if err := check(os.DevNull, text.Networks); err != nil {
		t.Errorf("of no known kind: %v", err)
	}
}
