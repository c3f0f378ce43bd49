//! The whole store in one process, or one part of it: from a configuration to a server that listens, and to its end.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::Clock;
use common::config::{Config, Mistakes};
use common::service::HttpService;
use middleware::PolicyCache;
use middleware::registry;
use tokio::sync::{oneshot, watch};

use crate::dispatch::Dispatch;
use crate::front::{self, Limits};
use crate::keys::Keys;
use crate::policy_snapshot::Snapshots;
use crate::settings::{Log, Storage};
use opening::{Opened, Servers};
use renewal::Renewal;
use sections::Sections;
use swap::Swap;

pub use server::Server;
pub use start_error::StartError;

pub mod first_start;
mod late_users;
mod opening;
mod registrations;
mod remotes;
mod renewal;
mod sections;
mod server;
mod start_error;
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
                guards: Swap::new(context.guards.clone()),
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

    fn snapshots(&self) -> Snapshots {
        let name = match self.part {
            Part::Everything => "serve",
            Part::Proxy => "proxy",
            Part::ObjectServer => "object-server",
            Part::AccountServer => "account-server",
        };
        Snapshots::new(&self.sections().storage.data, name, self.keys.keyring().clone())
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
        let mut tasks = vec![
            policy.spawn_refresh(),
            snapshots.clone().spawn_keeping(Arc::clone(&policy)),
        ];
        let registrations = self.renewal.context.registrations.clone();
        tasks.extend(registrations::spawn_finishing(registrations, self.part));
        let recorder = Arc::clone(&self.renewal.context.recorder);
        // An owner asks the guards again, and what they refuse is recorded.
        if self.part != Part::AccountServer {
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
            snapshots.keep_last(&policy).await;
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
