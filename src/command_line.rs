//! The program's command line: what `--help` prints, and what the manual page and the shells' completions under `deploy/` are made from.
//! Refuses what it does not know with exit code 2.

use std::path::PathBuf;

use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

use crate::config::VARIABLES;

/// The program's exit codes, with what each means.
pub const EXIT_CODES: [(u8, &str); 4] =
    [(0, "stopped as asked"), (1, "failed"), (2, "wrong configuration"), (130, "stopped by a second Ctrl-C")];

/// Stands between application platforms and PostgreSQL: deploys their schemas safely, serves their calls.
#[derive(Debug, Parser)]
#[command(name = "stonescriptdb-gateway", version)]
pub struct Arguments {
    /// None: it serves.
    #[command(subcommand)]
    pub command: Option<Task>,
}

/// What the program does instead of serving.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Read the configuration, print it without its secrets, and stop
    CheckConfig,
    /// Bring the private PostgreSQL under DATA_DIR to a newer major version, while no gateway runs on it
    UpgradePostgres {
        /// The folder of the new version's programs; without it PG_BIN_DIR if that is newer, else the newest version found
        #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
        new_bin_dir: Option<PathBuf>,
        /// Dump and restore, where the new version has no pg_upgrade: what tables check is then run as the superuser
        #[arg(long)]
        dump: bool,
        /// Let pg_upgrade run functions of platforms as the superuser (in generated columns, CHECKs, indexes …); without this
        /// they are listed and nothing is done
        #[arg(long)]
        trust_platforms: bool,
    },
}

impl Arguments {
    /// What this process was started with. Help, version and mistakes end it.
    pub fn from_command_line() -> Self {
        match Self::from_arg_matches(&with_help().get_matches()) {
            Ok(arguments) => arguments,
            Err(error) => error.exit(),
        }
    }
}

/// The command line as clap has it, with every setting in its help.
pub fn with_help() -> Command {
    Arguments::command().after_help(help_on_variables())
}

fn help_on_variables() -> String {
    let mut text = "Environment (also from a file .env in the working folder):\n".to_owned();
    for variable in VARIABLES {
        let default = match variable.default {
            "" => String::new(),
            default => format!(" [{default}]"),
        };
        text.push_str(&format!("  {:<25} {}{default}\n", variable.name, variable.meaning));
    }
    let codes = EXIT_CODES.map(|(code, meaning)| format!("{code} {meaning}"));
    text.push_str(&format!("\nExit codes: {}", codes.join(", ")));
    text
}
