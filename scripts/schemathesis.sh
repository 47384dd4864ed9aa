#!/usr/bin/env bash
# Tries the gateway's OpenAPI document, and that of a platform's functions, with requests that schemathesis makes up: none may be answered
# 5xx, with a status that is not documented, or with a body that is not as documented.
# Usage: scripts/schemathesis.sh [OPTION OF SCHEMATHESIS …]      for example --max-examples 200
#
# Takes `schemathesis` from the PATH (pip install schemathesis), else puts it into the target folder. A gateway of its own is started
# from target/debug or target/release, with a private PostgreSQL; both are gone afterwards.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PATH=$PATH:$(target_dir)/tools/schemathesis/bin
if ! have schemathesis; then
    want_command python3 python3-venv
    install_missing
    say "Installing schemathesis"
    python3 -m venv "$(target_dir)/tools/schemathesis"
    "$(target_dir)/tools/schemathesis/bin/pip" install --quiet schemathesis
fi
binary=$(target_dir)/debug/stonescriptdb-gateway
[[ -x $binary ]] || binary=$(target_dir)/release/stonescriptdb-gateway
[[ -x $binary ]] || fail "there is no program: cargo build"

folder=$(mktemp -d "${TMPDIR:-/tmp}/schemathesis.XXXXXX")
# Root's PostgreSQL runs as another user.
chmod 755 "$folder"
cd "$folder"
port=$(free_port)
url=http://127.0.0.1:$port
GATEWAY_PORT=$port DATA_DIR=$folder/data "$binary" >"$folder/log" 2>&1 &
gateway=$!
trap 'kill "$gateway" 2>/dev/null; wait "$gateway" || true; rm -rf "$folder"' EXIT
wait_until_healthy "$url" "$gateway" 120 || fail "the gateway does not start: $(tail -n 3 "$folder/log")"

# Functions that take anything of their types without failing.
mkdir -p postgresql/functions postgresql/tables
cat >postgresql/tables/notes.sql <<'SQL'
CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, tags text[]);
SQL
cat >postgresql/functions/all.sql <<'SQL'
CREATE FUNCTION list_notes() RETURNS SETOF notes LANGUAGE sql AS 'SELECT * FROM notes LIMIT 10';
CREATE FUNCTION count_notes() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM notes';
CREATE FUNCTION echo(flag boolean, j jsonb DEFAULT NULL, words text[] DEFAULT '{}') RETURNS TABLE (flag_back boolean, json_back jsonb, many int)
    LANGUAGE sql AS 'SELECT flag, j, cardinality(words)';
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
SQL
tar -czf bundle.tar.gz postgresql
curl -fsS --noproxy '*' -F platform=notes -F schema=@bundle.tar.gz "$url/register" >/dev/null
curl -fsS --noproxy '*' -H 'Content-Type: application/json' -d '{"platform":"notes"}' "$url/platform/register" >/dev/null
curl -fsS --noproxy '*' -F schema_name=kept -F schema=@bundle.tar.gz "$url/platform/notes/schema" >/dev/null

checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
failed=0
for document in openapi.json platform/notes/openapi.json; do
    say "$document"
    NO_PROXY='*' schemathesis run "$url/$document" --url "$url" --checks "$checks" --no-color "$@" || failed=1
done
kill -0 "$gateway" 2>/dev/null || fail "the gateway has ended"
exit "$failed"
