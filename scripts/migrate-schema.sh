#!/bin/sh
# Brings a platform's databases that exist already to its postgresql/ folder, from a pipeline: one tenant's, or, without
# TENANT_ID, the main database and every tenant's. Needs nothing but sh, tar and curl.
#
#   DB_GATEWAY_URL    where the gateway is                      http://127.0.0.1:9000
#   PLATFORM_ID       the platform                              required
#   TENANT_ID         one tenant; empty: all databases
#   POSTGRESQL_PATH   the folder                                ./postgresql
#   FORCE             true: also changes that lose data         false
#   DRY_RUN           true: only tells what would be done       false
#   RETRIES           how often it is tried while the gateway is away or busy, two seconds apart   30
#   GATEWAY_TOKEN     the admin token, where the gateway asks for it
#
# Exit status: 0 done (or: can be done), 1 refused or failed (the words say why and where), 2 used wrongly, 3 the gateway did
# not become ready, 4 a dry run that would be refused.
set -u

# --- the same in register-with-gateway.sh: a test compares them --------------------------------------------------------------

name=${0##*/}
say() { printf '%s\n' "$*"; }
# Usage: fail STATUS WORDS
fail() {
    status=$1
    shift
    printf '%s: %s\n' "$name" "$*" >&2
    exit "$status"
}

# The text or number of a field of the JSON in a file, where it first stands. Usage: field NAME FILE
field() {
    tr -d '\n' <"$2" | sed -n "s/\"$1\":/\\
&/;s/^.*\\n//;s/^\"$1\":\\(\"\\([^\"\\\\]*\\(\\\\.[^\"\\\\]*\\)*\\)\"\\|\\([0-9][0-9.]*\\)\\).*/\\2\\4/p" | sed 's/\\n/ /g;s/\\\(.\)/\1/g'
}

# What the gateway says of a refusal, a line each. Usage: explain FILE
explain() {
    for one in message cause detail hint; do
        words=$(field "$one" "$1")
        [ -z "$words" ] || printf '  %-8s %s\n' "$one" "$words" >&2
    done
    file=$(field file "$1") line=$(field line "$1") sqlstate=$(field sqlstate "$1")
    [ -z "$file" ] || printf '  %-8s %s\n' where "$file${line:+, line $line}" >&2
    [ -z "$sqlstate" ] || printf '  %-8s %s\n' sqlstate "$sqlstate" >&2
}

for tool in tar curl mktemp sed tr; do
    command -v "$tool" >/dev/null 2>&1 || fail 2 "$tool is missing; install it"
done
url=${DB_GATEWAY_URL:-http://127.0.0.1:9000}
url=${url%/}
folder=${POSTGRESQL_PATH:-./postgresql}
folder=${folder%/}
retries=${RETRIES:-30}
case $retries in '' | *[!0-9]*) fail 2 "RETRIES=$retries: expected a number" ;; esac
[ -n "${PLATFORM_ID:-}" ] || fail 2 "PLATFORM_ID is not set: name the platform"
[ -d "$folder" ] || fail 2 "POSTGRESQL_PATH=$folder is no folder"
case ${FORCE:-false} in true | false) ;; *) fail 2 "FORCE=$FORCE: expected true or false" ;; esac

work=$(mktemp -d) || fail 2 "there is no place for temporary files"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tar -czf "$work/schema.tar.gz" -C "$folder" . || fail 2 "$folder could not be packed"
set -- -F "platform=$PLATFORM_ID" -F "force=${FORCE:-false}" -F "schema=@$work/schema.tar.gz"
[ -z "${TENANT_ID:-}" ] || set -- "$@" -F "tenant_id=$TENANT_ID"
if [ -n "${GATEWAY_TOKEN:-}" ]; then
    # Not on the command line, which other users of the machine can read.
    printf 'header = "Authorization: Bearer %s"\n' "$GATEWAY_TOKEN" >"$work/curl"
    set -- -K "$work/curl" "$@"
fi

# Waits until the gateway and PostgreSQL are there.
tries=0
until [ "$(curl -s -m 5 -o "$work/health" -w '%{http_code}' "$url/health")" = 200 ]; do
    tries=$((tries + 1))
    [ "$tries" -le "$retries" ] || fail 3 "the gateway at $url did not become healthy in $retries tries"
    [ "$tries" -gt 1 ] || say "waiting for the gateway at $url"
    sleep 2
done

# --- migrating --------------------------------------------------------------------------------------------------------

case ${DRY_RUN:-false} in true | false) ;; *) fail 2 "DRY_RUN=$DRY_RUN: expected true or false" ;; esac
set -- "$@" -F "dry_run=${DRY_RUN:-false}"

# One line of the answer in words. Usage: tell LINE
tell() {
    printf '%s' "$1" >"$work/line"
    case $1 in
        '{"event":"started"'*) say "$(field databases "$work/line") databases" ;;
        '{"event":"database"'*)
            say "  $(field database "$work/line"): $(field status "$work/line")"
            case $1 in *'"status":"failed"'*) explain "$work/line" ;; esac
            ;;
        '{"event":"completed"'* | '{"event":"failed"'*) cp "$work/line" "$work/answer" ;;
        '{"event":"phase"'*) say "$(field phase "$work/line")" ;;
        '{"event":"working"'*) say "  still at work after $(field seconds "$work/line") s" ;;
        '{"event":'*) ;;
        'HTTP '*) say "${1#HTTP }" >"$work/code" ;;
        '') ;;
        *) cp "$work/line" "$work/answer" ;;
    esac
}

tries=0
while :; do
    rm -f "$work/answer" "$work/code"
    # The status comes last, in a line of its own; a line that breaks off has no end.
    { curl -s -S -N -H 'Accept: application/x-ndjson' -w '\nHTTP %{http_code}\n' "$@" "$url/migrate" || say "HTTP 000"; } |
        while IFS= read -r line; do tell "$line"; done
    code=$(cat "$work/code")
    case $code in
        000 | 502 | 503 | 504)
            tries=$((tries + 1))
            if [ "$tries" -gt "$retries" ]; then
                [ ! -s "$work/answer" ] || explain "$work/answer"
                fail 3 "the gateway did not take the bundle in $retries tries (HTTP $code)"
            fi
            say "the gateway is busy or away (HTTP $code); trying again, which goes on where it stopped"
            sleep 2
            ;;
        *) break ;;
    esac
done
[ -s "$work/answer" ] || fail 3 "the answer broke off (HTTP $code); send it again, which goes on where it stopped"
case $(field status "$work/answer") in
    completed) say "done in $(field execution_time_ms "$work/answer") ms" ;;
    planned) say "it can be done; nothing was changed" ;;
    blocked)
        say "it would be refused; nothing was changed:" >&2
        explain "$work/answer"
        tr '{' '\n' <"$work/answer" | sed -n 's/.*"table":"\([^"]*\)","change_type":"\([^"]*\)".*"compatibility":"\(dataloss\|incompatible\)","reason":"\([^"]*\)".*/  \2 \1 (\3): \4/p' >&2
        exit 4
        ;;
    *)
        printf '%s: refused (HTTP %s, %s)\n' "$name" "$code" "$(field error "$work/answer")" >&2
        explain "$work/answer"
        exit 1
        ;;
esac
