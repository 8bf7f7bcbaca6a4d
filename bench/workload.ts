/**
 * The init script of a guest that works: what its memory holds and how it changes is that of a
 * small server. Programs come and go, text is made, sorted and packed, files are appended to and
 * replaced, a table in a process's heap and a file's records are written here and there.
 */

/** The guest prints this when its files and tables are filled. */
export const WORKLOAD_READY = "WORKLOAD READY";

/** Busybox's shell and applets alone; every loop sleeps, so that TCG on a busy machine keeps up. */
export const WORKLOAD_INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=120m run /run
exec </dev/console >/dev/console 2>&1
mkdir -p /run/text /run/log /run/small
echo BOOTED

words() {
  awk -v seed=$1 -v lines=$2 'BEGIN {
    srand(seed)
    split("alpha request host epoch user error cache page disk 200 404 GET POST index json", word)
    for (line = 0; line < lines; line++) {
      text = line " " int(rand() * 100000)
      for (count = 0; count < 8; count++) text = text " " word[int(rand() * 15) + 1]
      print text
    }
  }'
}

# Text made, sorted, counted and packed, four files in turn.
text_worker() {
  round=0
  while true; do
    slot=$((round % 4))
    words $round 4000 > /run/text/$slot
    sort -k 3 /run/text/$slot > /run/text/$slot.sorted
    cut -d " " -f 5 /run/text/$slot | sort | uniq -c > /run/text/$slot.counts
    gzip -c /run/text/$slot.sorted > /run/text/$slot.gz
    round=$((round + 1))
    sleep 0.2
  done
}

# Records of a file, written here and there.
record_worker() {
  while true; do
    for _ in 1 2 3 4 5 6 7 8; do
      at=$(((RANDOM * 32768 + RANDOM) % 393216))
      echo "record $at of $RANDOM balance $RANDOM$RANDOM" |
        dd of=/run/records bs=64 seek=$at conv=notrunc 2>/dev/null
    done
    sleep 0.05
  done
}

# A table of a long-lived process: strings of a heap, replaced one by one.
table_worker() {
  awk 'BEGIN {
    srand(7)
    for (key = 0; key < 40000; key++) table[key] = "session " key " since 0 hits 0 from 10.0.0.1"
    print "filled" > "/run/table-filled"
    close("/run/table-filled")
    while (1) {
      for (count = 0; count < 400; count++) {
        key = int(rand() * 40000)
        table[key] = "session " key " since " int(rand() * 99999) " hits " round " from 10.0.0.1"
      }
      round++
      system("sleep 0.1")
    }
  }'
}

# Logs that are appended to and replaced; small files that come and go.
log_worker() {
  round=0
  while true; do
    for name in access error audit; do
      echo "$(date) $name $round $RANDOM the request was answered in $((RANDOM % 900)) ms" >> \\
        /run/log/$name
    done
    echo "$RANDOM $round" > /run/small/$((round % 400)).new
    mv /run/small/$((round % 400)).new /run/small/$((round % 400))
    [ $((round % 2000)) -eq 1999 ] && mv /run/log/access /run/log/access.1
    round=$((round + 1))
    sleep 0.02
  done
}

words 1 20000 > /run/some
for _ in 1 2 3 4 5 6 7 8; do cat /run/some; done > /run/archive
echo ARCHIVE
gzip -c /run/archive > /run/archive.gz
words 2 20000 > /run/some
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat /run/some; done > /run/records
echo FILLED
text_worker &
record_worker &
table_worker &
log_worker &
while [ ! -f /run/table-filled ]; do sleep 0.2; done
sleep 5
echo ${WORKLOAD_READY}
while true; do sleep 60; done
`;
