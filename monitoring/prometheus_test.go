package monitoring_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"latlab/internal/testenv"
)

// patience is how long a test waits for what must come. It is no measure of anything: a
// busy machine may take long, and only a broken one takes all of it.
const patience = 3 * time.Minute

// nativeHistograms makes Prometheus 2.40 to 2.x take native histograms, and them alone.
const nativeHistograms = "--enable-feature=native-histograms"

// server is a running Prometheus.
type server struct {
	t   *testing.T
	api promv1.API
	log *output
}

// output may be read while the program still writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// launch runs a program until the test ends. done is closed when the program has ended.
func launch(t *testing.T, cmd *exec.Cmd) (log *output, done <-chan struct{}) {
	t.Helper()
	log = &output{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	return log, ended
}

// eventually waits until a condition holds: it says what is missing, or nothing.
func eventually(t *testing.T, what string, missing func() string) {
	t.Helper()
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if last = missing(); last == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, last)
}

// startPrometheus starts Debian's over a folder of its own; data may hold blocks already.
func startPrometheus(t *testing.T, config, data string, flags ...string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	flags = append([]string{"--config.file", file, "--storage.tsdb.path", data, "--web.listen-address", "127.0.0.1:0"}, flags...)
	log, done := launch(t, exec.Command(testenv.Program(t, "prometheus", debianPrometheus), flags...))
	address := listening(t, log, done)
	client, err := api.NewClient(api.Config{Address: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t, promv1.NewAPI(client), log}
	eventually(t, "Prometheus is not ready", func() string {
		if !strings.Contains(log.String(), "ready to receive web requests") {
			return "it said only:\n" + log.String()
		}
		return ""
	})
	return s
}

// listening is the address that a program with Prometheus' own HTTP server says it has.
func listening(t *testing.T, log *output, done <-chan struct{}) string {
	t.Helper()
	said := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
	var address string
	eventually(t, "no address", func() string {
		if m := said.FindStringSubmatch(log.String()); m != nil {
			address = m[1]
			return ""
		}
		select {
		case <-done:
			t.Fatalf("it ended:\n%s", log)
		default:
		}
		return "it said only:\n" + log.String()
	})
	return address
}

// exampleConfig is monitoring/prometheus.yml as a user of several labs would adapt it, in a hurry.
func exampleConfig(t *testing.T, labs ...string) string {
	t.Helper()
	text, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("rules/latlab.yml")
	if err != nil {
		t.Fatal(err)
	}
	const target = "'localhost:19767'"
	const list = "      - url: http://localhost:19767/sd\n        refresh_interval: 30s\n"
	if strings.Count(string(text), "localhost:19767") != 2 || !strings.Contains(string(text), target) || !strings.Contains(string(text), list) {
		t.Fatalf("the example does not name its lab as %s and\n%s", target, list)
	}
	var targets, lists []string
	for _, address := range labs {
		targets = append(targets, "'"+address+"'")
		lists = append(lists, strings.ReplaceAll(list, "localhost:19767", address))
	}
	return strings.NewReplacer(target, strings.Join(targets, ", "), list, strings.Join(lists, ""),
		"rules/latlab.yml", rules, "15s", "1s", "30s", "1s").Replace(string(text))
}

func (s *server) context() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	return ctx
}

// ask gives an expression's value now, or over the last minute.
func (s *server) ask(expr string, instant bool) (model.Value, error) {
	now := time.Now()
	if instant {
		v, _, _, err := s.api.Query(s.context(), expr, now)
		return v, err
	}
	v, _, _, err := s.api.QueryRange(s.context(), expr, promv1.Range{Start: now.Add(-time.Minute), End: now, Step: time.Second})
	return v, err
}

// number is the value of an expression that must have one series.
func (s *server) number(expr string) (float64, bool) {
	s.t.Helper()
	v, err := s.ask(expr, true)
	if err != nil {
		s.t.Fatalf("%s: %v", expr, err)
	}
	vector := v.(model.Vector)
	if len(vector) > 1 {
		s.t.Fatalf("%s has %d series: %v", expr, len(vector), vector)
	}
	if len(vector) == 0 {
		return 0, false
	}
	return float64(vector[0].Value), true
}

// hasData reports whether a result has a value that is one.
func hasData(v model.Value) bool {
	switch v := v.(type) {
	case model.Vector:
		for _, s := range v {
			if s.Histogram != nil || !math.IsNaN(float64(s.Value)) {
				return true
			}
		}
	case model.Matrix:
		for _, series := range v {
			if len(series.Histograms) > 0 {
				return true
			}
			for _, p := range series.Values {
				if !math.IsNaN(float64(p.Value)) {
					return true
				}
			}
		}
	}
	return false
}

// checkRules waits until all rules were evaluated and wants none to have failed.
func (s *server) checkRules() {
	s.t.Helper()
	eventually(s.t, "rules", func() string {
		r, err := s.api.Rules(s.context(), nil)
		if err != nil {
			return err.Error()
		}
		n := 0
		for _, g := range r.Groups {
			for _, one := range g.Rules {
				n++
				name, health, last := "", promv1.RuleHealth(""), ""
				switch one := one.(type) {
				case promv1.AlertingRule:
					name, health, last = one.Name, one.Health, one.LastError
				case promv1.RecordingRule:
					name, health, last = one.Name, one.Health, one.LastError
				}
				switch health {
				case promv1.RuleHealthBad:
					s.t.Fatalf("%s: %s", name, last)
				case promv1.RuleHealthUnknown:
					return name + " was not evaluated"
				}
			}
		}
		if want := len(rules(s.t)); n != want {
			s.t.Fatalf("Prometheus has %d rules, the file %d", n, want)
		}
		return ""
	})
}

// checkTargets waits until every job has targets and wants all of them to be up.
func (s *server) checkTargets(jobs map[string]int) {
	s.t.Helper()
	eventually(s.t, "targets", func() string {
		targets, err := s.api.Targets(s.context())
		if err != nil {
			return err.Error()
		}
		up := map[string]int{}
		for _, a := range targets.Active {
			if a.Health == promv1.HealthGood {
				up[string(a.Labels["job"])]++
			} else if a.LastError != "" {
				return string(a.Labels["instance"]) + ": " + a.LastError
			}
		}
		for job, n := range jobs {
			if up[job] < n {
				return job + " has too few targets that are up"
			}
		}
		return ""
	})
}
