#!/usr/bin/env bash
# Installs what is missing, builds the gateway, starts it on its own PostgreSQL, registers the example platform, makes a
# few calls, and stays in the foreground until Ctrl-C. A second start finds the data of the first one again.
#
# Settings come from the environment or from .env; .env.example explains them all. The usual ones:
#   GATEWAY_PORT=9001 ./scripts/start.sh       another port than 9000
#   DATA_DIR=/srv/gateway ./scripts/start.sh   another folder for the data than ./data
#
# It is built for a quick first look (the profile "quick" in Cargo.toml); cargo build --release makes the one for production.
set -euo pipefail

here=$PWD
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

host=$(setting GATEWAY_HOST 127.0.0.1)
port=$(setting GATEWAY_PORT 9000)
# A gateway on every address also listens on the loopback one.
case $host in
    0.0.0.0) call_host=127.0.0.1 ;;
    :: | '[::]') call_host=::1 ;;
    *) call_host=${host#[} call_host=${call_host%]} ;;
esac
case $call_host in
    *:*) url=http://[$call_host]:$port ;;
    *) url=http://$call_host:$port ;;
esac
external_postgres=$(setting DB_HOST '')$(setting DATABASE_URL '')

# --- before the long build: what would make it useless -----------------------------------------------------------------

check_port() {
    if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
        fail "GATEWAY_PORT=$port: expected a port from 1 to 65535"
    fi
    port_answers "$call_host" "$port" || return 0
    local answer who
    if have curl; then
        answer=$(curl -sS --noproxy '*' --max-time 3 "$url/health" 2>/dev/null || true)
    fi
    if [[ ${answer:-} == *'"postgres_connected"'* ]]; then
        fail "a gateway is already running at $url: use it, stop it, or start this one with GATEWAY_PORT=$((port + 1))"
    fi
    # Tells other users' programs only to root.
    who=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -nE 's/.*\(\("([^"]+)",pid=([0-9]+).*/\1, process \2/p' | head -n 1)
    fail "port $port is taken (${who:-by another program}): stop that, or start with GATEWAY_PORT=$((port + 1))"
}

# Usage: check_folder PATH WHAT MIB; whether it can be made and written to, and has space.
check_folder() {
    local path=$1 what=$2 mib=$3 there free
    there=$(existing_part "$path")
    [[ -d $there ]] || fail "$what cannot be $path: $there is a file"
    [[ -w $there && -x $there ]] || fail "$what cannot be made in $there: $(id -un) may not write there"
    free=$(df -Pk "$there" | awk 'NR == 2 { print int($4 / 1024) }')
    ((free >= mib)) || fail "$what needs $mib MiB in $there, and only $free MiB are free"
}

