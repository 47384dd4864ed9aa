# shellcheck shell=bash
# POST /call beside the two things that it is made of: an HTTP echo of the same bodies, and pgbench calling the same
# function in prepared statements. All share the machine's cores, so a call can take no less than both together, and the
# rate can be no higher than 1/(1/echo + 1/pgbench). To be sourced by scripts/bench.sh; bench_call is the way in.

: "${root:?}" "${work:?}" "${pairs:?}" "${url:?}" "${known:?}" "${gateway:?}" "${pgbench:?}" "${beside_binary-}"

# How long each of the three is measured in a turn.
call_seconds=3
call_connections=(1 16 64)
# What is called on 16 connections only: with app.user_id set for the call, as policies of rows want it; and a row written.
call_others=(mine written)
echo_pid=
beside=

bench_call() {
    if [[ -n $beside_binary ]]; then
        bench_call_beside
        return
    fi
    say "Building the echo" >&2
    call_yardstick=$(build_yardstick echo)
    make_callable
    start_echo
    say "Calling: $((pairs + 1)) turns of $(((${#call_connections[@]} * 6 + ${#call_others[@]} * 3) * call_seconds)) seconds" >&2
    local turn connections rows
    for ((turn = 0; turn <= pairs; turn++)); do
        for connections in "${call_connections[@]}"; do
            measure_calls one "$connections"
            measure_calls hundred "$connections"
        done
        for rows in "${call_others[@]}"; do measure_calls "$rows" 16; done
    done
    stop_echo
    judge_calls
    measure_memory
    judge_memory
}

# Two gateways in turns, each on a PostgreSQL of its own, of which the other rests meanwhile.
bench_call_beside() {
    local turn pair
    local -a both_pairs=()
    for pair in {one,hundred}.{1,16,64} "${call_others[@]/%/.16}"; do
        [[ " ${BENCH_CALLS:-${pair%.*}} " != *" ${pair%.*} "* ]] || both_pairs+=("$pair")
    done
    ((${#both_pairs[@]})) || fail "BENCH_CALLS=$BENCH_CALLS: there are one, hundred, ${call_others[*]}"
    make_callable
    start_beside
    say "Calling: $((pairs + 1)) turns of $((${#both_pairs[@]} * 2 * call_seconds)) seconds" >&2
    for ((turn = 0; turn <= pairs; turn++)); do
        for pair in "${both_pairs[@]}"; do measure_both "${pair%.*}" "${pair#*.}"; done
    done
    stop_beside
    judge_both
}

# The other gateway, with the same functions.
start_beside() {
    local url started
    local -x PGHOST=$work/beside/postgres PGPASSWORD
    start_one "$beside_binary" "$work/beside" "$work/beside.log"
    beside=$started
    beside_url=$url
    PGPASSWORD=$(<"$work/beside/.postgres-password")
    make_callable
}

stop_beside() {
    [[ -z $beside ]] || stop_one "$beside" "$work/beside"
    beside=
}

# Who comes second finds the disk at work on what the first has written: so they change places with each turn.
# Usage: measure_both KIND CONNECTIONS
measure_both() {
    local rows=$1 connections=$2 threads=1
    ((connections == 1)) || threads=2
    ((turn % 2)) || run_wrk "$rows.$connections.beside" "$beside_url" /call
    run_wrk "$rows.$connections.gateway" "$url" /call
    ((turn % 2 == 0)) || run_wrk "$rows.$connections.beside" "$beside_url" /call
}

# shellcheck disable=SC2016 # the expression is awk's
judge_both() {
    local rows connections pair
    {
        say "| calls | connections | \`$beside_binary\` | this gateway | its median | its 99th percentile |"
        say "| --- | ---: | ---: | ---: | ---: | ---: |"
    } >>"$work/call_figures"
    for pair in "${both_pairs[@]}"; do
        rows=${pair%.*} connections=${pair#*.}
        printf '| %s | %d | %.0f/s | %.0f/s | %.0f µs | %.0f µs |\n' "$(kind_of_call "$rows")" "$connections" \
            "$(figure "$pair.beside.rate")" "$(figure "$pair.gateway.rate")" "$(figure "$pair.gateway.p50")" \
            "$(figure "$pair.gateway.p99")" >>"$work/call_figures"
        judge "$(kind_of_call "$rows"), $connections connections: this over the other" '$2 / $1' '1 within the spread' '–' \
            "$pair.beside.rate" "$pair.gateway.rate"
    done
}

# In words. Usage: kind_of_call one|hundred|mine|written
kind_of_call() {
    case $1 in
        one) say "one row" ;;
        hundred) say "a hundred rows" ;;
        mine) say "one row, \`app.user_id\` set" ;;
        written) say "one row written" ;;
    esac
}

