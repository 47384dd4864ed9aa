//! Archives made by the `tar` and `flate2` crates, and by hand where those refuse to write what somebody may send.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tar::{EntryType, Header};

use super::*;
use crate::bundle::Kind;
use crate::bundle::cost::OverLimit;

static LIMITS: LazyLock<ArchiveLimits> = LazyLock::new(|| ArchiveLimits {
    max_unpacked_bytes: 1 << 20,
    max_entries: 1000,
    sql: Limits { max_bytes: 1 << 20, max_statements: 1000 },
    abandoned: Arc::default(),
});

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One member with any name and type, as no archiver would write it.
fn member(name: &[u8], entry_type: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    assert!(name.len() <= 100, "longer names need a header of their own");
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(entry_type);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    with_content(&header, content)
}

fn with_content(header: &Header, content: &[u8]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, content: &str) -> Vec<u8> {
    member(name.as_bytes(), EntryType::Regular, content.as_bytes())
}

fn folder(name: &str) -> Vec<u8> {
    member(name.as_bytes(), EntryType::Directory, b"")
}

/// A tar of `members`, gzipped, with the end mark.
fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    gzip(&[members.concat(), vec![0; 1024]].concat())
}

fn read_members(members: &[Vec<u8>]) -> Result<Bundle, ArchiveError> {
    read(&archive(members), &LIMITS)
}

/// The paths of a bundle of empty files with these names.
fn paths_of(names: &[&str]) -> Vec<String> {
    let members: Vec<Vec<u8>> = names.iter().map(|name| file(name, "")).collect();
    read_members(&members).unwrap().files.into_iter().map(|file| file.path).collect()
}

fn refusal(members: &[Vec<u8>]) -> String {
    read_members(members).unwrap_err().to_string()
}

/// The PAX header before a file, with these records.
fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let without_length = key.len() + value.len() + 3;
        // The length counts its own digits.
        let digits = (1..10).find(|digits| (without_length + digits).to_string().len() == *digits).unwrap();
        content.extend(format!("{} {key}=", without_length + digits).as_bytes());
        content.extend(*value);
        content.push(b'\n');
    }
    member(b"PaxHeaders/x", EntryType::XHeader, &content)
}

mod layout_rules {
    use super::*;

    #[test]
    fn any_single_top_folder_or_none_is_the_wrapper() {
        let expected = ["tables/users.pssql", "functions/a/b.sql"];
        for names in [
            ["postgresql/tables/users.pssql", "postgresql/functions/a/b.sql"],
            ["My Platform/tables/users.pssql", "My Platform/functions/a/b.sql"],
            ["./postgresql/tables/users.pssql", "./postgresql/functions/a/b.sql"],
            ["tables/users.pssql", "functions/a/b.sql"],
            ["./tables/users.pssql", "./functions/a/b.sql"],
            ["././tables//users.pssql", "functions/./a/b.sql"],
        ] {
            assert_eq!(paths_of(&names), expected, "{names:?}");
        }
    }

