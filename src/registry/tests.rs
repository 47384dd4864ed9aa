//! The registry on a real disk: what a kill leaves, what is damaged, what is replaced.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::bundle::{Kind, SourceFile};

fn id(name: &str) -> Id {
    Id::parse("platform", name).unwrap()
}

fn bundle(text: &str) -> Bundle {
    let file = |path: &str, text: &str| SourceFile { kind: Kind::Tables, path: path.to_owned(), text: text.into() };
    Bundle::from_files(vec![file("tables/a.sql", text), file("tables/deep/b.sql", "SELECT 1;")], Vec::new())
}

fn record(name: &str) -> PlatformRecord {
    PlatformRecord { name: name.to_owned(), registered: true, credentials: None }
}

async fn with_platform(name: &str) -> (TempDir, Registry, Writer) {
    let folder = TempDir::new().unwrap();
    let registry = Registry::new(folder.path());
    let writer = registry.writer(&id(name)).await.unwrap();
    registry.write_platform(&writer, record(name)).await.unwrap();
    (folder, registry, writer)
}

#[tokio::test]
async fn what_was_written_is_read_back_by_another_registry() {
    let (folder, registry, writer) = with_platform("My-App").await;
    let stored =
        registry.write_schema(&writer, &id("my_app"), &id("Shop"), bundle("CREATE TABLE a ();")).await.unwrap();
    drop(writer);
    let other = Registry::new(folder.path());
    assert_eq!(other.platforms().await.unwrap(), [record("My-App")]);
    assert_eq!(other.schemas(&id("MY-APP")).await.unwrap(), [stored]);
    let read = other.bundle(&id("my_app"), &id("shop")).await.unwrap().unwrap();
    assert_eq!(read.files, bundle("CREATE TABLE a ();").files);
    assert!(other.check().await.unwrap().is_empty());
    assert!(other.platform(&id("other")).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_kill_left_half_written_is_swept_and_what_it_had_moved_aside_comes_back() {
    let (folder, registry, writer) = with_platform("app").await;
    registry.write_schema(&writer, &id("app"), &id("shop"), bundle("one")).await.unwrap();
    drop(writer);
    let platform = folder.path().join("app");
    // Killed while the new version was written, and, on a file system that cannot exchange, between the two renames.
    fs::create_dir_all(platform.join(".shop.new/tables")).unwrap();
    fs::write(platform.join(".platform.json.new"), "{").unwrap();
    fs::rename(platform.join("shop"), platform.join(".shop.old")).unwrap();
    assert!(registry.check().await.unwrap().is_empty());
    assert!(registry.bundle(&id("app"), &id("shop")).await.unwrap().is_some());
    let left: Vec<_> = fs::read_dir(&platform).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the lock, the record, the schema: {left:?}");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_hides_nobody_else() {
    let (folder, registry, writer) = with_platform("app").await;
    drop(writer);
    for (name, text) in
        [("cut", "{\"name\":\"cut\""), ("empty", ""), ("other", "{\"name\":\"app\",\"registered\":true}")]
    {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("platform.json"), text).unwrap();
    }
    let damaged: Vec<_> = registry.check().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(damaged.len(), 3, "{damaged:?}");
    assert!(damaged[0].contains("cut/platform.json is damaged"), "{damaged:?}");
    assert_eq!(registry.platforms().await.unwrap(), [record("app")]);
    assert!(matches!(registry.platform(&id("cut")).await, Err(RegistryError::Damaged { .. })));
}

#[tokio::test]
async fn a_damaged_record_never_shows_what_stands_in_it() {
    let (folder, registry, writer) = with_platform("app").await;
    drop(writer);
    let text = r#"{"name":"app","registered":true,"credentials":{"user":"u","password":"s3cret""#;
    fs::write(folder.path().join("app/platform.json"), text).unwrap();
    let error = registry.platform(&id("app")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn files_that_are_not_those_that_were_stored_are_not_deployed() {
    let (folder, registry, writer) = with_platform("app").await;
    registry.write_schema(&writer, &id("app"), &id("shop"), bundle("one")).await.unwrap();
    fs::write(folder.path().join("app/shop/tables/a.sql"), "two").unwrap();
    assert!(matches!(registry.bundle(&id("app"), &id("shop")).await, Err(RegistryError::Damaged { .. })));
    registry.write_schema(&writer, &id("app"), &id("shop"), bundle("three")).await.unwrap();
    let read = registry.bundle(&id("app"), &id("shop")).await.unwrap().unwrap();
    assert_eq!(read.files[0].text, "three");
}

#[tokio::test]
async fn a_version_that_cannot_be_written_leaves_the_one_before() {
    let (folder, registry, writer) = with_platform("app").await;
    registry.write_schema(&writer, &id("app"), &id("shop"), bundle("one")).await.unwrap();
    // A name that no file system takes stands for a disk that says no: root may write to a read-only folder.
    let file =
        SourceFile { kind: Kind::Tables, path: format!("tables/{}.sql", "x".repeat(300)), text: String::new().into() };
    let unwritable = Bundle::from_files(vec![file], Vec::new());
    assert!(registry.write_schema(&writer, &id("app"), &id("shop"), unwritable).await.is_err());
    let read = registry.bundle(&id("app"), &id("shop")).await.unwrap().unwrap();
    assert_eq!(read.files[0].text, "one");
    let left = fs::read_dir(folder.path().join("app")).unwrap().count();
    assert_eq!(left, 3, "nothing of the attempt is left");
}

#[tokio::test]
async fn files_and_folders_are_the_services_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, registry, writer) = with_platform("app").await;
    registry.write_schema(&writer, &id("app"), &id("shop"), bundle("one")).await.unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("app/platform.json"), mode("app/shop/tables/a.sql")), (0o600, 0o600));
    assert_eq!((mode("app"), mode("app/shop/tables/deep")), (0o700, 0o700));
}

