//! Pages of listings, as JSON.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::laboratory::{CONNECTIONS, Laboratory};
use crate::load::{self, Make};
use crate::report::{Line, Report, Target};
use crate::samples::{Samples, number};
use crate::store::{Durability, Store};

const CONTAINER: &str = "bench-list";
/// In the container of which pages are listed under load.
const OBJECTS: usize = 10_000;
const PAGE: usize = 1_000;
/// Of the container with very many, one at a time.
const LARGE_PAGE: usize = 10_000;
const LARGE_PAGES: usize = 20;
/// By which many objects are made.
const LOADERS: usize = 64;
/// How often what a peer's container lost is made again. Swift may put off the update of a container.
const ATTEMPTS: usize = 10;

/// Pages of 1,000 of 10,000 names, from anywhere in the container.
pub(crate) async fn pages(laboratory: &Laboratory, peers: &[Endpoint], report: &mut Report) -> Result<()> {
    let store = Store::start(laboratory).await?;
    for endpoint in peers.iter().chain([&store.endpoint]) {
        crate::note(&format!("making {OBJECTS} objects at {}", endpoint.name));
        fill(endpoint, OBJECTS).await?;
    }
    let (mut ours, mut our_failures) = (Samples::default(), Vec::new());
    let mut others: Vec<(Samples, Vec<String>)> = peers.iter().map(|_| Default::default()).collect();
    for _ in 0..laboratory.rounds {
        let outcome = pages_at(laboratory, &store.endpoint).await?;
        ours.push(outcome.rate);
        our_failures.extend(outcome.failure);
        for (peer, (samples, failures)) in peers.iter().zip(&mut others) {
            let outcome = pages_at(laboratory, peer).await?;
            samples.push(outcome.rate);
            failures.extend(outcome.failure);
        }
    }
    let line = |other, target, failures| Line {
        work: format!("listing, 1,000 names a page as JSON, container of 10,000, {CONNECTIONS} connections"),
        unit: "pages a second",
        ours: ours.clone(),
        other,
        target,
        failures,
    };
    if peers.is_empty() {
        report.add(line(None, None, our_failures.clone()));
    }
    for (peer, (samples, failures)) in peers.iter().zip(others) {
        let failures = our_failures.iter().cloned().chain(failures).collect();
        let other = Some((peer.name.clone(), samples));
        report.add(line(other, Some(Target::TimesOrMore(5.0)), failures));
    }
    Ok(())
}

/// One page of 10,000 names of a container with so many objects.
pub(crate) async fn one_page(laboratory: &Laboratory, objects: usize, report: &mut Report) -> Result<()> {
    let objects = objects.max(LARGE_PAGE);
    crate::note(&format!("making {objects} objects, without durability"));
    let start = Instant::now();
    let store = Store::start_in(laboratory, &laboratory.fresh()?, Durability::Relaxed).await?;
    load(&store.endpoint, objects).await?;
    report.set(
        &format!("the container of {}", number(objects as f64)),
        format!(
            "made by PUTs without durability over {LOADERS} connections in {} s; then stobj was started anew",
            start.elapsed().as_secs()
        ),
    );
    // The end of the first server is also the end of its mirror's backlog.
    let directory = store.stop().await?;
    let store = Store::start_in(laboratory, &directory, Durability::Durable).await?;
    let mut samples = Samples::default();
    for round in 0..laboratory.rounds {
        let mut turn = Samples::default();
        for page in 0..LARGE_PAGES {
            let marker = spread(round * LARGE_PAGES + page, objects - LARGE_PAGE);
            let start = Instant::now();
            let body = store.endpoint.get(&page_after(marker, LARGE_PAGE)).await?;
            turn.push(start.elapsed().as_secs_f64() * 1e3);
            expect_names(&body, marker, LARGE_PAGE)?;
        }
        samples.push(turn.median());
    }
    report.add(Line {
        work: format!(
            "listing, one page of 10,000 as JSON, container of {}",
            number(objects as f64)
        ),
        unit: "ms",
        ours: samples,
        other: None,
        target: Some(Target::Below(60.0)),
        failures: Vec::new(),
    });
    Ok(())
}

