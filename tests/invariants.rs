//! Holds the invariants that `HLD.md` states by reading the source tree.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source tree can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every source file: its path below `src/`, and its text without comments and in-file tests.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    paths
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let name = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            (name, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// No file whose path begins with one of `places` (or, with `inside` false, lies elsewhere) holds one of `words`.
fn check(what: &str, inside: bool, places: &[&str], words: &[&str]) {
    let offenders: Vec<String> = files()
        .into_iter()
        .filter(|(name, _)| places.iter().any(|place| name.starts_with(place)) == inside)
        .flat_map(|(name, code)| {
            let found: Vec<String> =
                words.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: {word}")).collect();
            found
        })
        .collect();
    assert!(offenders.is_empty(), "{what}: {offenders:#?}");
}

#[test]
fn deciding_does_no_io_and_logs_nothing() {
    let pure = [
        "bundle",
        "orchestrator/diff",
        "orchestrator/missing",
        "orchestrator/verify",
        "orchestrator/migrations/declared",
        "databases/name",
        "databases/quote",
        "access",
    ];
    check("pure code", true, &pure, &["tokio::", "tracing::", "std::fs", "std::net::Tcp", "println!", "Instant::now"]);
}

#[test]
fn only_the_edge_knows_http() {
    check("axum", false, &["api", "router", "server", "main"], &["axum::", "hyper::"]);
    check("status codes", false, &["api", "error", "server"], &["StatusCode"]);
}

#[test]
fn the_edge_holds_no_sql() {
    check("SQL", true, &["api", "router", "access", "server", "config", "logging"], &["SELECT ", "INSERT ", "CREATE "]);
}

#[test]
fn nothing_below_knows_the_edge() {
    check("use of api", false, &["api", "router", "main", "lib"], &["crate::api"]);
    check(
        "use of databases in bundle",
        true,
        &["bundle"],
        &["crate::databases", "crate::orchestrator", "tokio_postgres"],
    );
}

#[test]
fn identifiers_are_quoted_by_one_function() {
    let makers: Vec<String> = files()
        .into_iter()
        .filter(|(_, code)| code.contains("fn quote_ident(") || code.contains(r#"format!("\"{}\"""#))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(makers, ["databases/quote.rs"]);
}

/// Whoever could write it elsewhere could turn a platform's session into the gateway's.
#[test]
fn only_one_place_decides_that_code_runs_as_the_gateway() {
    check("RunAs::Gateway", false, &["databases/", "platforms/roles"], &["RunAs::Gateway"]);
}

#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let silent: Vec<_> =
        paths.into_iter().filter(|path| !fs::read_to_string(path).is_ok_and(|text| text.starts_with("//!"))).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// `docs/security.md` names what proves each of its lines as `file::function`.
#[test]
fn each_test_that_the_page_on_security_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).expect("the page is there");
    let named: Vec<(&str, &str)> =
        page.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once(".rs::")).collect();
    assert!(named.len() >= 5, "{named:?}");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|(file, function)| {
            let text = fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
            !text.contains(&format!("fn {function}("))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_page_on_security_lists_every_setting_that_sessions_start_with() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).expect("the page is there");
    let newer = stonescriptdb_gateway::databases::PINNED_SINCE.iter().map(|(_, name, value)| (*name, *value));
    let missing: Vec<_> = stonescriptdb_gateway::databases::PINNED
        .iter()
        .copied()
        .chain(newer)
        .filter(|(name, value)| {
            !page.contains(&format!("`{name}`")) || !page.contains(if value.is_empty() { "none" } else { value })
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// README's table and `.env.example` are where an operator looks for a setting.
#[test]
fn each_setting_stands_where_operators_look_for_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("the page is there");
    let example = fs::read_to_string(root.join(".env.example")).expect("the file is there");
    let names = stonescriptdb_gateway::config::VARIABLES.iter().map(|variable| variable.name);
    let missing: Vec<_> = names
        .filter(|name| {
            let in_table = readme.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
            let in_example = example.lines().any(|line| line.starts_with(&format!("#{name}=")));
            !in_table || !in_example
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// `Dockerfile.build.example` copies what cargo looks for: each file that `Cargo.toml` names is among them. What is copied from this
/// folder, by either example, is what `.dockerignore` lets through.
#[test]
fn the_examples_for_containers_copy_what_is_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| fs::read_to_string(root.join(name)).expect("it is text");
    let passed = text(".dockerignore");
    let passed: Vec<&str> = passed.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let copied = tempfile::tempdir().expect("a folder");
    for example in ["Dockerfile.build.example", "Dockerfile.example"] {
        let text = text(example);
        let lines = text.lines().filter_map(|line| line.strip_prefix("COPY "));
        for line in lines.filter(|line| !line.starts_with("--from")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (target, names) = words.split_last().expect("COPY has a target");
            for name in names {
                assert!(passed.contains(name), "{example}: .dockerignore keeps {name} out");
                if example == "Dockerfile.example" {
                    continue;
                }
                let target = if *target == "./" { copied.path().join(name) } else { copied.path().join(target) };
                copy(&root.join(name), &target);
            }
        }
    }
    let told = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"])
        .arg(copied.path().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("it can be read") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("a copy");
    }
}

/// Both are copied into containers one by one, so that neither can share a file with the other.
#[test]
fn the_scripts_for_containers_begin_alike() {
    let common = |name: &str| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)).unwrap();
        let (_, rest) = text.split_once("# --- the same in ").unwrap_or_else(|| panic!("{name}"));
        let (_, rest) = rest.split_once('\n').unwrap();
        rest.split("\n# --- ").next().unwrap().to_owned()
    };
    assert_eq!(common("register-with-gateway.sh"), common("migrate-schema.sh"));
}
