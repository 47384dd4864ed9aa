#!/usr/bin/env bash
# Measures the gateway beside what its work costs without it, on a PostgreSQL of its own, and prints a Markdown table
# for docs/performance.md. Machines are noisy, so both sides take turns in one run, and what counts is the ratio.
#
#   ./scripts/bench.sh             every benchmark there is
#   ./scripts/bench.sh register    new databases, further tenants, and the same bundle once more
#   ./scripts/bench.sh fleet       one bundle for 100 databases at once; BENCH_TENANTS=500 for another number
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

benchmarks=(register fleet)
chosen=("$@")
((${#chosen[@]})) || chosen=("${benchmarks[@]}")
for name in "${chosen[@]}"; do
    [[ " ${benchmarks[*]} " == *" $name "* ]] || fail "no benchmark $name; there are: ${benchmarks[*]}"
done
pairs=${BENCH_PAIRS:-7}
if ! [[ $pairs =~ ^[0-9]+$ ]] || ((pairs < 7 || pairs > 1000)); then
    fail "BENCH_PAIRS=$pairs: expected 7 to 1000"
fi

tenants=${BENCH_TENANTS:-100}
if ! [[ $tenants =~ ^[0-9]+$ ]] || ((tenants < 2 || tenants > 5000)); then
    fail "BENCH_TENANTS=$tenants: expected 2 to 5000"
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
find_cargo
install_missing

free=$(df -Pk "${TMPDIR:-/tmp}" | awk 'NR == 2 { print int($4 / 1024) }')
((free >= 3000 + 10 * tenants)) ||
    fail "${TMPDIR:-/tmp} has $free MiB free, and the databases need $((3000 + 10 * tenants)); set TMPDIR to another folder"

say "Building the gateway; the first time takes a few minutes" >&2
cargo build --release --locked || fail "the build failed; cargo's last lines say why"

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
print_table
say ""
describe_machine
say "$pairs turns, of short ones more. Times are medians; the ratio is the median of the turns' ratios, with the lowest and the highest. Load" \
    "average before: $load. $SECONDS s in all."
