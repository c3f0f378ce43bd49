//! The whole store in one process, or one part of it: from a configuration to a server that listens, and to its end.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use account_server::AccountServer;
use common::config::{Config, Mistakes};
use common::service::{FunctionalService, HttpService};
use common::{Clock, Error, Outcome};
use middleware::PolicyCache;
use middleware::registry;
use object_server::ObjectServer;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::dispatch::Dispatch;
use crate::front::{self, Limits};
use crate::inner;
use crate::keys::Keys;
use crate::policy_snapshot::Snapshots;
use crate::settings::{Log, Storage};
use first_start::{AdministratorPassword, FirstStart};
use late_users::LateUsers;
use remotes::Remotes;
use renewal::Renewal;
use sections::Sections;
use swap::Swap;

pub mod first_start;
mod late_users;
mod registrations;
mod remotes;
mod renewal;
mod sections;
mod swap;

/// What of the store runs in this process. Whatever it is, the whole configuration is read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Everything,
    /// What clients speak to; the servers are elsewhere.
    Proxy,
    /// The owner of the accounts; the account-server is elsewhere.
    ObjectServer,
    /// The mirror, the users and the policy.
    AccountServer,
}

/// What is still to be told of the last requests gets so long at the end.
const RECORDS: Duration = Duration::from_secs(5);

/// A configuration that was proven right, with the pipeline that it describes. Nothing was opened or made yet.
#[derive(Debug)]
pub struct Plan {
    part: Part,
    pipeline: registry::Settings,
    keys: Keys,
    dispatch: Dispatch,
    renewal: Renewal,
    /// Whatever pipeline serves.
    service: HttpService,
}

/// What is open, and where it listens.
struct Opened {
    service: HttpService,
    listener: TcpListener,
    address: SocketAddr,
    first_start: Option<FirstStart>,
    late_users: Option<LateUsers>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    renewal: Renewal,
    first_start: Option<FirstStart>,
    /// A first start that could not be completed before clients were served.
    late_first_start: Option<oneshot::Receiver<FirstStart>>,
    stop: watch::Sender<bool>,
    ended: JoinHandle<Result<(), Error>>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory, or what lies in it, cannot be made.
    #[error("{path}: {source}")]
    Data {
        /// What cannot be made.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A server behind the pipeline cannot be opened.
    #[error("{what} cannot be opened")]
    Open {
        /// Which.
        what: &'static str,
        /// Why.
        source: Error,
    },
}

impl Plan {
    /// Reads all sections and builds the pipeline.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn new(part: Part, mut config: Config) -> Result<Self, Mistakes> {
        let sections = Sections::read(&mut config);
        let Some(keys) = read_keys(part, &sections.storage, &mut config) else {
            return Err(config.finish().err().unwrap_or(Mistakes(Vec::new())));
        };
        let dispatch = Dispatch::new();
        let mut context = registry::Context::new(
            Arc::new(Clock::new()),
            dispatch.clone().into_service(),
            keys.keyring().clone(),
            Arc::clone(&sections.constraints),
        );
        let first = renewal::pipeline(&mut config, &mut context, &sections.proxy);
        let pipeline = config.read("pipeline");
        config.finish().map_err(once_each)?;
        let swap = Swap::new(first);
        Ok(Self {
            part,
            pipeline,
            keys,
            dispatch,
            service: swap.clone().into_service(),
            renewal: Renewal {
                sections,
                context: context.for_another(),
                swap,
            },
        })
    }

    /// How to log.
    pub fn log(&self) -> &Log {
        &self.sections().log
    }

    /// The filters, the outermost first.
    pub fn pipeline(&self) -> &registry::Settings {
        &self.pipeline
    }

    fn sections(&self) -> &Sections {
        &self.renewal.sections
    }

    fn policy(&self) -> &Arc<PolicyCache> {
        &self.renewal.context.policy
    }

    /// Opens what belongs to this process and listens.
    ///
    /// # Errors
    /// When something cannot be opened; what was opened before is closed again.
    pub async fn start(self) -> Result<Server, StartError> {
        self.start_on(None).await
    }

