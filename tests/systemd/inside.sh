#!/usr/bin/env bash
# What tests/systemd.sh runs in the machine that it boots. Leaves /root/passed.
set -euo pipefail
cd /root/project
export HOME=/root LC_ALL=C
name=stonescriptdb-gateway

step() {
    # Of all the restarts here.
    systemctl reset-failed stonescriptdb-gateway 2>/dev/null || true
    printf -- '--- %s\n' "$*"
}
wrong() {
    printf 'WRONG: %s\n' "$*"
    systemctl status --no-pager "$name" | grep -v " request request_id" | head -n 20 || true
    journalctl --no-pager -u "$name" -n 200 -o cat | grep -v " request request_id" | tail -n 30 || true
    exit 1
}
shown() { systemctl show -P "$1" "$name"; }
health() { curl -sS --max-time 5 http://127.0.0.1:9000/health || true; }
wait_for() { # SECONDS TEXT COMMAND …
    local end=$((SECONDS + $1)) text=$2
    shift 2
    until [[ $("$@") == *"$text"* ]]; do
        ((SECONDS < end)) || wrong "$* never said $text, but: $("$@")"
        sleep 0.2
    done
}
deploy() {
    mkdir -p /root/bundle/postgresql/functions
    echo "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';" >/root/bundle/postgresql/functions/one.sql
    tar -C /root/bundle -czf /root/bundle.tar.gz postgresql
    curl -sS -F platform=x -F schema=@/root/bundle.tar.gz http://127.0.0.1:9000/register
}
call() {
    curl -sS -H 'Content-Type: application/json' -d '{"platform":"x","function":"one","params":[]}' http://127.0.0.1:9000/call
}
# The server that is not the gateway's own: the distribution's, or, where that is too old, one of the programs beside it.
server() { # start or stop
    local bin=/usr/lib/postgresql/18/bin data=/var/lib/postgresql/newer
    if [[ ! -x $bin/postgres ]]; then
        systemctl "$1" postgresql
        return
    fi
    [[ -e $data ]] || runuser -u postgres -- "$bin/initdb" -A scram-sha-256 --auth-local=peer -D "$data" >/dev/null
    runuser -u postgres -- "$bin/pg_ctl" -D "$data" -w -m fast -l /tmp/newer.log -o "-k /var/run/postgresql" "$1" >/dev/null
}
restarts_under_load() {
    rm -f /root/end
    python3 /root/clients.py 64 /root/end >/root/clients.log 2>&1 &
    local clients=$!
    for _ in {1..10}; do
        sleep 0.3
        systemctl restart "$name" || wrong "a restart failed"
    done
    touch /root/end
    wait "$clients" || wrong "$(cat /root/clients.log)"
    printf '10 restarts, 64 clients, %s: %s\n' "$1" "$(cat /root/clients.log)"
}

step "by hand, as the guide has it"
mkdir -p /opt/stonescriptdb-gateway
cp target/release/stonescriptdb-gateway /opt/stonescriptdb-gateway/
cp deploy/stonescriptdb-gateway.service /etc/systemd/system/
printf 'ADMIN_TOKEN=first\n' >/opt/stonescriptdb-gateway/.env
chmod 600 /opt/stonescriptdb-gateway/.env
systemd-analyze verify /etc/systemd/system/$name.service >/root/verify 2>&1 || wrong "systemd-analyze verify: $(cat /root/verify)"
[[ ! -s /root/verify ]] || wrong "systemd-analyze verify: $(cat /root/verify)"
if systemd-analyze security --help | grep -q -- --offline; then
    systemd-analyze security --offline=true --no-pager /etc/systemd/system/$name.service | tail -n 1
    systemd-analyze security --offline=true --threshold=15 --no-pager /etc/systemd/system/$name.service >/dev/null || wrong "exposure"
fi
systemctl daemon-reload
systemctl enable --quiet $name
systemctl start $name || wrong "it does not start"
[[ $(shown StatusText) == "serving; PostgreSQL answers" ]] || wrong "status: $(shown StatusText)"
[[ $(health) == *'"healthy"'* ]] || wrong "health: $(health)"
[[ $(ps -o user= -p "$(shown MainPID)") == stonescr* ]] || wrong "runs as $(ps -o user= -p "$(shown MainPID)")"
[[ $(deploy) == *'"ready"'* ]] || wrong "register: $(deploy)"
[[ $(call) == *'1'* ]] || wrong "call: $(call)"
[[ -s /var/log/$name/$name.log ]] || wrong "there is no log file"

step "restarts under load"
restarts_under_load "the private PostgreSQL"

step "reload"
printf 'ADMIN_TOKEN=second\nMAX_TOTAL_CONNECTIONS=100\n' >/opt/stonescriptdb-gateway/.env
systemctl reload $name || wrong "it does not reload"
wait_for 10 "count after a restart" journalctl --no-pager -u $name -n 50 -o cat
status() { curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" http://127.0.0.1:9000/admin/platforms; }
[[ $(status first) == 401 && $(status second) == 200 ]] || wrong "tokens: $(status first) $(status second)"
printf 'ADMIN_TOKEN=third\nCALL_TIMEOUT_SECS=never\n' >/opt/stonescriptdb-gateway/.env
systemctl reload $name
wait_for 10 "all stay as they were" journalctl --no-pager -u $name -n 50 -o cat
[[ $(journalctl --no-pager -u $name -p err -n 1 -o cat) == *CALL_TIMEOUT_SECS* ]] || wrong "no error that names the setting"
[[ $(status second) == 200 ]] || wrong "a wrong file changed the token"
printf 'ADMIN_TOKEN=second\n' >/opt/stonescriptdb-gateway/.env
systemctl reload $name

step "PostgreSQL killed, and the watchdog"
pkill -KILL -u stonescriptdb -x postgres -o || wrong "there is no postmaster"
sleep 0.5
wait_for 60 '"healthy"' health
mkdir -p /etc/systemd/system/$name.service.d
printf '[Service]\nWatchdogSec=2\n' >/etc/systemd/system/$name.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart $name
sleep 5
before=$(shown MainPID)
[[ $(shown NRestarts) == 0 ]] || wrong "the watchdog bites one that is well"
kill -STOP "$before"
wait_for 60 '"healthy"' health
[[ $(shown MainPID) != "$before" ]] || wrong "the watchdog does not bite"
rm -r /etc/systemd/system/$name.service.d
systemctl daemon-reload
systemctl restart $name

step "DATA_DIR beside the program"
printf 'DATA_DIR=/opt/stonescriptdb-gateway/schemas\n' >/opt/stonescriptdb-gateway/.env
systemctl restart $name || wrong "it does not start there"
[[ $(deploy) == *'"ready"'* && -d /opt/stonescriptdb-gateway/schemas/postgres ]] || wrong "no data there"
: >/opt/stonescriptdb-gateway/.env
systemctl restart $name
[[ $(call) == *'1'* ]] || wrong "the data of before is gone: $(call)"

step "a PostgreSQL that runs elsewhere"
server start
for _ in {1..100}; do
    ! runuser -u postgres -- psql -qc "CREATE ROLE gateway SUPERUSER LOGIN PASSWORD 'x'" 2>/dev/null || break
    sleep 0.2
done
printf 'DB_HOST=127.0.0.1\nDB_USER=gateway\nDB_PASSWORD=x\nDATA_DIR=/var/lib/stonescriptdb-gateway/elsewhere\n' >/opt/stonescriptdb-gateway/.env
systemctl restart $name || wrong "it does not start before another PostgreSQL"
[[ $(deploy) == *'"ready"'* ]] || wrong "register: $(deploy)"
restarts_under_load "a PostgreSQL that runs elsewhere"
server stop
wait_for 20 "serving; PostgreSQL away since" shown StatusText
systemctl restart $name || wrong "it does not start while PostgreSQL is away"
[[ $(shown StatusText) == "serving; PostgreSQL away since"* && $(shown ActiveState) == active ]] || wrong "$(shown StatusText)"
server start
wait_for 20 "serving; PostgreSQL answers" shown StatusText
server stop
: >/opt/stonescriptdb-gateway/.env
systemctl restart $name
[[ $(call) == *'1'* ]] || wrong "the private one is gone: $(call)"

step "the script, over it"
deploy/install.sh || wrong "install.sh"
[[ $(call) == *'1'* ]] || wrong "the data is gone: $(call)"
printf 'GATEWAY_PORT=none\n' >/opt/stonescriptdb-gateway/.env
! deploy/install.sh >/root/refused 2>&1 || wrong "a mistake in the settings is no error"
grep -q 'GATEWAY_PORT' /root/refused || wrong "install.sh does not tell the cause: $(cat /root/refused)"
: >/opt/stonescriptdb-gateway/.env
deploy/install.sh >/dev/null || wrong "install.sh again"

step "taken away without the data, and come back"
deploy/uninstall.sh || wrong "uninstall.sh"
[[ ! -e /etc/systemd/system/$name.service && ! -e /opt/$name/$name ]] || wrong "something is left"
deploy/install.sh >/dev/null || wrong "install.sh after uninstall.sh"
[[ $(call) == *'1'* ]] || wrong "the data is gone: $(call)"
deploy/uninstall.sh --data || wrong "uninstall.sh --data"
[[ ! -e /var/lib/$name && ! -e /var/lib/private/$name && ! -e /opt/$name ]] || wrong "data is left"
! id stonescriptdb >/dev/null 2>&1 || wrong "the user is left"

step "over an installation of before"
useradd --system --user-group --no-create-home --home-dir /var/lib/$name --shell /usr/sbin/nologin stonescriptdb
install -d -m 0750 -o root -g stonescriptdb /etc/$name
# What systemd takes as it is, and the gateway's own reader would not.
# shellcheck disable=SC2016
token='$before'
printf 'ADMIN_TOKEN=%s\n' "$token" >/etc/$name/gateway.env
install -d -m 0700 -o stonescriptdb -g stonescriptdb /var/lib/$name
touch /var/lib/$name/of-before
deploy/install.sh >/dev/null || wrong "install.sh over one of before"
[[ -e /var/lib/$name/of-before && -d /var/lib/$name/postgres ]] || wrong "the data of before is elsewhere"
[[ $(status "$token") == 200 ]] || wrong "the settings of before do not count: $(status "$token")"

export DEBIAN_FRONTEND=noninteractive
step "the package, over the script's installation"
[[ $(deploy) == *'"ready"'* ]] || wrong "register: $(deploy)"
dpkg -i /root/earlier.deb </dev/null >/root/dpkg 2>&1 || wrong "dpkg -i: $(cat /root/dpkg)"
[[ $(shown FragmentPath) == /usr/lib/systemd/system/$name.service || $(shown FragmentPath) == /lib/systemd/system/$name.service ]] ||
    wrong "another unit: $(shown FragmentPath)"
[[ ! -e /opt/$name/$name && ! -L /usr/local/bin/$name && -x /usr/bin/$name ]] || wrong "two programs"
[[ $(systemctl is-enabled $name) == enabled ]] || wrong "not enabled: $(systemctl is-enabled $name)"
[[ $(status "$token") == 200 && $(call) == *'1'* && -e /var/lib/$name/of-before ]] || wrong "settings or data are not those of before: $(call)"

step "the package, over an earlier one, under load"
rm -f /root/end
python3 /root/clients.py 64 /root/end >/root/clients.log 2>&1 &
clients=$!
sleep 0.5
dpkg -i /root/new.deb </dev/null >/root/dpkg 2>&1 || wrong "dpkg -i: $(cat /root/dpkg)"
touch /root/end
wait "$clients" || wrong "$(cat /root/clients.log)"
printf 'an upgrade, 64 clients: %s\n' "$(cat /root/clients.log)"
[[ $(status "$token") == 200 && $(call) == *'1'* ]] || wrong "settings or data are not those of before: $(call)"
systemctl disable --now --quiet $name
dpkg -i /root/new.deb </dev/null >/dev/null 2>&1 || wrong "dpkg -i"
[[ $(systemctl is-enabled $name) == disabled && $(shown ActiveState) == inactive ]] || wrong "an upgrade starts what the operator has disabled"
systemctl enable --now --quiet $name

step "the package removed, and come back"
dpkg -r $name >/root/dpkg 2>&1 || wrong "dpkg -r: $(cat /root/dpkg)"
grep -q "stay: /var/lib/$name" /root/dpkg || wrong "it does not say what stays: $(cat /root/dpkg)"
[[ ! -e /usr/bin/$name && $(shown ActiveState) == inactive ]] || wrong "it is not removed"
dpkg -i /root/new.deb </dev/null >/root/dpkg 2>&1 || wrong "dpkg -i: $(cat /root/dpkg)"
[[ $(status "$token") == 200 && $(call) == *'1'* ]] || wrong "settings or data are gone: $(call)"

step "the package purged"
dpkg -P $name >/root/dpkg 2>&1 || wrong "dpkg -P: $(cat /root/dpkg)"
grep -q "stays: /var/lib/$name" /root/dpkg || wrong "it does not say what stays: $(cat /root/dpkg)"
[[ -e /var/lib/$name/of-before && ! -e /etc/$name && ! -e /opt/$name && ! -e /var/log/$name ]] || wrong "purged too much or too little"
id stonescriptdb >/dev/null || wrong "the user of the data is gone"
[[ ! -e /etc/systemd/system/multi-user.target.wants/$name.service && ! -L /etc/systemd/system/multi-user.target.wants/$name.service ]] ||
    wrong "the link in multi-user.target.wants is left"

step "the package, over an installation by hand that is changed and disabled"
deploy/install.sh >/dev/null || wrong "install.sh"
printf 'ADMIN_TOKEN=mine\n' >/opt/$name/.env
sed -i 's/^\[Service\]$/&\nEnvironment=SHUTDOWN_TIMEOUT_SECS=77/' /etc/systemd/system/$name.service
echo '# mine' >>/etc/systemd/system/$name.service
systemctl disable --now --quiet $name
dpkg -i /root/new.deb </dev/null >/root/dpkg 2>&1 || wrong "dpkg -i: $(cat /root/dpkg)"
[[ $(systemctl is-enabled $name) == disabled && $(shown ActiveState) == inactive ]] || wrong "it starts what the operator has disabled"
[[ $(tail -n 1 /etc/systemd/system/$name.service.dpkg-old) == '# mine' ]] || wrong "the changed unit is gone"
grep -q "dpkg-old" /root/dpkg || wrong "it does not say where the changed unit is: $(cat /root/dpkg)"
[[ $(shown Environment) == *SHUTDOWN_TIMEOUT_SECS=77* ]] || wrong "what the unit set does not count any more: $(shown Environment)"
systemctl enable --now --quiet $name
[[ $(status mine) == 200 && $(call) == *'1'* ]] || wrong "settings or data are gone: $(call)"

step "the package, with a mistake in the settings and then on a machine that never had it"
printf 'GATEWAY_PORT=none\n' >/opt/$name/.env
dpkg -i /root/new.deb </dev/null >/root/dpkg 2>&1 || wrong "a service that does not start leaves the package half installed"
grep -q GATEWAY_PORT /root/dpkg || wrong "it does not say why the service does not start: $(cat /root/dpkg)"
dpkg -P $name >/dev/null 2>&1 || wrong "dpkg -P"
rm -rf /var/lib/private/$name /var/lib/$name /etc/systemd/system/$name.service.dpkg-old
userdel stonescriptdb
dpkg -i /root/new.deb </dev/null >/root/dpkg 2>&1 || wrong "dpkg -i: $(cat /root/dpkg)"
[[ $(health) == *'"healthy"'* && $(stat -c '%a %G' /opt/$name/.env) == "640 stonescriptdb" ]] || wrong "it does not serve: $(health)"
cmp -s /opt/$name/.env /usr/share/$name/env.example || wrong "the settings are not the example"
systemctl stop $name
rm -rf /var/lib/private/$name /var/lib/$name
dpkg -P $name >/root/dpkg 2>&1 || wrong "dpkg -P: $(cat /root/dpkg)"
id stonescriptdb >/dev/null || wrong "the user is gone: data in a place that no settings name would be the next one's"

touch /root/passed
step "all is well"
