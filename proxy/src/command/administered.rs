//! The store that a subcommand works on: a running one, spoken to as an administrator, or the one that the
//! configuration describes, opened for this one occasion.

use account_server::AccountServer;
use anyhow::{Context as _, bail};
use common::config::Config;
use common::functional::{Call, Context, ask};
use common::session::{Login, Session};
use common::{Body, Clock, Error};
use proxy::serve::make_directory;
use proxy::settings::Storage;

use super::Source;

/// What answers a subcommand's requests.
pub(super) enum Administered {
    /// A server that runs, through its front door.
    Running(Box<Session>),
    /// The database, opened by this process.
    Opened(AccountServer),
}

impl Administered {
    /// The running server that `ST_AUTH`, `ST_USER` and `ST_KEY` name; without them what `source` describes.
    ///
    /// # Errors
    /// When the log-in fails, or the database cannot be opened.
    pub(super) async fn open(source: &Source) -> anyhow::Result<Self> {
        if let Some(login) = Login::from_environment(|name| std::env::var(name).ok())? {
            return Ok(Self::Running(Box::new(Session::log_in(&login).await?)));
        }
        let mut config: Config = source.load([]);
        let storage: Storage = config.read("storage");
        let settings: account_server::Settings = config.read("account-server");
        // Of the other sections nothing is needed here; `config check` tells what is wrong with them.
        make_directory(&storage.data)?;
        let opened = AccountServer::open(&settings, &storage.sqlite()).await;
        let server = opened.context("the database cannot be opened")?;
        if let Some(reason) = server.away_because() {
            bail!("the database cannot be used: {reason}");
        }
        Ok(Self::Opened(server))
    }

    /// A server that runs; what only such a one can do is asked of it.
    ///
    /// # Errors
    /// When none is named, or the log-in fails.
    pub(super) async fn running() -> anyhow::Result<Self> {
        match Login::from_environment(|name| std::env::var(name).ok())? {
            Some(login) => Ok(Self::Running(Box::new(Session::log_in(&login).await?))),
            None => bail!("a running server is asked: set ST_AUTH, ST_USER and ST_KEY"),
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// What the store answers.
    pub(super) async fn call<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        match self {
            Self::Running(session) => session.call(call).await,
            Self::Opened(server) => {
                let context = Context::internal("tx-command", Clock::now());
                Ok(ask(&server.service(), call, context, Body::empty()).await?.0)
            }
        }
    }

    /// Closes what was opened.
    pub(super) async fn close(self) {
        if let Self::Opened(server) = self {
            server.close().await;
        }
    }
}
