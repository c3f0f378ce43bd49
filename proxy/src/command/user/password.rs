//! A password: chosen by a variable, read from standard input, or generated.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::Context as _;
use common::Secret;
use proxy::serve::first_start::generate_password;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// The password that was chosen, or a generated one (`true`).
pub(super) fn password(of: &str) -> anyhow::Result<(Secret, bool)> {
    if let Ok(password) = std::env::var("STOBJ_PASSWORD")
        && !password.is_empty()
    {
        return Ok((Secret::new(password), false));
    }
    let input = io::stdin();
    let line = if input.is_terminal() {
        let mut terminal = io::stderr();
        write!(terminal, "new password of {of} (nothing: one is generated): ")?;
        terminal.flush()?;
        let line = without_echo(|| read_line(&input))?;
        writeln!(terminal)?;
        line
    } else {
        read_line(&input)?
    };
    if line.is_empty() {
        Ok((generate_password()?, true))
    } else {
        Ok((Secret::new(line), false))
    }
}

fn read_line(input: &io::Stdin) -> anyhow::Result<String> {
    let mut line = String::new();
    input.lock().read_line(&mut line).context("standard input")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn without_echo<T>(read: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let usual = tcgetattr(io::stdin())?;
    let mut hidden = usual.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
    let outcome = read();
    tcsetattr(io::stdin(), OptionalActions::Now, &usual)?;
    outcome
}
