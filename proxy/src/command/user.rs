//! `stobj user`: adds, shows, changes and removes users, through the running server that `ST_AUTH` names, or in the
//! database of the configuration; then a running server notices within a second or two.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use common::functional::{self, user};
use common::storage_client::Login as Environment;
use common::{Error, Secret};
use proxy::settings::{check_group, check_login};

use super::administered::Administered;
use super::{Source, runtime, say};
use password::password;

mod password;

/// What can be done with users. A new password is that of `STOBJ_PASSWORD`, else the first line of standard input, else
/// a generated one, which is printed.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user, or bring one to this state.
    ///
    /// stobj user add photos:joe --admin --email joe@example.org
    Add(Add),
    /// Give a user, or yourself, another password; all of the user's tokens end.
    ///
    /// Without ACCOUNT:USER it is the user of ST_USER, whose old password is that of ST_KEY; nobody needs to be an
    /// administrator for that.
    Password(Password),
    /// Show all users, or those of an account: a line of JSON each.
    ///
    /// stobj user list | jq -r 'select(.state == "disabled") | .account + ":" + .name'
    List(List),
    /// Show one user, in a line of JSON.
    Show(Show),
    /// Let a user log in no more; all of the user's tokens end. Files stay as they are.
    Disable(Of),
    /// Let a user log in again.
    Enable(Of),
    /// End all tokens of a user, who can log in for others. Running servers know within two seconds.
    Revoke(Of),
    /// Remove a user, and say what becomes of the account; asks a running server.
    ///
    /// stobj user delete photos:joe --account keep
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The user, as it logs in.
    #[arg(value_name = "ACCOUNT:USER", value_parser = login)]
    login: Login,
    /// An e-mail address, with which the user can log in too.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
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
    /// The user, as it logs in [default: yourself].
    #[arg(value_name = "ACCOUNT:USER", value_parser = login)]
    login: Option<Login>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only users of this account, without AUTH_ in front.
    #[arg(value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The user, as it logs in.
    #[arg(value_name = "ACCOUNT:USER|ADDRESS")]
    who: String,
    #[command(flatten)]
    source: Source,
}

/// One user.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The user, as it logs in.
    #[arg(value_name = "ACCOUNT:USER", value_parser = login)]
    login: Login,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The user, as it logs in.
    #[arg(value_name = "ACCOUNT:USER", value_parser = login)]
    login: Login,
    /// What becomes of the account and of all that is in it.
    #[arg(long, value_name = "WHAT")]
    account: OfAccount,
}

/// What becomes of a deleted user's account.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OfAccount {
    /// It stays as it is, for others who may use it.
    Keep,
    /// It stays, and answers 403 to everybody until `stobj firewall enable`. Only when nobody else uses it.
    Disable,
    /// It is deleted with all that is in it. Only when nobody else uses it.
    Remove,
}

/// `account:user`.
#[derive(Clone, Debug)]
struct Login {
    account: String,
    name: String,
}

/// Does it.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        match command {
            Command::Add(add) => run_add(add).await,
            Command::Password(password) => run_password(password).await,
            Command::List(list) => run_list(list).await,
            Command::Show(show) => run_show(show).await,
            Command::Delete(delete) => run_delete(delete).await,
            Command::Disable(of) => {
                let Login { account, name } = of.login.clone();
                changed(&of, user::Disable { account, name }, "disabled").await
            }
            Command::Enable(of) => {
                let Login { account, name } = of.login.clone();
                changed(&of, user::Enable { account, name }, "enabled").await
            }
            Command::Revoke(of) => {
                let Login { account, name } = of.login.clone();
                let token = None;
                changed(
                    &of,
                    user::Revoke { account, name, token },
                    "revoked the tokens of",
                )
                .await
            }
        }
    })
}