    /// The same, on a socket that was handed over instead of the configured address: who connects before the start,
    /// or between two of them, waits in the kernel's queue.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    pub async fn start_on(self, socket: Option<std::net::TcpListener>) -> Result<Server, StartError> {
        self.make_directories()?;
        let mut servers = Servers::default();
        match self.open(&mut servers, socket).await {
            Ok(opened) => Ok(self.run(opened, servers)),
            Err(error) => {
                if let Err(error) = servers.close().await {
                    tracing::error!("closing failed: {error}");
                }
                Err(error)
            }
        }
    }

    /// Opens the servers of this process, and what may still fail before anybody can be served.
    async fn open(
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
            Part::ObjectServer => inner::service(object_server, remotes.key),
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
        if let Some(snapshots) = self.snapshots() {
            snapshots.load(self.policy()).await;
        }
        if matches!(self.part, Part::Everything | Part::AccountServer) {
            self.policy().restore_lost();
        }
    }

    /// `None` of a process that decides nothing by users.
    fn snapshots(&self) -> Option<Snapshots> {
        let name = match self.part {
            Part::Everything => "serve",
            Part::Proxy => "proxy",
            Part::AccountServer => "account-server",
            Part::ObjectServer => return None,
        };
        Some(Snapshots::new(
            &self.sections().storage.data,
            name,
            self.keys.keyring().clone(),
        ))
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
        mirror: FunctionalService,
    ) -> Result<FunctionalService, StartError> {
        let (root, constraints) = (
            self.sections().storage.objects(),
            Arc::clone(&self.sections().constraints),
        );
        let opened = ObjectServer::open(&self.sections().object_server, &root, constraints, mirror).await;
        let server = opened.map_err(open_error("the object-server's storage"))?;
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

    fn limits(&self) -> Limits {
        let limits = Limits {
            max_connections: self.sections().proxy.max_connections,
            max_waiting_uploads: self.sections().proxy.max_waiting_uploads,
            idle_timeout: self.sections().proxy.idle_timeout.0,
            header_timeout: self.sections().proxy.header_timeout.0,
            client_timeout: self.sections().proxy.client_timeout.0,
            drain_timeout: self.sections().proxy.drain_timeout.0,
            lame_duck_timeout: self.sections().proxy.lame_duck_timeout.0,
            max_headers: Limits::max_headers_of(&self.sections().constraints),
        };
        match self.part {
            Part::Everything | Part::Proxy => limits,
            Part::ObjectServer | Part::AccountServer => limits.between_servers(),
        }
    }

    fn run(self, opened: Opened, servers: Servers) -> Server {
        let limits = self.limits();
        let (stop, mut stopped) = watch::channel(false);
        let (told, late_first_start) = oneshot::channel();
        let snapshots = self.snapshots();
        let policy = Arc::clone(self.policy());
        let mut tasks = Vec::new();
        if let Some(snapshots) = snapshots.clone() {
            tasks.push(policy.spawn_refresh());
            tasks.push(snapshots.spawn_keeping(Arc::clone(&policy)));
        }
        let registrations = self.renewal.context.registrations.clone();
        tasks.extend(registrations::spawn_finishing(registrations, self.part));
        let recorder = Arc::clone(&self.renewal.context.recorder);
        if matches!(self.part, Part::Everything | Part::Proxy) {
            tasks.push(recorder.spawn());
        }
        tasks.extend(opened.late_users.map(|users| tokio::spawn(users.prepare(told))));
        let ended = tokio::spawn(async move {
            let stop = async move {
                // An error is a handle that was dropped: nobody could stop the server any more.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            front::serve(opened.listener, opened.service, limits, stop).await;
            recorder.drain(RECORDS).await;
            for task in tasks {
                task.abort();
            }
            if let Some(snapshots) = snapshots {
                snapshots.keep_last(&policy).await;
            }
            servers.close().await
        });
        Server {
            address: opened.address,
            renewal: self.renewal,
            first_start: opened.first_start,
            late_first_start: Some(late_first_start),
            stop,
            ended,
        }
    }

    fn make_directories(&self) -> Result<(), StartError> {
        match self.part {
            // It keeps a policy snapshot only, for which there is room when there is one.
            Part::Proxy => return Ok(()),
            Part::AccountServer => make_directory(&self.sections().storage.data)?,
            Part::Everything | Part::ObjectServer => {
                make_directory(&self.sections().storage.data)?;
                make_directory(&self.sections().storage.objects())?;
            }
        }
        self.keys.save().map_err(|source| StartError::Data {
            path: self.sections().storage.keys().display().to_string(),
            source,
        })
    }
}

impl Server {
    /// Reads `config`, opens the whole store and listens.
    ///
    /// # Errors
    /// All mistakes in the configuration, or what could not be opened.
    pub async fn start(config: Config) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Plan::new(Part::Everything, config)?.start().await?)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a first start has to tell.
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Waits for what a first start has to tell whose database was not there at once; for ever, where there is nothing, or
    /// nothing more.
    pub async fn late_first_start(&mut self) -> FirstStart {
        if let Some(waiting) = &mut self.late_first_start {
            let told = waiting.await;
            self.late_first_start = None;
            if let Ok(told) = told {
                return told;
            }
        }
        std::future::pending().await
    }

    /// Takes over what `config` says, for all requests from now on; none that is under way notices. Settings that hold
    /// only after a restart stay as they were; they are returned as `[section] key`.
    ///
    /// # Errors
    /// Everything that is wrong; then nothing has changed.
    pub fn renew(&self, config: Config) -> Result<Vec<String>, Mistakes> {
        self.renewal.renew(config)
    }

    /// Lets requests that are under way end, and closes everything.
    ///
    /// # Errors
    /// When the last state could not be written down; what was acknowledged is kept nevertheless.
    pub async fn stop(self) -> Result<(), Error> {
        self.stop.send_replace(true);
        self.ended.await.map_err(Error::internal)?
    }
}

