package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// serving runs `latlab serve` on a free port and returns its address, as a URL.
func (l *lab) serving(args ...string) (*proc, string) {
	l.t.Helper()
	p := l.start("latlab", append([]string{"serve", "--web.listen-address", "127.0.0.1:0", "--json"}, args...)...)
	var doc struct {
		URLs []string `json:"urls"`
	}
	p.says(&p.out, "\n")
	if err := json.Unmarshal([]byte(p.out.String()), &doc); err != nil || len(doc.URLs) != 1 {
		l.t.Fatalf("%v: %s", err, &p.out)
	}
	return p, strings.TrimSuffix(doc.URLs[0], "/")
}

// stop interrupts a server and returns its exit code.
func (l *lab) stop(p *proc) int {
	l.t.Helper()
	p.signal(syscall.SIGINT)
	return p.wait()
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestServe: pages, probes, discovery and predictions of one process; an interrupt ends it well.
func TestServe(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.runs([]int{exitOK, exitInvalid}, "sweep", "--device", "sim-pixel1-cpu:exact", "--space", tinySpace(t), "-n", "40", "--db", "lab.db", "--quiet")
	l.run(0, "fit", "--db", "lab.db", "-o", "cost.json", "--quiet")
	if err := os.WriteFile(l.path("devices.yml"), []byte("devices: [{name: board, ssh: nobody@127.0.0.1:1}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p, url := l.serving("--db", "lab.db", "--cost", "cost.json", "--inventory", "devices.yml")
		arch := "0:0:0:0:0:0:0:0:0:0"
		for _, c := range []struct {
			path string
			code int
			says string
		}{
			{"/", 200, "latlab"}, {"/-/healthy", 200, "healthy"}, {"/metrics", 200, "latlab_http_requests_total"},
			{"/sd", 200, `"targets":["board"]`}, {"/sd", 200, `"targets":["sim-pixel1-cpu"]`},
			{"/probe?target=cpu", 200, `latlab_device_up{device="cpu"} 1`}, {"/probe?target=cpu", 200, "latlab_probe_success 1"},
			{"/probe?target=board&module=reach", 200, "latlab_probe_success 0"},
			{"/probe?target=sim:" + tinySpace(t), 404, "no device"}, {"/probe?target=ssh:localhost", 404, "no device"}, {"/probe?target=sim-pixel1-cpu:exact", 404, "no device"},
			{"/v1/cost_models", 200, `"cost_model":"cost","device":"sim-pixel1-cpu:exact","kind":"simulated","space":"tiny"`},
		} {
			if code, body := fetch(t, url+c.path); code != c.code || !strings.Contains(body, c.says) {
				t.Errorf("%s: %d %.300s, want %d %s", c.path, code, body, c.code, c.says)
			}
		}
		res, err := http.Post(url+"/v1/predict", "application/json", strings.NewReader(`{"indices":["`+arch+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Latency []float64 `json:"latency_seconds"`
		}
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || len(got.Latency) != 1 {
			t.Fatalf("%v: %v", err, got)
		}
		res.Body.Close()
		out, _ := l.run(0, "predict", "--cost", "cost.json", "--json", arch)
		if !strings.Contains(out, fmt.Sprintf(`"latency_seconds":%v,`, got.Latency[0])) {
			t.Errorf("over HTTP %v, by predict %s", got.Latency, out)
		}
		p.signal(s)
		if code := p.wait(); code != exitOK {
			t.Errorf("%v: exit code %d\n%s", s, code, &p.err)
		}
		if p.err.String() != "" {
			t.Errorf("stderr %s", &p.err)
		}
	}
	// The agent was never asked for anything: a probe starts nothing.
	if n := l.blocks(); n != 0 {
		t.Errorf("%d blocks were timed", n)
	}
}

// TestServeFollowsTheFile: a store that is deleted is a failed read and said why, one in its place
// is read.
func TestServeFollowsTheFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sweep := func(n string) {
		l.runs([]int{exitOK, exitInvalid}, "sweep", "--device", "sim-pixel1-cpu:exact", "--space", tinySpace(t), "-n", n, "--db", "lab.db", "--quiet")
	}
	sweep("5")
	p, url := l.serving("--db", "lab.db")
	says := func(what string) {
		t.Helper()
		until(t, what, func() bool {
			_, body := fetch(t, url+"/metrics")
			return regexp.MustCompile(what).MatchString(body)
		})
	}
	says(`latlab_sweep_networks_measured\{.*\} 5\n`)
	if err := os.Remove(l.path("lab.db")); err != nil {
		t.Fatal(err)
	}
	says(`latlab_store_read_failures_total [1-9]`)
	says(`latlab_sweep_networks_measured\{.*\} 5\n`)
	sweep("7")
	says(`latlab_sweep_networks_measured\{.*\} 7\n`)
	if !strings.Contains(p.err.String(), "lab.db") {
		t.Errorf("it did not say why: %s", &p.err)
	}
	// A newer latlab has made the store its own.
	db, err := sql.Open("sqlite", l.path("lab.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	until(t, "a newer store is refused", func() bool {
		fetch(t, url+"/metrics")
		return strings.Contains(p.err.String(), "use a newer latlab")
	})
	if code := l.stop(p); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestServeSaysThatNothingIsCompared: a baseline of another device is no mistake, for a sweep of
// that device may yet begin, but must not look like a lab without regressions.
func TestServeSaysThatNothingIsCompared(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for db, device := range map[string]string{"a.db": "sim-pixel1-cpu:exact", "b.db": "sim-pixel4-edgetpu:exact"} {
		l.runs([]int{exitOK, exitInvalid}, "sweep", "--device", device, "--space", tinySpace(t), "-n", "5", "--db", db, "--quiet")
	}
	for baseline, want := range map[string]bool{"a.db": false, "b.db": true} {
		p, _ := l.serving("--db", "a.db", "--baseline", baseline)
		if got := strings.Contains(p.err.String(), "nothing is compared"); got != want {
			t.Errorf("%s: %s", baseline, &p.err)
		}
		l.stop(p)
	}
}

// TestServeAnswersToItsName: this machine's own name is answered over loopback, another's is not.
func TestServeAnswersToItsName(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	_, url := newLab(t).serving("--web.allowed-host", "lab.example")
	for host, want := range map[string]int{name: 200, "lab.example": 200, "evil.example": 421} {
		r, err := http.NewRequest(http.MethodGet, url+"/-/healthy", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, res.StatusCode, want)
		}
	}
}

// runs is run with several exit codes.
func (l *lab) runs(codes []int, args ...string) {
	l.t.Helper()
	p := l.start("latlab", args...)
	got := p.wait()
	for _, code := range codes {
		if got == code {
			return
		}
	}
	l.t.Fatalf("latlab %s: exit code %d, want one of %v\n%s%s", strings.Join(args, " "), got, codes, &p.out, &p.err)
}

// TestServeRefusesATakenPort with a line that says what to do.
func TestServeRefusesATakenPort(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := newLab(t)
	out, text := l.run(exitFailed, "serve", "--web.listen-address", "127.0.0.1:0", "--web.listen-address", ln.Addr().String())
	want := "latlab: a different program listens on " + ln.Addr().String() + "; stop it, or choose a different --web.listen-address\n"
	if out != "" || text != want {
		t.Errorf("%q and %q, want %q", out, text, want)
	}
}

// TestServeOnSystemdsSocket: the socket is open before the server is, as systemd does it.
func TestServeOnSystemdsSocket(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	l := newLab(t)
	p := l.startWith([]*os.File{socket}, "sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec latlab serve --web.systemd-socket")
	p.says(&p.out, "\n")
	if code, body := fetch(t, "http://"+ln.Addr().String()+"/-/healthy"); code != http.StatusOK || !strings.Contains(body, "healthy") {
		t.Errorf("%d %s", code, body)
	}
	if code := l.stop(p); code != exitOK {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
}

// scrapers at once, of which none may be refused.
const scrapers = 1000

// TestAThousandScrapesDuringASweep: a sweep on a simulator goes on, a thousand scrape at once,
// again and again until it is over; each is answered, and the sweep's numbers are those of one that
// nobody watched.
func TestAThousandScrapesDuringASweep(t *testing.T) {
	l := newLab(t)
	n := "400"
	if testing.Short() {
		n = "100"
	}
	sweepTo := func(db string) []string {
		return []string{"sweep", "--device", "sim-pixel1-cpu", "--space", tinySpace(t), "-n", n, "--db", db, "--quiet"}
	}
	l.runs([]int{exitOK, exitInvalid}, sweepTo("alone.db")...)
	first := append([]string{}, sweepTo("watched.db")...)
	first[6] = "22"
	l.runs([]int{exitOK, exitInvalid}, first...)
	p, url := l.serving("--db", "watched.db")
	sweep := l.start("latlab", sweepTo("watched.db")...)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: scrapers}}
	defer client.CloseIdleConnections()
	var scrapes, failures atomic.Int64
	for rounds, over := 0, false; !over || rounds < 2; rounds++ {
		select {
		case <-sweep.done:
			over = true
		default:
		}
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range scrapers {
			wg.Go(func() {
				<-begin
				if err := scrape(client, url+"/metrics"); err != nil {
					failures.Add(1)
					t.Log(err)
				}
				scrapes.Add(1)
			})
		}
		close(begin)
		wg.Wait()
	}
	t.Logf("%d scrapes", scrapes.Load())
	if failures.Load() > 0 {
		t.Errorf("%d of %d scrapes failed", failures.Load(), scrapes.Load())
	}
	if code := sweep.wait(); code != exitOK && code != exitInvalid {
		t.Fatalf("the sweep: exit code %d\n%s", code, &sweep.err)
	}
	want, got := l.firstRounds("alone.db"), l.firstRounds("watched.db")
	if len(want) == 0 || fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("%d blocks alone, %d watched, or their numbers differ", len(want), len(got))
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK || p.err.String() != "" {
		t.Errorf("exit code %d\n%s", code, &p.err)
	}
}

func scrape(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || !strings.Contains(string(body), "\ngo_goroutines ")) {
		err = fmt.Errorf("%s: %.200s", res.Status, body)
	}
	return err
}

