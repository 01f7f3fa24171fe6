//! `longshore completions` and `longshore man`: what shells and `man` read about the commands.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output::{self, Exit, Failure};

/// The places where shells look for completions.
const PLACES: &str = "\
Where a shell looks for them:
  bash  mkdir -p ~/.local/share/bash-completion/completions
        longshore completions bash > ~/.local/share/bash-completion/completions/longshore
  zsh   longshore completions zsh > \"${fpath[1]}/_longshore\"
  fish  mkdir -p ~/.config/fish/completions
        longshore completions fish > ~/.config/fish/completions/longshore.fish";

/// The place where `man` looks for pages.
const PAGES: &str = "\
For man longshore, man longshore-run and so on:
  mkdir -p ~/.local/share/man/man1
  longshore man ~/.local/share/man/man1";

/// Prints the completions for a shell
#[derive(Args, Debug)]
#[command(after_help = PLACES)]
pub(super) struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(&self, mut command: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "longshore", &mut script);
        output::print(&String::from_utf8_lossy(&script))
    }
}

/// Prints the manual page, or writes those of all commands into a directory
#[derive(Args, Debug)]
#[command(after_help = PAGES)]
pub(super) struct Man {
    /// The directory for the pages of all commands, such as /usr/local/share/man/man1
    directory: Option<PathBuf>,
}

impl Man {
    pub(super) fn execute(&self, command: Command) -> Result<(), Failure> {
        let Some(directory) = &self.directory else {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
            return output::print(&String::from_utf8_lossy(&page));
        };
        clap_mangen::generate_to(command, directory).map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot write to {}: {error}", directory.display()))
                .hint("name a directory that is there")
        })
    }
}
