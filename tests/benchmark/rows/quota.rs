//! What limits cost the server: an upload where nothing is limited, beside one under limits that are far away.

use anyhow::Result;
use bytes::Bytes;
use http::Method;

use super::record;
use crate::connection::{Connection, expect_success};
use crate::laboratory::{CONNECTIONS, Laboratory};
use crate::report::{Line, Report, Target};
use crate::samples::Samples;
use crate::store::Store;

/// Fewer turns say nothing about so small a difference.
const ROUNDS: usize = 9;
/// Of bytes and of objects.
const LIMITS: [&str; 2] = ["x-container-meta-quota-bytes", "x-container-meta-quota-count"];
const FAR_AWAY: &str = "1000000000000";

/// PUT of 4 KiB: the time of the server's, its database included.
pub(crate) async fn quota(laboratory: &Laboratory, report: &mut Report) -> Result<()> {
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..laboratory.rounds.max(ROUNDS) {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            let store = Store::start(laboratory).await?;
            store.endpoint.put(record::CONTAINER, Bytes::new()).await?;
            if at == 1 {
                limit(&store).await?;
            }
            samples[at].push(record::put_at(&store).await?);
            store.stop().await?;
        }
    }
    let [without, with] = samples;
    report.add(Line {
        work: format!("PUT 4 KiB, {CONNECTIONS} connections, no limit above: time of the server's on a core"),
        unit: "µs a request",
        ours: without,
        other: Some(("the same under limits of the container".to_owned(), with)),
        target: Some(Target::TimesOrLess(1.03)),
        failures: Vec::new(),
    });
    Ok(())
}

async fn limit(store: &Store) -> Result<()> {
    let mut request = store
        .endpoint
        .request(&Method::POST, record::CONTAINER, Bytes::new())?;
    for name in LIMITS {
        request.headers_mut().insert(name, FAR_AWAY.parse()?);
    }
    let mut connection = Connection::open(&store.endpoint.address).await?;
    expect_success(connection.exchange(request).await?)
}
