//! The shapes that tools leave their migrations in: names of files, what stands around the statements, and what the tool
//! itself keeps in the database.

use super::model::{Function, Model, Names};
use super::steps::{Statements, World};
use crate::support::random::Random;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tool {
    Prisma,
    Rails,
    GolangMigrate,
    Diesel,
    Ecto,
    PgDump,
    Goose,
    Dbmate,
}

/// One history each; the number of a history chooses.
pub(super) const TOOLS: &[Tool] = &[
    Tool::Prisma,
    Tool::Rails,
    Tool::GolangMigrate,
    Tool::Diesel,
    Tool::Ecto,
    Tool::PgDump,
    Tool::Goose,
    Tool::Dbmate,
    Tool::Prisma,
    Tool::Rails,
];

/// One step of a history as the tool leaves it.
pub(super) struct Migration {
    /// Path and text: the migration, and what takes it back.
    pub(super) files: Vec<(String, String)>,
    /// What counts of it, one by one.
    pub(super) statements: Statements,
}

const DIESEL_SET: &str = "() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    IF (\n        NEW IS DISTINCT FROM OLD AND\n        \
    NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at\n    ) THEN\n        NEW.updated_at := current_timestamp;\n    \
    END IF;\n    RETURN NEW;\nEND;\n$$";

const DIESEL_MANAGE: &str = "(_tbl regclass) RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n    EXECUTE format('CREATE TRIGGER \
    set_updated_at BEFORE UPDATE ON %s\n                    FOR EACH ROW EXECUTE PROCEDURE diesel_set_updated_at()', _tbl);\n\
    END;\n$$";

const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.8\n\n\
    SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET client_encoding = 'UTF8';\n\
    SET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
    SET check_function_bodies = false;\nSET xmloption = content;\nSET client_min_messages = warning;\n\
    SET row_security = off;\n\nSET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\n";

impl Tool {
    pub(super) fn world(self, seed: u64) -> World {
        World {
            model: Model {
                names: Names { quoted: self == Self::Prisma, qualified: self == Self::PgDump },
                ..Model::default()
            },
            random: Random::seeded(seed),
            keys_apart: matches!(self, Self::Prisma | Self::PgDump),
            only: self == Self::PgDump,
            in_transaction: matches!(self, Self::GolangMigrate | Self::Goose | Self::Dbmate),
            guarded_types: self == Self::GolangMigrate,
            managed_triggers: self == Self::Diesel,
        }
    }

