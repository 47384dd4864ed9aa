//! The blocks of code of a page, and what is to be done with each: the words behind the language on the line that opens it.
//!
//! | line                          | means                                                                                 |
//! | ----------------------------- | ------------------------------------------------------------------------------------- |
//! | <code>```sh run</code>        | a test runs it, after the ones before it on this page, in one shell                   |
//! | <code>```sh clients</code>    | the same, where psql and pg_dump are as new as the server                             |
//! | <code>```json answer</code>   | what the commands before it answer last, but for times, sizes and what `…` stands for |
//! | <code>```sh root</code> …     | it needs something that no test has ([`NEEDS`]); it is parsed                         |
//! | <code>```json part</code>     | a part of something, or one of many possible; it is parsed                            |
//! | `<!-- run: … -->` (`clients`) | a command that readers need not see, run like the others                              |

/// What a block for the shell may need that is not there where the tests run, and why.
pub(crate) const NEEDS: &[(&str, &str)] = &[
    ("build", "builds the project or runs its tests: what runs this one does that"),
    ("systemd", "root and a real systemd: `tests/systemd.sh` does what is there"),
    ("server", "a second version of PostgreSQL: `tests/isolation/major_update.rs` runs it"),
    ("docker", "Docker"),
    ("vm", "a virtual machine"),
];

/// The marks of what is run.
pub(crate) const RUN: [&str; 2] = ["run", "clients"];

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) language: String,
    /// The words behind the language.
    pub(crate) mark: String,
    /// Of its first line of code.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn is(&self, language: &str, mark: &str) -> bool {
        self.language == language && self.mark == mark
    }
}

/// In their order; a hidden command is a block that is run.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        let hidden = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")?.split_once(": "));
        let hidden = hidden.filter(|(mark, _)| RUN.contains(mark));
        match (line.trim_start().strip_prefix("```"), hidden) {
            (Some(words), _) if !open => {
                let (language, mark) = words.trim().split_once(' ').unwrap_or((words.trim(), ""));
                let (language, mark) = (language.to_owned(), mark.to_owned());
                blocks.push(Block { language, mark, line: at + 2, text: String::new() });
                open = true;
            }
            (Some(_), _) => open = false,
            (None, Some((mark, command))) if !open => {
                let (language, mark) = ("sh".to_owned(), mark.to_owned());
                blocks.push(Block { language, mark, line: at + 1, text: format!("{command}\n") });
            }
            (None, _) if open => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            (None, _) => {}
        }
    }
    assert!(!open, "a block that does not end");
    blocks
}
