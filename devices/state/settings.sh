# $1 is a mark that no file holds, $2 the root of /sys. Prints what Settings can change.
mark=$1
root=$2
found=
see() {
	[ -f "$1/scaling_governor" ] || return 0
	found=1 now= can=
	read -r now <"$1/scaling_governor"
	read -r can <"$1/scaling_available_governors"
	echo "$1/scaling_governor|$now|$can"
}
echo "$mark governors"
for d in "$root"/sys/devices/system/cpu/cpufreq/policy[0-9]*; do see "$d"; done 2>/dev/null
# Kernels older than 4.3 have no policies, later ones have both.
[ -n "$found" ] || for d in "$root"/sys/devices/system/cpu/cpu[0-9]*/cpufreq; do see "$d"; done 2>/dev/null
echo
echo "$mark uid"
id -u
if command -v settings >/dev/null 2>&1; then
	for k in stay_on_while_plugged_in airplane_mode_on; do
		echo
		echo "$mark $k"
		settings get global $k 2>/dev/null | head -n 1
	done
fi
echo
echo "$mark end"
