#!/usr/bin/env bash
# Installs the gateway as a systemd service, or brings an installed one up to date; may be run any number of times.
# Usage, as root: deploy/install.sh [BINARY]      (default: target/release/stonescriptdb-gateway)
#
#   /opt/stonescriptdb-gateway                           the program, and .env: the settings; one that is there stays as it is
#   /etc/systemd/system/stonescriptdb-gateway.service    the unit
#   /var/lib/stonescriptdb-gateway                       the data
#   /var/log/stonescriptdb-gateway                       the log files
#   /usr/local/bin/stonescriptdb-gateway                 leads to the program
#
# Where an earlier installation has its settings in /etc/stonescriptdb-gateway/gateway.env, they stay there and count.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

name=stonescriptdb-gateway
user=stonescriptdb
binary=${1:-$(target_dir)/release/$name}
folder=/opt/$name
installed=$folder/$name
command=/usr/local/bin/$name
earlier=/etc/$name/gateway.env
env_file=$folder/.env
unit=/etc/systemd/system/$name.service

((EUID == 0)) || fail "has to be run by root"
[[ -x $binary ]] || fail "there is no program $binary: build it with cargo build --release, or name it on the command line"

# Prints what the settings say about one of them.
configured() { sed -nE "s/^$1=//p" "$env_file" | tail -n 1 | sed -E "s/^(['\"])(.*)\\1\$/\\2/"; }

# Waits until the service says of itself that it is healthy: $address, and what it said last: $health. Not, when it has ended
# for good, or when the time is over that a PostgreSQL may take to start.
wait_for_service() {
    local host port deadline=$((SECONDS + ${INSTALL_TIMEOUT_SECS:-120}))
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

install -d -m 0755 "$folder"
if [[ -e $earlier ]]; then
    env_file=$earlier
elif [[ ! -e $env_file ]]; then
    say "Settings: $env_file"
    # Secrets may stand in it.
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
# What a debugger wants is most of it.
! have strip || strip "$new"
"$new" --version >/dev/null || fail "$binary does not run here"
mv "$new" "$installed"
ln -sfn "$installed" "$command"
install -m 0644 "$root/deploy/$name.service" "$unit"
if [[ -e $earlier ]]; then
    say "Settings stay in $earlier"
    # As systemd reads it, which is not in every point how the gateway reads .env.
    install -d "$unit.d"
    printf '%s\n' '# Made by deploy/install.sh: the settings of an earlier installation.' '[Service]' \
        'Environment=ENV_FILE=' "EnvironmentFile=$earlier" >"$unit.d/50-earlier-settings.conf"
fi
say "Installed: $("$installed" --version)"

if [[ ! -d /run/systemd/system ]]; then
    say "systemd does not run here, so the service was not started: systemctl enable --now $name"
    exit
fi
systemctl daemon-reload
systemctl enable --quiet "$name"
# Where it does not start, what follows tells why.
systemctl restart "$name" 2>/dev/null || true

# It may have begun and end at once: a setting that cannot be, a port that is taken, a PostgreSQL that does not start.
if wait_for_service; then
    say "The service runs and answers on $address. See: systemctl status $name; journalctl -u $name"
    exit
fi
journalctl --no-pager --quiet -u "$name" -n 20 -o cat >&2 || true
case $(systemctl is-active "$name" || true) in
    active) fail "the service runs, but $address/health does not say that it is healthy: $health" ;;
    *) fail "the service does not run; its last lines are above; see: systemctl status $name; journalctl -u $name" ;;
esac
