package serve

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/exporters/web"
	"latlab/internal/ui"
)

// fakeLooker has devices in given states.
type fakeLooker map[string]inventory.Status

func (f fakeLooker) Targets(context.Context) []inventory.Target {
	var list []inventory.Target
	for _, name := range []string{"busy", "gone", "hot", "sim", "unplugged", "cpu"} {
		list = append(list, inventory.Target{Info: devices.Info{Name: name, Kind: devices.Measured, Transport: "adb"}, Source: inventory.SourceFile})
	}
	list[5].Transport, list[5].Source = "", inventory.SourceBuiltIn
	list[3].Kind, list[3].Transport, list[3].Source = devices.Simulated, "", inventory.SourceBuiltIn
	return list
}

func (f fakeLooker) Look(_ context.Context, name string, reachOnly bool) (inventory.Status, error) {
	s, ok := f[name]
	if !ok {
		return s, &inventory.UnknownError{Name: name}
	}
	s.Info = devices.Info{Name: name, Kind: devices.Measured, Transport: "adb"}
	if reachOnly {
		s.Now = nil
	}
	return s, nil
}

func testProber() *labProber {
	at := func(c float64) *devices.State {
		return &devices.State{Time: time.Unix(int64(c), 0), TemperaturesC: map[string]*float64{"skin": &c}}
	}
	return &labProber{
		lab: fakeLooker{
			"busy": {State: inventory.Busy, Problem: "latlab process 7 measures on it"},
			"gone": {State: inventory.Offline, Problem: "timeout", Type: "adb devices"},
			"cpu":  {State: inventory.NotReady, Source: inventory.SourceBuiltIn, Problem: "latlab-agent is not there", Now: at(90)},
			"hot":  {State: inventory.Hot, Now: at(60), HottestC: new(60.0)},
		},
		last: func(device string) *devices.State {
			if device != "busy" {
				return nil
			}
			return at(41)
		},
	}
}

// TestProberFindings: a busy device is up and left alone, with the condition of its last block;
// one that is gone has none, and this machine without an agent is no device.
func TestProberFindings(t *testing.T) {
	p := testProber()
	for _, c := range []struct {
		name   string
		module web.Module
		ok     bool
		series string // of some of the metrics
		log    string
	}{
		{"busy", web.State, true, `
latlab_device_busy{device="busy"} 1
latlab_device_observed_timestamp_seconds{device="busy"} 41
latlab_device_temperature_celsius{device="busy"} 41
latlab_device_up{device="busy"} 1
`, "it was not probed"},
		{"gone", web.State, false, `
latlab_device_busy{device="gone"} 0
latlab_device_up{device="gone"} 0
`, "type: adb devices"},
		{"hot", web.State, true, `
latlab_device_busy{device="hot"} 0
latlab_device_observed_timestamp_seconds{device="hot"} 60
latlab_device_temperature_celsius{device="hot"} 60
latlab_device_up{device="hot"} 1
`, "hot: hot"},
		{"hot", web.Reach, true, `
latlab_device_busy{device="hot"} 0
latlab_device_up{device="hot"} 1
`, "hot"},
		{"cpu", web.State, true, "\n", "latlab-agent is not there"}, // as /metrics, or it alarms
		{"cpu", web.Reach, false, "\n", "latlab-agent is not there"},
	} {
		f, err := p.Probe(t.Context(), c.name, c.module)
		if err != nil || f.OK != c.ok || !strings.Contains(strings.Join(f.Log, "\n"), c.log) {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
		families, err := f.Metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		got.WriteString("\n")
		for _, family := range families {
			switch name := family.GetName(); name {
			case "latlab_device_info", "latlab_probe_sensor_temperature_celsius":
			default:
				for _, m := range family.GetMetric() {
					got.WriteString(name + `{device="` + m.GetLabel()[0].GetValue() + `"} ` + ui.Digits(m.GetGauge().GetValue(), 6) + "\n")
				}
			}
		}
		if diff := cmp.Diff(c.series, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if _, err := p.Probe(t.Context(), "unplugged", web.State); !errors.Is(err, web.ErrNoTarget) {
		t.Errorf("a name that no device has: %v", err)
	}
}

// TestProberKnowsLastBlocks: serve makes the poller before the store says what a busy device's
// last block was.
func TestProberKnowsLastBlocks(t *testing.T) {
	p := testProber()
	last := p.last
	p.last = nil
	look := p.all
	p.last = last
	for _, d := range look(t.Context()) {
		if d.Busy && (d.Condition == nil || d.Condition.HottestC() == nil) {
			t.Errorf("nothing is known of %s, on which a latlab times", d.Info.Name)
		}
	}
}

// TestProberKnowsSweepsOfTheStore: this machine has no lock, so a sweep that goes on tells that it is
// busy; a device that is gone while its sweep waits is not.
func TestProberKnowsSweepsOfTheStore(t *testing.T) {
	p := testProber()
	p.timing = func(device string) bool { return device == "hot" || device == "gone" }
	busy := map[string]bool{}
	for _, d := range p.all(t.Context()) {
		busy[d.Info.Name] = d.Busy
	}
	if diff := cmp.Diff(map[string]bool{"busy": true, "hot": true, "gone": false}, busy); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestProberLooksAtWhatIsTimedOn: simulators are always there, and what vanished between list and
// look has no series.
func TestProberLooksAtWhatIsTimedOn(t *testing.T) {
	var names []string
	found := testProber().all(t.Context())
	for _, d := range found {
		names = append(names, d.Info.Name)
	}
	if diff := cmp.Diff([]string{"busy", "gone", "hot"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := testutil.CollectAndCount(web.DeviceMetrics(func() []web.Device { return found }, false), "latlab_device_up"); n != 3 {
		t.Errorf("%d devices have series", n)
	}
	targets := testProber().Targets(t.Context())
	if len(targets) != 6 || targets[3].Transport != "local" || targets[0].Transport != "adb" || targets[3].Kind != "simulated" {
		t.Errorf("%+v", targets)
	}
}
