//! The servers that are other processes.

use std::sync::Arc;
use std::time::Duration;

use common::Error;
use common::client::{Patience, Remote, Several};
use common::functional::Request;
use common::service::FunctionalService;
use common::token::Keyring;
use common::wire::ClusterKey;
use tokio::task::JoinSet;
use tower::service_fn;

use crate::settings::{Cluster, authority};

/// A listing waits at most 2 s for the database: 500 ms until that has the latest change (`listing_wait`), and so long
/// for its page. Then it is read from the tree.
const ACCOUNT_SERVER: Patience = Patience {
    connect: Duration::from_secs(1),
    read: Duration::from_millis(1500),
    write: Duration::from_secs(10),
};

/// Where they are, and the key that they share with this process.
pub(super) struct Remotes<'a> {
    cluster: &'a Cluster,
    pub(super) key: ClusterKey,
}

impl<'a> Remotes<'a> {
    pub(super) fn new(cluster: &'a Cluster, keyring: &Keyring) -> Self {
        Self {
            cluster,
            key: ClusterKey::new(keyring),
        }
    }

    /// `waiting` takes the task that says what is waited for, until it is there.
    pub(super) fn object_server(&self, waiting: &mut JoinSet<()>) -> FunctionalService {
        let patience = Patience {
            read: self.cluster.read_timeout.0,
            write: self.cluster.write_timeout.0,
            ..Patience::default()
        };
        let addresses = self.cluster.object_servers();
        let owners = addresses.iter().filter_map(|address| {
            let authority = authority(address)?;
            Some(Arc::new(Remote::new(authority, self.key.clone(), patience)))
        });
        let owners: Vec<_> = owners.collect();
        match &owners[..] {
            [owner] => {
                waiting.spawn(wait_for(
                    "object-server",
                    addresses[0].to_owned(),
                    Arc::clone(owner),
                ));
                Arc::clone(owner).into_service()
            }
            // Whoever is there may be standing by: there is nothing to wait for.
            _ => Several::new(owners).into_service(),
        }
    }

    /// See [`object_server`](Self::object_server).
    pub(super) fn account_server(&self, waiting: &mut JoinSet<()>) -> FunctionalService {
        self.remote(
            "account-server",
            &self.cluster.account_server,
            ACCOUNT_SERVER,
            waiting,
        )
    }

    fn remote(
        &self,
        what: &'static str,
        address: &str,
        patience: Patience,
        waiting: &mut JoinSet<()>,
    ) -> FunctionalService {
        match authority(address) {
            Some(authority) => {
                let remote = Arc::new(Remote::new(authority, self.key.clone(), patience));
                waiting.spawn(wait_for(what, address.to_owned(), Arc::clone(&remote)));
                remote.into_service()
            }
            // The configuration was checked; an address that is none reaches nobody.
            None => Self::nobody(),
        }
    }

    /// A server that is not needed in this part.
    pub(super) fn nobody() -> FunctionalService {
        FunctionalService::new(service_fn(|_: Request| async {
            Err(Error::unavailable("there is no such server", None))
        }))
    }
}

/// Says which server is not up yet, and when it is.
async fn wait_for(what: &'static str, address: String, remote: Arc<Remote>) {
    if !remote.is_there().await {
        tracing::warn!("waiting for the {what} at {address}; what needs it is answered 503 until then");
        remote.available().await;
        tracing::info!("the {what} at {address} is there");
    }
}