    /// What the tool's own first migration makes, and what declares the same: path and text.
    pub(super) fn own(self, world: &mut World) -> (Statements, Vec<(&'static str, String)>) {
        match self {
            Self::Rails => {
                let versions = "CREATE TABLE schema_migrations (version character varying NOT NULL, CONSTRAINT \
                    schema_migrations_pkey PRIMARY KEY (version))";
                let data = "CREATE TABLE ar_internal_metadata (key character varying NOT NULL PRIMARY KEY, \
                    value character varying, created_at timestamp(6) without time zone NOT NULL, \
                    updated_at timestamp(6) without time zone NOT NULL)";
                let files = vec![("tables/schema_migrations.sql", versions), ("tables/ar_internal_metadata.sql", data)];
                let files: Vec<_> = files.into_iter().map(|(path, text)| (path, format!("{text};\n"))).collect();
                (vec![versions.to_owned(), data.to_owned()], files)
            }
            Self::Ecto => {
                let versions = "CREATE TABLE schema_migrations (version bigint NOT NULL, inserted_at timestamp(0) \
                    without time zone, CONSTRAINT schema_migrations_pkey PRIMARY KEY (version))";
                (vec![versions.to_owned()], vec![("tables/schema_migrations.sql", format!("{versions};\n"))])
            }
            Self::Diesel => {
                let (manage, set) = (world.model.next(), world.model.next());
                let name = |name: &str| format!("diesel_{name}_updated_at");
                world.model.functions.extend([
                    Function {
                        id: manage,
                        name: name("manage"),
                        text: DIESEL_MANAGE.to_owned(),
                        arguments: "(regclass)",
                    },
                    Function { id: set, name: name("set"), text: DIESEL_SET.to_owned(), arguments: "()" },
                ]);
                let made = world.model.functions.iter().map(|one| world.model.function_text(one, "OR REPLACE "));
                (made.collect(), Vec::new())
            }
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// A migration out of the names of its steps and their statements.
    pub(super) fn migration(self, number: usize, name: &str, statements: Statements, is_alone: bool) -> Migration {
        let day = format!("20{:02}{:02}{:02}", 20 + number / 336, 1 + number / 28 % 12, 1 + number % 28);
        let body = statements.join(";\n\n") + ";\n";
        let back = "DROP SCHEMA public CASCADE;\n";
        let mut run = statements;
        let files = match self {
            Self::Prisma => {
                let noted: Vec<String> = run.iter().map(|one| format!("-- {}\n{one};\n", prisma_note(one))).collect();
                vec![(format!("{day}120000_{name}/migration.sql"), noted.join("\n"))]
            }
            Self::Rails => {
                let version = format!("INSERT INTO \"schema_migrations\" (version) VALUES ('{day}120000')");
                run.push(version.clone());
                vec![(format!("{day}120000_{name}.sql"), format!("{body}\n{version};\n"))]
            }
            Self::Ecto => {
                let version = format!("INSERT INTO public.\"schema_migrations\" (version) VALUES ({day}120000)");
                run.push(version.clone());
                vec![(format!("{day}120000_{name}.sql"), format!("{body}{version};\n"))]
            }
            Self::GolangMigrate if is_alone => vec![
                (format!("{number:06}_{name}.up.sql"), body),
                (format!("{number:06}_{name}.down.sql"), back.to_owned()),
            ],
            Self::GolangMigrate => vec![
                (format!("{number:06}_{name}.up.sql"), format!("BEGIN;\n\n{body}\nCOMMIT;\n")),
                (format!("{number:06}_{name}.down.sql"), format!("BEGIN;\n{back}COMMIT;\n")),
            ],
            Self::Diesel => {
                let folder = format!("{}-{}-{}-120000_{name}", &day[..4], &day[4..6], &day[6..]);
                let up = format!("-- Your SQL goes here\n{body}");
                let down = format!("-- This file should undo anything in `up.sql`\n{back}");
                vec![(format!("{folder}/up.sql"), up), (format!("{folder}/down.sql"), down)]
            }
            Self::PgDump if number == 1 => {
                let tail = "--\n-- PostgreSQL database dump complete\n--\n";
                vec![(format!("V{number:04}__baseline.sql"), format!("{DUMP}{body}\n{tail}"))]
            }
            Self::PgDump => vec![(format!("V{number:04}__{name}.sql"), body)],
            Self::Goose => {
                let alone = if is_alone { "-- +goose NO TRANSACTION\n" } else { "" };
                let wrapped = |one: &String| match one.contains("$$") || one.contains("$fn$") {
                    true => format!("-- +goose StatementBegin\n{one};\n-- +goose StatementEnd\n"),
                    false => format!("{one};\n"),
                };
                let up: String = run.iter().map(wrapped).collect();
                vec![(format!("{number:05}_{name}.sql"), format!("{alone}-- +goose Up\n{up}\n-- +goose Down\n{back}"))]
            }
            Self::Dbmate => {
                let alone = if is_alone { " transaction:false" } else { "" };
                let text = format!("-- migrate:up{alone}\n{body}\n-- migrate:down\n{back}");
                vec![(format!("{day}120000_{name}.sql"), text)]
            }
        };
        Migration { files, statements: run }
    }
}

fn prisma_note(statement: &str) -> &'static str {
    match statement.split(' ').next() {
        Some("CREATE") if statement.contains("INDEX") => "CreateIndex",
        Some("CREATE") if statement.contains(" ENUM ") => "CreateEnum",
        Some("CREATE") => "CreateTable",
        Some("DROP") => "DropTable",
        _ if statement.contains("FOREIGN KEY") => "AddForeignKey",
        _ => "AlterTable",
    }
}