/// Whether this start has made the administrator of a new store.
enum Administrator {
    New(AdministratorPassword),
    There,
    /// The database is away.
    Unknown,
}

#[derive(Default)]
struct Servers {
    object_server: Option<ObjectServer>,
    account_server: Option<AccountServer>,
    /// Tasks that wait for servers that are other processes.
    waiting: JoinSet<()>,
}

impl Servers {
    /// The object-server first: its mirror feed has something left to tell.
    async fn close(self) -> Result<(), Error> {
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

/// Makes the directory at `path`, for nobody else to look into.
///
/// # Errors
/// When it cannot be made.
pub fn make_directory(path: &Path) -> Result<(), StartError> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| StartError::Data {
        path: path.display().to_string(),
        source,
    })
}

fn is_away(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::Unavailable(_))
}

fn open_error(what: &'static str) -> impl FnOnce(Error) -> StartError {
    move |source| StartError::Open { what, source }
}

/// The keys of this process: the whole store and the account-server make them at their first start. `None`: there can
/// be none.
fn read_keys(part: Part, storage: &Storage, config: &mut Config) -> Option<Keys> {
    let path = storage.keys();
    let read = match part {
        Part::Everything | Part::AccountServer => Keys::read(&path),
        Part::Proxy | Part::ObjectServer => Keys::read_shared(&path),
    };
    let setting = match storage.keys.as_os_str().is_empty() {
        true => "data",
        false => "keys",
    };
    let keys = read.or_else(|why| {
        config.reject("storage", setting, format!("{}: {why}", path.display()));
        // The pipeline is built nevertheless, for its mistakes to be told as well.
        Keys::generate(&path)
    });
    keys.map_err(|why| config.reject("storage", setting, why)).ok()
}

/// A section that two parts read has its mistakes twice.
fn once_each(mistakes: Mistakes) -> Mistakes {
    let mut once = Vec::with_capacity(mistakes.0.len());
    for mistake in mistakes.0 {
        if !once.contains(&mistake) {
            once.push(mistake);
        }
    }
    Mistakes(once)
}
