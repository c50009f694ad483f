for f in "$@"; do
	if [ -e "$f" ]; then echo "$f"; fi
done
for d in /sys/bus/usb/devices/*; do
	if [ -r "$d/idVendor" ] && read -r v <"$d/idVendor" && read -r p <"$d/idProduct"; then
		case $v:$p in 1a6e:089a|18d1:9302) echo usb ;; esac
	fi
done
exit 0
