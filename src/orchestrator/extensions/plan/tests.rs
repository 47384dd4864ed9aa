//! Who installs an extension, and where.

use super::*;

fn extension(name: &str, schema: Option<&str>) -> Extension {
    Extension {
        name: name.to_owned(),
        version: None,
        schema: schema.map(str::to_owned),
        path: format!("extensions/{name}.sql"),
    }
}

/// `name`, then `!` where only a superuser may install it, `~` where its script runs as whoever installs it, `=` where it cannot be moved, and what it needs.
fn facts(available: &[(&str, &str, &[&str])], installed: &[(&str, &str)], schemas: &[(&str, bool)]) -> Facts {
    let version = |marks: &str, requires: &[&str]| Version {
        version: "1.0".to_owned(),
        is_default: true,
        needs_superuser: marks.contains('!'),
        runs_as_caller: marks.contains('~'),
        relocatable: !marks.contains('='),
        fixed_schema: None,
        requires: requires.iter().map(|name| (*name).to_owned()).collect(),
    };
    Facts {
        available: available
            .iter()
            .map(|(name, marks, requires)| ((*name).to_owned(), vec![version(marks, requires)]))
            .collect(),
        installed: installed.iter().map(|(name, schema)| ((*name).to_owned(), (*schema).to_owned())).collect(),
        schemas: schemas.iter().map(|(name, safe)| ((*name).to_owned(), *safe)).collect(),
    }
}

fn names(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.name.as_str()).collect()
}

const SERVER: &[(&str, &str, &[&str])] = &[
    ("cube", "", &[]),
    ("earthdistance", "!", &["cube"]),
    ("postgis", "!=", &[]),
    ("postgis_raster", "!=", &["postgis"]),
    ("vector", "!", &[]),
    ("geocoder", "~", &["postgis"]),
    ("citext", "", &[]),
    ("loop_a", "", &["loop_b"]),
    ("loop_b", "", &["loop_a"]),
];

#[track_caller]
fn check(wanted: &[(&str, Option<&str>)], facts: &Facts, by_gateway: &[&str], by_role: &[&str]) {
    let wanted: Vec<Extension> = wanted.iter().map(|(name, schema)| extension(name, *schema)).collect();
    let plan = plan(&wanted, facts, false).expect("a plan");
    assert_eq!((names(&plan.by_gateway), names(&plan.by_role)), (by_gateway.to_vec(), by_role.to_vec()));
}

#[test]
fn what_is_needed_comes_first_and_with_whom_it_is_needed_by() {
    let empty = facts(SERVER, &[], &[]);
    check(&[("earthdistance", None), ("cube", None)], &empty, &["cube", "earthdistance"], &[]);
    check(&[("citext", None), ("earthdistance", None)], &empty, &["cube", "earthdistance"], &["citext"]);
    check(&[("cube", None), ("citext", None)], &empty, &[], &["cube", "citext"]);
    check(&[("postgis_raster", None), ("postgis", None)], &empty, &["postgis", "postgis_raster"], &[]);
    check(&[("loop_a", None)], &empty, &[], &["loop_a"]);
}

#[test]
fn what_shares_a_schema_with_the_gateways_is_the_gateways() {
    let empty = facts(SERVER, &[], &[]);
    check(&[("citext", Some("x")), ("vector", Some("x"))], &empty, &["citext", "vector"], &[]);
    let standing = facts(SERVER, &[("vector", "x")], &[("x", true), ("y", false)]);
    check(&[("citext", Some("x")), ("cube", Some("y")), ("vector", None)], &standing, &["citext"], &["cube"]);
}

#[track_caller]
fn check_refused(wanted: (&str, Option<&str>), facts: &Facts, words: Option<&str>) {
    let plan = plan(&[extension(wanted.0, wanted.1)], facts, false).expect("a plan");
    match (check_existing(&plan, facts), words) {
        (Ok(()), None) => {}
        (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn in_a_database_that_exists_nothing_goes_where_others_may_have_been() {
    let schemas = &[("public", false), ("planted", false), ("clean", true)];
    let plain = facts(SERVER, &[], schemas);
    check_refused(("vector", None), &plain, None);
    check_refused(("postgis", None), &plain, Some("-- schema:"));
    check_refused(("postgis", Some("new")), &plain, None);
    check_refused(("postgis", Some("clean")), &plain, None);
    check_refused(("postgis", Some("planted")), &plain, Some("planted"));
    check_refused(("vector", Some("public")), &plain, None);
    check_refused(("postgis", Some("public")), &plain, Some("-- schema:"));
    check_refused(("vector", Some("pg_catalog")), &plain, Some("PostgreSQL's own"));
    check_refused(("earthdistance", None), &facts(SERVER, &[("cube", "public")], schemas), Some("needs cube"));
    check_refused(("earthdistance", None), &facts(SERVER, &[("cube", "clean")], schemas), None);
    check_refused(("earthdistance", None), &plain, None);
}

#[test]
fn as_the_gateway_everything_is_installed_by_the_session() {
    let plan = plan(&[extension("earthdistance", None), extension("cube", None)], &facts(SERVER, &[], &[]), true);
    assert_eq!(names(&plan.expect("a plan").by_role), ["cube", "earthdistance"]);
}

#[test]
fn what_the_server_does_not_have_is_named_also_where_it_is_only_needed() {
    let server = facts(&[("raster", "!", &["gone"])], &[], &[]);
    let error = plan(&[extension("raster", None)], &server, false).expect_err("nobody has it");
    assert!(error.to_string().contains("gone"), "{error}");
}

#[test]
fn a_script_that_was_not_made_for_a_superuser_is_run_by_none_where_others_have_been() {
    let facts = facts(SERVER, &[], &[("public", false)]);
    let apart = [extension("postgis", Some("geo")), extension("geocoder", None)];
    let apart = plan(&apart, &facts, false).unwrap();
    assert_eq!((names(&apart.by_gateway), names(&apart.by_role)), (vec!["postgis"], vec!["geocoder"]));
    check_existing(&apart, &facts).unwrap();
    let together = [extension("postgis", Some("geo")), extension("geocoder", Some("geo"))];
    let together = plan(&together, &facts, false).unwrap();
    let error = check_existing(&together, &facts).unwrap_err();
    assert!(matches!(&error, DeployError::ExtensionRefused { name, .. } if name == "geocoder"), "{error}");
}

#[test]
fn what_a_search_path_reads_as_something_else_is_no_schemas_name() {
    let facts = facts(SERVER, &[], &[]);
    for name in ["$user", "pg_temp", "pg_catalog", "information_schema"] {
        let plan = plan(&[extension("vector", Some(name))], &facts, false).unwrap();
        assert!(check_existing(&plan, &facts).is_err(), "{name}");
    }
}
