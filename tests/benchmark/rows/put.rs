//! Durable uploads, beside the bare calls that they cannot do without.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use super::MEGABYTE;
use crate::connection::{Connection, expect_success};
use crate::endpoint::Endpoint;
use crate::floor;
use crate::laboratory::{CONNECTIONS, Laboratory, random};
use crate::load::{self, Make};
use crate::report::{Line, Report, Target};
use crate::samples::Samples;
use crate::store::Store;

const SMALL: usize = 4 << 10;
const LARGE: usize = 100 << 20;
/// Of the large object, in one turn.
const UPLOADS: usize = 3;

/// PUT of 4 KiB under new names.
pub(crate) async fn small(laboratory: &Laboratory, peers: &[Endpoint], report: &mut Report) -> Result<()> {
    let body = random(SMALL);
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    let mut our_failures = Vec::new();
    let mut others: Vec<(Samples, Vec<String>)> = peers.iter().map(|_| Default::default()).collect();
    for round in 0..laboratory.rounds {
        let store = Store::start(laboratory).await?;
        let outcome = small_at(laboratory, &store.endpoint, round, &body).await?;
        store.stop().await?;
        ours.push(outcome.rate);
        our_failures.extend(outcome.failure);
        let directory = laboratory.fresh()?;
        bare.push(floor::durable_files(directory, body.clone(), CONNECTIONS, laboratory.span).await?);
        for (peer, (samples, failures)) in peers.iter().zip(&mut others) {
            let outcome = small_at(laboratory, peer, round, &body).await?;
            samples.push(outcome.rate);
            failures.extend(outcome.failure);
        }
    }
    let work = format!("PUT 4 KiB, durable, {CONNECTIONS} connections");
    report.set("the bare loop, a file", floor::CALLS);
    report.add(Line {
        work: work.clone(),
        unit: "a second",
        ours: ours.clone(),
        other: Some((format!("bare loop of {CONNECTIONS} threads"), bare)),
        target: Some(Target::TimesOrMore(0.5)),
        failures: our_failures.clone(),
    });
    for (peer, (samples, failures)) in peers.iter().zip(others) {
        report.add(Line {
            work: work.clone(),
            unit: "a second",
            ours: ours.clone(),
            other: Some((peer.name.clone(), samples)),
            target: Some(Target::TimesOrMore(10.0)),
            failures: our_failures.iter().cloned().chain(failures).collect(),
        });
    }
    Ok(())
}

/// PUT of 100 MiB over one connection.
pub(crate) async fn large(laboratory: &Laboratory, peers: &[Endpoint], report: &mut Report) -> Result<()> {
    let body = random(LARGE);
    let (mut ours, mut md5, mut write) = (Samples::default(), Samples::default(), Samples::default());
    let mut others: Vec<Samples> = peers.iter().map(|_| Samples::default()).collect();
    for round in 0..laboratory.rounds {
        let store = Store::start(laboratory).await?;
        ours.push(large_at(&store.endpoint, round, &body).await?);
        store.stop().await?;
        md5.push(floor::md5(body.clone()).await? / MEGABYTE);
        let path = laboratory.fresh()?.join("file");
        write.push(floor::durable_write(path, body.clone()).await? / MEGABYTE);
        for (peer, samples) in peers.iter().zip(&mut others) {
            samples.push(large_at(peer, round, &body).await?);
        }
    }
    let md5_is_slower = md5.median() < write.median();
    let line = |name: &str, other: &Samples, target| Line {
        work: "PUT 100 MiB, durable, one connection".to_owned(),
        unit: "MB/s",
        ours: ours.clone(),
        other: Some((name.to_owned(), other.clone())),
        target,
        failures: Vec::new(),
    };
    let target = |is_slower: bool| is_slower.then_some(Target::TimesOrMore(0.7));
    report.add(line("MD5 alone on one core", &md5, target(md5_is_slower)));
    report.add(line("bare write and fsync", &write, target(!md5_is_slower)));
    for (peer, samples) in peers.iter().zip(&others) {
        report.add(line(&peer.name, samples, None));
    }
    Ok(())
}

/// A container of each round's own, so that no name is written twice.
async fn container(endpoint: &Endpoint, work: &str, round: usize) -> Result<String> {
    let container = format!("bench-{work}-{round}");
    endpoint.put(&container, Bytes::new()).await?;
    Ok(container)
}

async fn small_at(
    laboratory: &Laboratory,
    endpoint: &Endpoint,
    round: usize,
    body: &Bytes,
) -> Result<load::Outcome> {
    let container = container(endpoint, "put", round).await?;
    let (maker, body) = (endpoint.clone(), body.clone());
    let make: Make = Arc::new(move |number| {
        maker.request(&Method::PUT, &format!("{container}/{number:08}"), body.clone())
    });
    Ok(load::sustain(endpoint, CONNECTIONS, laboratory.span, &make).await)
}

async fn large_at(endpoint: &Endpoint, round: usize, body: &Bytes) -> Result<f64> {
    let container = container(endpoint, "put-large", round).await?;
    let mut connection = Connection::open(&endpoint.address).await?;
    let start = Instant::now();
    for upload in 0..UPLOADS {
        let request = endpoint.request(&Method::PUT, &format!("{container}/{upload}"), body.clone())?;
        expect_success(connection.exchange(request).await?)?;
    }
    Ok((LARGE * UPLOADS) as f64 / MEGABYTE / start.elapsed().as_secs_f64())
}
