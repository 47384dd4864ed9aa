//! What stops the start: one line that says what is wrong and what to do, and nothing is left behind.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::place::{Place, Who};

#[test]
fn a_second_gateway_on_the_same_data_is_refused() {
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.start(&[]);
    let line = place.refusal(1, &[]);
    assert_eq!(
        line,
        format!(
            "embedded PostgreSQL: another gateway (process {}) runs on DATA_DIR {}: stop it, or give this one another \
             DATA_DIR",
            gateway.pid(),
            place.data_dir().display()
        )
    );
    gateway.wait_until_healthy();
    gateway.stop(Signal::SIGTERM);
}

#[test]
fn a_taken_port_is_named_before_anything_is_started() {
    let place = Place::new(Who::OrdinaryUser);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let line = place.refusal(1, &[("GATEWAY_PORT", &port)]);
    assert_eq!(
        line,
        format!(
            "cannot listen on 127.0.0.1 port {port}: the port is taken: stop the program that has it, or set \
             GATEWAY_PORT to another"
        )
    );
    assert!(!place.data_dir().exists());
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let place = Place::new(Who::OrdinaryUser);
    let line = place.refusal(1, &[("GATEWAY_HOST", "192.0.2.1")]);
    assert_eq!(line, "cannot listen on 192.0.2.1 port 0: this machine has no such address: set GATEWAY_HOST");
}

#[test]
fn a_folder_without_server_binaries_is_named() {
    let place = Place::new(Who::OrdinaryUser);
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let line = place.refusal(1, &[("PG_BIN_DIR", empty.to_str().unwrap())]);
    let expected =
        format!("embedded PostgreSQL: PG_BIN_DIR={} has no `postgres` and `initdb` that can be run", empty.display());
    assert_eq!(line, expected);
}

#[test]
fn a_folder_that_is_no_cluster_is_left_alone() {
    let place = Place::new(Who::OrdinaryUser);
    place.make_folders(&place.cluster());
    fs::write(place.cluster().join("precious"), "x").unwrap();
    let line = place.refusal(1, &[]);
    assert!(line.contains("is no PostgreSQL cluster (PG_VERSION is missing): move it away"), "{line}");
    assert_eq!(fs::read_to_string(place.cluster().join("precious")).unwrap(), "x");
}

#[test]
fn a_cluster_of_another_version_names_the_one_it_needs() {
    let place = Place::new(Who::OrdinaryUser);
    place.start(&[]).stop(Signal::SIGTERM);
    fs::write(place.cluster().join("PG_VERSION"), "99\n").unwrap();
    let line = place.refusal(1, &[]);
    assert!(line.contains("was made by PostgreSQL 99, but only "), "{line}");
    assert!(line.contains("install postgresql-99, or set PG_BIN_DIR"), "{line}");
}

#[test]
fn a_cluster_that_is_too_old_is_to_be_brought_over_first() {
    let place = Place::new(Who::OrdinaryUser);
    place.start(&[]).stop(Signal::SIGTERM);
    fs::write(place.cluster().join("PG_VERSION"), "14\n").unwrap();
    let line = place.refusal(1, &[]);
    assert!(line.contains("was made by PostgreSQL 14, and the gateway needs version 15 or later"), "{line}");
    assert!(line.contains("upgrade-postgres"), "{line}");
}

#[test]
fn a_cluster_that_postgresql_refuses_is_told_in_its_own_words() {
    let place = Place::new(Who::OrdinaryUser);
    place.start(&[]).stop(Signal::SIGTERM);
    fs::write(place.cluster().join("postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let line = place.refusal(1, &[]);
    assert!(line.starts_with("embedded PostgreSQL: PostgreSQL did not start: FATAL:"), "{line}");
    assert!(line.contains("postgres.log"), "{line}");
    place.assert_no_postgres();
}

#[test]
fn a_password_file_that_does_not_fit_is_named_and_the_server_stopped() {
    let place = Place::new(Who::OrdinaryUser);
    place.start(&[]).stop(Signal::SIGTERM);
    let file = place.data_dir().join(".postgres-password");
    fs::write(&file, "hunter2").unwrap();
    let line = place.refusal(1, &[]);
    let expected = format!(
        "embedded PostgreSQL: the password in {} does not open the cluster beside it: put the file back that belongs to it",
        file.display()
    );
    assert_eq!(line, expected);
    crate::place::wait_for("PostgreSQL to stop", || place.postmaster().is_none().then_some(()));
    fs::remove_file(&file).unwrap();
    let line = place.refusal(1, &[]);
    assert!(line.contains(".postgres-password: No such file or directory"), "{line}");
}

#[test]
fn a_path_too_long_for_a_socket_is_refused() {
    let place = Place::new(Who::OrdinaryUser);
    let long = place.path().join("d".repeat(100));
    let line = place.refusal(1, &[("DATA_DIR", long.to_str().unwrap())]);
    assert!(line.contains("bytes, 107 are possible: choose a DATA_DIR with a shorter path"), "{line}");
}

#[test]
fn a_folder_without_rights_is_refused() {
    let place = Place::new(Who::OrdinaryUser);
    let line = place.refusal(1, &[("DATA_DIR", "/proc/nowhere")]);
    assert_eq!(line, "embedded PostgreSQL: creating /proc/nowhere: No such file or directory (os error 2)");
}

#[test]
fn root_names_the_folder_that_postgresqls_user_cannot_enter() {
    if !Who::possible().contains(&Who::Root) {
        return;
    }
    let place = Place::new(Who::Root);
    let closed = place.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let data = closed.join("data");
    let line = place.refusal(1, &[("DATA_DIR", data.to_str().unwrap())]);
    assert_eq!(
        line,
        format!(
            "embedded PostgreSQL: the user postgres cannot enter {}, which is on the way to {}: open it (chmod o+x), or \
             choose another DATA_DIR",
            closed.display(),
            data.display()
        )
    );
}

#[test]
fn a_cluster_that_root_has_made_is_not_an_ordinary_users() {
    if !Who::possible().contains(&Who::Root) {
        return;
    }
    let roots = Place::new(Who::Root);
    roots.start(&[]).stop(Signal::SIGTERM);
    let place = Place::new(Who::OrdinaryUser);
    // The folder is root's own: even its lock is closed to others.
    let line = place.refusal(1, &[("DATA_DIR", roots.data_dir().to_str().unwrap())]);
    assert!(line.contains(".gateway.lock: Permission denied"), "{line}");
    // With a lock and folder of the user's, the cluster still is not.
    fs::remove_file(roots.data_dir().join(".gateway.lock")).unwrap();
    fs::set_permissions(roots.data_dir(), Permissions::from_mode(0o777)).unwrap();
    let line = place.refusal(1, &[("DATA_DIR", roots.data_dir().to_str().unwrap())]);
    assert!(
        line.contains("belongs to postgres, not to nobody: start the gateway as the user who did so first"),
        "{line}"
    );
}

#[test]
fn root_goes_on_with_a_cluster_that_an_ordinary_user_has_made() {
    if !Who::possible().contains(&Who::Root) {
        return;
    }
    let users = Place::new(Who::OrdinaryUser);
    users.start(&[]).stop(Signal::SIGTERM);
    let owner = users.cluster_uid();
    let place = Place::new(Who::Root);
    let gateway = place.start(&[("DATA_DIR", users.data_dir().to_str().unwrap())]);
    gateway.wait_until_healthy();
    gateway.stop(Signal::SIGTERM);
    assert_eq!(users.cluster_uid(), owner);
    users.start(&[]).stop(Signal::SIGTERM);
}
