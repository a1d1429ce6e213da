#!/bin/sh
# Installs what a Debian 12 machine lacks: `setup.sh build` what building and the demo need, `setup.sh` the tests' tools too
# (other engines to compare with come from PyPI into build/venv). Safe to run again: what is there is not touched.
set -eu
cd "$(dirname "$0")/.."
want=${1:-all}

build_packages="gcc g++ make libuv1-dev libprotobuf-c-dev protobuf-c-compiler libzstd-dev liblz4-dev libsnappy-dev
    zlib1g-dev libbrotli-dev libpcre2-dev libxxhash-dev libjansson-dev libssl-dev libedit-dev
    libmicrohttpd-dev tzdata"
test_packages="clang libclang-rt-14-dev clang-format check libsubunit-dev python3 python3-venv chromium iproute2 procps
    util-linux openjdk-17-jre-headless"

missing=
for p in $build_packages $([ "$want" = build ] || echo $test_packages); do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $p"
done
if [ -n "$missing" ]; then
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "setup: these packages are missing and need root to install:$missing" >&2; exit 1; }
        as_root=sudo
    fi
    echo "setup: installing$missing"
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
[ "$want" = build ] && exit 0

# A virtual environment of its own for each set, made anew when its list of packages changes.
venv() {
    dir=$1
    shift
    list="$*"
    [ -f "$dir/packages" ] && [ "$(cat "$dir/packages")" = "$list" ] && return 0
    echo "setup: $dir: $list"
    rm -rf "$dir"
    mkdir -p "$(dirname "$dir")"
    python3 -m venv "$dir"
    "$dir/bin/pip" -q --disable-pip-version-check install "$@"
    echo "$list" >"$dir/packages"
}
venv build/venv duckdb pyarrow pandas pyspark tpchgen-cli
venv build/venv-tpch duckdb==1.5.5 duckdb-extension-tpch==1.5.5 duckdb-extension-tpcds==1.5.5
