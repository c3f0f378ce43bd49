//! The whole store in one process: from a configuration to a server that listens, and to its end.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use account_server::AccountServer;
use common::config::{Config, Mistakes};
use common::constraints::Constraints;
use common::service::{FunctionalService, HttpService};
use common::{Clock, Error};
use middleware::PolicyCache;
use middleware::registry;
use object_server::ObjectServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dispatch::Dispatch;
use crate::front::{self, Limits};
use crate::functionalise::Functionalise;
use crate::keys::Keys;
use crate::settings::{Log, Proxy, Storage, User};
use first_start::FirstStart;

pub mod first_start;

/// A configuration that was proven right, with the pipeline that it describes. Nothing was opened or made yet.
#[derive(Debug)]
pub struct Plan {
    proxy: Proxy,
    storage: Storage,
    log: Log,
    constraints: Arc<Constraints>,
    account_server: account_server::Settings,
    object_server: object_server::Settings,
    pipeline: registry::Settings,
    users: Vec<User>,
    keys: Keys,
    dispatch: Dispatch,
    policy: Arc<PolicyCache>,
    service: HttpService,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    first_start: Option<FirstStart>,
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
        address: SocketAddr,
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
    pub fn new(mut config: Config) -> Result<Self, Mistakes> {
        let proxy = Proxy::read(&mut config);
        let storage: Storage = config.read("storage");
        let log = Log::read(&mut config);
        let constraints: Arc<Constraints> = Arc::new(config.read("constraints"));
        let account_server = config.read("account-server");
        let object_server = config.read("object-server");
        let users = config.read_list("user");
        let path = storage.keys();
        let keys = Keys::read(&path).or_else(|why| {
            config.reject("storage", "data", format!("{}: {why}", path.display()));
            // The pipeline is built nevertheless, for its mistakes to be told as well.
            Keys::generate(&path)
        });
        let keys = match keys {
            Ok(keys) => keys,
            Err(why) => {
                config.reject("storage", "data", why);
                return Err(config.finish().err().unwrap_or(Mistakes(Vec::new())));
            }
        };
        let dispatch = Dispatch::new();
        let (owner, clock) = (dispatch.clone().into_service(), Arc::new(Clock::new()));
        let mut context = registry::Context::new(
            Arc::clone(&clock),
            owner.clone(),
            keys.keyring().clone(),
            Arc::clone(&constraints),
        );
        let functionalise = |inner: FunctionalService| {
            Functionalise::new(inner, Arc::clone(&constraints), &proxy.allowed_headers, clock).into_service()
        };
        let service = registry::build(&mut config, &mut context, functionalise, owner);
        let pipeline = config.read("pipeline");
        config.finish().map_err(once_each)?;
        Ok(Self {
            proxy,
            storage,
            log,
            constraints,
            account_server,
            object_server,
            pipeline,
            users,
            keys,
            dispatch,
            policy: context.policy,
            service,
        })
    }

    /// How to log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The filters, the outermost first.
    pub fn pipeline(&self) -> &registry::Settings {
        &self.pipeline
    }

    /// Opens everything and listens.
    ///
    /// # Errors
    /// When something cannot be opened; what was opened before is closed again.
    pub async fn start(self) -> Result<Server, StartError> {
        self.make_directories()?;
        let opened = AccountServer::open(&self.account_server, &self.storage.sqlite()).await;
        let account_server = opened.map_err(open_error("the account-server's database"))?;
        let opened = ObjectServer::open(
            &self.object_server,
            &self.storage.objects(),
            Arc::clone(&self.constraints),
            account_server.service(),
        )
        .await;
        let object_server = match opened {
            Ok(object_server) => object_server,
            Err(error) => {
                account_server.close().await;
                return Err(open_error("the object-server's storage")(error));
            }
        };
        self.dispatch
            .connect(object_server.service(), account_server.service());
        let servers = Servers {
            object_server,
            account_server,
        };
        match self.prepare(&servers).await {
            Ok((listener, address, first_start)) => Ok(self.run(servers, listener, address, first_start)),
            Err(error) => {
                if let Err(error) = servers.close().await {
                    tracing::error!("closing failed: {error}");
                }
                Err(error)
            }
        }
    }

    /// What may still fail before clients can be served.
    async fn prepare(
        &self,
        servers: &Servers,
    ) -> Result<(TcpListener, SocketAddr, Option<FirstStart>), StartError> {
        let users_error = open_error("the table of users");
        let account_server = servers.account_server.service();
        let password = first_start::make_administrator(&account_server)
            .await
            .map_err(users_error)?;
        first_start::put_users(&account_server, &self.users)
            .await
            .map_err(open_error("the table of users"))?;
        self.policy
            .refresh()
            .await
            .map_err(open_error("the table of users"))?;
        let address = self.proxy.listen;
        let listen_error = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let first_start = match password {
            Some(password) => Some(FirstStart::new(&self.service, address, password).await),
            None => None,
        };
        Ok((listener, address, first_start))
    }

    fn run(
        self,
        servers: Servers,
        listener: TcpListener,
        address: SocketAddr,
        first_start: Option<FirstStart>,
    ) -> Server {
        let limits = Limits {
            max_connections: self.proxy.max_connections,
            idle_timeout: self.proxy.idle_timeout.0,
            header_timeout: self.proxy.header_timeout.0,
            client_timeout: self.proxy.client_timeout.0,
            drain_timeout: self.proxy.drain_timeout.0,
            max_headers: Limits::max_headers_of(&self.constraints),
        };
        let (stop, mut stopped) = watch::channel(false);
        let refreshing = self.policy.spawn_refresh();
        let ended = tokio::spawn(async move {
            let stop = async move {
                // An error is a handle that was dropped: nobody could stop the server any more.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            front::serve(listener, self.service, limits, stop).await;
            refreshing.abort();
            servers.close().await
        });
        Server {
            address,
            first_start,
            stop,
            ended,
        }
    }

    fn make_directories(&self) -> Result<(), StartError> {
        make_directory(&self.storage.data)?;
        make_directory(&self.storage.objects())?;
        self.keys.save().map_err(|source| StartError::Data {
            path: self.storage.keys().display().to_string(),
            source,
        })
    }
}

impl Server {
    /// Reads `config`, opens everything and listens.
    ///
    /// # Errors
    /// All mistakes in the configuration, or what could not be opened.
    pub async fn start(config: Config) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Plan::new(config)?.start().await?)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a first start has to tell.
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
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

struct Servers {
    object_server: ObjectServer,
    account_server: AccountServer,
}

impl Servers {
    /// The object-server first: its mirror feed has something left to tell.
    async fn close(self) -> Result<(), Error> {
        let closed = self.object_server.close().await;
        self.account_server.close().await;
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

fn open_error(what: &'static str) -> impl FnOnce(Error) -> StartError {
    move |source| StartError::Open { what, source }
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
