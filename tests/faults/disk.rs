//! A full disk: a small file system of its own under a tablespace, which takes root; elsewhere the server's own limit on
//! temporary files, which ends a statement in the same place.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{BEFORE, Server, value};

/// Unmounted when dropped.
pub(crate) struct SmallDisk(pub(crate) std::path::PathBuf);

impl SmallDisk {
    pub(crate) fn mount(path: std::path::PathBuf) -> Option<Self> {
        Self::of_megabytes(2, path)
    }

    pub(crate) fn of_megabytes(size: u32, path: std::path::PathBuf) -> Option<Self> {
        Self::with(&format!("size={size}m"), path)
    }

    /// Of a gigabyte, and so many files.
    pub(crate) fn of_files(files: u32, path: std::path::PathBuf) -> Option<Self> {
        Self::with(&format!("size=1g,nr_inodes={files}"), path)
    }

    fn with(options: &str, path: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir(&path).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[tokio::test]
async fn a_full_disk_leaves_the_database_as_it_was() {
    let server = Server::start().await;
    let gateway = server.gateway();
    gateway.ready(BEFORE).await;
    let client = server.connect("x_main").await;
    client.batch_execute("INSERT INTO a VALUES (1, 1)").await.expect("a row");
    let disk = SmallDisk::mount(server.folder.path().join("disk"));
    let (limit, sqlstate) = match &disk {
        Some(SmallDisk(path)) => {
            // PostgreSQL may run as another user, who has to own the folder; it makes its own inside.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("our folder");
            let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(server.socket()).expect("its socket"));
            std::os::unix::fs::chown(path, Some(owner), None).expect("root may");
            let make = format!("CREATE TABLESPACE small LOCATION '{}'", path.display());
            client.batch_execute(&make).await.expect("a tablespace");
            ("ALTER TABLE a SET TABLESPACE small", "53100")
        }
        None => ("ALTER SYSTEM SET temp_file_limit = '1MB'", "53400"),
    };
    client.batch_execute(limit).await.expect("a limit");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("a limit");
    let before = server.contents("x_main").await;
    let mut files = BEFORE.to_vec();
    files.push((
        "migrations/1.sql",
        "UPDATE a SET n = 2;
         INSERT INTO a SELECT g + 1, (SELECT count(*) FROM (SELECT i FROM a, generate_series(1, 300000) i ORDER BY i DESC) x)
         FROM a, generate_series(1, 300000) g;",
    ));
    let (status, body) = gateway.register(&files).await.expect("an answer");
    let expected = if disk.is_some() { 507 } else { 409 };
    assert_eq!((status, body["sqlstate"].as_str()), (expected, Some(sqlstate)), "{body:#}");
    assert_eq!((body["file"].as_str(), body["line"].as_u64()), (Some("migrations/1.sql"), Some(2)), "{body:#}");
    assert_eq!(server.contents("x_main").await, before);

    let room =
        if disk.is_some() { "ALTER TABLE a SET TABLESPACE pg_default" } else { "ALTER SYSTEM RESET temp_file_limit" };
    client.batch_execute(room).await.expect("room");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("room");
    gateway.ready(&files).await;
    assert_eq!(value(&client, "SELECT count(*) FROM a").await, "300001");
    client.batch_execute("DROP TABLESPACE IF EXISTS small").await.ok();
}
