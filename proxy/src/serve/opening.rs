//! Opens what belongs to this process, the servers behind first, and listens last.

use std::net::SocketAddr;
use std::sync::Arc;

use account_server::AccountServer;
use common::Error;
use common::service::{FunctionalService, HttpService};
use object_server::{Neighbours, Standby};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::first_start::{self, AdministratorPassword, FirstStart};
use super::late_users::LateUsers;
use super::remotes::Remotes;
use super::start_error::{is_away, open_error};
use super::{Part, Plan, StartError};
use crate::{front, inner};

/// What is open, and where it listens.
pub(super) struct Opened {
    pub(super) service: HttpService,
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) first_start: Option<FirstStart>,
    pub(super) late_users: Option<LateUsers>,
}

/// Whether this start has made the administrator of a new store.
enum Administrator {
    New(AdministratorPassword),
    There,
    /// The database is away.
    Unknown,
}

/// The servers of this process.
#[derive(Default)]
pub(super) struct Servers {
    /// It may still be waiting.
    object_server: Option<Standby>,
    account_server: Option<AccountServer>,
    /// Tasks that wait for servers that are other processes.
    waiting: JoinSet<()>,
}

impl Plan {
    /// Opens the servers of this process, and what may still fail before anybody can be served.
    pub(super) async fn open(
        &self,
        servers: &mut Servers,
        socket: Option<std::net::TcpListener>,
    ) -> Result<Opened, StartError> {
        let remotes = Remotes::new(&self.sections().cluster, self.keys.keyring());
        let mut administrator = Administrator::There;
        self.load_policy().await;
        let account_server = match self.part {
            Part::Everything | Part::AccountServer => {
                let server = self.open_account_server(servers).await?;
                administrator = self.prepare_users(&server).await?;
                server
            }
            Part::Proxy | Part::ObjectServer => remotes.account_server(&mut servers.waiting),
        };
        let object_server = match self.part {
            Part::Everything | Part::ObjectServer => {
                self.open_object_server(servers, account_server.clone()).await?
            }
            Part::Proxy => remotes.object_server(&mut servers.waiting),
            Part::AccountServer => Remotes::nobody(),
        };
        let service = match self.part {
            Part::Everything | Part::Proxy => {
                self.dispatch.connect(object_server, account_server);
                self.learn_users().await?;
                self.service.clone()
            }
            Part::ObjectServer => {
                // Its jobs ask the guards again.
                self.dispatch.connect(object_server.clone(), account_server);
                inner::service(object_server, remotes.key)
            }
            Part::AccountServer => {
                self.dispatch.connect(object_server, account_server.clone());
                inner::service(account_server, remotes.key)
            }
        };
        let (listener, address) = self.bind(socket).await?;
        let (mut first_start, mut late_users) = (None, None);
        match administrator {
            Administrator::There => {}
            Administrator::New(password) if self.part == Part::Everything => {
                first_start = Some(FirstStart::new(&self.service, address, password).await);
            }
            Administrator::New(password) => {
                first_start = Some(FirstStart::without_clients(address, password));
            }
            Administrator::Unknown => late_users = self.late_users(servers, address),
        }
        Ok(Opened {
            service,
            listener,
            address,
            first_start,
            late_users,
        })
    }

    /// What this process or another one has kept of the policy. Who has the database fills it from there when it was
    /// emptied.
    async fn load_policy(&self) {
        self.snapshots().load(self.policy()).await;
        if matches!(self.part, Part::Everything | Part::AccountServer) {
            self.policy().restore_lost();
        }
    }

    async fn open_account_server(&self, servers: &mut Servers) -> Result<FunctionalService, StartError> {
        let opened =
            AccountServer::open(&self.sections().account_server, &self.sections().storage.sqlite()).await;
        let server = opened.map_err(open_error("the account-server's database"))?;
        Ok(servers.account_server.insert(server).service())
    }

    async fn open_object_server(
        &self,
        servers: &mut Servers,
        account_server: FunctionalService,
    ) -> Result<FunctionalService, StartError> {
        let neighbours = Neighbours {
            account_server,
            guards: self.renewal.guards.clone().into_service(),
        };
        let (root, constraints) = (
            self.sections().storage.objects(),
            Arc::clone(&self.sections().constraints),
        );
        let mut settings = self.sections().object_server.clone();
        // Nobody stands by for a store of one process.
        settings.standby &= self.part == Part::ObjectServer;
        let started = Standby::start(&settings, &root, constraints, neighbours).await;
        let server = started.map_err(open_error("the object-server's storage"))?;
        Ok(servers.object_server.insert(server).service())
    }

    /// The administrator of a new store, and the users of the configuration.
    async fn prepare_users(&self, account_server: &FunctionalService) -> Result<Administrator, StartError> {
        match first_start::prepare(account_server, &self.sections().users, self.policy()).await {
            Ok(Some(password)) => Ok(Administrator::New(password)),
            Ok(None) => Ok(Administrator::There),
            Err(error) if is_away(&error) => Ok(Administrator::Unknown),
            Err(error) => Err(open_error("the table of users")(error)),
        }
    }

    fn late_users(&self, servers: &Servers, address: SocketAddr) -> Option<LateUsers> {
        let clients = self.service.clone();
        Some(LateUsers {
            account_server: servers.account_server.clone()?,
            users: self.sections().users.clone(),
            policy: Arc::clone(self.policy()),
            address,
            clients: (self.part == Part::Everything).then_some(clients),
        })
    }

    /// Fetches the policy. A server may start before the account-server, or the database, and asks again each second;
    /// until then it goes on with the snapshot, or answers 503 when there is none.
    async fn learn_users(&self) -> Result<(), StartError> {
        let has_snapshot = self.policy().version() > 0;
        match self.policy().refresh().await {
            Err(error) if has_snapshot => {
                tracing::warn!("the policy snapshot decides until the users can be read: {error}");
                Ok(())
            }
            Err(error) if self.part == Part::Everything && !is_away(&error) => {
                Err(open_error("the table of users")(error))
            }
            Err(error) if self.part == Part::Everything => {
                tracing::warn!(%error, "nobody can log in yet");
                Ok(())
            }
            Err(error) => {
                tracing::warn!("nobody can be admitted yet: {error}");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    async fn bind(
        &self,
        socket: Option<std::net::TcpListener>,
    ) -> Result<(TcpListener, SocketAddr), StartError> {
        let address = match self.part {
            Part::Everything | Part::Proxy => self.sections().proxy.listen.to_string(),
            Part::ObjectServer => self.sections().cluster.object_server.clone(),
            Part::AccountServer => self.sections().cluster.account_server.clone(),
        };
        let bound = match socket {
            Some(socket) => socket
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(socket)),
            None => front::listen(&address).await,
        };
        let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        match bound {
            Ok((address, listener)) => Ok((listener, address)),
            Err(source) => Err(StartError::Listen { address, source }),
        }
    }
}

impl Servers {
    /// The object-server first: its mirror feed has something left to tell.
    pub(super) async fn close(self) -> Result<(), Error> {
        let closed = match self.object_server {
            Some(object_server) => object_server.close().await,
            None => Ok(()),
        };
        if let Some(account_server) = self.account_server {
            account_server.close().await;
        }
        closed
    }
}