    #[test]
    fn every_kind_is_found_by_its_folder_and_sorted_by_kind_then_path() {
        let mut names: Vec<String> = Kind::ALL
            .iter()
            .flat_map(|kind| ["b", "a", "B"].map(|stem| format!("{}/{stem}.sql", kind.folder())))
            .collect();
        names.reverse();
        let members: Vec<Vec<u8>> = names.iter().map(|name| file(name, "")).collect();
        let bundle = read_members(&members).unwrap();
        let found: Vec<(Kind, String)> = bundle.files.into_iter().map(|file| (file.kind, file.path)).collect();
        let expected: Vec<(Kind, String)> = Kind::ALL
            .into_iter()
            .flat_map(|kind| ["B", "a", "b"].map(|stem| (kind, format!("{}/{stem}.sql", kind.folder()))))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn four_endings_are_sql_and_every_other_file_is_named_in_the_warnings() {
        let bundle = read_members(&[
            file("p/tables/a.sql", ""),
            file("p/tables/a.pssql", ""),
            file("p/tables/a.pgsql", ""),
            file("p/tables/a.psql", ""),
            file("p/tables/a.sql.bak", ""),
            file("p/tables/.sql", ""),
            file("p/tables/deep/README.md", ""),
            file("p/setup.sql", ""),
            file("p/docs/a.sql", ""),
            file("p/docs/more/b.sql", ""),
            folder("p/empty/"),
            file("p/Tables/x.sql", ""),
            file("compose.yml", ""),
            file("src/tables.rs", ""),
        ])
        .unwrap();
        let paths: Vec<&str> = bundle.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["tables/a.pgsql", "tables/a.psql", "tables/a.pssql", "tables/a.sql"]);
        insta::assert_snapshot!(bundle.warnings.join("\n"), @r"
        ignored Tables/ (1 file): it is none of extensions/, types/, tables/, migrations/, views/, functions/, seeders/
        ignored compose.yml: it lies beside the bundle's folder
        ignored docs/ (2 files): it is none of extensions/, types/, tables/, migrations/, views/, functions/, seeders/
        ignored empty/ (0 files): it is none of extensions/, types/, tables/, migrations/, views/, functions/, seeders/
        ignored setup.sql: it is none of extensions/, types/, tables/, migrations/, views/, functions/, seeders/
        ignored src/ (1 file): it lies beside the bundle's folder
        ignored tables/.sql: its name does not end in .sql, .pssql, .pgsql or .psql
        ignored tables/a.sql.bak: its name does not end in .sql, .pssql, .pgsql or .psql
        ignored tables/deep/README.md: its name does not end in .sql, .pssql, .pgsql or .psql
        ");
    }

    #[test]
    fn at_most_twenty_ignored_files_are_named() {
        let mut members = vec![file("tables/a.sql", "")];
        members.extend((0..50).map(|n| file(&format!("tables/{n:02}.txt"), "")));
        let warnings = read_members(&members).unwrap().warnings;
        assert_eq!(warnings.len(), 21);
        assert!(warnings[19].starts_with("ignored tables/19.txt: "), "{}", warnings[19]);
        assert_eq!(warnings[20], "ignored 30 more files and folders");
    }

    #[test]
    fn what_macos_leaves_is_ignored_silently() {
        let bundle = read_members(&[
            file("._postgresql", "\0\0"),
            file("__MACOSX/postgresql/tables/._a.sql", "\0"),
            file("postgresql/.DS_Store", "\0"),
            file("postgresql/tables/._a.sql", "\0"),
            file("postgresql/tables/a.sql", "select 1"),
        ])
        .unwrap();
        assert_eq!(bundle.files.len(), 1);
        assert_eq!(bundle.warnings, [""; 0]);
    }

    #[test]
    fn folders_at_the_top_win_over_a_wrapper() {
        let bundle = read_members(&[file("tables/a.sql", ""), file("postgresql/tables/b.sql", "")]).unwrap();
        assert_eq!(bundle.files.len(), 1);
        assert!(bundle.warnings[0].starts_with("ignored postgresql/ (1 file)"), "{:?}", bundle.warnings);
    }

    #[test]
    fn a_kind_is_the_first_folder_only() {
        assert_eq!(paths_of(&["p/tables/functions/a.sql"]), ["tables/functions/a.sql"]);
    }

    #[test]
    fn empty_folders_make_an_empty_bundle_with_a_warning() {
        for members in [vec![folder("postgresql/"), folder("postgresql/tables/")], vec![folder("tables")]] {
            let bundle = read_members(&members).unwrap();
            assert!(bundle.files.is_empty());
            assert_eq!(bundle.warnings, ["the bundle holds no SQL file: its folders are empty"]);
        }
    }

    #[test]
    fn two_bundles_in_one_archive_are_refused_by_name() {
        let two = [file("one/tables/a.sql", ""), file("two/functions/b.sql", "")];
        assert_eq!(
            refusal(&two),
            "\"one\" and \"two\" both hold folders of a bundle; send one of them: make the archive with: tar -czf \
             bundle.tar.gz postgresql"
        );
    }

    #[test]
    fn nothing_recognised_shows_what_is_expected() {
        insta::assert_snapshot!(refusal(&[file("README.md", ""), file("tables", "a file, no folder")]), @"nothing of a bundle is in the archive: expected is postgresql/ with some of the folders extensions/, types/, tables/, migrations/, views/, functions/, seeders/ in it; make the archive with: tar -czf bundle.tar.gz postgresql");
        insta::assert_snapshot!(refusal(&[file("app/db/tables/a.sql", "")]), @r#"nothing of a bundle is in the archive ("app/db/tables" lies too deep: above it there may be one folder): expected is postgresql/ with some of the folders extensions/, types/, tables/, migrations/, views/, functions/, seeders/ in it; make the archive with: tar -czf bundle.tar.gz postgresql"#);
        for nothing in [&[][..], &[0; 512], &[0; 10240]] {
            let error = read(&gzip(nothing), &LIMITS).unwrap_err();
            assert_eq!(error, ArchiveError::NothingRecognised { deeper: None });
        }
    }
}

mod texts {
    use super::*;

    fn text_of(content: &[u8]) -> Result<String, ArchiveError> {
        let bundle = read_members(&[member(b"p/tables/a.sql", EntryType::Regular, content)])?;
        Ok(bundle.files[0].text.to_string())
    }

    #[test]
    fn a_text_stays_as_it_is_but_for_its_byte_order_mark() {
        assert_eq!(text_of(b"select 1;\r\n").unwrap(), "select 1;\r\n");
        assert_eq!(text_of("\u{feff}select 'ä\u{feff}'".as_bytes()).unwrap(), "select 'ä\u{feff}'");
        assert_eq!(text_of(b"").unwrap(), "");
    }

    #[test]
    fn what_is_no_text_is_refused_with_file_line_and_byte() {
        for (content, expected) in [
            (&b"-- one\n-- \xff"[..], "tables/a.sql, line 2: not UTF-8 at byte 10; save the file as UTF-8"),
            (b"\xef\xbb\xbf\n\n\xc3", "tables/a.sql, line 3: not UTF-8 at byte 5; save the file as UTF-8"),
            (b"a\nb\0", "tables/a.sql, line 2: a NUL byte at byte 3; PostgreSQL takes none in SQL"),
            (b"\xff\xfes\0e\0", "tables/a.sql is UTF-16; save the file as UTF-8"),
        ] {
            assert_eq!(text_of(content).unwrap_err().to_string(), expected);
        }
        assert_eq!(text_of(b"a\nb\0").unwrap_err().place(), (Some("tables/a.sql"), Some(2)));
    }

    #[test]
    fn an_ignored_file_may_hold_anything() {
        let logo = member(b"p/tables/logo.png", EntryType::Regular, b"\x89PNG\0\xff");
        assert!(read_members(&[logo, file("p/tables/a.sql", "")]).is_ok());
    }
}

mod entry_rules {
    use super::*;

    #[test]
    fn what_is_no_plain_file_or_folder_is_refused_by_name() {
        for (entry_type, what) in [
            (EntryType::Symlink, "is a symbolic link"),
            (EntryType::Link, "is a hard link"),
            (EntryType::Char, "is a character device"),
            (EntryType::Block, "is a block device"),
            (EntryType::Fifo, "is a fifo"),
            (EntryType::GNUSparse, "is a sparse file"),
            (EntryType::new(b'V'), "is a tar entry of type 'V'"),
        ] {
            for name in ["p/tables/evil.sql", "p/evil"] {
                let error = read_members(&[file("p/tables/a.sql", ""), member(name.as_bytes(), entry_type, b"")]);
                let error = error.unwrap_err();
                assert_eq!(error.place(), (Some(name), None));
                assert!(error.to_string().starts_with(&format!("{name:?} {what}; ")), "{error}");
            }
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["/etc/passwd", "//tables/a.sql", "/tables/a.sql"] {
            let error = read_members(&[file(name, "")]).unwrap_err();
            assert_eq!(error, ArchiveError::AbsolutePath { entry: name.to_owned() });
        }
        for name in ["..", "../tables/a.sql", "p/../../a.sql", "tables/..", "p/tables/../a.sql", "./../x"] {
            let error = read_members(&[file("tables/ok.sql", ""), file(name, "")]).unwrap_err();
            assert_eq!(error, ArchiveError::ParentPath { entry: name.to_owned() });
        }
        assert_eq!(paths_of(&["tables/..a.sql", "tables/a..sql"]), ["tables/..a.sql", "tables/a..sql"]);
    }

    #[test]
    fn the_same_path_twice_is_refused() {
        for (first, second) in [
            ("tables/a.sql", "tables/a.sql"),
            ("tables/a.sql", "./tables/a.sql"),
            ("p/tables/a.sql", "p//tables/./a.sql"),
            ("tables/README", "tables/README"),
        ] {
            let error = read_members(&[file(first, "1"), file("tables/b.sql", ""), file(second, "2")]).unwrap_err();
            assert_eq!(error, ArchiveError::Twice { entry: first.to_owned() });
        }
        assert_eq!(paths_of(&["tables/A.sql", "tables/a.sql"]).len(), 2, "names differ by case");
        let folders = [folder("tables/"), folder("./tables"), file("tables/a.sql", ""), folder("tables/")];
        assert!(read_members(&folders).is_ok(), "a folder may be named often");
    }

    #[test]
    fn a_file_that_is_also_a_folder_is_refused() {
        let expected = ArchiveError::FileAndFolder { entry: "tables/a.sql".to_owned() };
        for other in [folder("tables/a.sql/"), file("tables/a.sql/b.sql", ""), folder("tables/a.sql")] {
            let members = [file("tables/a.sql", ""), file("tables/a.sql.b", ""), file("tables/a.sq", ""), other];
            assert_eq!(read_members(&members).unwrap_err(), expected);
        }
    }

    #[test]
    fn names_that_no_file_system_takes_are_refused() {
        let latin1 = member(b"tables/\xe4.sql", EntryType::Regular, b"");
        assert_eq!(
            read_members(&[latin1]).unwrap_err(),
            ArchiveError::NameNotUtf8 { entry: "tables/\u{fffd}.sql".into() }
        );
        let nul = [pax(&[("path", b"tables/a\0.sql")]), file("x", "")];
        assert!(matches!(read_members(&nul).unwrap_err(), ArchiveError::NameWithNul { .. }));
        for (name, bytes, limit) in [
            (format!("tables/{}.sql", "x".repeat(252)), 256, 255),
            (format!("tables/{}a.sql", "d/".repeat(510)), 1032, 1024),
        ] {
            let error = read_members(&[pax(&[("path", name.as_bytes())]), file("x", "")]).unwrap_err();
            assert_eq!(error, ArchiveError::NameTooLong { entry: name[..200].to_owned(), bytes, limit });
        }
    }
}

mod formats {
    use super::*;

    const LONG: &str = "postgresql/functions/a_rather_long_folder_name_for_one_module/and_another_one_below_it/\
                        a_function_with_a_very_descriptive_name_indeed.pssql";

    #[test]
    fn long_names_work_in_every_format() {
        let gnu = [
            member(b"././@LongLink", EntryType::GNULongName, format!("{LONG}\0").as_bytes()),
            file("postgresql/functions/a_rather", "select 1"),
        ];
        // The value before the path is binary, with the empty line on which naive readers stop.
        let pax = [
            pax(&[
                ("SCHILY.xattr.com.apple.provenance", b"\x01\n\n\xff"),
                ("path", LONG.as_bytes()),
                ("mtime", b"1.5"),
            ]),
            file("postgresql/functions/a_rather", "select 1"),
        ];
        let mut header = Header::new_ustar();
        header.set_path(LONG).unwrap();
        header.set_size(8);
        header.set_cksum();
        let ustar = [with_content(&header, b"select 1")];
        for members in [&gnu[..], &pax, &ustar] {
            let bundle = read_members(members).unwrap();
            assert_eq!(bundle.files[0].path, LONG.strip_prefix("postgresql/").unwrap());
            assert_eq!(bundle.files[0].text, "select 1");
        }
    }

    #[test]
    fn headers_of_the_whole_archive_are_skipped() {
        let git = member(
            b"pax_global_header",
            EntryType::XGlobalHeader,
            b"52 comment=0123456789012345678901234567890123456789\n",
        );
        let bundle = read_members(&[git, file("tables/a.sql", "x")]).unwrap();
        assert_eq!((bundle.files.len(), bundle.warnings.len()), (1, 0));
    }

    #[test]
    fn the_oldest_format_works_whose_folders_are_files_with_a_slash() {
        let old = |name: &str, content: &[u8]| {
            let mut header = Header::new_old();
            header.set_path(name).unwrap();
            header.as_old_mut().linkflag = [0];
            header.set_size(content.len() as u64);
            header.set_cksum();
            with_content(&header, content)
        };
        let bundle = read_members(&[old("p/", b""), old("p/tables/", b""), old("p/tables/a.sql", b"x")]).unwrap();
        assert_eq!(bundle.files[0].text, "x");
    }

    #[test]
    fn a_folder_with_a_size_has_no_content() {
        let mut header = Header::new_ustar();
        header.set_path("tables/").unwrap();
        header.set_entry_type(EntryType::Directory);
        header.set_size(4096);
        header.set_cksum();
        assert!(read_members(&[header.as_bytes().to_vec(), file("tables/a.sql", "x")]).is_ok());
    }

    #[test]
    fn sparse_files_are_refused_in_both_formats() {
        let records: [(&str, &[u8]); 2] = [("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"1000000000000")];
        let error = refusal(&[pax(&records), file("tables/GNUSparseFile.0/a.sql", "1\n0\n")]);
        assert!(error.starts_with("\"tables/GNUSparseFile.0/a.sql\" is a sparse file"), "{error}");
    }

    #[test]
    fn two_sizes_of_one_file_are_refused() {
        let error = refusal(&[pax(&[("size", b"1024")]), file("tables/a.sql", "x"), file("tables/b.sql", "")]);
        assert!(error.contains("a file has two different sizes"), "{error}");
        assert!(read_members(&[pax(&[("size", b"1")]), file("tables/a.sql", "x")]).is_ok());
    }

    #[test]
    fn what_the_tar_crate_writes_is_read() {
        let mut builder = tar::Builder::new(Vec::new());
        for name in ["postgresql/tables/a.sql", LONG] {
            let mut header = Header::new_gnu();
            header.set_size(3);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
        }
        let bundle = read(&gzip(&builder.into_inner().unwrap()), &LIMITS).unwrap();
        assert_eq!(bundle.files.len(), 2);
    }
}

mod damage {
    use super::*;

    #[test]
    fn what_is_not_gzip_is_named() {
        let tar = [file("tables/a.sql", ""), vec![0; 1024]].concat();
        for (upload, expected) in [
            (&b""[..], "the uploaded archive is empty (0 bytes)"),
            (b"PK\x03\x04rest", "the upload is not gzip: it looks like a zip"),
            (&tar, "the upload is not gzip: it looks like a tar that was not compressed"),
            (b"BZh91AY", "the upload is not gzip: it looks like bzip2"),
            (b"\xfd7zXZ\0", "the upload is not gzip: it looks like xz"),
            (b"\x28\xb5\x2f\xfd", "the upload is not gzip: it looks like zstd"),
            (b"bundle.tar.gz", "the upload is not gzip: it looks like a file's name (curl sends the file itself"),
            (b"CREATE TABLE x ();", "the upload is not gzip: it begins with other bytes"),
        ] {
            let error = read(upload, &LIMITS).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(error.contains("tar -czf bundle.tar.gz postgresql"), "{error}");
        }
    }

    #[test]
    fn a_gzip_of_something_else_is_no_tar() {
        for content in [&b"CREATE TABLE x ();"[..], &[b'x'; 2000]] {
            let error = read(&gzip(content), &LIMITS).unwrap_err();
            assert!(matches!(error, ArchiveError::NotTar { .. }), "{error}");
        }
    }

    #[test]
    fn a_truncated_upload_is_noticed_wherever_it_was_cut() {
        let whole = archive(&[file("tables/a.sql", "select 1"), file("tables/b.sql", "select 2")]);
        for length in 2..whole.len() {
            let error = read(&whole[..length], &LIMITS).unwrap_err();
            assert!(matches!(error, ArchiveError::GzipDamaged { .. }), "cut at {length}: {error}");
        }
    }

    #[test]
    fn a_truncated_tar_is_noticed() {
        let whole = [file("tables/a.sql", "select 1"), file("tables/b.sql", &"x".repeat(600))].concat();
        assert!(read(&gzip(&whole), &LIMITS).is_ok(), "the end mark may be missing");
        for length in [whole.len() - 1, whole.len() - 500, whole.len() - 1024, whole.len() - 1100] {
            let error = read(&gzip(&whole[..length]), &LIMITS).unwrap_err();
            assert!(
                matches!(&error, ArchiveError::TarDamaged { after, .. } if after == "tables/a.sql"),
                "{length}: {error}"
            );
        }
        let announced = [file("tables/a.sql", ""), pax(&[("path", b"tables/b.sql")])].concat();
        assert!(matches!(read(&gzip(&announced), &LIMITS), Err(ArchiveError::TarDamaged { .. })));
    }

    #[test]
    fn a_malformed_pax_header_is_refused() {
        for content in [&b"x"[..], b"5 a=", b"999 path=a\n", b"0 path=a\n", b"3 path=a\n", b"10 patha\n", b"-1 a=b\n"] {
            let members =
                [file("tables/a.sql", ""), member(b"x", EntryType::XHeader, content), file("tables/b.sql", "")];
            let error = read_members(&members).unwrap_err();
            assert!(matches!(error, ArchiveError::TarDamaged { .. }), "{content:?}: {error}");
        }
    }

    #[test]
    fn two_archives_joined_are_not_read_by_half() {
        let one = [file("tables/a.sql", ""), vec![0; 1024]].concat();
        let error = read(&gzip(&[one.clone(), one].concat()), &LIMITS).unwrap_err();
        assert!(error.to_string().contains("goes on after its end mark"), "{error}");
    }

    #[test]
    fn several_gzip_members_are_one_stream_and_garbage_after_them_is_refused() {
        let tar = [file("tables/a.sql", "select 1"), vec![0; 1024]].concat();
        let (head, tail) = tar.split_at(700);
        let halves = [gzip(head), gzip(tail)].concat();
        assert_eq!(read(&halves, &LIMITS).unwrap().files.len(), 1);
        assert!(read(&[halves.clone(), vec![0; 512]].concat(), &LIMITS).is_ok(), "zeros are padding");
        let error = read(&[halves, b"garbage".to_vec()].concat(), &LIMITS).unwrap_err();
        assert_eq!(error, ArchiveError::TrailingBytes { bytes: 7 });
        let empty = gzip(b"");
        assert!(read(&[gzip(&tar), empty.repeat(1000)].concat(), &LIMITS).is_ok(), "some of them may be empty");
        let error = read(&[gzip(&tar), empty.repeat(100_000)].concat(), &LIMITS).unwrap_err();
        assert_eq!(error, ArchiveError::TooManyMembers { limit: 20_000 });
    }

    #[test]
    fn rows_of_signs_that_postgresqls_scanner_reads_again_and_again_are_refused() {
        let nested = |pairs: usize| format!("select 1;\n{}{} select 1;", "/*".repeat(pairs), "*/".repeat(pairs));
        for (text, line) in [
            (nested(20_000), Some(2)),
            // Many shorter ones, and one in a body, which is scanned by itself.
            (format!("{}{}\n", "/*".repeat(500), "*/".repeat(500)).repeat(300), Some(251)),
            (format!("create function f() returns int language sql as $$ {} $$", nested(20_000)), Some(2)),
            (nested(5_000), None),
            (format!("-- {}\n", "=".repeat(200)).repeat(2_000), None),
        ] {
            let result = read_members(&[file("migrations/1.sql", &text)]);
            match (line, result) {
                (None, result) => assert!(result.is_ok(), "{result:?}"),
                (Some(line), Err(ArchiveError::SqlOverLimit(OverLimit::Signs { line: found, .. }))) => {
                    assert_eq!(found, line);
                }
                (Some(_), result) => panic!("{result:?}"),
            }
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let fits = file("tables/a.sql", &"x".repeat(LIMITS.max_unpacked_bytes - 512));
        assert!(read(&gzip(&fits), &LIMITS).is_ok(), "exactly at the limit");
        let over = [fits, vec![0; 512]].concat();
        let expected = ArchiveError::UnpackedTooLarge { limit: LIMITS.max_unpacked_bytes };
        assert_eq!(read(&gzip(&over), &LIMITS).unwrap_err(), expected);
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..256 {
            bomb.write_all(&zeros).unwrap();
        }
        assert_eq!(read(&bomb.finish().unwrap(), &LIMITS).unwrap_err(), expected);
        let many = gzip(&vec![0; LIMITS.max_unpacked_bytes]).repeat(3);
        assert_eq!(read(&many, &LIMITS).unwrap_err(), expected, "the limit counts over all members");
    }

    #[test]
    fn too_many_entries_are_refused() {
        let limits = ArchiveLimits { max_entries: 2, ..LIMITS.clone() };
        let two = [folder("tables/"), file("tables/a.sql", "")];
        assert!(read(&archive(&two), &limits).is_ok());
        let three = [&two[..], &[file("tables/b.sql", "")]].concat();
        let error = read(&archive(&three), &limits).unwrap_err();
        assert_eq!(error, ArchiveError::TooManyEntries { entry: "tables/b.sql".to_owned(), limit: 2 });
    }

    /// Bytes changed at random, in the gzip and in the tar under it: an error or, where nothing that counts was hit, the
    /// same bundle; never a panic, never another text.
    #[test]
    fn random_damage_never_makes_another_bundle() {
        let members: Vec<Vec<u8>> =
            (0..6).map(|n| file(&format!("p/functions/f{n}.sql"), &format!("select {n};\n").repeat(40))).collect();
        let whole = archive(&members);
        let checksum = read(&whole, &LIMITS).unwrap().checksum;
        let mut random = StdRng::seed_from_u64(20_260_101);
        for round in 0..3000 {
            let mut damaged = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..damaged.len());
                damaged[at] ^= 1 << random.random_range(0..8);
            }
            if random.random_bool(0.2) {
                damaged.truncate(random.random_range(0..damaged.len()));
            }
            if let Ok(bundle) = read(&damaged, &LIMITS) {
                assert_eq!(bundle.checksum, checksum, "round {round}");
            }
        }
    }

    /// The same below the gzip, where no checksum protects the contents: whatever comes out, nothing may panic.
    #[test]
    fn random_tars_never_panic() {
        let tar = [
            pax(&[("path", b"p/tables/long.sql"), ("size", b"3")]),
            file("x", "abc"),
            member(b"././@LongLink", EntryType::GNULongName, b"p/views/long.sql\0"),
            file("y", "select 1"),
            folder("p/functions/"),
            file("p/functions/f.sql", "select 2"),
        ]
        .concat();
        let mut random = StdRng::seed_from_u64(20_260_102);
        let mut read_well = 0;
        for _ in 0..3000 {
            let mut damaged = tar.clone();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..damaged.len());
                damaged[at] = random.random();
            }
            for header in damaged.chunks_exact_mut(512).step_by(2) {
                // A right checksum lets the damage through to what reads the fields.
                let mut fields = Header::from_byte_slice(header).clone();
                fields.set_cksum();
                header.copy_from_slice(fields.as_bytes());
            }
            read_well += usize::from(read(&gzip(&damaged), &LIMITS).is_ok());
        }
        assert!(read_well > 100, "only {read_well} of the damaged archives came past the checks");
    }
}

#[test]
fn the_checksum_sees_files_only() {
    let checksum = |members: &[Vec<u8>]| read_members(members).unwrap().checksum;
    let base = checksum(&[file("p/tables/a.sql", "1"), file("p/views/b.sql", "2")]);
    assert_eq!(base.len(), 64);
    assert_eq!(
        base,
        checksum(&[folder("q"), file("q/views/b.sql", "2"), file("q/tables/a.sql", "1"), file("q/x", "")])
    );
    assert_eq!(base, checksum(&[file("./tables/a.sql", "\u{feff}1"), file("views/b.sql", "2")]));
    for other in [
        [file("p/tables/a.sql", "1"), file("p/views/b.sql", "3")],
        [file("p/tables/a.sql", "1"), file("p/functions/b.sql", "2")],
        [file("p/tables/c.sql", "1"), file("p/views/b.sql", "2")],
        [file("p/tables/a.sql", ""), file("p/views/b.sql", "12")],
    ] {
        assert_ne!(base, checksum(&other));
    }
}
