# $1 is a mark that no file holds, $2 the root of /proc and /sys.
# head of Android 6 and 7 knows no bytes, but lines; a file's first is all that is needed.
if head -c 1 /dev/null >/dev/null 2>&1; then bound='-c 4096'; else bound='-n 1'; fi
echo "$1 files"
mark=$1
root=$2
n=0
set --
# Which files are there is told by the list, which can be read by what head prints of them.
# Only plain files are opened: a pipe would never end.
r=$root/sys/devices/system/cpu
c=$root/sys/class
for f in \
	"$root"/proc/loadavg "$root"/proc/stat \
	"$r"/online "$r"/intel_pstate/no_turbo "$r"/cpufreq/boost \
	"$r"/cpu[0-9]*/cpufreq/scaling_cur_freq "$r"/cpu[0-9]*/cpufreq/scaling_max_freq \
	"$r"/cpu[0-9]*/cpufreq/scaling_governor "$r"/cpu[0-9]*/thermal_throttle/core_throttle_count \
	"$c"/thermal/thermal_zone[0-9]* "$c"/thermal/cooling_device[0-9]* \
	"$c"/thermal/thermal_zone[0-9]*/type "$c"/thermal/thermal_zone[0-9]*/temp \
	"$c"/thermal/cooling_device[0-9]*/type "$c"/thermal/cooling_device[0-9]*/cur_state \
	"$c"/thermal/cooling_device[0-9]*/max_state \
	"$c"/power_supply/*/type "$c"/power_supply/*/scope "$c"/power_supply/*/status \
	"$c"/hwmon/hwmon[0-9]*/name \
	"$c"/apex/apex_[0-9]*/temp "$c"/apex/apex_[0-9]*/trip_point[012]_temp \
	"$c"/devfreq/*/cur_freq \
	"$root"/sys/devices/platform/soc/soc:firmware/get_throttled; do
	[ -e "$f" ] || continue
	n=$((n + 1))
	[ $n -le 2048 ] || break
	echo "$f"
	[ -f "$f" ] && set -- "$@" "$f"
done
# A CPU quota of any cgroup above this shell's counts; a container may see its own as the root.
f=$root/proc/self/cgroup
if [ -f "$f" ]; then
	echo "$f"
	set -- "$@" "$f"
	while IFS=: read -r _ kinds group; do
		case ,$kinds, in
		,,) at='sys/fs/cgroup sys/fs/cgroup/unified' ;;
		*,cpu,*) at='sys/fs/cgroup/cpu sys/fs/cgroup/cpu,cpuacct dev/cpuctl' ;;
		*) continue ;;
		esac
		for f in $at; do
			g=$group
			while :; do
				g=${g%/}
				if [ -f "$root/$f$g/cpu.stat" ]; then
					echo "$root/$f$g/cpu.stat"
					set -- "$@" "$root/$f$g/cpu.stat"
				fi
				case $g in */*) g=${g%/*} ;; *) break ;; esac
			done
		done
	done <"$f"
fi
# Other chips are not asked: to read a disk or a radio may wake it up.
for f in "$c"/hwmon/hwmon[0-9]*; do
	[ -f "$f/name" ] && [ -f "$f/temp1_input" ] && read -r name <"$f/name" || continue
	case $name in k10temp | zenpower)
		echo "$f/temp1_input"
		set -- "$@" "$f/temp1_input"
		;;
	esac
done
echo
echo "$mark texts"
head $bound /dev/null "$@" 2>/dev/null
for f in vcgencmd /opt/vc/bin/vcgencmd; do
	if command -v $f >/dev/null 2>&1; then
		echo
		echo "$mark throttled"
		$f get_throttled 2>/dev/null | head -n 1
		break
	fi
done
if command -v dumpsys >/dev/null 2>&1; then
	echo
	echo "$mark thermal"
	dumpsys thermalservice 2>/dev/null | head -n 2000
	echo
	echo "$mark battery"
	dumpsys battery 2>/dev/null | head -n 200
	echo
	echo "$mark power"
	dumpsys power 2>/dev/null | grep -e mWakefulness= -e 'Display Power: state=' | head -n 20
	echo
	echo "$mark airplane"
	settings get global airplane_mode_on 2>/dev/null | head -n 1
fi
echo
echo "$mark end"
