//! Settings read again while the gateway runs: SIGHUP, as it is sent by `systemctl reload`.

use std::fs;
use std::io::Read;

use nix::sys::signal::Signal;

use crate::place::{Gateway, Place, Who, send};

const EXTERNAL: &str = "DB_HOST=127.0.0.1\nDB_PORT=1\nDB_PASSWORD=hunter2\n";

/// Whoever starts the tests from a terminal, or has them ignore a closed one, has the gateway do so too.
fn can_reload() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let terminal = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(4)).unwrap();
    terminal == "0" && !crate::program::mask_has("self", "SigIgn:", Signal::SIGHUP)
}

fn reload(gateway: &mut Gateway, line: &str) -> String {
    send(gateway.pid(), Signal::SIGHUP);
    gateway.wait_for_line(line)
}

fn status(gateway: &Gateway, path: &str, headers: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
    let mut answer = String::new();
    gateway.send_bytes(&request).read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn a_hangup_has_the_settings_read_again_and_a_mistake_keeps_all_of_them() {
    if !can_reload() {
        return;
    }
    let place = Place::new(Who::OrdinaryUser);
    let file = place.path().join("settings");
    let write = |more: &str| fs::write(&file, format!("{EXTERNAL}GATEWAY_PORT=0\n{more}")).unwrap();
    write("");
    // What the environment says was true at the start.
    let mut gateway =
        place.start(&[("ENV_FILE", "settings"), ("ADMIN_TOKEN", "first"), ("ALLOWED_NETWORKS", "127.0.0.1")]);
    assert_eq!(status(&gateway, "/admin/platforms", "Authorization: Bearer first\r\n"), 503);

    write("ADMIN_TOKEN=second\nRUST_LOG=debug\n");
    let line = reload(&mut gateway, "the settings were read again");
    assert!(line.contains("ADMIN_TOKEN, RUST_LOG") && !line.contains("second"), "{line}");
    assert_eq!(status(&gateway, "/admin/platforms", "Authorization: Bearer first\r\n"), 401);
    assert_eq!(status(&gateway, "/admin/platforms", "Authorization: Bearer second\r\n"), 503);

    // The token would change, were it not for the other one.
    write("ADMIN_TOKEN=third\nALLOWED_NETWORKS=10.0.0.0/8\nMAX_UPLOAD_BYTES=much\n");
    let line = reload(&mut gateway, "all stay as they were");
    assert!(line.contains("ERROR") && line.contains("MAX_UPLOAD_BYTES"), "{line}");
    assert_eq!(status(&gateway, "/admin/platforms", "Authorization: Bearer second\r\n"), 503);
    fs::remove_file(&file).unwrap();
    let line = reload(&mut gateway, "all stay as they were");
    assert!(line.contains("ERROR") && line.contains("settings: there is no such file"), "{line}");

    write("ADMIN_TOKEN=second\nRUST_LOG=debug\nMAX_TOTAL_CONNECTIONS=50\nDATA_DIR=elsewhere\n");
    let line = reload(&mut gateway, "count after a restart");
    assert!(line.contains("WARN") && line.contains("DATA_DIR") && line.contains("MAX_TOTAL_CONNECTIONS"), "{line}");

    write("ALLOWED_NETWORKS=10.0.0.0/8\n");
    reload(&mut gateway, "the settings were read again");
    assert_eq!(status(&gateway, "/admin/platforms", "Authorization: Bearer first\r\n"), 403);
    assert_eq!(status(&gateway, "/live", ""), 200);
    let output = gateway.stop(Signal::SIGTERM);
    assert!(!output.contains("hunter2"), "{output}");
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let place = Place::new(Who::OrdinaryUser);
    assert_eq!(place.refusal(2, &[("ENV_FILE", "nowhere")]), "configuration: nowhere: there is no such file");
}
