package prom_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"latlab/exporters/prom"
	"latlab/internal/testenv"
)

// TestPushgateway: the real one has, after two pushes, what the second said.
func TestPushgateway(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a Pushgateway")
	}
	address := pushgateway(t)
	r := registry(t, read(t, store(t), nil))
	for range 2 {
		if err := prom.Push(t.Context(), prom.PushOptions{URL: "http://" + address, Instance: "lab-1"}, r); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	blocks := families["latlab_sweep_blocks_total"].GetMetric()
	if len(blocks) != 2 {
		t.Fatalf("the gateway has blocks of %d sweeps, want 2", len(blocks))
	}
	labels := map[string]string{}
	for _, l := range blocks[0].GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	if labels["job"] != "latlab" || labels["instance"] != "lab-1" || labels["device"] == "" {
		t.Errorf("labels are %v", labels)
	}
	if families["latlab_inference_duration_seconds"].GetMetric() == nil {
		t.Error("the histograms are not there")
	}
}

// pushgateway starts Debian's on a free port until the test ends.
func pushgateway(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, testenv.Program(t, "prometheus-pushgateway", "prometheus-pushgateway"), "--web.listen-address="+address)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // says that it was ended
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if answer, err := http.Get("http://" + address + "/-/ready"); err == nil {
			answer.Body.Close()
			return address
		}
		select {
		case <-ended:
			t.Fatalf("the gateway ended:\n%s", log.String())
		default:
		}
	}
	t.Fatal("the gateway is not ready")
	return ""
}

// TestPushKeepsThePassword: it goes to the gateway, and not into what is said of a refusal.
func TestPushKeepsThePassword(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "lab" || password != "s3/cret" {
			t.Errorf("the gateway was told %q and %q", user, password)
		}
		http.Error(w, "no room", http.StatusInsufficientStorage)
	}))
	t.Cleanup(refusing.Close)
	away := httptest.NewServer(nil)
	away.Close()
	for _, url := range []string{refusing.URL, away.URL} {
		url = strings.Replace(url, "http://", "http://lab:s3%2Fcret@", 1)
		err := prom.Push(t.Context(), prom.PushOptions{URL: url, Instance: "x"}, registry(t, nil))
		if err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%v", err)
		}
	}
	if err := prom.CheckPushURL("gateway://lab:s3cret@gateway"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	if err := prom.CheckPushURL("http://lab:s3cret@gateway:port"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// TestPushFails: a gateway that refuses, or is away, is an error that says so.
func TestPushFails(t *testing.T) {
	r := registry(t, nil)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no room", http.StatusInsufficientStorage)
	}))
	t.Cleanup(refusing.Close)
	away := httptest.NewServer(nil)
	away.Close()
	for url, want := range map[string]string{refusing.URL: "no room", away.URL: "refused"} {
		err := prom.Push(t.Context(), prom.PushOptions{URL: url, Instance: "x"}, r)
		if err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	for text, good := range map[string]bool{"http://gateway:9091": true, "https://gateway/x": true, "gateway:9091": false, "": false, "file:///etc/passwd": false, "http://%zz": false} {
		if err := prom.CheckPushURL(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
