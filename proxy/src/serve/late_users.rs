//! Users that could not be brought to their state before clients were served, as the database was away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use account_server::AccountServer;
use common::service::HttpService;
use middleware::PolicyCache;
use tokio::sync::oneshot;

use super::first_start::{self, FirstStart};
use crate::settings::User;

const PAUSE: Duration = Duration::from_secs(1);

/// What is left to do about users.
pub(super) struct LateUsers {
    pub(super) account_server: AccountServer,
    pub(super) users: Vec<User>,
    pub(super) policy: Arc<PolicyCache>,
    pub(super) address: SocketAddr,
    /// Where clients of this process log in, when they speak to it.
    pub(super) clients: Option<HttpService>,
}

impl LateUsers {
    /// Does it as soon as the database is there, and tells what a first start has to tell.
    pub(super) async fn prepare(self, told: oneshot::Sender<FirstStart>) {
        let service = self.account_server.service();
        let password = loop {
            self.account_server.available().await;
            match first_start::prepare(&service, &self.users, &self.policy).await {
                Ok(password) => break password,
                Err(error) => {
                    tracing::warn!(%error, "the users of the configuration could not be written yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tracing::info!("the users of the configuration are in the database");
        let Some(password) = password else { return };
        let first_start = match self.clients {
            Some(clients) => {
                if let Err(error) = self.policy.refresh().await {
                    tracing::warn!(%error, "the new administrator is not known yet");
                }
                FirstStart::new(&clients, self.address, password).await
            }
            None => FirstStart::without_clients(self.address, password),
        };
        let _ = told.send(first_start);
    }
}
