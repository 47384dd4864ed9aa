# shellcheck shell=bash
# shellcheck disable=SC2154 # bench.sh sources this file and has set what it uses.
# What a call costs in instructions of the gateway's own process, and what of that counting it for /metrics takes: under callgrind, which
# counts the same on any machine however busy it is. To be sourced by scripts/bench.sh; bench_instructions is the way in,
# print_instructions its table.

: "${work:?}" "${gateway_binary:?}"

instructions_calls=3000
# The two functions of src/metrics/calls.rs that a call runs, each with all that it calls.
counting='metrics::calls::(Calls::known|Counted::count) \('

bench_instructions() {
    local data=$work/instructions pid total counted
    local answer body='{"platform":"counted","function":"one","params":[5]}'
    printf '#!/bin/sh\nexec valgrind --quiet --tool=callgrind --instr-atstart=no --callgrind-out-file=%s/callgrind.out %s\n' \
        "$work" "$gateway_binary" >"$work/counted"
    chmod +x "$work/counted"
    (
        start_one "$work/counted" "$data" "$work/instructions.log"
        pid=$started
        trap 'stop_one "$pid" "$data"' EXIT
        mkdir -p "$work/counted_bundle/functions"
        say "CREATE FUNCTION one(p int) RETURNS int LANGUAGE sql AS 'SELECT p';" >"$work/counted_bundle/functions/one.sql"
        tar -czf "$work/counted.tar.gz" -C "$work/counted_bundle" .
        register counted '' "$work/counted.tar.gz" '"functions_deployed":1'
        # One connection, and what is found out only once is known.
        calls_of_one 300
        callgrind_control -i on "$pid" >/dev/null 2>&1
        calls_of_one "$instructions_calls"
        callgrind_control -i off "$pid" >/dev/null 2>&1
        callgrind_control -d "$pid" >/dev/null 2>&1
    )
    callgrind_annotate --threshold=100 "$work"/callgrind.out.1 >"$work/annotated" 2>/dev/null
    total=$(awk '/PROGRAM TOTALS/ { gsub(/,/, "", $1); print $1; exit }' "$work/annotated")
    counted=$(grep -E "=>.*$counting" "$work/annotated" | awk '{ gsub(/,/, "", $1); sum += $1 } END { print sum + 0 }')
    ((total > 0 && counted > 0)) || fail "callgrind has counted nothing; see $work/annotated"
    awk -v total="$total" -v counted="$counted" -v calls="$instructions_calls" 'BEGIN {
        printf "| instructions per call, one row, one connection | %d |\n", total / calls
        printf "| of these to count it for /metrics | %d (%.2f %%; limit 1 %%) |\n", counted / calls, 100 * counted / total
    }' >"$work/instructions.table"
}

# So many calls over one connection, as a file of curl's settings. Usage: calls_of_one COUNT
calls_of_one() {
    awk -v count="$1" -v url="$url/call" -v body="${body//\"/\\\\\"}" 'BEGIN {
        for (i = 0; i < count; i++) {
            if (i) print "next"
            printf "url = \"%s\"\nheader = \"Content-Type: application/json\"\ndata = \"%s\"\noutput = /dev/null\nfail\n", url, body
        }
    }' >"$work/calls.curl"
    answer=$(curl -sS --noproxy '*' -K "$work/calls.curl" 2>&1) || fail "a call failed: ${answer:0:300}"
}

print_instructions() {
    say ""
    say "| measure | value |"
    say "| --- | --- |"
    cat "$work/instructions.table"
}