// TestServeGivesWay: all threads of the server have it.
func TestServeGivesWay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p, url := l.serving("--nice", "7")
	fetch(t, url+"/metrics")
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if os.IsNotExist(err) {
			continue // the thread ended
		}
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) < 17 || fields[16] != "7" {
			t.Errorf("%s: %s", task, text)
		}
	}
}

// TestServeFollowsACostModel: a fit into a served file is served by the process that runs.
func TestServeFollowsACostModel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.runs([]int{exitOK, exitInvalid}, "sweep", "--device", "sim-pixel1-cpu:exact", "--space", tinySpace(t), "-n", "40", "--db", "lab.db", "--quiet")
	l.run(0, "fit", "--db", "lab.db", "-o", "cost.json", "--quiet")
	p, url := l.serving("--cost", "cost.json")
	listed := func(what string) {
		t.Helper()
		until(t, what, func() bool {
			_, body := fetch(t, url+"/v1/cost_models")
			return strings.Contains(body, what)
		})
	}
	listed(`"method":"ops"`)
	l.run(0, "fit", "--db", "lab.db", "--method", "macs", "-o", "cost.json", "--quiet")
	listed(`"method":"macs"`)
	if err := os.WriteFile(l.path("cost.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "a broken file is counted", func() bool {
		_, body := fetch(t, url+"/metrics")
		return regexp.MustCompile(`latlab_cost_model_read_failures_total\{cost_model="cost"\} [1-9]`).MatchString(body)
	})
	listed(`"method":"macs"`)
	if text := p.err.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "cost.json: not a cost model") {
		t.Errorf("stderr %s", text)
	}
	if code := l.stop(p); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
