//! Every variable, good and bad, as text in and text out.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use tokio_postgres::config::TargetSessionAttrs;

use super::*;

const SECRET: &str = "hunter2";

fn config(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let vars: HashMap<String, String> = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Config::from_env(|name| vars.get(name).cloned())
}

fn good(vars: &[(&str, &str)]) -> Config {
    config(vars).unwrap_or_else(|error| panic!("{vars:?}: {error}"))
}

fn external(vars: &[(&str, &str)]) -> tokio_postgres::Config {
    match good(vars).postgres {
        PostgresSource::External(external) => external.connection,
        PostgresSource::Embedded => panic!("{vars:?} is embedded"),
    }
}

#[test]
fn nothing_set_gives_the_contracts_defaults() {
    let config = good(&[]);
    assert!(matches!(config.postgres, PostgresSource::Embedded));
    insta::assert_snapshot!(config, @"
      listen               127.0.0.1 port 9000
      client connections   10000
      postgresql           embedded, in ./data/postgres
      connections          10 to one database, 200 in all
      idle, lifetime, wait 1800 s, 3600 s, 5 s
      allowed networks     127.0.0.0/8, ::1/128
      trusted proxies      none
      admin token          not set
      data                 ./data
      log                  info to stdout
      metrics              beside the other paths, 500 functions
      platform roles       auto
      allowed extensions   address_standardizer, address_standardizer_data_us, bloom, dict_xsyn, moddatetime, pgrouting, postgis, postgis_raster, postgis_sfcgal, postgis_tiger_geocoder, postgis_topology, vector
      time limits          30 s for a call, 10 s for a lock
      deployments          4 of a platform at once, 3600 s for a database
      stop                 deployments have 120 s to end
      archives             67108864 bytes, 268435456 bytes unpacked
      SQL of an archive    67108864 bytes, 200000 statements
      memory for uploads   536870912 bytes
      conflict status      400
    ");
}

#[test]
fn every_variable_is_taken_over() {
    let config = good(&[
        ("DB_HOST", "db.example"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "admin"),
        ("DB_USER", "gateway"),
        ("DB_PASSWORD", SECRET),
        ("GATEWAY_HOST", "[::1]"),
        ("GATEWAY_PORT", " 8080 "),
        ("MAX_CLIENT_CONNECTIONS", "500"),
        ("MAX_CONNECTIONS_PER_POOL", "20"),
        ("MAX_TOTAL_CONNECTIONS", "50"),
        ("POOL_IDLE_TIMEOUT_SECS", "60"),
        ("POOL_MAX_LIFETIME_SECS", "120"),
        ("POOL_WAIT_TIMEOUT_SECS", "2"),
        ("ALLOWED_NETWORKS", "192.168.1.100/24, 10.1.2.3 ,fe80::1:2/64"),
        ("TRUSTED_PROXIES", "10.0.0.0/255.0.0.0"),
        ("ADMIN_TOKEN", SECRET),
        ("ADMIN_SCOPE", "deploy"),
        ("DATA_DIR", "/var/lib/gateway"),
        ("LOG_DIR", "/var/log/gateway"),
        ("RUST_LOG", "info,stonescriptdb_gateway=debug"),
        ("LOG_FORMAT", "JSON"),
        ("METRICS_ADDR", "127.0.0.1:9100"),
        ("METRICS_MAX_FUNCTIONS", "30"),
        ("PLATFORM_ROLES", "Auto"),
        ("ALLOWED_EXTENSIONS", "postgis,dblink"),
        ("CALL_TIMEOUT_SECS", "7"),
        ("LOCK_TIMEOUT_SECS", "8"),
        ("DEPLOYMENT_TIMEOUT_SECS", "90"),
        ("SHUTDOWN_TIMEOUT_SECS", "60"),
        ("MAX_DEPLOYMENTS_PER_PLATFORM", "2"),
        ("MAX_UPLOAD_BYTES", "1000"),
        ("MAX_UNPACKED_BYTES", "2000"),
        ("MAX_SQL_BYTES", "3000"),
        ("MAX_STATEMENTS", "40"),
        ("UPLOAD_MEMORY_BYTES", "5000000"),
        ("CONFLICT_STATUS", "409"),
        ("PG_BIN_DIR", "/opt/pg/bin"),
    ]);
    insta::assert_snapshot!(config, @"
      listen               ::1 port 8080
      client connections   500
      postgresql           db.example port 5433, database admin, as gateway with a password, TLS: prefer
      connections          20 to one database, 50 in all
      idle, lifetime, wait 60 s, 120 s, 2 s
      allowed networks     192.168.1.0/24, 10.1.2.3/32, fe80::/64
      trusted proxies      10.0.0.0/8
      admin token          set, guards everything but /call, /health, /ready, /live
      data                 /var/lib/gateway
      log                  info,stonescriptdb_gateway=debug as JSON to stdout and /var/log/gateway
      metrics              on 127.0.0.1:9100, 30 functions
      platform roles       auto
      allowed extensions   dblink, postgis
      time limits          7 s for a call, 8 s for a lock
      deployments          2 of a platform at once, 90 s for a database
      stop                 deployments have 60 s to end
      archives             1000 bytes, 2000 bytes unpacked
      SQL of an archive    3000 bytes, 40 statements
      memory for uploads   5000000 bytes
      conflict status      409
    ");
    assert_eq!(config.pg_bin_dir, Some(PathBuf::from("/opt/pg/bin")));
    assert_eq!(config.access.admin_token, Some(Secret(SECRET.to_owned())));
    let PostgresSource::External(external) = &config.postgres else { panic!("embedded") };
    let external = &external.connection;
    assert_eq!(external.get_password(), Some(SECRET.as_bytes()));
    assert!(!format!("{config:?}{config}").contains(SECRET), "{config:?}");
}

#[test]
fn the_table_of_variables_is_what_is_read() {
    let asked = RefCell::new(BTreeSet::new());
    let host = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        (name == "DB_HOST").then(|| "localhost".to_owned())
    };
    Config::from_env(host).unwrap();
    let listed: BTreeSet<String> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
    // Where the others stand.
    asked.borrow_mut().insert(environment::ENV_FILE.to_owned());
    assert_eq!(*asked.borrow(), listed);
}

#[test]
fn the_tables_defaults_are_the_real_ones() {
    let defaults: HashMap<&str, &str> =
        VARIABLES.iter().map(|v| (v.name, v.default)).filter(|(name, _)| !name.starts_with("DB_")).collect();
    let spelled_out = Config::from_env(|name| defaults.get(name).map(|value| (*value).to_owned())).unwrap();
    assert_eq!(format!("{spelled_out:?}"), format!("{:?}", good(&[])));
    let short = external(&[("DB_HOST", "h")]);
    let long = external(&[("DB_HOST", "h"), ("DB_PORT", "5432"), ("DB_NAME", "postgres"), ("DB_USER", "postgres")]);
    assert_eq!(short, long);
}

#[test]
fn an_empty_value_counts_as_unset() {
    let empty = Config::from_env(|_| Some(String::new())).unwrap();
    assert_eq!(format!("{empty:?}"), format!("{:?}", good(&[])));
    assert!(matches!(good(&[("DB_HOST", " "), ("DATABASE_URL", "")]).postgres, PostgresSource::Embedded));
}

#[test]
fn hosts_lists_sockets_and_urls_say_where_postgresql_is() {
    let line = |vars: &[(&str, &str)]| {
        let text = good(vars).to_string();
        text.lines().find(|line| line.contains("postgresql ")).unwrap_or_default().trim().to_owned()
    };
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("DB_HOST", "a,b")], "a,b port 5432, database postgres, as postgres without a password, TLS: prefer"),
        (
            &[("DB_HOST", "a, 10.0.0.2"), ("DB_PORT", "1, 2")],
            "a,10.0.0.2 port 1,2, database postgres, as postgres without a password, TLS: prefer",
        ),
        (
            &[("DB_HOST", "/run/postgresql"), ("DB_USER", "me")],
            "/run/postgresql port 5432, database postgres, as me without a password",
        ),
        (
            &[("DB_HOST", "[fe80::1]")],
            "fe80::1 port 5432, database postgres, as postgres without a password, TLS: prefer",
        ),
        (&[("DATABASE_URL", "postgres://u:p@h:1/d")], "h port 1, database d, as u with a password, TLS: prefer"),
        (
            &[("DATABASE_URL", "postgresql://h?sslmode=disable")],
            "h port 5432, database postgres, as postgres without a password, TLS: disable",
        ),
        (
            &[("DATABASE_URL", "postgresql://h1,h2:7/d")],
            "h1,h2 port 5432,7, database d, as postgres without a password, TLS: prefer",
        ),
        (
            &[("DATABASE_URL", "host=/tmp user=u password='p p'")],
            "/tmp port 5432, database postgres, as u with a password",
        ),
        (
            &[("DATABASE_URL", "hostaddr=10.0.0.1 user=u")],
            "10.0.0.1 port 5432, database postgres, as u without a password, TLS: prefer",
        ),
        (
            &[("DATABASE_URL", "postgres://u:p@h:1/d"), ("DB_HOST", "x")],
            "x port 5432, database postgres, as postgres without a password, TLS: prefer",
        ),
    ];
    for (vars, expected) in cases {
        assert_eq!(line(vars), format!("postgresql           {expected}"), "{vars:?}");
    }
}

