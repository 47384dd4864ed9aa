//! The manual page and the shells' completions under `deploy/` are what the program's own command line says. They are written anew by
//! `UPDATE_DEPLOY=1 cargo test --test command_line`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap_complete::Shell;
use roff::{Inline, Roff, bold, italic, roman};
use stonescriptdb_gateway::command_line::{EXIT_CODES, with_help};
use stonescriptdb_gateway::config::VARIABLES;

const NAME: &str = "stonescriptdb-gateway";

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// The file holds this text, or gets it where that is asked for.
fn check(file: &str, text: &str) {
    let path = deploy(file);
    if std::env::var_os("UPDATE_DEPLOY").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "deploy/{file} is not what the program says: UPDATE_DEPLOY=1 cargo test --test command_line"
    );
}

/// What the program takes, by the words before it: the program's own name first, then a subcommand's.
fn commands() -> Vec<(String, clap::Command)> {
    let mut main = with_help();
    main.build();
    let mut found: Vec<_> = main
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .map(|command| (format!("{NAME} {}", command.get_name()), command.clone()))
        .collect();
    found.insert(0, (NAME.to_owned(), main));
    found
}

/// Options by their long names, with the name of their value and their help.
fn options(command: &clap::Command) -> Vec<(String, Option<String>, String)> {
    let options = command.get_arguments().filter_map(|argument| {
        let value = argument.get_value_names().filter(|_| argument.get_action().takes_values());
        let value = value.and_then(|names| names.first()).map(ToString::to_string);
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        Some((argument.get_long()?.to_owned(), value, help))
    });
    options.collect()
}

fn item(page: &mut Roff, tag: Vec<Inline>, text: &str) {
    page.control("TP", []).text(tag).text([roman(text)]);
}

/// Lines as they stand.
fn shown(page: &mut Roff, lines: &[&str]) {
    page.control("PP", []).control("nf", []);
    for line in lines {
        page.text([roman(*line)]);
    }
    page.control("fi", []);
}

fn manual_page() -> String {
    let mut page = Roff::new();
    page.control("TH", [NAME, "8", "", concat!("stonescriptdb-gateway ", env!("CARGO_PKG_VERSION")), ""]);
    // Long lists without blanks cannot be spread over a line.
    page.control("ad", ["l"]);
    let commands = commands();
    let (_, main) = &commands[0];
    let about = main.get_about().map(ToString::to_string).unwrap_or_default();
    let about = about.trim_end_matches('.');
    page.control("SH", ["NAME"]).text([roman(format!("{NAME} - {}{}", about[..1].to_lowercase(), &about[1..]))]);
    page.control("SH", ["SYNOPSIS"]);
    for (index, (words, command)) in commands.iter().enumerate() {
        let mut line = vec![bold(words.as_str())];
        for (long, value, _) in options(command).into_iter().filter(|(long, ..)| long != "help" && long != "version") {
            line.extend([roman(" ["), bold(format!("--{long}"))]);
            line.extend(value.into_iter().flat_map(|value| [roman(" "), italic(value)]));
            line.push(roman("]"));
        }
        if index > 0 {
            page.control("br", []);
        }
        page.text(line);
    }
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "Without a subcommand it serves until SIGTERM or SIGINT: a platform's folder postgresql/ goes in, one database per tenant \
         comes out, and its functions answer over HTTP. Where neither DB_HOST nor DATABASE_URL is set it runs a PostgreSQL of its own.",
    )]);
    page.control("SH", ["OPTIONS"]);
    for (long, _, help) in options(main) {
        item(&mut page, vec![bold(format!("--{long}"))], &help);
    }
    page.control("SH", ["SUBCOMMANDS"]);
    for (_, command) in &commands[1..] {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        item(&mut page, vec![bold(command.get_name())], &format!("{about}."));
        page.control("RS", []);
        for (long, value, help) in options(command).into_iter().filter(|(long, ..)| long != "help") {
            let mut tag = vec![bold(format!("--{long}"))];
            tag.extend(value.into_iter().flat_map(|value| [roman(" "), italic(value)]));
            item(&mut page, tag, &help);
        }
        page.control("RE", []);
    }
    page.control("SH", ["ENVIRONMENT"]);
    page.text([roman(
        "Settings come from the environment, else from a file .env in the working folder; the file that ENV_FILE names wins over the \
         environment. Those marked * are read again on SIGHUP.",
    )]);
    for variable in VARIABLES {
        let mut tag = vec![bold(variable.name)];
        if variable.reloads {
            tag.push(roman(" *"));
        }
        let default = match variable.default {
            "" => String::new(),
            default => format!(" [{default}]"),
        };
        item(&mut page, tag, &format!("{}{default}", variable.meaning));
    }
    page.control("SH", ["SIGNALS"]);
    item(&mut page, vec![bold("SIGTERM"), roman(", "), bold("SIGINT")], "Requests and deployments end, then it stops.");
    item(&mut page, vec![bold("SIGHUP")], "Settings are read again; with a mistake in them all stay as they were.");
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        item(&mut page, vec![bold(code.to_string())], meaning);
    }
    page.control("SH", ["FILES"]);
    for (file, meaning) in [
        ("/opt/stonescriptdb-gateway/.env", "The service's settings."),
        ("/var/lib/stonescriptdb-gateway", "The service's data: stored schemas and the PostgreSQL of its own."),
        ("/var/log/stonescriptdb-gateway", "The service's log files, one a day."),
    ] {
        item(&mut page, vec![italic(file)], meaning);
    }
    page.control("SH", ["EXAMPLES"]);
    shown(
        &mut page,
        &[
            "systemctl reload stonescriptdb-gateway",
            "journalctl -u stonescriptdb-gateway",
            "curl http://127.0.0.1:9000/health",
        ],
    );
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("systemctl"), roman("(1), "), bold("journalctl"), roman("(1), "), bold("postgres"), roman("(1)")]);
    page.render()
}

