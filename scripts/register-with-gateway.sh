#!/bin/sh
# Registers a platform's postgresql/ folder with the gateway, at the start of its container: makes the database if it is
# missing, else brings it up to date. Needs nothing but sh, tar and curl; copy it into the image.
#
#   DB_GATEWAY_URL    where the gateway is                      http://127.0.0.1:9000
#   PLATFORM_ID       the platform                              required
#   TENANT_ID         the tenant; empty: the main database
#   POSTGRESQL_PATH   the folder                                ./postgresql
#   FORCE             true: also changes that lose data         false
#   RETRIES           how often it is tried while the gateway is away or busy, two seconds apart   30
#   GATEWAY_TOKEN     the admin token, where the gateway asks for it
#
# Exit status: 0 ready, 1 refused (the words say why), 2 used wrongly, 3 the gateway did not become ready.
set -u

# --- the same in migrate-schema.sh: a test compares them --------------------------------------------------------------

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

# --- registering ------------------------------------------------------------------------------------------------------

tries=0
while :; do
    code=$(curl -s -S -o "$work/answer" -w '%{http_code}' "$@" "$url/register") || code=000
    case $code in
        200) break ;;
        # The gateway says that it may be tried again; registering twice does no harm.
        000 | 502 | 503 | 504)
            tries=$((tries + 1))
            if [ "$tries" -gt "$retries" ]; then
                [ ! -s "$work/answer" ] || explain "$work/answer"
                fail 3 "the gateway did not take the bundle in $retries tries (HTTP $code)"
            fi
            say "the gateway is busy or away (HTTP $code); trying again"
            sleep 2
            ;;
        *)
            printf '%s: refused (HTTP %s, %s)\n' "$name" "$code" "$(field error "$work/answer")" >&2
            explain "$work/answer"
            exit 1
            ;;
    esac
done
count() { field "$1" "$work/answer"; }
say "ready: $(count database), $(count migrations_applied) migrations, $(count tables_created) tables," \
    "$(count functions_deployed) functions deployed, $(count functions_unchanged) unchanged, $(count execution_time_ms) ms"