#[test]
fn several_hosts_want_the_primary_and_one_takes_what_it_is() {
    for vars in [[("DB_HOST", "a,b")], [("DATABASE_URL", "postgresql://a,b/d")]] {
        assert_eq!(external(&vars).get_target_session_attrs(), TargetSessionAttrs::ReadWrite, "{vars:?}");
    }
    assert_eq!(external(&[("DB_HOST", "a")]).get_target_session_attrs(), TargetSessionAttrs::Any);
}

#[test]
fn what_a_url_says_about_time_limits_stays() {
    let given =
        external(&[("DATABASE_URL", "postgresql://h/d?connect_timeout=1&tcp_user_timeout=2&keepalives_idle=3")]);
    assert_eq!(given.get_connect_timeout(), Some(&Duration::from_secs(1)));
    assert_eq!(given.get_tcp_user_timeout(), Some(&Duration::from_secs(2)));
    assert_eq!(given.get_keepalives_idle(), Duration::from_secs(3));
    let silent = external(&[("DATABASE_URL", "postgresql://h/d")]);
    assert_eq!(silent.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(silent.get_application_name(), Some("stonescriptdb-gateway"));
}

#[test]
fn roles_of_platforms_default_to_auto_only_on_the_embedded_postgresql() {
    assert_eq!(good(&[]).platform_roles, PlatformRoles::Auto);
    assert_eq!(good(&[("DB_HOST", "h")]).platform_roles, PlatformRoles::Off);
    assert_eq!(good(&[("DB_HOST", "h"), ("PLATFORM_ROLES", "auto")]).platform_roles, PlatformRoles::Auto);
    assert_eq!(good(&[("PLATFORM_ROLES", "off")]).platform_roles, PlatformRoles::Off);
}

#[test]
fn a_small_budget_makes_the_default_pool_smaller() {
    let pool = good(&[("MAX_TOTAL_CONNECTIONS", "4")]).pool;
    assert_eq!((pool.max_connections_per_pool, pool.max_total_connections), (4, 4));
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("GATEWAY_PORT", "70000")], r#"GATEWAY_PORT="70000": expected a whole number from 0 to 65535"#),
        (&[("GATEWAY_PORT", "-1")], r#"GATEWAY_PORT="-1": expected a whole number from 0 to 65535"#),
        (&[("GATEWAY_PORT", "9000\nx")], r#"GATEWAY_PORT="9000\nx": expected a whole number from 0 to 65535"#),
        (
            &[("GATEWAY_HOST", "localhost:9000")],
            r#"GATEWAY_HOST="localhost:9000": expected a host name or an IP address, without a port (that is GATEWAY_PORT)"#,
        ),
        (
            &[("GATEWAY_HOST", "127.0.0.300")],
            r#"GATEWAY_HOST="127.0.0.300": expected a host name or an IP address, without a port (that is GATEWAY_PORT)"#,
        ),
        (
            &[("MAX_CLIENT_CONNECTIONS", "0")],
            r#"MAX_CLIENT_CONNECTIONS="0": expected a whole number from 1 to 1000000"#,
        ),
        (&[("MAX_TOTAL_CONNECTIONS", "3")], r#"MAX_TOTAL_CONNECTIONS="3": expected a whole number from 4 to 100000"#),
        (
            &[("MAX_CONNECTIONS_PER_POOL", "0")],
            r#"MAX_CONNECTIONS_PER_POOL="0": expected a whole number from 1 to 200"#,
        ),
        (
            &[("MAX_CONNECTIONS_PER_POOL", "21"), ("MAX_TOTAL_CONNECTIONS", "20")],
            r#"MAX_CONNECTIONS_PER_POOL="21": expected a whole number from 1 to 20"#,
        ),
        (
            &[("POOL_IDLE_TIMEOUT_SECS", "0")],
            r#"POOL_IDLE_TIMEOUT_SECS="0": expected a whole number from 1 to 31536000"#,
        ),
        (
            &[("POOL_MAX_LIFETIME_SECS", "1h")],
            r#"POOL_MAX_LIFETIME_SECS="1h": expected a whole number from 1 to 31536000"#,
        ),
        (
            &[("POOL_WAIT_TIMEOUT_SECS", "0.5")],
            r#"POOL_WAIT_TIMEOUT_SECS="0.5": expected a whole number from 1 to 3600"#,
        ),
        (&[("CALL_TIMEOUT_SECS", "0")], r#"CALL_TIMEOUT_SECS="0": expected a whole number from 1 to 86400"#),
        (
            &[("LOCK_TIMEOUT_SECS", "99999999999999999999999")],
            r#"LOCK_TIMEOUT_SECS="99999999999999999999999": expected a whole number from 1 to 86400"#,
        ),
        (&[("MAX_UPLOAD_BYTES", "64M")], r#"MAX_UPLOAD_BYTES="64M": expected a whole number from 1 to 1099511627776"#),
        (&[("MAX_UNPACKED_BYTES", "0")], r#"MAX_UNPACKED_BYTES="0": expected a whole number from 1 to 1099511627776"#),
        (&[("MAX_SQL_BYTES", "-1")], r#"MAX_SQL_BYTES="-1": expected a whole number from 1 to 1099511627776"#),
        (&[("MAX_STATEMENTS", "many")], r#"MAX_STATEMENTS="many": expected a whole number from 1 to 1000000000"#),
        (
            &[("UPLOAD_MEMORY_BYTES", "1000")],
            r#"UPLOAD_MEMORY_BYTES="1000": expected a whole number from 1048576 to 1099511627776"#,
        ),
        (&[("ADMIN_SCOPE", "all"), ("ADMIN_TOKEN", "x")], r#"ADMIN_SCOPE="all": expected admin or deploy"#),
        (&[("ADMIN_SCOPE", "deploy")], r#"ADMIN_SCOPE="deploy": expected ADMIN_TOKEN to be set beside it, or admin"#),
        (
            &[("ADMIN_SCOPE", "deploy"), ("ADMIN_TOKEN", "")],
            r#"ADMIN_SCOPE="deploy": expected ADMIN_TOKEN to be set beside it, or admin"#,
        ),
        (
            &[("ALLOWED_EXTENSIONS", "+dblink,vector")],
            r#"ALLOWED_EXTENSIONS="+dblink,vector": expected names of extensions separated by commas, or the same with a + before each to add them to the default, or *"#,
        ),
        (&[("CONFLICT_STATUS", "418")], r#"CONFLICT_STATUS="418": expected 400 or 409"#),
        (&[("LOG_FORMAT", "yaml")], r#"LOG_FORMAT="yaml": expected text or json"#),
        (
            &[("METRICS_ADDR", "9100")],
            r#"METRICS_ADDR="9100": expected an address and a port: 127.0.0.1:9100 or [::1]:9100"#,
        ),
        (&[("PLATFORM_ROLES", "on")], r#"PLATFORM_ROLES="on": expected auto or off"#),
        (
            &[("RUST_LOG", "info,x=loud")],
            r#"RUST_LOG="info,x=loud": expected error, warn, info, debug, trace, off, or a filter such as info,stonescriptdb_gateway=debug"#,
        ),
        (
            &[("ALLOWED_NETWORKS", "10.0.0.0/33")],
            r#"ALLOWED_NETWORKS="10.0.0.0/33": expected addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7,::1/128"#,
        ),
        (
            &[("ALLOWED_NETWORKS", "10.0.0.0/8,")],
            r#"ALLOWED_NETWORKS="10.0.0.0/8,": expected addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7,::1/128"#,
        ),
        (
            &[("TRUSTED_PROXIES", "proxy.example")],
            r#"TRUSTED_PROXIES="proxy.example": expected addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7,::1/128"#,
        ),
        (
            &[("DB_PORT", "0")],
            r#"DB_PORT="0": expected a port from 1 to 65535, or one for each host, separated by commas"#,
        ),
        (
            &[("DB_HOST", "a,b"), ("DB_PORT", "1,2,3")],
            r#"DB_PORT="1,2,3": expected one port, or one for each of the 2 in DB_HOST"#,
        ),
        (
            &[("DB_HOST", "a,,b")],
            r#"DB_HOST="a,,b": expected a host name, an IP address or a socket folder (/…), or several separated by commas; the port goes to DB_PORT, a URL to DATABASE_URL"#,
        ),
        (
            &[("DB_HOST", "a:5432")],
            r#"DB_HOST="a:5432": expected a host name, an IP address or a socket folder (/…), or several separated by commas; the port goes to DB_PORT, a URL to DATABASE_URL"#,
        ),
    ];
    for (vars, expected) in cases {
        let error = config(vars).expect_err(&format!("{vars:?} is taken"));
        assert_eq!(error.to_string(), *expected, "{vars:?}");
    }
}

#[test]
fn a_long_value_is_cut() {
    let error = config(&[("GATEWAY_PORT", &"é".repeat(5000))]).unwrap_err().to_string();
    assert_eq!(error, format!("GATEWAY_PORT=\"{}…\": expected a whole number from 0 to 65535", "é".repeat(80)));
}

#[test]
fn no_refusal_shows_what_may_be_a_password() {
    let cases: &[(&str, &str, &str)] = &[
        ("DATABASE_URL", "postgres://u:hunter2@h:70000/d", "with a valid `port`"),
        ("DATABASE_URL", "postgres://u:hunter2", "with a valid `port`"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "postgresql://user:password@host:5432/database"),
        ("DATABASE_URL", "postgres://u:p@h?hunter2=x@h/d", "without options that only libpq knows"),
        ("DATABASE_URL", "host=h password=a hunter2=b", "without options that only libpq knows"),
        ("DATABASE_URL", "host=h password='hunter2", "postgresql://user:password@host:5432/database"),
        ("DATABASE_URL", "hunter2", "postgresql://user:password@host:5432/database"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d?sslmode=verify-full", "DB_SSLROOTCERT to be set beside it"),
        (
            "DATABASE_URL",
            "postgres://u:hunter2@h/d?sslmode=allow",
            "one of disable, prefer, require, verify-ca, verify",
        ),
        ("DATABASE_URL", "host=h password=hunter2 sslmode=allow", "one of disable, prefer, require, verify-ca, verify"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d?channel_binding=require&sslmode=disable", "only with TLS"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d?sslcert=/hunter2", "DB_SSLKEY to be set beside it"),
        ("DATABASE_URL", "postgres:///d?password=hunter2", "a host, as in"),
        ("DATABASE_URL", "host=a,b port=1,2,3 password=hunter2", "as many ports and hostaddrs as hosts"),
        ("DATABASE_URL", "host=a,b hostaddr=10.0.0.1 password=hunter2", "as many ports and hostaddrs as hosts"),
        ("DB_HOST", "postgres://u:hunter2@h/d", "a URL to DATABASE_URL"),
        ("DB_HOST", "postgres://u:hunter2", "a URL to DATABASE_URL"),
        ("DB_HOST", "h password=hunter2", "a URL to DATABASE_URL"),
        ("GATEWAY_HOST", "u:hunter2@h", "a host name or an IP address"),
        ("ADMIN_TOKEN", "hunter2 hunter2", "visible ASCII characters without blanks"),
        ("ADMIN_TOKEN", "hunter2\n", "visible ASCII characters without blanks"),
    ];
    for (variable, value, allowed) in cases {
        let error = config(&[(variable, value)]).expect_err(&format!("{variable}={value} is taken")).to_string();
        assert!(error.starts_with(&format!("{variable}=(not shown, it may hold a password): expected ")), "{error}");
        assert!(error.contains(allowed) && !error.contains(SECRET) && !error.contains('\n'), "{value}: {error}");
    }
}

#[test]
fn a_bad_value_stops_the_start_even_where_it_is_not_used() {
    config(&[("DB_PORT", "x")]).expect_err("no host, yet a bad port");
    config(&[("DB_HOST", "h"), ("DATABASE_URL", "mysql://h")]).expect_err("a URL beside DB_HOST");
}

#[test]
fn an_env_file_gives_values_and_never_tells_a_line_it_cannot_read() {
    let load = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Environment::load(file.path())
            .map_err(|error| error.to_string().replace(&file.path().display().to_string(), ".env"))
    };
    let env = load("# c\nDB_PASSWORD='a $b #c'\nGATEWAY_PORT=1\nGATEWAY_PORT=2\nOTHER=x\n").ok().unwrap();
    assert_eq!(env.get("DB_PASSWORD").as_deref(), Some("a $b #c"));
    assert_eq!(env.get("GATEWAY_PORT").as_deref(), Some("1"));
    let advice = "cannot be read: write NAME=value, a value with blanks, quotes, # or $ in single quotes";
    let bad = load("DB_USER=u\n# c\nDB_PASSWORD=hunter2 and more\n").err().unwrap();
    assert_eq!(bad, format!(".env: the line after DB_USER {advice}"));
    let bad = load("hunter2\n").err().unwrap();
    assert_eq!(bad, format!(".env: the first line that is no comment {advice}"));
    assert!(Environment::load(std::path::Path::new("/nowhere/.env")).is_ok());
    assert!(Environment::load(std::path::Path::new("/")).is_err());
}
