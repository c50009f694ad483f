package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
)

func TestQuota(t *testing.T) {
	stat1 := func(stops, ns string) string {
		return "nr_periods 90\nnr_throttled " + stops + "\nthrottled_time " + ns + "\nnr_bursts 0\nburst_time 0\n"
	}
	stat2 := func(stops, us string) string {
		return "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 90\nnr_throttled " + stops + "\nthrottled_usec " + us + "\nnr_bursts 0\nburst_usec 0\n"
	}
	long := strings.Repeat("12:name=x:/kubepods/burstable/pod0123456789/0123456789abcdef\n", 20)
	for name, tt := range map[string]struct {
		files          map[string]string
		stops, seconds float64 // -1: unknown
	}{
		"version 1": {map[string]string{
			"proc/self/cgroup":               "3:cpuset:/\n2:cpu,cpuacct:/a/b\n",
			"sys/fs/cgroup/cpu/a/b/cpu.stat": stat1("4", "2500000000"), "sys/fs/cgroup/cpu/a/cpu.stat": stat1("1", "500000000"),
			"sys/fs/cgroup/cpu/cpu.stat": stat1("0", "0"), "sys/fs/cgroup/cpu/a/c/cpu.stat": stat1("100", "99000000000"),
		}, 5, 3},
		"version 1 by its two controllers": {map[string]string{
			"proc/self/cgroup": "2:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.stat": stat1("4", "2500000000"),
		}, 4, 2.5},
		"version 2": {map[string]string{
			"proc/self/cgroup":                    "0::/system.slice/x.service\n",
			"sys/fs/cgroup/cpu.stat":              "usage_usec 5\nuser_usec 3\nsystem_usec 2\n",
			"sys/fs/cgroup/system.slice/cpu.stat": stat2("7", "250000"), "sys/fs/cgroup/system.slice/x.service/cpu.stat": stat2("2", "1000000"),
		}, 9, 1.25},
		"a container's own group is its root": {map[string]string{
			"proc/self/cgroup": "4:cpu:/docker/0123\n", "sys/fs/cgroup/cpu/cpu.stat": stat1("2", "1000000000"),
		}, 2, 1},
		"both versions": {map[string]string{
			"proc/self/cgroup": "1:cpu:/\n0::/\n", "sys/fs/cgroup/cpu/cpu.stat": stat1("2", "1000000000"), "sys/fs/cgroup/unified/cpu.stat": "usage_usec 5\n",
		}, 2, 1},
		"after many other groups": {map[string]string{
			"proc/self/cgroup": long + "1:cpu:/a\n", "sys/fs/cgroup/cpu/a/cpu.stat": stat1("2", "1000000000"),
		}, 2, 1},
		"outside the namespace": {map[string]string{
			"proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/cpu.stat": stat2("2", "1000000"),
		}, 2, 1},
		"no quota":      {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.stat": "usage_usec 5\n"}, -1, -1},
		"no controller": {map[string]string{"proc/self/cgroup": "2:cpuset:/\n1:cpuacct:/\n", "sys/fs/cgroup/cpu/cpu.stat": stat1("2", "1")}, -1, -1},
		"garbage": {map[string]string{
			"proc/self/cgroup": "cpu\n:::\n0:\n0::/\n", "sys/fs/cgroup/cpu.stat": "nr_throttled -3\nthrottled_usec many\n",
		}, -1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			tt.files["proc/loadavg"] = "0.5 0.4 0.3 1/2 3\n"
			for f, text := range tt.files {
				path := filepath.Join(root, f)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			over, err := state.Over(t.Context(), transport.Local{}, state.OverOptions{Root: root})
			if err != nil {
				t.Fatal(err)
			}
			for how, s := range map[string]devices.State{"here": state.Read(root), "over a transport": over} {
				stops, seconds := -1.0, -1.0
				if s.QuotaStops != nil {
					stops, seconds = *s.QuotaStops, *s.QuotaSeconds
				}
				if stops != tt.stops || seconds != tt.seconds {
					t.Errorf("%s: stopped %g times for %g s, want %g for %g s", how, stops, seconds, tt.stops, tt.seconds)
				}
			}
		})
	}
}
