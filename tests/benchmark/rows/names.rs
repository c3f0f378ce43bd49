//! Pages and searches of trees that grow, on both databases.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::grown::{Base, CONTAINER, Shape};
use crate::laboratory::Laboratory;
use crate::report::{Line, Report, Target};
use crate::samples::{Samples, number};
use crate::store::Store;
use crate::usage;

/// Names of a page, of trees that have so many.
const PAGE: usize = 10_000;
/// Requests of a turn.
const REQUESTS: usize = 5;

/// What is looked for, how that is told, and how many there are at most.
const SEARCHES: [(&str, &str, usize); 4] = [
    (".rare", "a substring of one name", 1),
    (".none", "a substring of no name", 0),
    ("jpeg", "a substring of all names", 1000),
    ("*7?3*.rare", "a glob that fits one name at most", 1),
];

/// What is known of one database and shape, by size.
#[derive(Default)]
struct Grown {
    pages: Vec<Samples>,
    searches: [Vec<Samples>; SEARCHES.len()],
    /// The time of a core, of the largest.
    core: [f64; SEARCHES.len()],
    page_core: f64,
}

/// Of each size, shape and database.
pub(crate) async fn names(laboratory: &Laboratory, objects: usize, report: &mut Report) -> Result<()> {
    let sizes = sizes(objects);
    report.set(
        "growing trees",
        "their rows were written into the database while no server ran, as storing the objects would have; pages and searches \
         read nothing else",
    );
    for base in Base::all(laboratory).await? {
        for shape in Shape::ALL {
            let mut grown = Grown::default();
            for &size in &sizes {
                crate::note(&format!("{}: {} objects, {}", base.label(), size, shape.label()));
                let store = base.grown(laboratory, shape, size).await?;
                measure(laboratory, &base, &store, shape, size, &mut grown).await?;
                store.stop().await?;
            }
            tell(&base, shape, &sizes, &grown, report);
        }
    }
    Ok(())
}

/// Each ten times the one before.
pub(super) fn sizes(most: usize) -> Vec<usize> {
    let sizes = (3..).map(|digits| 10_usize.pow(digits));
    let sizes: Vec<usize> = sizes.take_while(|size| *size <= most).collect();
    if sizes.is_empty() { vec![1000] } else { sizes }
}

async fn measure(
    laboratory: &Laboratory,
    base: &Base,
    store: &Store,
    shape: Shape,
    size: usize,
    grown: &mut Grown,
) -> Result<()> {
    let mut pages = Samples::default();
    let before = core(base, store)?;
    for round in 0..laboratory.rounds {
        let mut turn = Samples::default();
        for request in 0..REQUESTS {
            turn.push(page(&store.endpoint, shape, size, round * REQUESTS + request).await?);
        }
        pages.push(turn.median());
    }
    let requests = (laboratory.rounds * REQUESTS) as f64;
    grown.page_core = (core(base, store)? - before) / requests;
    grown.pages.push(pages);
    for (at, (text, _, most)) in SEARCHES.into_iter().enumerate() {
        let mut samples = Samples::default();
        let before = core(base, store)?;
        for _ in 0..laboratory.rounds {
            let mut turn = Samples::default();
            for _ in 0..REQUESTS {
                turn.push(search(&store.endpoint, text, most).await?);
            }
            samples.push(turn.median());
        }
        grown.core[at] = (core(base, store)? - before) / requests;
        grown.searches[at].push(samples);
    }
    Ok(())
}

/// Milliseconds of a core that the store and its database have used.
fn core(base: &Base, store: &Store) -> Result<f64> {
    let mut time = store.processor_time()?;
    if let Some(process) = base.process() {
        time += usage::processor_time(process)?;
    }
    Ok(time.as_secs_f64() * 1e3)
}

/// How long a page took that begins somewhere.
async fn page(endpoint: &Endpoint, shape: Shape, size: usize, number: usize) -> Result<f64> {
    let limit = PAGE.min(size / 2);
    let marker = number.wrapping_mul(7919) % (size - limit);
    let marked = shape.name(marker, size);
    let resource = format!("{CONTAINER}?format=json&limit={limit}&marker={marked}");
    let begin = Instant::now();
    let body = endpoint.get(&resource).await?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&body)?;
    let names = entries
        .iter()
        .map(|entry| entry["name"].as_str().unwrap_or_default());
    let expected = (marker + 1..=marker + limit).map(|object| shape.name(object, size));
    ensure!(
        names.eq(expected),
        "the page after {marked} is not what it should be"
    );
    Ok(took)
}

/// How long the first page of a search took.
async fn search(endpoint: &Endpoint, text: &str, most: usize) -> Result<f64> {
    let resource = format!(
        "{CONTAINER}?search={}",
        text.replace('*', "%2A").replace('?', "%3F")
    );
    let begin = Instant::now();
    let body = endpoint.get(&resource).await?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let found: serde_json::Value = serde_json::from_slice(&body)?;
    let found = found["results"].as_array().map_or(0, Vec::len);
    // A glob may leave even the rare one out.
    let least = if text.contains('*') { 0 } else { most.min(999) };
    ensure!((least..=most).contains(&found), "{text}: {found} were found");
    Ok(took)
}

fn tell(base: &Base, shape: Shape, sizes: &[usize], grown: &Grown, report: &mut Report) {
    let largest = number(sizes.last().copied().unwrap_or_default() as f64);
    let place = format!("{largest} objects, {}, {}", shape.label(), base.label());
    let mut line = |work: String, samples: &[Samples], target, core: f64| {
        report.add(Line {
            work: format!("{work}; {} ms of a core", number(core)),
            unit: "ms",
            ours: samples.last().cloned().unwrap_or_default(),
            other: None,
            target: Some(target),
            failures: Vec::new(),
        });
    };
    let below = match shape {
        Shape::Wide => 60.0,
        Shape::Bushy => 120.0,
    };
    line(
        format!("page of 10,000 in {place}"),
        &grown.pages,
        Target::Below(below),
        grown.page_core,
    );
    let below = match base {
        Base::Sqlite => 100.0,
        Base::MariaDb(_) => 300.0,
    };
    for (at, (_, what, _)) in SEARCHES.into_iter().enumerate() {
        line(
            format!("search of {what}, first page, in {place}"),
            &grown.searches[at],
            Target::Below(below),
            grown.core[at],
        );
    }
    let drawn = |samples: &[Samples]| {
        sizes
            .iter()
            .copied()
            .zip(samples.iter().map(Samples::median))
            .collect()
    };
    let place = format!("ms, by the objects, {}, {}", shape.label(), base.label());
    report.draw(
        &format!("page of up to 10,000 names, {place}"),
        drawn(&grown.pages),
    );
    for (at, (_, what, _)) in SEARCHES.into_iter().enumerate() {
        report.draw(&format!("search of {what}, {place}"), drawn(&grown.searches[at]));
    }
}
