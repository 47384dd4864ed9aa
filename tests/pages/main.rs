//! Holds the pages against the code and against each other: what the code names is named there, and each link leads somewhere.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod blocks;
#[path = "../embedded/place.rs"]
#[expect(dead_code, reason = "shared with the tests of the program's start and stop")]
mod place;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::blocks::{NEEDS, RUN, blocks};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the file is there")
}

/// Every page, by its path below the root.
fn pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "HLD.md", "CHANGELOG.md", "SECURITY.md"].map(PathBuf::from).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of pages") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The text without its blocks of code and its words of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    let prose = lines.collect::<Vec<_>>().join("\n");
    prose.split('`').step_by(2).collect::<Vec<_>>().join("…")
}

/// What is linked to from a page.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for rest in prose(text).split("](").skip(1) {
        links.extend(rest.split_once(')').map(|(link, _)| link.to_owned()));
    }
    links
}

/// The anchors of a page's headings, as they are usually made: small letters, no signs, `-` for spaces.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut inside = false;
    let headings = text.lines().filter(|line| {
        inside ^= line.trim_start().starts_with("```");
        !inside && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        words
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn each_page_begins_with_the_way_to_the_others() {
    let main = ["README", "Getting started", "Bundles", "Integration", "API v1", "Errors", "Operations", "Security"];
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        let first = text.lines().next().unwrap_or_default();
        for name in main {
            assert!(first.contains(name), "{}: no {name} in its first line", page.display());
        }
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("# ")), "{}: no title", page.display());
    }
}

#[test]
fn each_link_leads_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target = match path {
                "" => root().join(&page),
                _ => root().join(page.parent().expect("a folder")).join(path),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if let Some(anchor) = anchor {
                let there = anchors(&fs::read_to_string(&target).expect("a page"));
                assert!(there.contains(anchor), "{}: {link}: there is no such heading among {there:?}", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 200, "{count} links");
}

#[test]
fn each_error_code_is_explained() {
    let source = read("src/error.rs");
    let codes =
        source.split_once("pub fn code(self)").and_then(|(_, rest)| rest.split_once("\n    }\n")).expect("the codes").0;
    let codes: BTreeSet<&str> = codes.split('"').skip(1).step_by(2).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let page = read("docs/api/errors.md");
    for code in codes {
        assert!(page.contains(&format!("| `{code}` |")), "{code} has no line in docs/api/errors.md");
    }
}

#[test]
fn each_endpoint_and_each_table_of_the_gateways_is_named() {
    let pages: String = pages().iter().map(|page| fs::read_to_string(root().join(page)).expect("a page")).collect();
    let router = read("src/router.rs");
    let paths: BTreeSet<&str> =
        router.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/') && text.len() > 1).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        // Pages write `{platform}` in their own words.
        let fixed = path.split('{').next().unwrap_or(path);
        assert!(pages.contains(fixed), "{path} is on no page");
    }
    let mut tables = BTreeSet::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                for rest in text.split("CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_").skip(1) {
                    let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                    tables.insert(name);
                }
            }
        }
    }
    tables.remove("");
    assert!(tables.len() > 3, "{tables:?}");
    for table in tables {
        assert!(
            pages.contains(&format!("_stonescriptdb_gateway_{table}")) || pages.contains(&format!("`…_{table}`")),
            "{table} is on no page"
        );
    }
}

/// Structs that are serialized and are no answers: what the gateway keeps for itself.
const RECORDS: &[&str] = &["src/orchestrator/catalog", "src/orchestrator/blueprint", "src/registry"];

#[test]
fn each_field_of_an_answer_is_named() {
    let pages: String = pages().iter().map(|page| fs::read_to_string(root().join(page)).expect("a page")).collect();
    let (mut count, mut missing) = (0, BTreeSet::new());
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of sources") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
                continue;
            }
            let is_record = RECORDS.iter().any(|start| path.to_str().is_some_and(|path| path.starts_with(start)));
            let text = fs::read_to_string(entry.path()).expect("a source");
            for name in if is_record { Vec::new() } else { serialized_fields(&text) } {
                count += 1;
                if !pages.contains(&format!("\"{name}\"")) && !pages.contains(&format!("`{name}`")) {
                    missing.insert(format!("{name} of {}", path.display()));
                }
            }
        }
    }
    assert!(count > 50, "{count}");
    assert!(missing.is_empty(), "on no page: {missing:?}");
}

