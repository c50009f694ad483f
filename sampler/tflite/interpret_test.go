package tflite_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"latlab/internal/testenv"
)

// interpreter is testdata/interpret.py, which says what jobs and answers are.
//
//go:embed testdata/interpret.py
var interpreter string

// The runtimes.
const (
	micro     = "micro"
	litert    = "litert"    // with XNNPACK
	reference = "reference" // LiteRT's reference kernels
)

type job struct {
	Model   string   `json:"model"`
	Inputs  [][]byte `json:"inputs,omitempty"`
	Outputs int      `json:"outputs,omitempty"`
	Runtime string   `json:"runtime"`
	Ranges  int      `json:"ranges,omitempty"`

	name string
	data []byte
}

type answer struct {
	Outputs [][]byte `json:"outputs"`
	Ranges  []spread `json:"ranges"`
	Error   string   `json:"error"`
}

type spread struct {
	Name    string  `json:"name"`
	Op      string  `json:"op"`
	Used    float64 `json:"used"`
	Clipped float64 `json:"clipped"`
}

// interpret runs all jobs in one Python: it takes a second to start.
func interpret(t *testing.T, jobs []job) []answer {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "interpret.py")
	files := map[string][]byte{script: []byte(interpreter)}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for i := range jobs {
		jobs[i].Model = filepath.Join(dir, strconv.Itoa(i)+".tflite")
		files[jobs[i].Model] = jobs[i].data
		if err := enc.Encode(jobs[i]); err != nil {
			t.Fatal(err)
		}
	}
	for path, data := range files {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), script)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &lines, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	return answers(t, jobs, &stdout)
}

// answers reads the lines that are JSON; runtimes print other lines too.
func answers(t *testing.T, jobs []job, stdout *bytes.Buffer) []answer {
	t.Helper()
	var got []answer
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if !bytes.HasPrefix(lines.Bytes(), []byte("{")) {
			continue
		}
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		if a.Error != "" {
			t.Fatalf("%s in %s: %s", jobs[len(got)].name, jobs[len(got)].Runtime, a.Error)
		}
		got = append(got, a)
	}
	if len(got) != len(jobs) {
		t.Fatalf("%d answers to %d jobs", len(got), len(jobs))
	}
	return got
}
