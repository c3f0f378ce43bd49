//! Reads the data of an object that is there, and says what its `ETag` is.

use std::time::Duration;

use common::{Error, Etag};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::body::Hasher;
use crate::engine::Reader;

/// How fast data may be read.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes a second; 0: as fast as can be.
    rate: u64,
    /// When the next byte may be read.
    next: Mutex<Instant>,
}

impl Pace {
    /// `rate` bytes a second; 0: as fast as can be.
    pub(crate) fn new(rate: u64) -> Self {
        Self {
            rate,
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until `bytes` more may have been read.
    pub(crate) async fn take(&self, bytes: u64) {
        if self.rate == 0 {
            return;
        }
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        let lasts = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let until = {
            let mut next = self.next.lock();
            // What was not used in time is not saved up.
            *next = (*next).max(Instant::now()) + lasts;
            *next
        };
        tokio::time::sleep_until(until).await;
    }
}

/// Reads all of an object.
///
/// # Errors
/// When it cannot be read to its end.
pub(crate) async fn digest(reader: Box<dyn Reader>, pace: &Pace) -> Result<(u64, Etag), Error> {
    let mut body = reader.into_body(None);
    let (mut hasher, mut size) = (Hasher::new(), 0);
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::unavailable(error, None),
        })?;
        let length = chunk.len() as u64;
        size += length;
        hasher = hasher.update(&chunk, size).await?;
        pace.take(length).await;
    }
    Ok((size, Etag::from_md5(hasher.finish().await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_is_kept_and_rest_is_not_saved_up() {
        let pace = Pace::new(1000);
        let begun = Instant::now();
        for _ in 0..4 {
            pace.take(500).await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(60)).await;
        let begun = Instant::now();
        pace.take(1000).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }
}
