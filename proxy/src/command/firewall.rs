//! `stobj firewall`: switches accounts and objects off and on, and shows what is off and what the rules decided.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use common::functional::firewall::{Disabled, ListDisabled, ListRules, SetState, State};
use common::name::{AccountName, ContainerName, ObjectName};

use super::administered::Administered;
use super::remote::printable;
use super::{Source, runtime, say};

/// What can be done with the resource firewall.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Switch an account or an object off: it answers 403 to everybody, on every way.
    Disable(Resource),
    /// Switch an account or an object on again; it is as it was.
    Enable(Resource),
    /// Show what is switched off.
    List(List),
    /// Show the rules of the configuration, and how often each has decided in the proxy that answers.
    Rules,
}

#[derive(Debug, Args)]
pub(super) struct Resource {
    /// As in a storage URL, but not escaped.
    #[arg(value_name = "ACCOUNT[/CONTAINER/OBJECT]", value_parser = place)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Of this account only.
    #[arg(value_name = "ACCOUNT", value_parser = account)]
    account: Option<AccountName>,
    #[command(flatten)]
    source: Source,
}

/// An account, or an object in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    account: AccountName,
    object: Option<(ContainerName, ObjectName)>,
}

/// Does it.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        match command {
            Command::Disable(resource) => switch(resource.place, State::Disable).await,
            Command::Enable(resource) => switch(resource.place, State::Enable).await,
            Command::List(list) => show_disabled(list).await,
            Command::Rules => show_rules().await,
        }
    })
}

async fn switch(place: Place, state: State) -> anyhow::Result<()> {
    let (container, object) = place.object.unzip();
    let set = SetState {
        account: place.account,
        container,
        object,
        state,
    };
    let shown = shown(&Disabled {
        account: set.account.clone(),
        container: set.container.clone(),
        object: set.object.clone(),
    });
    let answered = Administered::running().await?.call(set).await;
    let set = answered.map_err(|error| match error.status().as_u16() {
        404 => anyhow!("there is no {shown}"),
        _ => error.into(),
    })?;
    match set.changed {
        true => say(format_args!("{}d {shown}", state.as_str()))?,
        false => say(format_args!("{shown} was {}d before", state.as_str()))?,
    }
    Ok(())
}

async fn show_disabled(list: List) -> anyhow::Result<()> {
    let store = Administered::open(&list.source).await?;
    let mut asked = ListDisabled {
        account: list.account,
        ..ListDisabled::default()
    };
    loop {
        let page = store.call(asked.clone()).await?;
        for entry in &page.entries {
            say(shown(entry))?;
        }
        match page.marker {
            Some(marker) => asked.marker = marker,
            None => break,
        }
    }
    store.close().await?;
    Ok(())
}

async fn show_rules() -> anyhow::Result<()> {
    let rules = Administered::running().await?.call(ListRules {}).await?.rules;
    for rule in rules {
        let name = printable(&rule.name);
        say(format_args!(
            "{:>10}  {name}: {}",
            rule.hits,
            printable(&rule.matches)
        ))?;
    }
    Ok(())
}

fn shown(entry: &Disabled) -> String {
    let mut text = entry.account.as_str().to_owned();
    if let Some(container) = &entry.container {
        text = format!("{text}/{}", container.as_str());
    }
    if let Some(object) = &entry.object {
        text = format!("{text}/{}", object.as_str());
    }
    printable(&text)
}

fn account(text: &str) -> anyhow::Result<AccountName> {
    AccountName::new(text).map_err(|error| anyhow!("{text:?} is no account: {error}"))
}

fn place(text: &str) -> anyhow::Result<Place> {
    let Some((name, rest)) = text.split_once('/') else {
        return Ok(Place {
            account: account(text)?,
            object: None,
        });
    };
    let expected = || anyhow!("expected ACCOUNT or ACCOUNT/CONTAINER/OBJECT; containers have no switch");
    let (container, object) = rest.split_once('/').ok_or_else(expected)?;
    let container = ContainerName::new(container).map_err(|error| anyhow!("{container:?}: {error}"))?;
    let object = ObjectName::new(object).map_err(|error| anyhow!("{object:?}: {error}"))?;
    Ok(Place {
        account: account(name)?,
        object: Some((container, object)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_an_account_or_an_object() {
        assert_eq!(place("AUTH_a").unwrap().object, None);
        let (container, object) = place("AUTH_a/c/d//e").unwrap().object.unwrap();
        assert_eq!((container.as_str(), object.as_str()), ("c", "d//e"));
        for text in ["", "/c/o", "AUTH_a/c", "AUTH_a/c/", "AUTH_a//o"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
