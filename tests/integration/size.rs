//! Large bundles, made from a seed: 400 tables with 800 foreign keys in circles and 500 triggers; a megabyte of rows that
//! need each other.

use std::fmt::Write;

use crate::support::random::Random;
use crate::support::{BundleBuilder, Platform, bundle, check_deploys_and_is_stable};

const TABLES: usize = 400;
const TRIGGERS: usize = 500;

/// The foreign key of a table's first or second column, and where it points.
struct Key {
    table: usize,
    column: usize,
    target: usize,
}

#[tokio::test]
async fn four_hundred_tables_with_eight_hundred_keys_and_five_hundred_triggers_deploy() {
    let platform = Platform::new();
    let mut random = Random::seeded(20_240_229);
    let keys: Vec<_> = (0..TABLES)
        .flat_map(|table| [0, 1].map(|column| (table, column)))
        .map(|(table, column)| Key { table, column, target: random.below(TABLES) })
        .collect();
    let bundle = tables_and_triggers(&keys, &mut random);
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    answer.counts(&[("tables_created", TABLES as u64), ("functions_deployed", 41)]);

    let sql = platform.sql().await;
    let triggers = sql.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").await;
    assert_eq!(triggers, TRIGGERS.to_string());
    let mut expected: Vec<_> =
        keys.iter().map(|key| format!("{}.ref_{} {}", name(key.table), key.column, name(key.target))).collect();
    expected.sort();
    let found = "SELECT format('%s.%s %s', conrelid::regclass, attname, confrelid::regclass) FROM pg_constraint \
        JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1] WHERE contype = 'f'";
    let mut found = sql.column(found).await;
    found.sort();
    assert_eq!(found, expected);
}

fn name(table: usize) -> String {
    const KINDS: [&str; 8] = ["account", "batch", "claim", "delivery", "event", "file", "grant", "holding"];
    format!("{}_{:03}", KINDS[table % KINDS.len()], table)
}

fn tables_and_triggers(keys: &[Key], random: &mut Random) -> BundleBuilder {
    let mut bundle = bundle();
    for table in 0..TABLES {
        let (inside, after) = write_keys(&keys[2 * table..2 * table + 2], random);
        let name = name(table);
        let text = format!(
            "CREATE TABLE {name} (\n    id bigint PRIMARY KEY,\n    label text NOT NULL DEFAULT label_of({table}){inside}\n);\n{after}"
        );
        // Any order of files.
        bundle = bundle.file(&format!("tables/{:03}/{name}.sql", random.below(1000)), text);
    }
    let mut functions = vec![String::new(); 40];
    for trigger in 0..TRIGGERS {
        let (table, function) = (name(random.below(TABLES)), trigger % functions.len());
        let text = format!(
            "CREATE TRIGGER t{trigger} AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION note_{function}();\n"
        );
        if trigger % 2 == 0 {
            bundle = bundle.file(&format!("tables/triggers/{:03}_{trigger}.sql", random.below(1000)), text);
        } else {
            functions[function].push_str(&text);
        }
    }
    for (number, triggers) in functions.iter().enumerate() {
        let text = format!(
            "CREATE FUNCTION note_{number}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    NEW.label := label_of({number});\n    \
             RETURN NEW;\nEND $$;\n"
        );
        // Half of them stand behind the triggers that need them.
        let both = if number % 2 == 0 { format!("{triggers}{text}") } else { format!("{text}{triggers}") };
        bundle = bundle.file(&format!("functions/note_{number}.sql"), both);
    }
    bundle.file(
        "functions/label_of.sql",
        "CREATE FUNCTION label_of(int) RETURNS text LANGUAGE sql AS $$ SELECT 'no. ' || $1 $$;",
    )
}

