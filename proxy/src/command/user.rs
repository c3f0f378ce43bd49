//! `stobj user`: adds users and changes their passwords, through the running server that `ST_AUTH` names, or in the
//! database of the configuration; then a running server notices within a second or two.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use common::Secret;
use common::functional::{self, user};
use proxy::serve::first_start::generate_password;
use proxy::settings::{check_group, check_login};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::administered::Administered;
use super::{Source, runtime, say};

/// What can be done with users. The password is that of `STOBJ_PASSWORD`, else the first line of standard input, else
/// a generated one, which is printed.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user, or bring one to this state.
    Add(Add),
    /// Give a user another password; all of the user's tokens end.
    Password(Password),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The user, as it logs in.
    #[arg(value_name = "ACCOUNT:USER", value_parser = login)]
    login: Login,
    /// May do everything in the account.
    #[arg(long)]
    admin: bool,
    /// May do everything in all accounts.
    #[arg(long)]
    reseller_admin: bool,
    /// A group that ACLs can name; may be given several times.
    #[arg(long, value_name = "GROUP", value_parser = group)]
    group: Vec<String>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
pub(super) struct Password {
    /// The user, as it logs in.
    #[arg(value_name = "ACCOUNT:USER", value_parser = login)]
    login: Login,
    #[command(flatten)]
    source: Source,
}

/// `account:user`.
#[derive(Clone, Debug)]
struct Login {
    account: String,
    name: String,
}

/// Does it.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    let runtime = runtime()?;
    match command {
        Command::Add(add) => runtime.block_on(run_add(add)),
        Command::Password(password) => runtime.block_on(run_password(password)),
    }
}

async fn run_add(add: Add) -> anyhow::Result<()> {
    let mut groups = add.group;
    for (is_wanted, name) in [(add.admin, ".admin"), (add.reseller_admin, ".reseller_admin")] {
        if is_wanted && !groups.iter().any(|group| group == name) {
            groups.push(name.to_owned());
        }
    }
    let Login { account, name } = add.login;
    let (password, is_generated) = password(&account, &name)?;
    let put = user::Put {
        account: account.clone(),
        name: name.clone(),
        password: password.clone(),
        groups,
        email: None,
        only_if_absent: false,
    };
    let written = change(&add.source, put).await?;
    let what = if written.created { "added" } else { "changed" };
    tell(what, &account, &name, is_generated.then_some(&password))
}

async fn run_password(command: Password) -> anyhow::Result<()> {
    let Login { account, name } = command.login;
    let (password, is_generated) = password(&account, &name)?;
    let change_password = user::Password {
        account: account.clone(),
        name: name.clone(),
        password: password.clone(),
        old_password: None,
    };
    change(&command.source, change_password).await?;
    tell("changed", &account, &name, is_generated.then_some(&password))
}

fn tell(what: &str, account: &str, name: &str, generated: Option<&Secret>) -> anyhow::Result<()> {
    say(format_args!("{what} {account}:{name}"))?;
    if let Some(password) = generated {
        say(format_args!("password: {}", password.expose()))?;
    }
    Ok(())
}

/// Asks for the change, of the running server or of the database.
async fn change<C: functional::Call>(source: &Source, call: C) -> anyhow::Result<C::Answer> {
    let store = Administered::open(source).await?;
    let answered = store.call(call).await;
    store.close().await?;
    match answered {
        Ok(answer) => Ok(answer),
        Err(error) if error.status() == 404 => Err(anyhow!("there is no such user")),
        Err(error) => Err(error.into()),
    }
}

/// The password that was chosen, or a generated one (`true`).
fn password(account: &str, name: &str) -> anyhow::Result<(Secret, bool)> {
    if let Ok(password) = std::env::var("STOBJ_PASSWORD")
        && !password.is_empty()
    {
        return Ok((Secret::new(password), false));
    }
    let input = io::stdin();
    let line = if input.is_terminal() {
        let mut terminal = io::stderr();
        write!(
            terminal,
            "password of {account}:{name} (nothing: one is generated): "
        )?;
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

fn login(text: &str) -> anyhow::Result<Login> {
    let Some((account, name)) = text.split_once(':') else {
        bail!("expected ACCOUNT:USER");
    };
    check_login(account, name).map_err(|message| anyhow!(message))?;
    Ok(Login {
        account: account.to_owned(),
        name: name.to_owned(),
    })
}

fn group(text: &str) -> anyhow::Result<String> {
    check_group(text).map_err(|message| anyhow!(message))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_has_two_parts() {
        let parsed = login("test:joe@example.com").unwrap();
        assert_eq!(
            (parsed.account.as_str(), parsed.name.as_str()),
            ("test", "joe@example.com")
        );
        for text in ["", "a", ":b", "a:", "a b:c"] {
            assert!(login(text).is_err(), "{text}");
        }
        assert!(group(".nobody").is_err());
    }
}
