//! Directories as a whole, by how much lies in them: moved, and removed while others go on storing, on both databases.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use crate::connection::{Connection, expect_success};
use crate::endpoint::Endpoint;
use crate::grown::Base;
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

/// What is known of one database, by size.
struct Known {
    moves: Vec<Samples>,
    removals: Removals,
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

/// One with a single object, and each with ten times the objects of the one before; of each database.
pub(crate) async fn tree(laboratory: &Laboratory, objects: usize, report: &mut Report) -> Result<()> {
    let mut sizes = vec![1];
    sizes.extend(super::names::sizes(objects));
    for base in Base::all(laboratory).await? {
        let store = filled(laboratory, &base, &sizes).await?;
        let known = Known {
            moves: moves(laboratory, &store.endpoint, &sizes).await?,
            removals: removals(laboratory, &store.endpoint, &sizes).await?,
        };
        store.stop().await?;
        tell(&base, &sizes, &known, report);
    }
    Ok(())
}

/// A store with a directory of each size, started anew when it is filled.
async fn filled(laboratory: &Laboratory, base: &Base, sizes: &[usize]) -> Result<Store> {
    let directory = laboratory.fresh()?;
    let settings = base.settings(&directory).await?;
    let store = Store::start_so(laboratory, &directory, Durability::Relaxed, &settings).await?;
    store.endpoint.put(CONTAINER, Bytes::new()).await?;
    for &size in sizes {
        crate::note(&format!(
            "{}: making a directory with {size} objects, without durability",
            base.label()
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
    Store::start_so(laboratory, &directory, Durability::Durable, &settings).await
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

fn tell(base: &Base, sizes: &[usize], known: &Known, report: &mut Report) {
    let (database, removals) = (base.label(), &known.removals);
    let largest = number(sizes.last().copied().unwrap_or(1) as f64);
    let mut line = |work: String, ours: Option<&Samples>, other: Option<(&str, &Samples)>, target| {
        report.add(Line {
            work: format!("{work}; {database}"),
            unit: "ms",
            ours: ours.cloned().unwrap_or_default(),
            other: other.map(|(name, samples)| (name.to_owned(), samples.clone())),
            target: Some(target),
            failures: Vec::new(),
        });
    };
    let single = known.moves.first().map(|single| ("with a single one", single));
    for (other, target) in [(None, Target::Below(20.0)), (single, Target::TimesOrLess(2.0))] {
        let work = format!("MOVE of a directory with {largest} objects");
        line(work, known.moves.last(), other, target);
    }
    line(
        format!("recursive DELETE of a directory with {largest} objects, until it is answered"),
        removals.times.last(),
        None,
        Target::Below(50.0),
    );
    line(
        "PUT 4 KiB on one connection while that is reaped: the slowest of a hundred".to_owned(),
        Some(&removals.meanwhile),
        Some(("when nothing else is done", &removals.idle)),
        Target::TimesOrLess(4.0),
    );
    for (work, times) in [("MOVE", &known.moves), ("recursive DELETE", &removals.times)] {
        let bars = sizes.iter().copied().zip(times.iter().map(Samples::median));
        report.draw(
            &format!("{work} of a directory, ms, by its objects, {database}"),
            bars.collect(),
        );
    }
}