# A table of a thousand rows and more, and a function that returns one of them, or a hundred; one that says who asks, as
# policies of rows want it, and one that writes.
make_callable() {
    local folder=$work/calls/postgresql name upper
    mkdir -p "$folder"/{tables,functions}
    printf '%s\n' "CREATE TABLE item (
    id bigint PRIMARY KEY, name text NOT NULL, amount numeric(12, 2) NOT NULL, created_at timestamptz NOT NULL
);" >"$folder/tables/item.pssql"
    for name in one hundred; do
        [[ $name == one ]] && upper=0 || upper=99
        printf '%s\n' "CREATE FUNCTION get_$name(p_id bigint)
RETURNS TABLE (id bigint, name text, amount numeric, created_at timestamptz) LANGUAGE sql STABLE AS \$\$
    SELECT id, name, amount, created_at FROM item WHERE item.id BETWEEN p_id AND p_id + $upper
\$\$;" >"$folder/functions/get_$name.pssql"
        printf '%s\n' '\set id random(1, 1000)' "SELECT * FROM get_$name(:id);" >"$work/$name.pgbench"
    done
    printf '%s\n' "CREATE FUNCTION get_mine(p_id bigint)
RETURNS SETOF item LANGUAGE plpgsql AS \$\$ BEGIN
    PERFORM set_config('app.user_id', p_id::text, true);
    RETURN QUERY SELECT * FROM item WHERE item.id = current_setting('app.user_id')::bigint;
END \$\$;" >"$folder/functions/get_mine.pssql"
    printf '%s\n' "CREATE TABLE visit (visit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item_id bigint NOT NULL);" \
        >"$folder/tables/visit.pssql"
    printf '%s\n' "CREATE FUNCTION get_written(p_id bigint) RETURNS SETOF visit LANGUAGE sql AS \$\$
    INSERT INTO visit (item_id) VALUES (p_id) RETURNING *
\$\$;" >"$folder/functions/get_written.pssql"
    for name in "${call_others[@]}"; do
        printf '%s\n' '\set id random(1, 1000)' "SELECT * FROM get_$name(:id);" >"$work/$name.pgbench"
    done
    tar -czf "$work/calls.tar.gz" -C "$work/calls" postgresql
    register bench-calls '' "$work/calls.tar.gz"
    run_psql -d bench_calls_main -c "INSERT INTO item SELECT i, 'the name of item ' || i, i * 1.25,
        '2024-01-01 00:00:00.25+00'::timestamptz + i * interval '1 hour' FROM generate_series(1, 1200) AS i" \
        -c 'VACUUM ANALYZE item'
}

# The echo answers with what the gateway answers.
start_echo() {
    local port name
    port=$(free_port)
    echo_url=http://127.0.0.1:$port
    for name in one hundred "${call_others[@]}"; do
        call_once bench-calls '' "get_$name" '[500]' >"$work/$name.json"
    done
    [[ $(<"$work/one.json") == *'"name":"the name of item 500","amount":625.00,'* ]] ||
        fail "not the answer that was expected: $(<"$work/one.json")"
    [[ $(<"$work/hundred.json") == *'"row_count":100,'* ]] || fail "not a hundred rows: $(tail -c 200 "$work/hundred.json")"
    "$call_yardstick" "$port" "$work"/{one,hundred,mine,written}.json >"$work/echo.log" 2>&1 &
    echo_pid=$!
    local deadline=$((SECONDS + 10))
    until port_answers 127.0.0.1 "$port"; do
        ((SECONDS < deadline)) || fail "the echo did not start: $(tail -n 3 "$work/echo.log")"
        sleep 0.05
    done
}

stop_echo() {
    [[ -n $echo_pid ]] || return 0
    kill -KILL "$echo_pid" 2>/dev/null || true
    wait "$echo_pid" 2>/dev/null || true
    echo_pid=
}

# Usage: call_once PLATFORM TENANT FUNCTION PARAMS
call_once() {
    curl -fsS --noproxy '*' --max-time 30 -H 'Content-Type: application/json' \
        -d "{\"platform\":\"$1\",\"tenant_id\":\"$2\",\"function\":\"$3\",\"params\":$4}" "$url/call" ||
        fail "the gateway did not answer a call; its log: $(tail -n 3 "$work/gateway.log")"
}

# The three, one after the other. Usage: measure_calls one|hundred CONNECTIONS
measure_calls() {
    local rows=$1 connections=$2 threads=1
    ((connections == 1)) || threads=2
    run_wrk "$rows.$connections.echo" "$echo_url" "/$rows"
    run_pgbench
    run_wrk "$rows.$connections.gateway" "$url" /call
}

# Keeps the rate and the two percentiles as the next of three series. Usage: run_wrk SERIES URL PATH
run_wrk() {
    local rate p50 p99 failures
    wrk -t "$threads" -c "$connections" -d "${call_seconds}s" --latency -s "$root/scripts/bench/call.lua" "$2" -- \
        "get_$rows" "$3" >"$work/wrk.out" 2>&1 || fail "wrk: $(tail -n 3 "$work/wrk.out")"
    read -r _ rate p50 p99 failures < <(grep '^result ' "$work/wrk.out") || fail "wrk: $(tail -n 3 "$work/wrk.out")"
    ((failures == 0)) || fail "$failures requests to $2 failed: $(tail -n 3 "$work/gateway.log")"
    say "$rate" >>"$work/series/$1.rate"
    say "$p50" >>"$work/series/$1.p50"
    say "$p99" >>"$work/series/$1.p99"
}

