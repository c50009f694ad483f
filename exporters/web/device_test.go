package web

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"latlab/bench/verdict"
	"latlab/devices"
)

func exposition(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := promlint.New(bytes.NewReader(b.Bytes())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestDeviceLabelsAreText: a device that says what is no UTF-8 costs no other its metrics.
func TestDeviceLabelsAreText(t *testing.T) {
	bad := "a\xff"
	all := []Device{{
		Info: devices.Info{Name: bad, Kind: devices.Measured, Transport: bad}, Model: bad, SoC: bad, OS: bad, Source: bad,
		Condition: &devices.State{TemperaturesC: map[string]*float64{bad: new(1.0)}, FrequenciesHz: map[string]*float64{bad: new(1.0)}},
	}}
	got := exposition(t, DeviceMetrics(func() []Device { return all }, true))
	if want := "latlab_device_cpu_frequency_hertz{cpu=\"a\ufffd\",device=\"a\ufffd\"} 1"; !strings.Contains(got, want) {
		t.Errorf("%s is not in\n%s", want, got)
	}
}

func TestDeviceMetrics(t *testing.T) {
	all := []Device{
		{
			Info: devices.Info{Name: "pixel", Kind: devices.Measured, Transport: "adb"}, Source: "file", Model: "Pixel 6", SoC: "Tensor", OS: "Android 13", Up: true,
			Condition: &devices.State{
				Time: time.Unix(1700000000, 5e8), ThermalStatus: new(2), OnBattery: new(false),
				TemperaturesC: map[string]*float64{"skin": new(41.5), "soc": new(40.0), "broken": nil},
				Battery:       &devices.Battery{Level: new(0.25)}, FrequenciesHz: map[string]*float64{"4": new(2.8e9), "5": nil},
			},
		},
		{Info: devices.Info{Name: hostile, Kind: devices.Simulated}, Source: "built-in"},
		{Info: devices.Info{Name: "pixel"}, Up: false},
	}
	c := DeviceMetrics(func() []Device { return all }, true)
	escaped := strings.ReplaceAll(hostile, `"`, `\"`)
	want := `latlab_device_battery_ratio{device="pixel"} 0.25
latlab_device_busy{device="` + escaped + `"} 0
latlab_device_busy{device="pixel"} 0
latlab_device_cpu_frequency_hertz{cpu="4",device="pixel"} 2.8e+09
latlab_device_info{device="` + escaped + `",kind="simulated",model="",os="",soc="",source="built-in",transport="local"} 1
latlab_device_info{device="pixel",kind="measured",model="Pixel 6",os="Android 13",soc="Tensor",source="file",transport="adb"} 1
latlab_device_observed_timestamp_seconds{device="pixel"} 1.7000000005e+09
latlab_device_on_battery{device="pixel"} 0
latlab_device_temperature_celsius{device="pixel"} 41.5
latlab_device_thermal_status{device="pixel"} 2
latlab_device_throttled{device="pixel"} 1
latlab_device_up{device="` + escaped + `"} 0
latlab_device_up{device="pixel"} 1
latlab_probe_sensor_temperature_celsius{device="pixel",sensor="skin"} 41.5
latlab_probe_sensor_temperature_celsius{device="pixel",sensor="soc"} 40
`
	if diff := cmp.Diff(want, exposition(t, c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all = nil
	if got := exposition(t, c); got != "" {
		t.Errorf("unplugged devices have series:\n%s", got)
	}
}

func TestThrottled(t *testing.T) {
	cooling := func(kind string, n int64) devices.State {
		return devices.State{Cooling: []devices.Cooling{{Type: kind, Current: &n}}}
	}
	for name, c := range map[string]struct {
		state devices.State
		want  *bool
	}{
		"says nothing": {devices.State{}, nil}, "light": {devices.State{ThermalStatus: new(1)}, new(false)}, "moderate": {devices.State{ThermalStatus: new(2)}, new(true)},
		"once since boot": {devices.State{RaspberryThrottled: new(uint32(0x50000))}, new(false)}, "under-voltage": {devices.State{RaspberryThrottled: new(uint32(1))}, new(true)},
		"edgetpu": {cooling(devices.EdgeTPUClock, 1), new(true)}, "edgetpu at full clock": {cooling(devices.EdgeTPUClock, 0), new(false)}, "a fan": {cooling("pwm-fan", 3), nil},
	} {
		if diff := cmp.Diff(c.want, verdict.Throttled(&c.state)); diff != "" {
			t.Errorf("%s (-want +got): %s", name, diff)
		}
	}
}
