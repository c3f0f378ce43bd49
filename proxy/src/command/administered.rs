//! The store that a subcommand works on: a running one, spoken to as an administrator, or the part of it that the
//! configuration describes, opened for this one occasion.

use std::sync::Arc;

use account_server::AccountServer;
use anyhow::{Context as _, bail};
use common::config::Config;
use common::functional::{Call, Context, ask};
use common::service::FunctionalService;
use common::storage_client::{self, Login};
use common::{Body, Clock, Error};
use object_server::{Neighbours, ObjectServer};
use proxy::serve::make_directory;
use proxy::settings::Storage;

use super::Source;

/// What answers a subcommand's requests.
pub(super) enum Administered {
    /// A server that runs, through its front door.
    Running(storage_client::Client),
    /// The database, opened by this process.
    Database(AccountServer),
    /// The storage, opened by this process.
    Storage(Box<ObjectServer>),
}

impl Administered {
    /// The running server that `ST_AUTH`, `ST_USER` and `ST_KEY` name; without them the database that `source` describes.
    ///
    /// # Errors
    /// When the log-in fails, or the database cannot be opened.
    pub(super) async fn open(source: &Source) -> anyhow::Result<Self> {
        if let Some(running) = Self::logged_in().await? {
            return Ok(running);
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
        Ok(Self::Database(server))
    }

    /// The same for what storage keeps: without a running server the storage that `source` describes, whose lock is
    /// taken. The mirror learns of changes when a server runs again.
    ///
    /// # Errors
    /// When the log-in fails, or the storage cannot be opened.
    pub(super) async fn open_storage(source: &Source) -> anyhow::Result<Self> {
        if let Some(running) = Self::logged_in().await? {
            return Ok(running);
        }
        let mut config: Config = source.load([]);
        let storage: Storage = config.read("storage");
        let settings = object_server::Settings::read(&mut config);
        let constraints = Arc::new(config.read("constraints"));
        let root = storage.objects();
        if !root.is_dir() {
            bail!("there is no storage at {}", root.display());
        }
        let nobody = FunctionalService::from_fn(|_| {
            let away = Error::unavailable("no server runs", None);
            Box::pin(std::future::ready(Err(away)))
        });
        // Jobs wait for a server that runs, as there are no guards here.
        let neighbours = Neighbours {
            account_server: nobody.clone(),
            guards: nobody,
        };
        let opened = ObjectServer::open(&settings, &root, constraints, neighbours).await;
        let server =
            opened.context("the storage cannot be opened; is ST_AUTH to name the server that has it?")?;
        Ok(Self::Storage(Box::new(server)))
    }

    async fn logged_in() -> anyhow::Result<Option<Self>> {
        let login = Login::from_environment(|name| std::env::var(name).ok())?;
        Ok(match login {
            Some(login) => {
                let client = storage_client::Client::new(login.into())?;
                client.log_in().await?;
                Some(Self::Running(client))
            }
            None => None,
        })
    }

    /// A server that runs; what only such a one can do is asked of it.
    ///
    /// # Errors
    /// When none is named, or the log-in fails.
    pub(super) async fn running() -> anyhow::Result<Self> {
        match Self::logged_in().await? {
            Some(running) => Ok(running),
            None => bail!("a running server is asked: set ST_AUTH, ST_USER and ST_KEY"),
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// What the store answers.
    pub(super) async fn call<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        let service = match self {
            Self::Running(client) => return client.call(call).await,
            Self::Database(server) => server.service(),
            Self::Storage(server) => server.service(),
        };
        let context = Context::internal("tx-command", Clock::now());
        Ok(ask(&service, call, context, Body::empty()).await?.0)
    }

    /// Closes what was opened.
    ///
    /// # Errors
    /// When the storage's last state could not be written down; its changes are kept nevertheless.
    pub(super) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Database(server) => {
                server.close().await;
                Ok(())
            }
            Self::Storage(server) => server.close().await,
        }
    }
}
