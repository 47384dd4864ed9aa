# shellcheck shell=bash
# The gateway under measurement, and psql beside it on the same PostgreSQL over the same socket. To be sourced by
# scripts/bench.sh, which stops everything at its end.

: "${work:?}" "${gateway_binary:?}"
gateway=
session_pid=

# Starts a gateway on a PostgreSQL of its own; fills $url, and $started with its process. Usage: start_one BINARY DATA LOG
start_one() {
    local port data=$2 log=$3
    port=$(free_port)
    url=http://127.0.0.1:$port
    mkdir -m 755 "$data"
    # In a folder of its own, so that no .env is read.
    (cd "$work" && exec env GATEWAY_PORT="$port" DATA_DIR="$data" PG_BIN_DIR="$(postgres_bin_dir)" "$1") >"$log" 2>&1 &
    started=$!
    if ! wait_until_healthy "$url" "$started" 120; then
        tail -n 20 "$log" >&2
        fail "the gateway did not start on port $port; its last log lines are above"
    fi
}

# Starts the gateway in $work; fills $url, and what psql needs to get to the same server.
start_gateway() {
    local data=$work/data
    start_one "$gateway_binary" "$data" "$work/gateway.log"
    gateway=$started
    psql=$(postgres_bin_dir)/psql
    [[ -x $psql ]] || psql=psql
    pgbench=$(postgres_bin_dir)/pgbench
    [[ -x $pgbench ]] || pgbench=pgbench
    # All of them words of the environment: a password has no place on a command line.
    PGHOST=$data/postgres PGPORT=5432 PGUSER=stonescriptdb PGPASSWORD=$(<"$data/.postgres-password")
    export PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE=postgres PGCONNECT_TIMEOUT=10
    unset PGOPTIONS PGSERVICE PGPASSFILE PSQLRC
}

stop_gateway() {
    [[ -z $gateway ]] || stop_one "$gateway" "$work/data"
    gateway=
}

# At once and without a checkpoint, which would write out gigabytes that are removed right after. Usage: stop_one PID DATA
stop_one() {
    local postmaster deadline=$((SECONDS + 30))
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    # The first line of its own file; without the gateway nobody starts another one.
    read -r postmaster 2>/dev/null <"$2/postgres/postmaster.pid" || return 0
    kill -QUIT "$postmaster" 2>/dev/null || true
    while kill -0 "$postmaster" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
}

# --- the gateway's side -----------------------------------------------------------------------------------------------

# Usage: register PLATFORM TENANT ARCHIVE EXPECTED…; TENANT "" is the main database. Each EXPECTED has to be in the
# answer. It takes what curl says the request took: connecting, sending, waiting, reading.
register() {
    local platform=$1 tenant=$2 archive=$3 answer expected
    shift 3
    answer=$(curl -sS --noproxy '*' --max-time 120 -w '\n%{time_total}' -F "platform=$platform" -F "tenant_id=$tenant" \
        -F "schema=@$archive" "$url/register") || fail "the gateway did not answer; its log: $(tail -n 3 "$work/gateway.log")"
    took "$(microseconds "${answer##*$'\n'}" 1000000)"
    for expected in '"status":"ready"' "$@"; do
        [[ $answer == *"$expected"* ]] || fail "expected $expected in the gateway's answer: ${answer:0:2000}"
    done
}

# --- PostgreSQL's side ------------------------------------------------------------------------------------------------

# A psql process of its own. Usage: run_psql [ARGUMENT]…
run_psql() { "$psql" -X -q -v ON_ERROR_STOP=1 "$@" >"$work/psql.out" 2>&1 || fail "psql: $(tail -n 3 "$work/psql.out")"; }

# What a query answers. Usage: ask DATABASE SQL
ask() { "$psql" -X -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2" || fail "psql: no answer to: $2"; }

# Opens a connection that stays, to measure statements without connecting.
open_session() {
    # psql fills a buffer before it writes into a pipe, unless told otherwise.
    coproc session { exec stdbuf -oL "$psql" -X -q -v ON_ERROR_STOP=1 -d "stonescriptdb-gateway" 2>&1; }
    # shellcheck disable=SC2154 # coproc sets it
    session_pid=$session_PID
    say '\timing on' >&"${session[1]}"
}

# Runs one statement in the session. It takes what psql's \timing says. Usage: in_session SQL
in_session() {
    say "$1;" >&"${session[1]}"
    read_timing "$1"
}

# Connects the session anew and asks one question; it takes both together. Usage: connect_session DATABASE
connect_session() {
    local from=${EPOCHREALTIME/./}
    printf '\\connect "%s"\nSELECT 1 AS one \\gset\n' "$1" >&"${session[1]}"
    read_timing "connecting to $1"
    took $((${EPOCHREALTIME/./} - from))
}

# Has PostgreSQL write everything to disk, so that what comes is not disturbed by what was.
settle() { in_session CHECKPOINT; }

# Usage: read_timing WHAT-WAS-ASKED
read_timing() {
    local line
    IFS= read -r -t 60 line <&"${session[0]}" || fail "psql gave no answer: $1"
    [[ $line =~ ^Time:\ ([0-9.]+)\ ms ]] || fail "psql: $line (asked: $1)"
    took "$(microseconds "${BASH_REMATCH[1]}" 1000)"
}

close_session() {
    [[ -n $session_pid ]] || return 0
    kill "$session_pid" 2>/dev/null || true
    wait "$session_pid" 2>/dev/null || true
    session_pid=
}
