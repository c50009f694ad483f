package testphone

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The Android programs that a lab calls, as scripts that print files. They refuse names that begin
// with a slash or a dot, which no service has.
var programs = map[string]string{
	"getprop": `case $# in
0) while IFS='=' read -r k v; do echo "[$k]: [$v]"; done </data/testphone/props ;;
*) while IFS='=' read -r k v; do if [ "$k" = "$1" ]; then echo "$v"; exit 0; fi; done </data/testphone/props; echo "$2" ;;
esac
`,
	"dumpsys": `case $1 in
''|-l) ls /data/testphone/dumpsys; exit 0 ;;
.*|*/*) echo "Can't find service: $1"; exit 0 ;;
esac
if [ -f "/data/testphone/dumpsys/$1" ]; then cat "/data/testphone/dumpsys/$1"; else echo "Can't find service: $1"; fi
`,
	// "null" stands for a setting that is not set.
	"settings": `d=/data/testphone/settings/$2
case $2 in global|secure|system) ;; *) echo "Unknown namespace: $2" >&2; exit 255 ;; esac
case $3 in ''|.*|*/*) echo "Bad arguments" >&2; exit 255 ;; esac
case $1 in
get) if [ -f "$d/$3" ]; then cat "$d/$3"; else echo null; fi ;;
put) mkdir -p "$d"; echo "$4" >"$d/$3" ;;
delete) n=0; if [ -f "$d/$3" ]; then n=1; rm "$d/$3"; fi; echo "Deleted $n rows" ;;
*) echo "Invalid command: $1" >&2; exit 255 ;;
esac
`,
	"cmd": `case "$1 $2 $3" in
'connectivity airplane-mode enable') settings put global airplane_mode_on 1 ;;
'connectivity airplane-mode disable') settings put global airplane_mode_on 0 ;;
'connectivity airplane-mode ') if [ "$(settings get global airplane_mode_on)" = 1 ]; then echo enabled; else echo disabled; fi ;;
'settings '*) shift; exec settings "$@" ;;
*) echo "cmd: Can't find service: $1" >&2; exit 20 ;;
esac
`,
	"svc": `case "$1 $2 $3" in
'power stayon true') settings put global stay_on_while_plugged_in 7 ;;
'power stayon usb') settings put global stay_on_while_plugged_in 2 ;;
'power stayon false') settings put global stay_on_while_plugged_in 0 ;;
*) echo "Available commands: help power" >&2; exit 1 ;;
esac
`,
	"setprop": "echo \"Failed to set property '$1' to '$2'.\" >&2\nexit 1\n",
	"logcat":  "exit 0\n",
	"id":      "echo 'uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),1007(log),1011(adb) context=u:r:shell:s0'\n",
}

func (p *Phone) answers(o Options) {
	p.t.Helper()
	for name, script := range programs {
		p.check(removeLink(p.Path("/system/bin/" + name)))
		p.check(os.WriteFile(p.Path("/system/bin/"+name), []byte("#!/system/bin/sh\n"+script), 0o755))
	}
	props := maps.Clone(pixelProperties)
	maps.Copy(props, o.Properties)
	var text strings.Builder
	for _, k := range slices.Sorted(maps.Keys(props)) {
		text.WriteString(k + "=" + props[k] + "\n")
	}
	p.Set("/data/testphone/props", text.String())
	services := maps.Clone(pixelDumpsys)
	maps.Copy(services, o.Dumpsys)
	for name, answer := range services {
		p.Dumpsys(name, answer)
	}
	for name, value := range map[string]string{"airplane_mode_on": "0", "stay_on_while_plugged_in": "0", "adb_enabled": "1"} {
		p.Set("/data/testphone/settings/global/"+name, value+"\n")
	}
}

