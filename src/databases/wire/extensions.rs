//! What functions in C may leave in their session, by the extension that they belong to. No I/O.
//!
//! Only of these it is known. Others may keep connections (dblink, postgres_fdw), switches (isn) or whatever they like in
//! variables of the process, where nothing takes it back.

/// What the functions of an extension do besides computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Nothing, where they are not volatile.
    Computes,
    /// They keep nothing but settings.
    Harmless,
    /// They run statements, expressions or functions that they are given as text, and keep nothing.
    RunsText,
}

const COMPUTE: [&str; 15] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "seg",
    "unaccent",
    "uuid-ossp",
    "vector",
];

const HARMLESS: [&str; 31] = [
    "address_standardizer_data_us",
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "dict_int",
    "dict_xsyn",
    "file_fdw",
    "insert_username",
    "intagg",
    "lo",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_visibility",
    "pg_walinspect",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgis",
    "postgis_sfcgal",
    "refint",
    "sslinfo",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
];

/// Those of [`Nature::RunsText`].
pub const RUN_TEXT: [&str; 7] = [
    "address_standardizer",
    "pgrouting",
    "postgis_raster",
    "postgis_tiger_geocoder",
    "postgis_topology",
    "tablefunc",
    "xml2",
];

/// What is known of an extension, if anything.
pub fn nature(extension: &str) -> Option<Nature> {
    let is_in = |names: &[&str]| names.contains(&extension);
    if is_in(&COMPUTE) {
        Some(Nature::Computes)
    } else if is_in(&HARMLESS) {
        Some(Nature::Harmless)
    } else if is_in(&RUN_TEXT) {
        Some(Nature::RunsText)
    } else {
        None
    }
}

/// Every extension of which it is known that it keeps nothing: as an array in text.
pub(super) fn plain() -> String {
    let names = COMPUTE.iter().chain(&HARMLESS).chain(&RUN_TEXT);
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    format!("{{{}}}", names.join(","))
}