run_pgbench() {
    local series=$work/series/$rows.$connections.pgbench
    "$pgbench" -n -M prepared -c "$connections" -j "$threads" -T "$call_seconds" -f "$work/$rows.pgbench" \
        bench_calls_main >"$work/pgbench.out" 2>&1 || fail "pgbench: $(tail -n 3 "$work/pgbench.out")"
    # On a machine that is busy with other things the time can be over before all are connected.
    ! grep -q '^number of transactions actually processed: 0$' "$work/pgbench.out" ||
        fail "pgbench got nothing done in $call_seconds s: the machine is too busy to measure on"
    sed -nE 's/^tps = ([0-9.]+).*/\1/p' "$work/pgbench.out" >>"$series.rate"
    # In microseconds.
    sed -nE 's/^latency average = ([0-9.]+) ms/\1/p' "$work/pgbench.out" | awk '{ print $1 * 1000 }' >>"$series.mean"
}

# --- what it means ----------------------------------------------------------------------------------------------------

# shellcheck disable=SC2016 # the expressions are awk's
judge_calls() {
    local rows connections
    {
        say "| calls | connections | echo | \`pgbench -M prepared\` | gateway | its median | its 99th percentile |"
        say "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        for rows in one hundred; do
            for connections in "${call_connections[@]}"; do print_figures "$rows" "$connections"; done
        done
        for rows in "${call_others[@]}"; do print_figures "$rows" 16; done
    } >>"$work/call_figures"
    judge "one row, 16 connections: share of 1/(1/echo + 1/pgbench)" '$3 * (1 / $1 + 1 / $2)' '≥ 0.65' '0.85' \
        one.16.echo.rate one.16.pgbench.rate one.16.gateway.rate
    judge "one row, 1 connection: median over the echo's median + pgbench's latency" '$3 / ($1 + $2)' '≤ 1.0' '0.8' \
        one.1.echo.p50 one.1.pgbench.mean one.1.gateway.p50
    judge "a hundred rows, 16 connections: share of plain pgbench" '$2 / $1' '≥ 0.40' '0.60' \
        hundred.16.pgbench.rate hundred.16.gateway.rate
    judge "one row, 64 connections: 99th percentile over the median" '$2 / $1' '≤ 3' '2' \
        one.64.gateway.p50 one.64.gateway.p99
}

# Usage: print_figures KIND CONNECTIONS
print_figures() {
    printf '| %s | %d | %.0f/s | %.0f/s | %.0f/s | %.0f µs | %.0f µs |\n' "$(kind_of_call "$1")" "$2" \
        "$(figure "$1.$2.echo.rate")" "$(figure "$1.$2.pgbench.rate")" "$(figure "$1.$2.gateway.rate")" \
        "$(figure "$1.$2.gateway.p50")" "$(figure "$1.$2.gateway.p99")"
}

# The median of a series.
figure() { counted "$1" | median; }

# A row of the table of ratios: the median of the turns' ratios, and the lowest and the highest.
# Usage: judge WHAT AWK-EXPRESSION REACH AIM SERIES…
judge() {
    local what=$1 expression=$2 reach=$3 aim=$4 ratios series columns=()
    shift 4
    for series; do
        counted "$series" >"$work/column.$series"
        columns+=("$work/column.$series")
    done
    ratios=$(paste "${columns[@]}" | awk "{ print $expression }")
    printf '| %s | **%.2f** (%.2f–%.2f) | %s | %s |\n' "$what" "$(median <<<"$ratios")" \
        "$(sort -n <<<"$ratios" | head -n 1)" "$(sort -n <<<"$ratios" | tail -n 1)" "$reach" "$aim" >>"$work/call_ratios"
}

# As many databases as there may be, each called once: the gateway knows them all, and has as many connections open as it
# may.
measure_memory() {
    local number health
    say "Making $known databases" >&2
    for ((number = 1; number <= known; number++)); do
        register bench-calls "known_$number" "$work/calls.tar.gz"
        # One after the other, as tenants arrive.
        call_once bench-calls "known_$number" get_one '[1]' >/dev/null
    done
    health=$(curl -fsS --noproxy '*' "$url/health")
    open_connections=$(sed -nE 's/.*"total_connections":([0-9]+).*/\1/p' <<<"$health")
    resident_mib=$(awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$gateway/status")
}

judge_memory() {
    printf '| resident memory, %s databases known, %s connections open | **%s MiB** | ≤ 150 MiB | 80 MiB |\n' \
        "$known" "$open_connections" "$resident_mib" >>"$work/call_ratios"
}

print_calls() {
    [[ -s $work/call_figures ]] || return 0
    say ""
    cat "$work/call_figures"
    say ""
    say "| measure | ratio | reach | aim |"
    say "| --- | --- | ---: | ---: |"
    cat "$work/call_ratios"
}
