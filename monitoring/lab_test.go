package monitoring_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"latlab/devices/transport/adb/adbtest"
	"latlab/exporters/grafana"
	"latlab/exporters/prom"
	"latlab/internal/testenv"
	"latlab/internal/testphone"
)

// lab is a folder to run the real latlab in, apart from the user's own.
type lab struct {
	t      *testing.T
	dir    string
	latlab string
	env    []string
}

// latlab is the program, built once a process into the folder that `make clean` empties.
var latlab = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs(filepath.Join("..", "build", "monitoring", "latlab"))
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", path, "../cmd/latlab")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func newLab(t *testing.T, vars ...string) *lab {
	t.Helper()
	path, err := latlab()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, dir: t.TempDir(), latlab: path}
	l.env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "LATLAB_") || strings.HasPrefix(v, "XDG_") || strings.HasPrefix(v, "HOME=")
	})
	l.env = append(l.env, "HOME="+l.dir, "NO_COLOR=1")
	l.env = append(l.env, vars...)
	return l
}

func (l *lab) command(args ...string) *exec.Cmd {
	cmd := exec.Command(l.latlab, args...)
	cmd.Dir, cmd.Env = l.dir, l.env
	return cmd
}

// run runs latlab to its end; what simulators are meant to bring is no failure: networks that
// fail (3) and INVALID measurements (4).
func (l *lab) run(args ...string) string {
	l.t.Helper()
	cmd := l.command(args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil && !slices.Contains([]int{3, 4}, cmd.ProcessState.ExitCode()) {
		l.t.Fatalf("latlab %s: %v\n%s%s", strings.Join(args, " "), err, &out, &log)
	}
	return out.String()
}

// serve starts `latlab serve` on a free port and returns its host and port.
func (l *lab) serve(args ...string) string {
	l.t.Helper()
	log, done := launch(l.t, l.command(append([]string{"serve", "--web.listen-address", "127.0.0.1:0", "--json"}, args...)...))
	var address string
	eventually(l.t, "latlab serve", func() string {
		line, err := bufio.NewReader(strings.NewReader(log.String())).ReadString('\n')
		if err == nil {
			var doc struct{ URLs []string }
			if err := json.Unmarshal([]byte(line), &doc); err != nil || len(doc.URLs) != 1 {
				l.t.Fatalf("%v: %s", err, log)
			}
			u, err := url.Parse(doc.URLs[0])
			if err != nil {
				l.t.Fatal(err)
			}
			address = u.Host
			return ""
		}
		select {
		case <-done:
			l.t.Fatalf("it ended:\n%s", log)
		default:
		}
		return "it says nothing: " + log.String()
	})
	return address
}

func tinySpace(t *testing.T) string {
	return filepath.Join(testenv.Root(t), "sampler", "testdata", "tiny.yaml")
}

// phone is a fake Android phone behind a real adb server.
type phone struct {
	*adbtest.Fake
	server *adbtest.ADB
}

func plugIn(t *testing.T) phone {
	t.Helper()
	server := adbtest.Server(t)
	o := adbtest.Options{Root: testphone.New(t, testphone.Options{}).Root, Env: testphone.Env()}
	return phone{adbtest.Phone(t, server, o), server}
}

func (p phone) name() string { return "adb:" + p.Serial() }

func (p phone) unplug(t *testing.T) {
	t.Helper()
	if _, err := p.server.Query("host:disconnect:" + p.Serial()); err != nil {
		t.Fatal(err)
	}
}

// TestLab scrapes the real `latlab serve` beside a real sweep of two simulated devices, with a
// phone plugged in, and wants every metric and an answer to every query of the dashboards, then
// the phone's series gone. A second server of the same store has everything under the same names.
func TestLab(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a lab and Prometheus for a minute")
	}
	t.Parallel()
	plugged := plugIn(t)
	l := newLab(t, "ANDROID_ADB_SERVER_PORT="+plugged.server.Port)
	baseline := l.history()
	address := l.serve("--db", "lab.db", "--cost", "cost.json", "--baseline", baseline)
	other := l.serve("--db", "lab.db", "--cost", "cost.json")
	l.sweepSlowly("--device", "sim-pixel1-cpu:phone,sim-pixel4-edgetpu:hostile", "--space", tinySpace(t), "-n", "6000", "--db", "lab.db", "--quiet")
	lack := map[string]string{
		"latlab_cost_model_measured_timestamp_seconds": "a simulator's time is its own",
	}
	config := exampleConfig(t, address, other)
	native := startPrometheus(t, config, t.TempDir(), nativeHistograms)
	classic := startPrometheus(t, config, t.TempDir())
	for form, s := range map[string]*server{"native": native, "classic": classic} {
		s.checkRules()
		s.checkTargets(map[string]int{"latlab": 2, "latlab-probe": 4})
		s.checkJobs()
		s.checkMetrics(form, lack)
		s.checkForm(form)
		for _, d := range grafana.All() {
			s.checkDashboard(d, lack)
		}
	}
	native.checkUnplugged(plugged)
}

