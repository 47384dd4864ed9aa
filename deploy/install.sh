#!/usr/bin/env bash
# Installs the gateway as a systemd service, or brings an installed one up to date; may be run any number of times.
# Usage, as root: deploy/install.sh [BINARY]      (default: target/release/stonescriptdb-gateway)
#
#   /usr/local/bin/stonescriptdb-gateway                 the program
#   /etc/systemd/system/stonescriptdb-gateway.service    the unit
#   /etc/stonescriptdb-gateway/gateway.env               the settings; one that is there stays as it is
#   /var/lib/stonescriptdb-gateway                       the data
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

name=stonescriptdb-gateway
user=stonescriptdb
binary=${1:-$(target_dir)/release/$name}
installed=/usr/local/bin/$name
env_file=/etc/$name/gateway.env
unit=/etc/systemd/system/$name.service

((EUID == 0)) || fail "has to be run by root"
[[ -x $binary ]] || fail "there is no program $binary: build it with cargo build --release, or name it on the command line"

# Prints what gateway.env says about a setting.
configured() { sed -nE "s/^$1=//p" "$env_file" | tail -n 1; }

# Waits until the service says of itself that it is healthy: $address, and what it said last: $health. Not, when it has ended
# for good, or when the time is over that a PostgreSQL may take to start.
wait_for_service() {
    local host port deadline=$((SECONDS + 120))
    host=$(configured GATEWAY_HOST)
    port=$(configured GATEWAY_PORT)
    case $host in
        '' | 0.0.0.0) host=127.0.0.1 ;;
        ::) host='[::1]' ;;
        *:*) host="[$host]" ;;
    esac
    address=http://$host:${port:-9000}
    health="no answer"
    until health=$(curl -sS --noproxy '*' --max-time 5 "$address/health" 2>&1) && [[ $health == *'"healthy"'* ]]; do
        case $(systemctl is-active "$name" || true) in
            failed | inactive) return 1 ;;
        esac
        ((SECONDS < deadline)) || return 1
        sleep 0.5
    done
    # Somebody else may answer there.
    [[ $(systemctl is-active "$name" || true) == active ]]
}

if ! id -u "$user" >/dev/null 2>&1; then
    say "Making the user $user"
    useradd --system --user-group --no-create-home --home-dir "/var/lib/$name" --shell /usr/sbin/nologin "$user"
fi

# Secrets may stand in it.
install -d -m 0750 -o root -g "$user" "${env_file%/*}"
if [[ ! -e $env_file ]]; then
    say "Settings: $env_file"
    install -m 0640 -o root -g "$user" "$root/.env.example" "$env_file"
fi

want_command curl curl
if [[ -z $(configured DB_HOST)$(configured DATABASE_URL) ]]; then
    PG_BIN_DIR=$(configured PG_BIN_DIR)
    export PG_BIN_DIR
    want_postgres
fi
install_missing

# Tried before it is put in the place of the one that runs.
new=$(mktemp "$installed.XXXXXX")
trap 'rm -f "$new"' EXIT
install -m 0755 "$binary" "$new"
"$new" --version >/dev/null || fail "$binary does not run here"
mv "$new" "$installed"
install -m 0644 "$root/deploy/$name.service" "$unit"
say "Installed: $("$installed" --version)"

if [[ ! -d /run/systemd/system ]]; then
    say "systemd does not run here, so the service was not started: systemctl enable --now $name"
    exit
fi
systemctl daemon-reload
systemctl enable --quiet "$name"
systemctl restart "$name"

# It may have begun and end at once: a setting that cannot be, a port that is taken, a PostgreSQL that does not start.
if wait_for_service; then
    say "The service runs and answers on $address. See: systemctl status $name; journalctl -u $name"
    exit
fi
journalctl --no-pager --quiet -u "$name" -n 5 -o cat >&2 || true
case $(systemctl is-active "$name" || true) in
    active) fail "the service runs, but $address/health does not say that it is healthy: $health" ;;
    *) fail "the service does not run; its last lines are above; see: systemctl status $name; journalctl -u $name" ;;
esac
