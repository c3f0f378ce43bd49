//! Downloads, beside nginx which serves the very files of the store.

use anyhow::{Result, ensure};
use bytes::Bytes;

use super::MEGABYTE;
use crate::endpoint::Endpoint;
use crate::laboratory::{CONNECTIONS, Laboratory, random};
use crate::nginx::Nginx;
use crate::report::{Line, Report, Target};
use crate::samples::Samples;
use crate::store::Store;
use crate::{transfer, wrk};

const CONTAINER: &str = "bench-get";
const SMALL: usize = 4 << 10;
const LARGE: usize = 100 << 20;
/// Of the large object, in one turn.
const DOWNLOADS: usize = 5;

/// What the turns of one server gave.
#[derive(Default)]
struct Turns {
    rate: Samples,
    microseconds: Samples,
    failures: Vec<String>,
}

/// GET of 4 KiB: the rate, and what it costs the server.
pub(crate) async fn small(laboratory: &Laboratory, peers: &[Endpoint], report: &mut Report) -> Result<()> {
    let store = Store::start(laboratory).await?;
    let body = random(SMALL);
    for endpoint in peers.iter().chain([&store.endpoint]) {
        fill(endpoint, &body).await?;
    }
    let nginx = Nginx::start(laboratory, &store.files(CONTAINER)?).await?;
    let (mut ours, mut theirs) = (Turns::default(), Turns::default());
    let mut others: Vec<Turns> = peers.iter().map(|_| Turns::default()).collect();
    for _ in 0..laboratory.rounds {
        let before = store.processor_time()?;
        let outcome = small_at(laboratory, &store.endpoint).await?;
        ours.take(&outcome, Some(store.processor_time()? - before));
        let before = nginx.processor_time()?;
        let outcome = wrk::run(&nginx.url("object"), None, laboratory.span).await?;
        theirs.take(&outcome, Some(nginx.processor_time()? - before));
        for (peer, turns) in peers.iter().zip(&mut others) {
            turns.take(&small_at(laboratory, peer).await?, None);
        }
    }
    let work = format!("GET 4 KiB, {CONNECTIONS} connections");
    let mut failures = ours.failures.clone();
    failures.extend(theirs.failures);
    report.add(Line {
        work: format!("{work}: time of the server's on a core"),
        unit: "µs a request",
        ours: ours.microseconds,
        other: Some(("nginx".to_owned(), theirs.microseconds)),
        target: Some(Target::TimesOrLess(2.0)),
        failures: failures.clone(),
    });
    report.add(Line {
        work: work.clone(),
        unit: "a second",
        ours: ours.rate.clone(),
        other: Some(("nginx".to_owned(), theirs.rate)),
        target: Some(Target::TimesOrMore(0.5)),
        failures,
    });
    for (peer, turns) in peers.iter().zip(others) {
        report.add(Line {
            work: work.clone(),
            unit: "a second",
            ours: ours.rate.clone(),
            other: Some((peer.name.clone(), turns.rate)),
            target: None,
            failures: turns.failures,
        });
    }
    Ok(())
}

/// GET of 100 MiB over one connection.
pub(crate) async fn large(laboratory: &Laboratory, peers: &[Endpoint], report: &mut Report) -> Result<()> {
    let store = Store::start(laboratory).await?;
    let body = random(LARGE);
    for endpoint in peers.iter().chain([&store.endpoint]) {
        fill(endpoint, &body).await?;
    }
    drop(body);
    let nginx = Nginx::start(laboratory, &store.files(CONTAINER)?).await?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let mut others: Vec<Samples> = peers.iter().map(|_| Samples::default()).collect();
    for _ in 0..laboratory.rounds {
        ours.push(large_at(&store.endpoint).await?);
        theirs.push(megabytes_a_second(nginx.address(), "/object", "").await?);
        for (peer, samples) in peers.iter().zip(&mut others) {
            samples.push(large_at(peer).await?);
        }
    }
    let line = |other: (String, Samples), target| Line {
        work: "GET 100 MiB, one connection".to_owned(),
        unit: "MB/s",
        ours: ours.clone(),
        other: Some(other),
        target,
        failures: Vec::new(),
    };
    report.add(line(("nginx".to_owned(), theirs), Some(Target::TimesOrMore(0.7))));
    for (peer, samples) in peers.iter().zip(others) {
        report.add(line((peer.name.clone(), samples), None));
    }
    Ok(())
}

async fn fill(endpoint: &Endpoint, body: &Bytes) -> Result<()> {
    endpoint.put(CONTAINER, Bytes::new()).await?;
    endpoint.put(&format!("{CONTAINER}/object"), body.clone()).await?;
    let stored = endpoint.get(&format!("{CONTAINER}/object")).await?;
    ensure!(stored == *body, "{} gave back other bytes", endpoint.name);
    Ok(())
}

async fn small_at(laboratory: &Laboratory, endpoint: &Endpoint) -> Result<wrk::Outcome> {
    let url = endpoint.url(&format!("{CONTAINER}/object"));
    wrk::run(&url, Some(&endpoint.token), laboratory.span).await
}

async fn large_at(endpoint: &Endpoint) -> Result<f64> {
    let target = endpoint.target(&format!("{CONTAINER}/object"));
    megabytes_a_second(&endpoint.address, &target, &endpoint.token).await
}

async fn megabytes_a_second(address: &str, target: &str, token: &str) -> Result<f64> {
    let (time, bytes) = transfer::download(address, target, token, DOWNLOADS).await?;
    ensure!(bytes == (LARGE * DOWNLOADS) as u64, "{bytes} bytes came");
    Ok(bytes as f64 / MEGABYTE / time.as_secs_f64())
}

impl Turns {
    fn take(&mut self, outcome: &wrk::Outcome, processor_time: Option<std::time::Duration>) {
        self.rate.push(outcome.rate);
        if let Some(time) = processor_time {
            self.microseconds
                .push(time.as_secs_f64() * 1e6 / outcome.requests);
        }
        self.failures.extend(outcome.failures.clone());
    }
}
