#!/usr/bin/env bash
# Takes the gateway's service away. Data, log files, settings and the user stay, unless told otherwise.
# Usage, as root: deploy/uninstall.sh [--data]
#
#   --data    also /var/lib/stonescriptdb-gateway with all databases of the private PostgreSQL, /var/log/stonescriptdb-gateway, the settings
#             and the user. There is no way back. A DATA_DIR or LOG_DIR elsewhere is not touched.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

name=stonescriptdb-gateway
user=stonescriptdb
unit=/etc/systemd/system/$name.service
earlier_settings=/etc/$name

((EUID == 0)) || fail "has to be run by root"
case ${1:-} in
    '') data= ;;
    --data) data=yes ;;
    *) fail "knows only --data, not $1" ;;
esac

if [[ -d /run/systemd/system ]]; then
    # Not there any more, or not loaded: nothing to stop.
    systemctl disable --now --quiet "$name" 2>/dev/null || true
    case $(systemctl is-active "$name" || true) in
        active | deactivating | reloading) fail "the service does not stop; see: systemctl status $name" ;;
    esac
fi
rm -f "$unit" "$unit.d/50-earlier-settings.conf" "/opt/$name/$name" "/usr/local/bin/$name"
[[ ! -d $unit.d ]] || rmdir --ignore-fail-on-non-empty "$unit.d"
[[ ! -d /run/systemd/system ]] || systemctl daemon-reload

if [[ -z $data ]]; then
    say "The service is gone. Data, log files and settings are where they were: /var/lib/$name, /var/log/$name, /opt/$name"
    exit
fi
rm -rf "/var/lib/private/$name" "/var/log/private/$name" "/var/lib/$name" "/var/log/$name" "${earlier_settings:?}"
rm -rf "/opt/$name/.env" "/opt/$name/schemas"
[[ ! -d /opt/$name ]] || rmdir --ignore-fail-on-non-empty "/opt/$name"
! id -u "$user" >/dev/null 2>&1 || userdel "$user"
say "The service, its data, log files and settings are gone."