func removeLink(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// Properties of a Pixel 6 in AOSP's format, with chosen values.
var pixelProperties = map[string]string{
	"ro.product.name": "oriole", "ro.product.model": "Pixel 6", "ro.product.device": "oriole", "ro.product.manufacturer": "Google", "ro.product.brand": "google",
	"ro.soc.manufacturer": "Google", "ro.soc.model": "GS101", "ro.board.platform": "gs101", "ro.hardware": "oriole",
	"ro.product.cpu.abi": "arm64-v8a", "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
	"ro.build.version.release": "13", "ro.build.version.sdk": "33", "ro.build.type": "user", "ro.debuggable": "0", "ro.serialno": "TESTPHONE0001",
	"ro.build.fingerprint": "google/oriole/oriole:13/TQ3A.230901.001/10750268:user/release-keys", "sys.boot_completed": "1",
}

var pixelDumpsys = map[string]string{
	"thermalservice": `IsStatusOverride: false
ThermalEventListeners:
	callbacks: 1
ThermalStatusListeners:
	callbacks: 2
Thermal Status: 0
Cached temperatures:
	Temperature{mValue=55.5, mType=3, mName=VIRTUAL-SKIN, mStatus=2}
HAL Ready: true
HAL connection:
	ThermalHAL 2.0 connected: yes
Current temperatures from HAL:
	Temperature{mValue=38.0, mType=0, mName=BIG, mStatus=0}
	Temperature{mValue=36.5, mType=0, mName=MID, mStatus=0}
	Temperature{mValue=35.0, mType=9, mName=TPU, mStatus=0}
	Temperature{mValue=34.0, mType=1, mName=G3D, mStatus=0}
	Temperature{mValue=27.4, mType=2, mName=battery, mStatus=0}
	Temperature{mValue=29.8, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
	Temperature{mValue=0.0, mType=4, mName=usbc-therm, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
	CoolingDevice{mValue=0, mType=5, mName=tpu_cooling}
Temperature static thresholds from HAL:
	TemperatureThreshold{mType=3, mName=VIRTUAL-SKIN, mHotThrottlingThresholds=[NaN, 39.0, 43.0, 45.0, 47.0, 52.0, 55.0], mColdThrottlingThresholds=[NaN, NaN, NaN, NaN, NaN, NaN, NaN]}
`,
	"battery": `Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 4380000
  status: 5
  health: 2
  present: true
  level: 96
  scale: 100
  voltage: 4380
  temperature: 274
  technology: Li-ion
`,
	"power": `POWER MANAGER (dumpsys power)

Power Manager State:
  mDirty=0x0
  mWakefulness=Awake
  mIsPowered=true
  mPlugType=2
Display Power: state=ON
`,
}

var pixelSys = pixelFiles()

// pixelFiles are the files in /sys of eight CPUs in three clusters.
func pixelFiles() map[string]string {
	files := map[string]string{
		"devices/soc0/family": "Google Tensor\n", "devices/soc0/machine": "GS101\n", "devices/soc0/soc_id": "gs101\n",
		"devices/system/cpu/present": "0-7\n", "devices/system/cpu/online": "0-7\n",
		"class/thermal/thermal_zone0/type": "BIG\n", "class/thermal/thermal_zone0/temp": "38000\n",
		"class/thermal/thermal_zone1/type": "battery\n", "class/thermal/thermal_zone1/temp": "27400\n",
		"class/thermal/cooling_device0/type": "thermal-cpufreq-0\n", "class/thermal/cooling_device0/cur_state": "0\n", "class/thermal/cooling_device0/max_state": "11\n",
	}
	for cpu := range 8 {
		top := "1803000"
		switch {
		case cpu >= 6:
			top = "2802000"
		case cpu >= 4:
			top = "2253000"
		}
		dir := "devices/system/cpu/cpu" + itoa(cpu) + "/cpufreq/"
		files[dir+"scaling_cur_freq"], files[dir+"scaling_max_freq"], files[dir+"cpuinfo_max_freq"] = top+"\n", top+"\n", top+"\n"
		files[dir+"scaling_governor"] = "sched_pixel\n"
		files[dir+"scaling_available_governors"] = "sched_pixel powersave performance schedutil\n"
	}
	return files
}