/// The fields of all structs with `Serialize` among what they derive, under the names that JSON has.
fn serialized_fields(source: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for rest in source.split("#[derive(").skip(1) {
        let Some((derived, rest)) = rest.split_once(")]\n") else { continue };
        // Up to the next item: attributes of the struct, then its first line.
        let Some((head, body)) = rest.split_once("{\n") else { continue };
        let is_struct = head.lines().last().is_some_and(|line| line.starts_with("pub") || line.starts_with("struct"));
        if !derived.contains("Serialize") || !is_struct || !head.contains("struct ") {
            continue;
        }
        let mut attributes = String::new();
        for line in body.lines().map_while(|line| (line != "}").then(|| line.trim())) {
            if line.starts_with("//") {
                continue;
            }
            if line.starts_with('#') {
                attributes.push_str(line);
                continue;
            }
            let words =
                line.strip_prefix("pub ").or_else(|| line.split_once(") ").map(|(_, rest)| rest)).unwrap_or(line);
            let Some((name, _)) = words.split_once(':') else { continue };
            let renamed = attributes.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"'));
            let is_hidden = attributes.contains("flatten") || attributes.contains("skip)");
            if !is_hidden && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                fields.push(renamed.map_or(name, |(renamed, _)| renamed).to_owned());
            }
            attributes.clear();
        }
    }
    fields
}

#[test]
fn each_rule_that_the_source_cites_is_on_its_page() {
    let page = read("docs/contract.md");
    let mut cited = BTreeSet::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let numbers = text.split("contract §").skip(1).filter_map(|rest| rest.chars().next());
                cited.extend(numbers.filter(char::is_ascii_digit));
            }
        }
    }
    assert!(cited.len() >= 7, "{cited:?}");
    for number in cited {
        assert!(page.contains(&format!("\n## §{number} ")), "§{number} is not on the page");
    }
}

#[test]
fn each_block_of_code_can_be_read_by_what_it_is_for() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        for block in blocks(&text) {
            let place = format!("{} line {}", page.display(), block.line);
            *counts.entry(format!("{} {}", block.language, block.mark).trim().to_owned()).or_default() += 1;
            match (block.language.as_str(), block.mark.as_str()) {
                ("sh", mark) => {
                    let is_known = RUN.contains(&mark) || NEEDS.iter().any(|(need, _)| *need == mark);
                    assert!(is_known, "{place}: {mark:?} says neither `run` nor what it needs");
                    assert!(bash_reads(&block.text), "{place}: no shell commands");
                }
                ("json", "answer" | "part") => {
                    // What stands for more of the same is no JSON.
                    let text = block.text.replace(", …", "");
                    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
                    assert!(values.all(|value| value.is_ok()), "{place}: no JSON");
                }
                ("sql", "") => {
                    assert!(pg_query::parse(&block.text, pg_query::ParserOptions::DEFAULT).is_ok(), "{place}: no SQL");
                }
                ("" | "plpgsql" | "yaml" | "dockerfile" | "ini" | "php" | "diff" | "apache" | "nginx", "") => {
                    let is_command = COMMANDS.iter().any(|command| block.text.trim_start().starts_with(command));
                    assert!(!block.language.is_empty() || !is_command, "{place}: a command without `sh` and its mark");
                }
                (language, mark) => panic!("{place}: {language:?} {mark:?} is no language and mark that is known"),
            }
        }
    }
    let of = |what: &str| counts.get(what).copied().unwrap_or_default();
    let marked: usize = NEEDS.iter().map(|(need, _)| of(&format!("sh {need}"))).sum();
    println!("{counts:?}, {marked} not run");
    assert!(of("sh run") + of("sh clients") > 30 && of("json answer") > 15, "{counts:?}");
    // A new one that is not run has to be worth it.
    assert!(marked <= 14 && of("json part") <= 8, "{marked} blocks of commands are not run, by {counts:?}");
}

/// What a block without a language begins with, if it is for a shell.
const COMMANDS: &[&str] = &[
    "./",
    "/opt",
    "DB_",
    "PG_",
    "cargo",
    "cd",
    "curl",
    "docker",
    "export",
    "git",
    "journalctl",
    "kill",
    "pg_dump",
    "psql",
    "rsync",
    "stonescriptdb-gateway",
    "sudo",
    "systemctl",
    "tar",
    "virt-install",
];

fn bash_reads(block: &str) -> bool {
    let mut bash =
        Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bash is there");
    bash.stdin.take().expect("its input").write_all(block.as_bytes()).expect("it reads");
    bash.wait().is_ok_and(|ended| ended.success())
}
