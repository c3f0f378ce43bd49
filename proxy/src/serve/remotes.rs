//! The servers that are other processes.

use std::time::Duration;

use common::Error;
use common::client::{Patience, Remote};
use common::functional::Request;
use common::service::FunctionalService;
use common::token::Keyring;
use common::wire::ClusterKey;
use tower::service_fn;

use crate::settings::{Cluster, authority};

/// The database has its own time-out, and listings have another source.
const ACCOUNT_SERVER: Duration = Duration::from_secs(10);

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

    pub(super) fn object_server(&self) -> FunctionalService {
        self.remote(&self.cluster.object_server, Patience::default())
    }

    pub(super) fn account_server(&self) -> FunctionalService {
        let patience = Patience {
            answer: ACCOUNT_SERVER,
            ..Patience::default()
        };
        self.remote(&self.cluster.account_server, patience)
    }

    fn remote(&self, address: &str, patience: Patience) -> FunctionalService {
        match authority(address) {
            Some(authority) => Remote::new(authority, self.key.clone(), patience).into_service(),
            // The configuration was checked; an address that is none reaches nobody.
            None => FunctionalService::new(service_fn(|_: Request| async {
                Err(Error::unavailable("the address of the server is none", None))
            })),
        }
    }
}
