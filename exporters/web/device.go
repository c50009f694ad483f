package web

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/exporters/prom"
)

// Device is the last known state of a device. Unknown values have no series.
type Device struct {
	Info           devices.Info
	Source         string // "built-in", "file", "attached", or "store" for one that is only in the store
	Model, SoC, OS string // empty = unknown
	Up, Busy       bool
	// Condition is nil if none was read; for a busy device it is that of its last block.
	Condition *devices.State
}

// Transport is "local", "adb" or "ssh".
func (d Device) Transport() string { return cmp.Or(d.Info.Transport, "local") }

// DeviceMetrics are those of the devices at the time of a scrape; removed devices have no
// series. sensors adds the temperature of each sensor, for /probe. If two devices have the same name
// only the first counts, since a duplicate series would fail the whole scrape.
func DeviceMetrics(devices func() []Device, sensors bool) prometheus.Collector {
	prefixes := []string{"latlab_device_"}
	if sensors {
		prefixes = append(prefixes, "latlab_probe_sensor_")
	}
	return prom.Collector(func(out prom.Sink) {
		seen := map[string]bool{}
		for _, d := range devices() {
			if !seen[d.Info.Name] {
				seen[d.Info.Name] = true
				d.collect(out, sensors)
			}
		}
	}, prefixes...)
}

func (d Device) collect(out prom.Sink, sensors bool) {
	gauge := func(name string, value float64, more ...string) {
		out.Put(name, value, append([]string{d.Info.Name}, more...)...)
	}
	gauge("latlab_device_info", 1, string(d.Info.Kind), d.Transport(), d.Model, d.SoC, d.OS, d.Source)
	gauge("latlab_device_up", flag(d.Up))
	gauge("latlab_device_busy", flag(d.Busy))
	s := d.Condition
	if s == nil {
		return
	}
	if !s.Time.IsZero() {
		gauge("latlab_device_observed_timestamp_seconds", float64(s.Time.UnixNano())/float64(time.Second))
	}
	for name, value := range map[string]*float64{
		"latlab_device_temperature_celsius": s.HottestC(), "latlab_device_battery_ratio": level(s.Battery),
		"latlab_device_on_battery": flagged(s.OnBattery), "latlab_device_throttled": flagged(verdict.Throttled(s)),
	} {
		if value != nil {
			gauge(name, *value)
		}
	}
	if s.ThermalStatus != nil {
		gauge("latlab_device_thermal_status", float64(*s.ThermalStatus))
	}
	for cpu, hz := range s.FrequenciesHz {
		if hz != nil {
			gauge("latlab_device_cpu_frequency_hertz", *hz, cpu)
		}
	}
	if !sensors {
		return
	}
	for sensor, celsius := range s.TemperaturesC {
		if celsius != nil {
			gauge("latlab_probe_sensor_temperature_celsius", *celsius, sensor)
		}
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func flagged(b *bool) *float64 {
	if b == nil {
		return nil
	}
	return new(flag(*b))
}

func level(b *devices.Battery) *float64 {
	if b == nil {
		return nil
	}
	return b.Level
}