// history measures what a lab has when a new sweep begins: one with failures, one that is the baseline of
// another with the same networks, a fixture, and a cost model.
func (l *lab) history() (baseline string) {
	l.t.Helper()
	sweep := func(device, protocol, n string) string {
		out := l.run("sweep", "--device", device, "--space", tinySpace(l.t), "-n", n, "--protocol", protocol, "--db", "lab.db", "--quiet", "--json")
		var doc struct{ Sweep string }
		if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Sweep == "" {
			l.t.Fatalf("%v: %s", err, out)
		}
		return doc.Sweep
	}
	sweep("sim-pixel4-edgetpu:hostile", "default", "300")
	baseline = sweep("sim-pixel1-cpu:phone", "quick", "120")
	again := sweep("sim-pixel1-cpu:phone", "default", "120")
	l.run("time", "--fixture", "mobiledet_cpu", "--device", "sim-pixel1-cpu:phone", "--db", "lab.db", "--quiet")
	l.run("fit", "--db", "lab.db", "--sweep", again, "-o", "cost.json", "--quiet")
	return baseline
}

// sweepSlowly runs a sweep until the test ends, and lets it work for a fiftieth of the time. A
// simulator stores in a second what a phone does in an hour, and the server, which reads the
// store for a twentieth of the time, would never get on with that.
func (l *lab) sweepSlowly(args ...string) {
	l.t.Helper()
	cmd := l.command(append([]string{"sweep"}, args...)...)
	_, done := launch(l.t, cmd)
	ctx, cancel := context.WithCancel(context.Background())
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		defer func() { _ = cmd.Process.Signal(syscall.SIGCONT) }()
		for ctx.Err() == nil {
			_ = cmd.Process.Signal(syscall.SIGCONT)
			time.Sleep(20 * time.Millisecond)
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			select {
			case <-ctx.Done():
			case <-done:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	l.t.Cleanup(func() {
		cancel()
		<-paced
	})
}

// checkMetrics wants a value of every metric of the table but those that lack says are not
// there, and why; and those not to be there.
func (s *server) checkMetrics(form string, lack map[string]string) {
	s.t.Helper()
	for _, m := range slices.Concat(prom.Metrics(), prom.ProbeMetrics()) {
		series := m.Name
		if m.Type == prom.Histogram && form == "classic" {
			series += "_bucket"
		}
		expr := "count(" + series + ")"
		if why, ok := lack[m.Name]; ok {
			if n, has := s.number(expr); has {
				s.t.Errorf("%s has %v series, though %s", m.Name, n, why)
			}
			continue
		}
		eventually(s.t, "metrics", func() string {
			if _, has := s.number(expr); !has {
				return m.Name + " has no series"
			}
			return ""
		})
	}
}

// checkJobs wants each lab's /metrics and /probe to call its devices by the same labels: an alert
// then comes once, of the right lab. Of this machine, which
// has no agent here, neither says more than that it was looked at.
func (s *server) checkJobs() {
	s.t.Helper()
	for expr, want := range map[string]float64{
		`count(count by (instance) (latlab_device_up{job="latlab"}))`:                                                          2,
		`count(count by (instance) (latlab_device_up{job="latlab-probe"}))`:                                                    2,
		`count(latlab_device_up{job="latlab-probe"} unless on (instance, device) latlab_device_up{job="latlab"}) or vector(0)`: 0,
		`count(latlab_probe_success{device!="cpu"} unless on (instance, device) latlab_device_up{job="latlab"}) or vector(0)`:  0,
		`count(latlab_device_up and on (instance, device) device:latlab_device_info:shadowed) or vector(0)`:                    0,
		`count(up{job="latlab-probe"}) - count(count by (instance, device) (up{job="latlab-probe"}))`:                          0,
	} {
		eventually(s.t, "jobs", func() string {
			if n, _ := s.number(expr); n != want {
				return fmt.Sprintf("%s is %v, want %v", expr, n, want)
			}
			return ""
		})
	}
}

// checkUnplugged takes the phone away; it is in no inventory file, so nothing is said of it
// any more. Five minutes of staleness would be too long to wait for: the series end at once.
func (s *server) checkUnplugged(p phone) {
	s.t.Helper()
	series := `count({__name__=~"latlab_device_.*|latlab_probe_.*", device="` + p.name() + `"})`
	eventually(s.t, "before", func() string {
		if n, _ := s.number(series); n < 5 {
			return "the phone has too few series"
		}
		return ""
	})
	p.unplug(s.t)
	eventually(s.t, "unplugged", func() string {
		if n, has := s.number(series); has {
			return fmt.Sprintf("the phone still has %v series", n)
		}
		return ""
	})
}
