# shellcheck shell=bash
# What the benchmarks share: clocks, series of times, and the table. To be sourced by scripts/bench.sh.
#
# A series is the times of one thing, a number of microseconds for each turn; two that are compared were measured in the
# same turns. The first turn of a series never counts: both sides touch for the first time what later ones find in
# memory.

: "${work:?}"
mkdir -p "$work/series"

last_us=

# Builds a program of benches/ to compare with; its path. Usage: build_yardstick NAME
build_yardstick() {
    cargo build --release --locked --bench "$1" --message-format=json 2>"$work/$1.build" |
        sed -nE "s/.*\"executable\":\"([^\"]*$1[^\"]*)\".*/\1/p" | tail -n 1
    ((PIPESTATUS[0] == 0)) || fail "the build of $1 failed: $(tail -n 3 "$work/$1.build")"
}

# What the thing just measured has taken, in microseconds.
took() { last_us=$1; }

# Keeps the last time as the next one of a series. Usage: record SERIES
record() { say "$last_us" >>"$work/series/$1"; }

# Runs a command and times it as a whole. Usage: clock COMMAND [ARGUMENT]…
clock() {
    local from=${EPOCHREALTIME/./} status=0
    "$@" || status=$?
    took $((${EPOCHREALTIME/./} - from))
    return "$status"
}

# Seconds or milliseconds with decimals → microseconds. Usage: microseconds NUMBER MICROSECONDS-IN-ONE
microseconds() { awk -v number="$1" -v unit="$2" 'BEGIN { printf "%d", number * unit + 0.5 }'; }

# The turns of a series that count.
counted() { tail -n +2 "$work/series/$1"; }

# Of numbers on stdin: the middle one; of an even count, the mean of the middle two.
median() {
    sort -n | awk '{ all[NR] = $1 } END { print (all[int((NR + 1) / 2)] + all[int((NR + 2) / 2)]) / 2 }'
}

# Microseconds on stdin → milliseconds as people read them.
milliseconds() { awk '{ printf $1 < 100000 ? "%.1f ms" : "%.0f ms", $1 / 1000 }'; }

# --- the table --------------------------------------------------------------------------------------------------------

# Usage: compare WHAT SERIES BESIDE SERIES LIMIT; a row of the table. LIMIT is the highest ratio that is wanted, or –.
compare() {
    local ratios middle spread
    ratios=$(paste <(counted "$2") <(counted "$4") | awk '{ print $1 / $2 }')
    middle=$(median <<<"$ratios")
    spread=$(sort -n <<<"$ratios" | sed -n '1p;$p' | xargs printf '%.2f–%.2f')
    printf '| %s | %s | %s | %s | **%.2f** (%s) | %s |\n' "$1" "$(counted "$2" | median | milliseconds)" \
        "$3" "$(counted "$4" | median | milliseconds)" "$middle" "$spread" "$5" >>"$work/table"
}

print_table() {
    say "| measure | gateway | beside it | | ratio | limit |"
    say "| --- | ---: | --- | ---: | --- | ---: |"
    cat "$work/table"
}

# What this was measured on, in a line.
describe_machine() {
    local model memory
    model=$(sed -nE 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    say "$("$(postgres_bin_dir)/postgres" --version); $(nproc) cores (${model:-$(uname -m)}), $memory of memory."
}
