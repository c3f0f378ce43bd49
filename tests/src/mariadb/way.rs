//! The way to a database, on which things go wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Each packet takes so long, there and back.
    Delay(Duration),
    /// All connections break off, and no new one comes about.
    Cut,
    /// Connections stay, new ones come about, and nothing arrives.
    Freeze,
    /// The next commit arrives, and its connection breaks off before the answer does; after that nothing is wrong.
    LostCommit,
}

/// A port of this machine that leads to a database on a socket. Gone with its value.
#[derive(Debug)]
pub struct Way {
    address: SocketAddr,
    target: MySqlConnectOptions,
    fault: Arc<watch::Sender<Option<Fault>>>,
    accepting: JoinHandle<()>,
}

/// What a connection needs to know.
#[derive(Clone, Debug)]
struct Trouble {
    fault: Arc<watch::Sender<Option<Fault>>>,
    /// A commit went by whose answer shall be lost.
    is_committing: Arc<AtomicBool>,
}

impl Way {
    /// A way to the database of this URL, which names a socket.
    pub async fn to(url: &str) -> Self {
        let target = MySqlConnectOptions::from_str(url).expect("this is the URL of a database");
        let socket = target
            .get_socket()
            .expect("the tests' MariaDB listens on a socket");
        let socket = socket.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let fault = Arc::new(watch::Sender::new(None));
        let accepting = tokio::spawn(accept(listener, socket, Arc::clone(&fault)));
        Self {
            address,
            target,
            fault,
            accepting,
        }
    }

    /// For the setting `database` of `[account-server]`: the same database, reached on this way.
    pub fn url(&self) -> String {
        let target = &self.target;
        let options = MySqlConnectOptions::new()
            .host(&self.address.ip().to_string())
            .port(self.address.port())
            .username(target.get_username())
            .database(target.get_database().expect("the URL names a database"));
        options.to_url_lossy().to_string()
    }

    /// From now on this goes wrong; `None`: nothing.
    pub fn set(&self, fault: impl Into<Option<Fault>>) {
        self.fault.send_replace(fault.into());
    }

    /// Waits until the answer of a commit was lost.
    pub async fn lost_commit(&self) {
        let mut fault = self.fault.subscribe();
        let passed = fault.wait_for(|fault| *fault != Some(Fault::LostCommit)).await;
        passed.expect("the way is there");
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepting.abort();
        self.fault.send_replace(Some(Fault::Cut));
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, fault: Arc<watch::Sender<Option<Fault>>>) {
    while let Ok((client, _)) = listener.accept().await {
        if *fault.borrow() == Some(Fault::Cut) {
            // It shall learn so at once.
            let _reset = client.set_zero_linger();
            continue;
        }
        let socket = socket.clone();
        let trouble = Trouble {
            fault: Arc::clone(&fault),
            is_committing: Arc::default(),
        };
        tokio::spawn(async move { join(client, &socket, trouble).await });
    }
}

/// One connection, until either side or a fault ends it.
async fn join(mut client: TcpStream, socket: &std::path::Path, trouble: Trouble) {
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return;
    };
    let _quick = client.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut cut = trouble.fault.subscribe();
    tokio::select! {
        () = carry(from_client, to_server, trouble.clone(), true) => {}
        () = carry(from_server, to_client, trouble, false) => {}
        _ = cut.wait_for(|fault| *fault == Some(Fault::Cut)) => {}
    }
}

/// Carries packets in one direction.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    trouble: Trouble,
    is_upward: bool,
) {
    let mut state = trouble.fault.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let packet = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => &buffer[..length],
        };
        let thawed = state.wait_for(|fault| *fault != Some(Fault::Freeze)).await;
        let Ok(fault) = thawed.map(|fault| *fault) else {
            return;
        };
        match fault {
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::LostCommit) if is_upward && packet.windows(6).any(|word| word == b"COMMIT") => {
                trouble.is_committing.store(true, Ordering::Release);
            }
            Some(Fault::LostCommit) if !is_upward && trouble.is_committing.load(Ordering::Acquire) => {
                let is_first = trouble
                    .fault
                    .send_if_modified(|fault| fault.take_if(|fault| *fault == Fault::LostCommit).is_some());
                if is_first {
                    return;
                }
            }
            _ => {}
        }
        if to.write_all(packet).await.is_err() {
            return;
        }
    }
}