#[tokio::test]
async fn writers_of_one_platform_take_turns() {
    let (_folder, registry, writer) = with_platform("app").await;
    let waiting = tokio::spawn({
        let registry = registry.clone();
        async move { registry.writer(&id("APP")).await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    assert!(registry.writer(&id("other")).await.is_ok(), "another platform's is free");
    drop(writer);
    waiting.await.unwrap().unwrap();
}

/// What is in the folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_platform_that_was_killed_before_it_was_whole_is_swept_and_nothing_of_anybody_else() {
    let (folder, registry, writer) = with_platform("app").await;
    for name in ["born", "logs", "empty", "unborn", "worked_on"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    drop(registry.writer(&id("unborn")).await.unwrap());
    fs::write(folder.path().join("unborn/.platform.json.new"), "{").unwrap();
    let working = registry.writer(&id("worked_on")).await.unwrap();
    fs::write(folder.path().join("logs/today"), "a log").unwrap();
    fs::write(folder.path().join("logs/.lock"), "somebody's").unwrap();
    fs::write(folder.path().join("app/.platform.json.new"), "{").unwrap();
    assert!(registry.sweep().await.unwrap().is_empty());
    // The writer of `app` has its lock, so that its file may be one that is being written.
    assert_eq!(names(&folder.path().join("app")), [".lock", ".platform.json.new", "platform.json"]);
    assert_eq!(names(folder.path()), ["app", "born", "empty", "logs", "worked_on"]);
    assert_eq!(names(&folder.path().join("logs")), [".lock", "today"]);
    drop((writer, working));
    assert!(registry.sweep().await.unwrap().is_empty());
    assert_eq!(names(&folder.path().join("app")), [".lock", "platform.json"]);
    assert_eq!(names(folder.path()), ["app", "born", "empty", "logs"]);
    // A platform whose folder goes while somebody waits for its lock is written all the same.
    let held = registry.writer(&id("unborn")).await.unwrap();
    let other = Registry::new(folder.path());
    let waiting = tokio::spawn(async move { other.writer(&id("unborn")).await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    fs::remove_dir_all(folder.path().join("unborn")).unwrap();
    drop(held);
    let writer = waiting.await.unwrap().unwrap();
    registry.write_platform(&writer, record("unborn")).await.unwrap();
    assert!(registry.platform(&id("unborn")).await.unwrap().is_some());
}

#[test]
fn only_folders_with_a_platforms_name_are_looked_into() {
    for name in ["..", "lost+found", "A", "a-b", ""] {
        assert!(!is_folder_name(name), "{name}");
    }
    assert!(is_folder_name("todos_app"));
}
