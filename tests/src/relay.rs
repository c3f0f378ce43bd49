//! A way to a server on which connections break off, or stand still, when so much went over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks off.
    Cut,
    /// Nothing more goes over it.
    Stall,
}

/// A way that is faulty so many times, and then is not.
#[derive(Clone, Debug)]
pub struct Relay(Arc<State>);

#[derive(Debug)]
struct State {
    address: String,
    to: String,
    fault: Fault,
    /// What goes over a connection one way before it is faulty.
    after: u64,
    faults_left: AtomicUsize,
    carried: AtomicU64,
}

impl Relay {
    /// A way to `to`.
    pub async fn start(to: &str, fault: Fault, times: usize, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let relay = Self(Arc::new(State {
            address: listener.local_addr().expect("it is bound").to_string(),
            to: to.to_owned(),
            fault,
            after,
            faults_left: AtomicUsize::new(times),
            carried: AtomicU64::new(0),
        }));
        let accepting = relay.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&accepting.0);
                tokio::spawn(async move { state.carry(client).await });
            }
        });
        relay
    }

    /// Where clients log in.
    pub fn auth_url(&self) -> String {
        format!("http://{}/auth/v1.0", self.0.address)
    }

    /// How many faults are still to come.
    pub fn faults_left(&self) -> usize {
        self.0.faults_left.load(Ordering::SeqCst)
    }

    /// All bytes that were carried, both ways.
    pub fn carried(&self) -> u64 {
        self.0.carried.load(Ordering::SeqCst)
    }
}

impl State {
    async fn carry(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.to).await else {
            return;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // When one way ends, for whatever reason, the connection does.
        tokio::select! {
            () = self.one_way(from_client, to_server) => {}
            () = self.one_way(from_server, to_client) => {}
        }
    }

    async fn one_way(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut carried = 0;
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = from.read(&mut buffer).await {
            if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            carried += read as u64;
            self.carried.fetch_add(read as u64, Ordering::SeqCst);
            if carried > self.after && self.takes_a_fault() {
                match self.fault {
                    Fault::Cut => return,
                    Fault::Stall => std::future::pending().await,
                }
            }
        }
    }

    fn takes_a_fault(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.faults_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }
}
