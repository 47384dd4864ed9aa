#!/usr/bin/env bash
# Measures the gateway beside what its work costs without it, on a PostgreSQL of its own, and prints a Markdown table
# for docs/performance.md. Machines are noisy, so both sides take turns in one run, and what counts is the ratio.
#
#   ./scripts/bench.sh             every benchmark there is
#   ./scripts/bench.sh register    new databases, further tenants, and the same bundle once more
#   ./scripts/bench.sh history     the first /register of 300 tables and 100 migrations that need what the other files have
#   ./scripts/bench.sh fleet       one bundle for 100 databases at once; BENCH_TENANTS=500 for another number
#   ./scripts/bench.sh stored      databases of a stored schema, up to BENCH_STORED=500
#   ./scripts/bench.sh uploads     memory of archives that are small and become much; BENCH_UPLOADS="drops chain" for some
#   ./scripts/bench.sh instructions   of a call, and what counting it for /metrics takes of them; under valgrind
#   ./scripts/bench.sh call        calls beside an HTTP echo and pgbench; memory with BENCH_KNOWN=1000 databases
#
# BENCH_BESIDE=/path/to/gateway ./scripts/bench.sh call measures calls on two gateways in turns, this and another one, for
# instance of the commit before; BENCH_CALLS="one written" some kinds of calls alone. BENCH_GATEWAY=/path/to/gateway takes that one
# for this, and builds none.
#
# BENCH_PAIRS=15 takes 15 turns instead of 7, which is the least that makes a median mean something. A benchmark NAME is a file
# scripts/bench/NAME.sh with a function bench_NAME, and stands in the list below.
set -euo pipefail

# Decimal points, and PostgreSQL's words in English.
export LC_ALL=C
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
exec </dev/null

benchmarks=(register history fleet stored call uploads instructions)
chosen=("$@")
((${#chosen[@]})) || chosen=("${benchmarks[@]}")
for name in "${chosen[@]}"; do
    [[ " ${benchmarks[*]} " == *" $name "* ]] || fail "no benchmark $name; there are: ${benchmarks[*]}"
done
# Usage: chose NAME
chose() { [[ " ${chosen[*]} " == *" $1 "* ]]; }
# Usage: whole_number NAME DEFAULT LEAST MOST; what the environment says, if it can be.
whole_number() {
    local value=${!1:-$2}
    if ! [[ $value =~ ^[0-9]+$ ]] || ((value < $3 || value > $4)); then
        fail "$1=$value: expected $3 to $4"
    fi
    say "$value"
}
pairs=$(whole_number BENCH_PAIRS 7 7 1000)
tenants=$(whole_number BENCH_TENANTS 100 2 5000)
stored=$(whole_number BENCH_STORED 500 25 5000)
known=$(whole_number BENCH_KNOWN 1000 1 5000)
beside_binary=${BENCH_BESIDE:-}
gateway_binary=${BENCH_GATEWAY:-$(target_dir)/release/stonescriptdb-gateway}
if [[ -n $beside_binary ]]; then
    [[ ${chosen[*]} == call ]] || fail "BENCH_BESIDE is for ./scripts/bench.sh call"
    beside_binary=$(realpath -e "$beside_binary") || fail "BENCH_BESIDE=$BENCH_BESIDE: there is no such program"
fi

# What the user has set for a gateway of his own is not for this one.
while read -r name; do
    [[ $name == PG_BIN_DIR ]] || unset "$name"
done < <(sed -nE 's/^#?([A-Z_]+)=.*/\1/p' .env.example)

want_build_tools
want_command curl curl
want_command tar tar
want_command stdbuf coreutils
want_postgres
[[ -x $(postgres_bin_dir)/psql ]] || want_command psql postgresql-client
if chose call; then
    want_command wrk wrk
    # A PostgreSQL of one's own may come without it.
    [[ -x $(postgres_bin_dir)/pgbench ]] || want_command pgbench postgresql-contrib
fi
if chose instructions; then want_command valgrind valgrind; fi
find_cargo
install_missing

disk=3000
if chose fleet; then ((disk += 10 * tenants)); fi
if chose stored; then ((disk += 10 * stored)); fi
if chose call; then ((disk += 10 * known)); fi
free=$(df -Pk "${TMPDIR:-/tmp}" | awk 'NR == 2 { print int($4 / 1024) }')
((free >= disk)) ||
    fail "${TMPDIR:-/tmp} has $free MiB free, and the databases need $disk; set TMPDIR to another folder"

if [[ -n ${BENCH_GATEWAY:-} ]]; then
    gateway_binary=$(realpath -e "$BENCH_GATEWAY") || fail "BENCH_GATEWAY=$BENCH_GATEWAY: there is no such program"
else
    say "Building the gateway; the first time takes a few minutes" >&2
    cargo build --release --locked || fail "the build failed; cargo's last lines say why"
fi

work=$(mktemp -d)
# Root's gateway runs PostgreSQL as the user postgres, who has to get in.
chmod 755 "$work"
read -r load _ </proc/loadavg
# shellcheck source=scripts/bench/measure.sh
source "$root/scripts/bench/measure.sh"
# shellcheck source=scripts/bench/server.sh
source "$root/scripts/bench/server.sh"
clean_up() {
    close_session
    ! declare -F stop_echo >/dev/null || stop_echo
    ! declare -F stop_beside >/dev/null || stop_beside
    stop_gateway
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_gateway
for name in "${chosen[@]}"; do
    # shellcheck source=/dev/null
    source "$root/scripts/bench/$name.sh"
    "bench_$name"
done
! [[ -s $work/table ]] || print_table
! declare -F print_calls >/dev/null || print_calls
! declare -F print_uploads >/dev/null || print_uploads
! declare -F print_instructions >/dev/null || print_instructions
say ""
describe_machine
say "$pairs turns, of short ones more. Times are medians; the ratio is the median of the turns' ratios, with the lowest and the highest. Load" \
    "average before: $load. $SECONDS s in all."