/// The two keys of a table, each in one of the ways to write one: inside the table, and after it.
fn write_keys(keys: &[Key], random: &mut Random) -> (String, String) {
    let (mut columns, mut constraints, mut after) = (String::new(), String::new(), String::new());
    for Key { table, column, target } in keys {
        let (table, target, column) = (name(*table), name(*target), format!("ref_{column}"));
        match random.below(6) {
            0 => write!(columns, ",\n    {column} bigint REFERENCES {target}"),
            1 => write!(columns, ",\n    {column} bigint CONSTRAINT {table}_{column} REFERENCES {target} (id) ON DELETE SET NULL"),
            2 => write!(columns, ",\n    {column} bigint")
                .and_then(|()| write!(constraints, ",\n    FOREIGN KEY ({column}) REFERENCES {target}")),
            3 => write!(columns, ",\n    {column} bigint").and_then(|()| {
                write!(constraints, ",\n    CONSTRAINT {column}_of_{table} FOREIGN KEY ({column}) REFERENCES public.{target} (id) DEFERRABLE")
            }),
            4 => write!(columns, ",\n    {column} bigint").and_then(|()| {
                writeln!(after, "ALTER TABLE ONLY {table} ADD CONSTRAINT {table}_{column}_fk FOREIGN KEY ({column})
             REFERENCES {target}(id);")
            }),
            _ => write!(columns, ",\n    {column} bigint")
                .and_then(|()| writeln!(after, "ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {target};")),
        }
        .expect("a text grows");
    }
    (format!("{columns}{constraints}"), after)
}

const PEOPLE: usize = 4600;
const UNITS: usize = 400;
const SKILLS: usize = 300;

#[tokio::test]
async fn a_megabyte_of_rows_that_need_each_other_is_inserted() {
    let platform = Platform::new();
    let bundle = company(&mut Random::seeded(7));
    let size: usize =
        bundle.files().iter().filter(|(path, _)| path.starts_with("seeders/")).map(|(_, text)| text.len()).sum();
    assert!(size > 1_000_000, "only {size} bytes");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    for (table, rows) in [("units", UNITS), ("people", PEOPLE), ("skills", SKILLS), ("people_skills", PEOPLE)] {
        assert_eq!(answer.seeded(table), (rows as u64, 0), "{table}");
    }
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT count(*) FROM people p JOIN units u ON u.id = p.unit_id").await, PEOPLE.to_string());
    assert_eq!(
        sql.value("SELECT count(*) FROM people WHERE note = 'it''s; a $$ \"note\"' || chr(10) || '-- of ' || id").await,
        PEOPLE.to_string()
    );
}

/// Units have heads, people have units and bosses, skills build on skills: every row stands in any place of any file.
fn company(random: &mut Random) -> BundleBuilder {
    let mut rows = Vec::new();
    for id in 1..=UNITS {
        let parent = if id == 1 { "NULL".to_owned() } else { random_below(random, id) };
        let head = 1 + random.below(PEOPLE);
        rows.push(format!(
            "INSERT INTO units (id, parent_id, head_id, name) VALUES ({id}, {parent}, {head}, 'unit {id}');"
        ));
    }
    for id in 1..=PEOPLE {
        let boss = if id == 1 { "NULL".to_owned() } else { random_below(random, id) };
        let unit = 1 + random.below(UNITS);
        rows.push(format!(
            "INSERT INTO people (id, unit_id, boss_id, name, born, note) VALUES ({id}, {unit}, {boss}, 'Person {id}', \
             '{}-02-01', 'it''s; a $$ \"note\"\n-- of {id}');",
            1950 + id % 50
        ));
        rows.push(format!(
            "INSERT INTO people_skills (person_id, skill_id) VALUES ({id}, {});",
            1 + random.below(SKILLS)
        ));
    }
    for id in 1..=SKILLS {
        let needs = if id == 1 { "NULL".to_owned() } else { random_below(random, id) };
        rows.push(format!(
            "INSERT INTO skills VALUES ({id}, {needs}, 'skill {id}', ARRAY['a', NULL], '{{\"level\": {id}}}');"
        ));
    }
    random.shuffle(&mut rows);
    let files = rows.chunks(rows.len() / 12 + 1).enumerate();
    files.fold(company_tables(), |bundle, (number, rows)| {
        bundle.file(&format!("seeders/{number:02}.sql"), rows.join("\n"))
    })
}

/// The id of an earlier row.
fn random_below(random: &mut Random, id: usize) -> String {
    (1 + random.below(id - 1)).to_string()
}

fn company_tables() -> BundleBuilder {
    bundle()
        .file(
            "tables/units.sql",
            "CREATE TABLE units (
                 id int PRIMARY KEY,
                 parent_id int REFERENCES units,
                 head_id int NOT NULL REFERENCES people DEFERRABLE INITIALLY DEFERRED,
                 name text NOT NULL
             );",
        )
        .file(
            "tables/people.sql",
            "CREATE TABLE people (
                 id int PRIMARY KEY,
                 unit_id int NOT NULL REFERENCES units,
                 boss_id int REFERENCES people,
                 name text NOT NULL,
                 born date,
                 note text
             );",
        )
        .file(
            "tables/skills.sql",
            "CREATE TABLE skills (id int PRIMARY KEY, needs int REFERENCES skills, name text,
              tags text[], data jsonb);",
        )
        .file(
            "tables/people_skills.sql",
            "CREATE TABLE people_skills (
                 person_id int REFERENCES people ON DELETE CASCADE,
                 skill_id int REFERENCES skills,
                 PRIMARY KEY (person_id, skill_id)
             );",
        )
}