async fn run_add(add: Add) -> anyhow::Result<()> {
    let mut groups = add.group;
    for (is_wanted, name) in [(add.admin, ".admin"), (add.reseller_admin, ".reseller_admin")] {
        if is_wanted && !groups.iter().any(|group| group == name) {
            groups.push(name.to_owned());
        }
    }
    let Login { account, name } = add.login;
    let login = format!("{account}:{name}");
    let (password, is_generated) = password(&login)?;
    let put = user::Put {
        account,
        name,
        password: password.clone(),
        groups,
        email: add.email,
        only_if_absent: false,
    };
    let written = call(&add.source, put).await?;
    let what = if written.created { "added" } else { "changed" };
    tell(what, &login, is_generated.then_some(&password))
}

async fn run_password(command: Password) -> anyhow::Result<()> {
    let environment = Environment::from_environment(|name| std::env::var(name).ok())?;
    let own = environment.as_ref().map(|environment| environment.user.clone());
    let login = command
        .login
        .map(|Login { account, name }| format!("{account}:{name}"));
    let is_own = login.is_none() || login == own;
    let Some(login) = login.or(own) else {
        bail!("whose? Name ACCOUNT:USER, or set ST_AUTH, ST_USER and ST_KEY for your own");
    };
    let (password, is_generated) = password(&login)?;
    // Without names it is whoever logged in, who may have done so by an e-mail address.
    let (account, name) = match login.split_once(':') {
        Some((account, name)) => (account.to_owned(), name.to_owned()),
        None => (String::new(), String::new()),
    };
    let change = user::Password {
        account,
        name,
        password: password.clone(),
        old_password: environment.filter(|_| is_own).map(|environment| environment.key),
    };
    call(&command.source, change).await?;
    tell("changed", &login, is_generated.then_some(&password))
}

async fn run_list(list: List) -> anyhow::Result<()> {
    let store = Administered::open(&list.source).await?;
    let mut asked = user::List {
        account: list.account,
        ..user::List::default()
    };
    loop {
        let users = store.call(asked.clone()).await?.users;
        let Some(last) = users.last() else { break };
        asked.marker = Some(format!("{}:{}", last.account, last.name));
        for user in &users {
            say(serde_json::to_string(user)?)?;
        }
    }
    store.close().await?;
    Ok(())
}

async fn run_show(show: Show) -> anyhow::Result<()> {
    let asked = match show.who.split_once(':') {
        Some((account, name)) => user::Show {
            account: account.to_owned(),
            name: name.to_owned(),
            email: None,
        },
        None => user::Show {
            email: Some(show.who),
            ..user::Show::default()
        },
    };
    let shown = call(&show.source, asked).await?;
    say(serde_json::to_string(&shown)?)?;
    Ok(())
}

async fn run_delete(command: Delete) -> anyhow::Result<()> {
    let Login { account, name } = command.login;
    let login = format!("{account}:{name}");
    let resources = match command.account {
        OfAccount::Keep => user::Resources::Keep,
        OfAccount::Disable => user::Resources::Disable,
        OfAccount::Remove => user::Resources::Remove,
    };
    let delete = user::Delete {
        account,
        name,
        resources,
    };
    let deleted = Administered::running().await?.call(delete).await;
    deleted.map_err(explained)?;
    tell("deleted", &login, None)
}

async fn changed<C: functional::Call>(of: &Of, change: C, what: &str) -> anyhow::Result<()> {
    call(&of.source, change).await?;
    tell(what, &format!("{}:{}", of.login.account, of.login.name), None)
}

fn tell(what: &str, login: &str, generated: Option<&Secret>) -> anyhow::Result<()> {
    say(format_args!("{what} {login}"))?;
    if let Some(password) = generated {
        say(format_args!("password: {}", password.expose()))?;
    }
    Ok(())
}

/// Asks the running server, or the database.
async fn call<C: functional::Call>(source: &Source, call: C) -> anyhow::Result<C::Answer> {
    let store = Administered::open(source).await?;
    let answered = store.call(call).await;
    store.close().await?;
    answered.map_err(explained)
}

fn explained(error: Error) -> anyhow::Error {
    match error.status().as_u16() {
        404 => anyhow!("there is no such user"),
        _ => error.into(),
    }
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
