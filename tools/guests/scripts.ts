/**
 * What our initial RAM disks run. The kernel's command line says what: `synthvm=shell` (the default), or
 * `synthvm=workload`; `modules=a,b` names kernel modules to load first.
 */

/** Printed by `/init` once the system is up, before anything else. */
export const READY_MARKER = 'synthvm guest: init';
/** Printed when the workload is over, with the digest of all that it printed. */
export const WORKLOAD_MARKER = 'synthvm guest: workload';
export const PROMPT = 'guest# ';

export const INIT = `#!/bin/busybox sh
export PATH=/bin HOME=/root PS1='${PROMPT}'
/bin/busybox mkdir -p /proc /sys /dev /tmp /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
mode=shell
for word in $(cat /proc/cmdline); do
  case "$word" in
    synthvm=*) mode="\${word#synthvm=}" ;;
    modules=*) modules="\${word#modules=}" ;;
    rounds=*) rounds="\${word#rounds=}" ;;
    pause=*) pause="\${word#pause=}" ;;
  esac
done
for module in $(echo "$modules" | tr , ' '); do
  modprobe "$module" || echo "modprobe $module failed"
done
echo "${READY_MARKER} $(uname -r) $(nproc)"
if [ "$mode" = workload ]; then
  mkdir /tmp/work
  cp /bin/busybox /tmp/work/busybox
  for round in $(seq "\${rounds:-1}"); do
    digest=$(sh /workload.sh /tmp/work /bin/busybox | tee /dev/console | sha256sum)
    echo "${WORKLOAD_MARKER} $round \${digest%% *}"
    sleep "\${pause:-0}"
  done
  poweroff -f
fi
cd /root
while true; do
  setsid cttyhack sh
done
`;

/**
 * Digests, compression, searching, sorting and forking over a copy of busybox. It prints the same on every
 * computer: \`busybox sh workload.sh FOLDER BUSYBOX\` with the file \`busybox\` in that folder.
 */
export const WORKLOAD = `cd "$1" || exit 1
b="$2"
$b rm -rf out && $b mkdir out
for name in a b c d; do $b cat busybox >> out/all; done
$b md5sum < out/all
$b sha256sum < out/all
$b gzip -c out/all > out/all.gz
$b gunzip -c out/all.gz | $b cmp - out/all && echo same
$b strings -n 6 busybox > out/words
$b sort out/words > out/sorted
$b sort -r out/words | $b md5sum
$b uniq -c out/sorted | $b sort -rn | $b head -n 200 | $b md5sum
$b awk '{ length_of[length($0)]++ } END { for (i = 0; i < 200; i++) if (i in length_of) print i, length_of[i] }' out/words | $b md5sum
$b awk 'BEGIN { x = 1; for (i = 0; i < 30000; i++) { x = (x * 16807) % 2147483647; s += x % 10 } print s }'
$b grep -c '[0-9]' out/words
$b sed 's/[aeiou]/_/g' out/words | $b md5sum
for number in $($b seq 300); do $b mkdir -p "out/tree/$((number % 17))"; $b true; echo "$number" > "out/tree/$((number % 17))/$number"; done
$b find out/tree -type f | $b sort | $b xargs $b cat | $b md5sum
$b tar -cf - -C out tree | $b wc -c
count=0
while [ "$count" -lt 2000 ]; do count=$((count + 1)); done
echo "$count"
$b rm -rf out
`;