#[test]
fn the_manual_page_is_what_the_program_says() {
    let page = manual_page();
    for variable in VARIABLES {
        assert!(page.contains(&format!("\\fB{}\\fR", variable.name)), "{}", variable.name);
    }
    check(&format!("{NAME}.8"), &page);
    let Ok(mut groff) = Command::new("groff")
        .args(["-man", "-ww", "-z", "-Kutf8", "-Tutf8"])
        .arg(deploy(&format!("{NAME}.8")))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    // Not every groff reads UTF-8 or has each warning: what it says about the page is what counts.
    let mut said = String::new();
    std::io::Read::read_to_string(&mut groff.stderr.take().expect("piped"), &mut said).expect("text");
    assert!(groff.wait().expect("it ends").success() && said.is_empty(), "{said}");
}

#[test]
fn completions_are_what_the_program_takes() {
    let files = [
        (Shell::Bash, format!("completions/{NAME}.bash")),
        (Shell::Zsh, format!("completions/_{NAME}")),
        (Shell::Fish, format!("completions/{NAME}.fish")),
    ];
    for (shell, file) in files {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut with_help(), NAME, &mut text);
        // clap_complete writes a name with a hyphen in two ways into what it makes for bash, and then finds no subcommand's options.
        let text =
            String::from_utf8(text).expect("text").replace("stonescriptdb__subcmd__gateway", "stonescriptdb__gateway");
        for (words, command) in commands() {
            let last = words.rsplit(' ').next().expect("a word");
            assert!(text.contains(last), "{file}: {last}");
            for (long, ..) in options(&command) {
                assert!(text.contains(&long), "{file}: {long}");
            }
        }
        check(&file, &text);
    }
}

#[test]
fn bash_completes_subcommands_and_their_options() {
    let completed = |words: &[&str]| {
        let script = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            _stonescriptdb__gateway "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\n' "${COMPREPLY[@]}""#;
        let file = deploy(&format!("completions/{NAME}.bash"));
        let answer = Command::new("bash").args(["-c", script, "bash"]).arg(file).arg(NAME).args(words).output();
        let answer = answer.expect("bash runs");
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        let mut words: Vec<String> = String::from_utf8_lossy(&answer.stdout).lines().map(ToOwned::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(completed(&["ch"]), ["check-config"]);
    assert_eq!(completed(&["upgrade-postgres", "--"]), ["--dump", "--help", "--new-bin-dir", "--trust-platforms"]);
}
