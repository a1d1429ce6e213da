#!/bin/sh
# A driver and two executors on this machine, a shop's data in three formats, and an ETL job over them.
#   demo.sh         everything, then stops what it started         STAY=1 demo.sh    leaves the cluster up
#   demo.sh stop    stops a cluster that was left up
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
drover=$root/build/drover
home=$root/build/demo
pids=$home/pids
started=

if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m') off=$(printf '\033[0m'); else bold= dim= green= off=; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$off"; }

# Ends the processes named in the file, if they are still ours.
stop() {
    [ -f "$pids" ] || return 0
    for pid in $(cat "$pids"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = drover ] && kill "$pid" 2>/dev/null || true
    done
    for pid in $(cat "$pids"); do
        tries=0
        while [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = drover ] && [ $tries -lt 50 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = drover ] && kill -9 "$pid" 2>/dev/null || true
    done
    rm -f "$pids"
}

finish() {
    code=$?
    trap - EXIT INT TERM HUP
    if [ -n "$started" ]; then
        stop
        [ $code = 0 ] || { echo; echo "demo: ended early; everything that it started is stopped" >&2; }
    fi
    exit $code
}

# start NAME ARGS...: a daemon, whose ready line ends up in NAME.out. Out of the reach of Ctrl-C: this script ends it.
start() {
    name=$1
    shift
    : >"$name.out"
    setsid "$drover" "$@" </dev/null >"$name.out" 2>"$name.log" &
    echo $! >>"$pids"
    tries=0
    until grep -q '^ready ' "$name.out"; do
        if ! kill -0 $! 2>/dev/null || [ $tries -ge 100 ]; then
            cat "$name.log" >&2
            exit 1
        fi
        sleep 0.1
        tries=$((tries + 1))
    done
}

mkdir -p "$home"
cd "$home"
stop
[ "${1:-}" = stop ] && { echo "stopped"; exit 0; }
trap finish EXIT
trap 'exit 130' INT TERM HUP
started=1
rm -rf data sales

say "1. A shop's data: customers as CSV, orders as Parquet, events as JSON lines"
note "drover sql -f deploy/demo/data.sql      (embedded: no cluster needed)"
begin=$(date +%s)
"$drover" sql -f "$root/deploy/demo/data.sql"
printf 'customer_id,name,country,since\n20001,Nobody,Nowhere,yesterday\n' >data/customers/late.csv
printf '{"event_id": 700001, "customer_id": 7, "at": "2025-0\n' >data/events/broken.json
for f in customers orders events; do
    printf '  %-10s %8s in %s files\n' "$f" "$(du -sh "data/$f" | cut -f1)" "$(ls "data/$f" | grep -vc _SUCCESS)"
done

say "2. A driver and two executors, as daemons on loopback"
cores=$(nproc 2>/dev/null || echo 2)
slots=$((cores / 2 > 0 ? cores / 2 : 1))
start driver driver --listen 127.0.0.1:0 --web 127.0.0.1:0
driver=$(sed -n 's/^ready .*driver=\([^ ]*\).*/\1/p' driver.out)
web=$(sed -n 's/^ready .*web=\([^ ]*\).*/\1/p' driver.out)
cat driver.out
for i in 1 2; do
    start "executor$i" executor --driver "$driver" --slots "$slots" --memory 1g --dir "$home"
    cat "executor$i.out"
done
printf '%sstatus page: http://%s/%s\n' "$green" "$web" "$off"

say "3. The ETL job"
note "drover submit deploy/demo/etl.sql --driver $driver"
"$drover" submit "$root/deploy/demo/etl.sql" --driver "$driver" --format table --echo
printf '\n'
ls -d sales/month=*/ | sed 's/^/  /'

say "4. The stages that ran"
"$drover" stages --driver "$driver"
say "   and the executors that ran them"
"$drover" executors --driver "$driver"

if [ -n "${STAY:-}" ]; then
    started=
    say "The cluster stays up ($(($(date +%s) - begin)) s so far)"
    echo "  status page   http://$web/"
    echo "  a shell       cd $home && $drover sql --driver $driver"
    echo "  to stop it    $root/deploy/demo.sh stop"
else
    stop
    started=
    say "Done in $(($(date +%s) - begin)) s; everything is stopped. STAY=1 make demo leaves the cluster up, with its status page."
fi
