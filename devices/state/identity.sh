# $1 is a mark that no file holds, $2 the root of /proc, /sys and /etc.
if head -c 1 /dev/null >/dev/null 2>&1; then bound='-c 4096'; else bound='-n 1'; fi
mark=$1
root=$2
n=0
set --
echo "$mark files"
for f in \
	"$root"/proc/device-tree/model "$root"/sys/class/dmi/id/sys_vendor "$root"/sys/class/dmi/id/product_name \
	"$root"/sys/devices/soc0/family "$root"/sys/devices/soc0/machine "$root"/sys/devices/soc0/soc_id \
	"$root"/etc/nv_tegra_release "$root"/sys/devices/system/cpu/present; do
	[ -e "$f" ] || continue
	n=$((n + 1))
	[ $n -le 1024 ] || break
	echo "$f"
	[ -f "$f" ] && set -- "$@" "$f"
done
echo
echo "$mark texts"
head $bound /dev/null "$@" 2>/dev/null
echo
echo "$mark release"
[ -f "$root/etc/os-release" ] && grep -e '^PRETTY_NAME=' "$root/etc/os-release" 2>/dev/null | head -n 1
echo
echo "$mark cpuinfo"
[ -f "$root/proc/cpuinfo" ] && grep -e '^processor' -e '^model name' -e '^cpu family' -e '^model	' -e '^stepping' \
	-e '^CPU implementer' -e '^CPU part' -e '^Hardware' "$root/proc/cpuinfo" 2>/dev/null | head -n 2000
echo
echo "$mark arch"
uname -m
if command -v getprop >/dev/null 2>&1; then
	echo
	echo "$mark properties"
	for k in ro.product.manufacturer ro.product.model ro.soc.manufacturer ro.soc.model ro.board.platform ro.hardware \
		ro.build.fingerprint ro.build.version.release; do
		echo "$k=$(getprop $k 2>/dev/null | head -n 1)"
	done
fi
echo
echo "$mark end"
