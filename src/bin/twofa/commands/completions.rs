//! `completions`: what a shell needs to complete our words.

use clap::{Args, ValueEnum};
use twofa::error::Result;

use crate::answer::Answer;
use crate::cli::Format;
use crate::session::Context;

/// Print the completion script of a shell
///
/// The script asks this program for the words, so names of the store are completed too. Put it where the shell looks:
/// bash: ~/.local/share/bash-completion/completions/twofa; zsh: _twofa in a directory of $fpath; fish:
/// ~/.config/fish/completions/twofa.fish.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  source <(twofa completions bash)\n  twofa completions zsh > /usr/local/share/zsh/site-functions/_twofa\n  twofa completions fish > ~/.config/fish/completions/twofa.fish"
)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub fn run(context: &mut Context, args: &Completions) -> Result<Answer> {
    context.only(&[Format::Table])?;
    Ok(Answer::text(match args.shell {
        Shell::Bash => include_str!("../../../../completions/twofa.bash"),
        Shell::Zsh => include_str!("../../../../completions/_twofa"),
        Shell::Fish => include_str!("../../../../completions/twofa.fish"),
    }))
}
