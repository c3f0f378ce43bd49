//! Directories as a whole, by how much lies in them: moved, and removed while others go on storing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use crate::connection::{Connection, expect_success};
use crate::endpoint::Endpoint;
use crate::laboratory::{Laboratory, random};
use crate::load::{self, Make};
use crate::report::{Line, Report, Target};
use crate::samples::{Samples, number};
use crate::store::{Durability, Store};

const CONTAINER: &str = "bench-tree";
/// So many objects lie in each directory below.
const A_DIRECTORY: usize = 1_000;
/// Connections by which many objects are made.
const LOADERS: usize = 64;
/// Moves of each directory in a turn.
const MOVES: usize = 10;
/// What is stored while a directory is reaped.
const STORED: usize = 4096;

/// One with a single object, and each with ten times the objects of the one before.
pub(crate) async fn tree(laboratory: &Laboratory, objects: usize, report: &mut Report) -> Result<()> {
    let mut sizes = vec![1];
    sizes.extend(
        (3..)
            .map(|digits| 10_usize.pow(digits))
            .take_while(|size| *size <= objects),
    );
    let store = filled(laboratory, &sizes).await?;
    let moves = moves(laboratory, &store.endpoint, &sizes).await?;
    let removals = removals(laboratory, &store.endpoint, &sizes).await?;
    let largest = number(sizes.last().copied().unwrap_or(1) as f64);
    let (single, all) = (moves.first().cloned(), moves.last().cloned());
    for target in [Target::Below(20.0), Target::TimesOrLess(2.0)] {
        report.add(Line {
            work: format!("MOVE of a directory with {largest} objects"),
            unit: "ms",
            ours: all.clone().unwrap_or_default(),
            other: matches!(target, Target::TimesOrLess(_))
                .then(|| ("with a single one".to_owned(), single.clone().unwrap_or_default())),
            target: Some(target),
            failures: Vec::new(),
        });
    }
    report.add(Line {
        work: format!("recursive DELETE of a directory with {largest} objects, until it is answered"),
        unit: "ms",
        ours: removals.times.last().cloned().unwrap_or_default(),
        other: None,
        target: Some(Target::Below(50.0)),
        failures: Vec::new(),
    });
    report.add(Line {
        work: "PUT 4 KiB on one connection while that is reaped: the slowest of a hundred".to_owned(),
        unit: "ms",
        ours: removals.meanwhile,
        other: Some(("when nothing else is done".to_owned(), removals.idle)),
        target: Some(Target::TimesOrLess(4.0)),
        failures: Vec::new(),
    });
    let drawn = |times: &[Samples]| {
        sizes
            .iter()
            .copied()
            .zip(times.iter().map(Samples::median))
            .collect()
    };
    report.draw("MOVE of a directory, ms, by its objects", drawn(&moves));
    report.draw(
        "recursive DELETE of a directory, ms, by its objects",
        drawn(&removals.times),
    );
    Ok(())
}

/// A store with a directory of each size, started anew when it is filled.
async fn filled(laboratory: &Laboratory, sizes: &[usize]) -> Result<Store> {
    let store = Store::start_in(laboratory, &laboratory.fresh()?, Durability::Relaxed).await?;
    store.endpoint.put(CONTAINER, Bytes::new()).await?;
    for &size in sizes {
        crate::note(&format!(
            "making a directory with {size} objects, without durability"
        ));
        let maker = store.endpoint.clone();
        let make: Make = Arc::new(move |object| {
            let directory = object as usize / A_DIRECTORY;
            let resource = format!("{}{directory:04}/{object:07}", place(size, 0));
            maker.request(&Method::PUT, &resource, Bytes::new())
        });
        load::complete(&store.endpoint, LOADERS, size as u64, &make).await?;
    }
    let directory = store.stop().await?;
    Store::start_in(laboratory, &directory, Durability::Durable).await
}

/// Where the directory of that size is after so many moves.
fn place(size: usize, moves: usize) -> String {
    format!(
        "{CONTAINER}/of-{size}/{}/",
        if moves.is_multiple_of(2) { "here" } else { "there" }
    )
}

/// Of each size how long a move took.
async fn moves(laboratory: &Laboratory, endpoint: &Endpoint, sizes: &[usize]) -> Result<Vec<Samples>> {
    let mut connection = Connection::open(&endpoint.address).await?;
    let mut times = vec![Samples::default(); sizes.len()];
    for _ in 0..laboratory.rounds {
        for (&size, samples) in sizes.iter().zip(&mut times) {
            let mut turn = Samples::default();
            for done in 0..MOVES {
                let method = Method::from_bytes(b"MOVE")?;
                let mut request = endpoint.request(&method, &place(size, done), Bytes::new())?;
                let destination = place(size, done + 1).parse()?;
                request.headers_mut().insert("destination", destination);
                let begin = Instant::now();
                expect_success(connection.exchange(request).await?)?;
                turn.push(begin.elapsed().as_secs_f64() * 1e3);
            }
            samples.push(turn.median());
        }
    }
    Ok(times)
}

/// What removing told.
struct Removals {
    /// Of each size how long it took to be answered.
    times: Vec<Samples>,
    /// The slowest of a hundred PUTs, one after the other, with nothing to reap.
    idle: Samples,
    /// And while the largest is reaped.
    meanwhile: Samples,
}

async fn removals(laboratory: &Laboratory, endpoint: &Endpoint, sizes: &[usize]) -> Result<Removals> {
    let mut connection = Connection::open(&endpoint.address).await?;
    let mut removals = Removals {
        times: vec![Samples::default(); sizes.len()],
        idle: stores(laboratory, endpoint, &mut connection, 0).await?,
        meanwhile: Samples::default(),
    };
    for (&size, samples) in sizes.iter().zip(&mut removals.times) {
        let resource = format!("{}?recursive=true", place(size, 0));
        let request = endpoint.request(&Method::DELETE, &resource, Bytes::new())?;
        let begin = Instant::now();
        expect_success(connection.exchange(request).await?)?;
        samples.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    removals.meanwhile = stores(laboratory, endpoint, &mut connection, 1).await?;
    let left = endpoint.get(&format!("{CONTAINER}?prefix=of-&limit=1")).await?;
    ensure!(left.is_empty(), "something of what was removed is still listed");
    Ok(removals)
}

/// Stores one object after the other, and gives the 99th percentile of the milliseconds of each turn.
async fn stores(
    laboratory: &Laboratory,
    endpoint: &Endpoint,
    connection: &mut Connection,
    part: usize,
) -> Result<Samples> {
    let body = random(STORED);
    let mut samples = Samples::default();
    for round in 0..laboratory.rounds {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while begin.elapsed() < laboratory.span.min(Duration::from_secs(2)) {
            let resource = format!("{CONTAINER}/stored/{part}-{round}-{}", times.len());
            let request = endpoint.request(&Method::PUT, &resource, body.clone())?;
            let begin = Instant::now();
            expect_success(connection.exchange(request).await?)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        samples.push(times[times.len() * 99 / 100]);
    }
    Ok(samples)
}