async fn pages_at(laboratory: &Laboratory, endpoint: &Endpoint) -> Result<load::Outcome> {
    let body = endpoint.get(&page_after(0, PAGE)).await?;
    expect_names(&body, 0, PAGE).with_context(|| endpoint.name.clone())?;
    let maker = endpoint.clone();
    let make: Make = Arc::new(move |number| {
        let marker = spread(number as usize, OBJECTS - PAGE);
        maker.request(&Method::GET, &page_after(marker, PAGE), Bytes::new())
    });
    Ok(load::sustain(endpoint, CONNECTIONS, laboratory.span, &make).await)
}

/// Markers from all over, in an order that helps no cache.
fn spread(number: usize, markers: usize) -> usize {
    number.wrapping_mul(7919) % markers.max(1)
}

fn name(object: usize) -> String {
    format!("object-{object:08}")
}

fn page_after(marker: usize, limit: usize) -> String {
    format!("{CONTAINER}?format=json&limit={limit}&marker={}", name(marker))
}

/// The page after `marker` has all its names, and these in order.
fn expect_names(body: &[u8], marker: usize, limit: usize) -> Result<()> {
    let entries: Vec<serde_json::Value> = serde_json::from_slice(body)?;
    let names = entries
        .iter()
        .map(|entry| entry["name"].as_str().unwrap_or_default());
    let expected = (marker + 1..=marker + limit).map(name);
    ensure!(
        names.eq(expected),
        "the page after {} is not what it should be ({} names)",
        name(marker),
        entries.len()
    );
    Ok(())
}

/// One more than `objects`, so that there are so many behind the first.
async fn load(endpoint: &Endpoint, objects: usize) -> Result<()> {
    endpoint.put(CONTAINER, Bytes::new()).await?;
    let maker = endpoint.clone();
    let make: Make = Arc::new(move |number| {
        let resource = format!("{CONTAINER}/{}", name(number as usize));
        maker.request(&Method::PUT, &resource, Bytes::new())
    });
    load::complete(endpoint, LOADERS, objects as u64 + 1, &make).await?;
    Ok(())
}

/// [`load()`], until the listing has all.
async fn fill(endpoint: &Endpoint, objects: usize) -> Result<()> {
    load(endpoint, objects).await?;
    for _ in 0..ATTEMPTS {
        let listed = listed(endpoint).await?;
        let missing: Vec<usize> = (0..=objects)
            .filter(|&object| !listed.contains(&name(object)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        for object in missing {
            endpoint
                .put(&format!("{CONTAINER}/{}", name(object)), Bytes::new())
                .await?;
        }
    }
    anyhow::bail!("{} does not list all that it stored", endpoint.name)
}

async fn listed(endpoint: &Endpoint) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    let mut marker = String::new();
    loop {
        let page = endpoint.get(&format!("{CONTAINER}?marker={marker}")).await?;
        let page = String::from_utf8(page.to_vec())?;
        let Some(last) = page.lines().last() else {
            return Ok(names);
        };
        marker = last.to_owned();
        names.extend(page.lines().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_must_be_whole() {
        let page = |objects: &[usize]| {
            let entries = objects
                .iter()
                .map(|&object| serde_json::json!({"name": name(object)}));
            serde_json::Value::from_iter(entries).to_string()
        };
        expect_names(page(&[4, 5, 6]).as_bytes(), 3, 3).unwrap();
        for wrong in [
            page(&[4, 5]),
            page(&[3, 4, 5]),
            page(&[4, 6, 5]),
            "[]".to_owned(),
            "no".to_owned(),
        ] {
            assert!(expect_names(wrong.as_bytes(), 3, 3).is_err(), "{wrong}");
        }
    }
}
