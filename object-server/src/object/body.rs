//! Takes an upload in: counts, hashes and stages it, chunk by chunk.

use bytes::Bytes;
use common::body::BoxError;
use common::{Body, Error, Etag, Outcome};
use md5::{Digest as _, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::room::Allowance;
use crate::engine::Stage;

/// Bodies up to this size are hashed where they arrive; of larger ones hashing would hold up the disk and the network,
/// so that it gets a thread.
const HASHED_INLINE: u64 = 128 * 1024;
/// Chunks on their way to that thread.
const HASH_QUEUE: usize = 8;

/// What arrived.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) size: u64,
    pub(super) etag: Etag,
}

/// Reads `body` to its end into `stage`.
///
/// # Errors
/// 413 beyond what is allowed, 499 when fewer (or more) bytes come than `announced`, and what the body itself fails with.
pub(super) async fn receive(
    mut body: Body,
    stage: &mut dyn Stage,
    announced: Option<u64>,
    allowance: &mut Allowance,
) -> Result<Received, Error> {
    let mut hasher = Hasher::new();
    let mut size = 0;
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk.map_err(broken)?;
        size += chunk.len() as u64;
        allowance.admit(size)?;
        hasher = hasher.update(&chunk, size).await?;
        stage.write(chunk).await?;
    }
    if announced.is_some_and(|announced| announced != size) {
        return Err(Outcome::ClientGone.into());
    }
    allowance.end(size)?;
    Ok(Received {
        size,
        etag: Etag::from_md5(hasher.finish().await?),
    })
}

/// A body of ours says itself what is wrong with it; any other breaks off because the client did.
fn broken(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::new(Outcome::ClientGone).caused_by(error),
    }
}

/// MD5 of what comes chunk by chunk.
pub(super) enum Hasher {
    Inline(Md5),
    Thread(mpsc::Sender<Bytes>, JoinHandle<Md5>),
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self::Inline(Md5::new())
    }

    /// Takes a chunk, with which it is `size` bytes.
    pub(super) async fn update(self, chunk: &Bytes, size: u64) -> Result<Self, Error> {
        match self {
            Self::Inline(mut md5) if size <= HASHED_INLINE => {
                md5.update(chunk);
                Ok(Self::Inline(md5))
            }
            Self::Inline(mut md5) => {
                let (sender, mut chunks) = mpsc::channel::<Bytes>(HASH_QUEUE);
                let thread = tokio::task::spawn_blocking(move || {
                    while let Some(chunk) = chunks.blocking_recv() {
                        md5.update(&chunk);
                    }
                    md5
                });
                sender.send(chunk.clone()).await.map_err(Error::internal)?;
                Ok(Self::Thread(sender, thread))
            }
            Self::Thread(sender, thread) => {
                sender.send(chunk.clone()).await.map_err(Error::internal)?;
                Ok(Self::Thread(sender, thread))
            }
        }
    }

    pub(super) async fn finish(self) -> Result<[u8; 16], Error> {
        let md5 = match self {
            Self::Inline(md5) => md5,
            Self::Thread(sender, thread) => {
                drop(sender);
                thread.await.map_err(Error::internal)?
            }
        };
        Ok(md5.finalize().into())
    }
}