# Where the gateway keeps its data; relative to where the user is, if the user says so in the environment.
choose_data_dir() {
    if [[ -n ${DATA_DIR:-} ]]; then
        [[ $DATA_DIR == /* ]] || DATA_DIR=$here/$DATA_DIR
        export DATA_DIR
    elif [[ -n $(setting DATA_DIR '') ]]; then
        DATA_DIR=$(setting DATA_DIR '')
        [[ $DATA_DIR == /* ]] || DATA_DIR=$root/$DATA_DIR
    else
        DATA_DIR=$root/data
        # Root's gateway runs PostgreSQL as the user postgres, who has to get there.
        if [[ -z $external_postgres ]] && ((EUID == 0)) && ! postgres_can_enter "$DATA_DIR"; then
            export DATA_DIR=/var/lib/stonescriptdb-gateway
            say "The data goes to $DATA_DIR, because the user postgres cannot enter $root"
        fi
    fi
}

check_port
target=$(target_dir)
binary=$target/quick/stonescriptdb-gateway
# A finished build only has to be looked at again.
check_folder "$target" "the build" "$([[ -x $binary ]] && echo 200 || echo 1200)"

want_build_tools
want_command curl curl
want_command tar tar
[[ -n $external_postgres ]] || want_postgres
find_cargo
install_missing
choose_data_dir
check_folder "$DATA_DIR" "the data" 200

# --- build and start --------------------------------------------------------------------------------------------------

# cargo tells each crate as it comes.
say "Building the gateway for a first look; the first time takes two or three minutes. For production: cargo build --release"
cargo build --profile quick --locked ||
    fail "the build failed; cargo's last lines say why"
# Minutes may have passed.
check_port

gateway=
# Of its own process group, so that Ctrl-C comes to this script alone, which passes it on once.
set -m
"$binary" </dev/null &
gateway=$!
set +m

# The first Ctrl-C asks the gateway to finish its requests and stop; a second one does not wait for them.
stop() {
    kill -s "$1" "$gateway" 2>/dev/null || true
}
trap 'stop TERM' TERM HUP
trap 'stop INT' INT

# Waits for the gateway's end, whatever signals come meanwhile, and ends as it did.
end_with_gateway() {
    local status=0 again
    while true; do
        # bash would tell of a kill in words of its own.
        wait "$gateway" 2>/dev/null && status=0 || status=$?
        kill -0 "$gateway" 2>/dev/null || break
    done
    # The last wait may have been interrupted by a signal just as the gateway ended; bash still knows how it ended.
    wait "$gateway" 2>/dev/null && again=0 || again=$?
    ((again == 127)) || status=$again
    # 130 is the gateway's own answer to a second Ctrl-C.
    ((status < 128 || status == 130)) || say "The gateway was ended by signal $((status - 128))" >&2
    exit "$((status == 0 ? 0 : 1))"
}

# An end at this point was explained by the gateway itself, in one line.
wait_until_healthy "$url" "$gateway" 120 || {
    if kill -0 "$gateway" 2>/dev/null; then
        say "The gateway was not ready after two minutes: $url/health does not answer 200" >&2
        stop TERM
    fi
    end_with_gateway
}

# --- the example ------------------------------------------------------------------------------------------------------

# Questions and answers are shown together at the end, below the gateway's own log lines.
transcript=

# Runs a command line that will be shown. Usage: ask COMMAND-LINE; the answer is in $answer.
ask() {
    # In a terminal curl shows no progress; here that has to be said.
    answer=$(bash -c "${1/#curl /curl -sS }" 2>&1 </dev/null) || true
    transcript+=$'\n'"$1"$'\n'"${answer:+$answer$'\n'}"
}

archive=$target/todos.tar.gz
quoted_archive=$(printf '%q' "$archive")
export no_proxy="${no_proxy:+$no_proxy,}$call_host"
ask "tar -czf $quoted_archive -C $(printf '%q' "$root/examples/todos") postgresql"
# Its value is not shown.
guarded=
if [[ $(setting ADMIN_SCOPE admin) == [Dd][Ee][Pp][Ll][Oo][Yy] ]]; then
    ADMIN_TOKEN=$(setting ADMIN_TOKEN '')
    export ADMIN_TOKEN
    # shellcheck disable=SC2016 # It is for the reader's shell.
    guarded='-H "Authorization: Bearer $ADMIN_TOKEN" '
fi
ask "curl $guarded-F platform=todos -F schema=@$quoted_archive $url/register"
registered=$answer
if [[ $registered == *'"status":"ready"'* ]]; then
    json="-H 'Content-Type: application/json'"
    ask "curl $json $url/call -d '{\"platform\":\"todos\",\"function\":\"ensure_user\",\"params\":[\"ada@example.com\",\"Ada\"]}'"
    user_id=$(sed -nE 's/.*"user_id": ?([0-9]+).*/\1/p' <<<"$answer")
    ask "curl $json $url/call -d '{\"platform\":\"todos\",\"function\":\"add_todo\",\"params\":[${user_id:-1},\"Write a bundle of my own\"]}'"
    ask "curl $json $url/call -d '{\"platform\":\"todos\",\"function\":\"search_todos\",\"params\":{\"p_owner_id\":${user_id:-1},\"p_words\":\"bundle\"}}'"
fi

say "$transcript"
[[ $registered == *'"status":"ready"'* ]] || say "The example was not registered: see the answer above. The gateway runs all the same."
say "The gateway runs at $url, its data is in $DATA_DIR. Ctrl-C stops it."
end_with_gateway
