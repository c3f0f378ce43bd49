//! `stobj rebuild`: the mirror of an account filled anew from its files, on both databases.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use common::functional::job::Job;
use http::Method;
use tokio::process::Command;

use crate::grown::{Base, CONTAINER, Shape};
use crate::laboratory::Laboratory;
use crate::load::{self, Make};
use crate::report::{Line, Report, Target};
use crate::samples::{Samples, number};
use crate::store::{Durability, Store};

/// Connections by which objects are made.
const LOADERS: usize = 64;

/// Times are told in so many parts of a second.
const UNITS: f64 = 1e5;

/// Of each size: the container grows, and its mirror is filled anew at each.
pub(crate) async fn rebuild(laboratory: &Laboratory, objects: usize, report: &mut Report) -> Result<()> {
    let sizes = super::names::sizes(objects);
    for base in Base::all(laboratory).await? {
        let directory = laboratory.fresh()?;
        let settings = base.settings(&directory).await?;
        let store = Store::start_so(laboratory, &directory, Durability::Relaxed, &settings).await?;
        store.endpoint.put(CONTAINER, Bytes::new()).await?;
        let (mut rates, mut made) = (Vec::new(), 0);
        for &size in &sizes {
            crate::note(&format!(
                "{}: storing {} objects, without durability",
                base.label(),
                size - made
            ));
            let (maker, from) = (store.endpoint.clone(), made);
            let make: Make = Arc::new(move |object| {
                let resource = format!(
                    "{CONTAINER}/{}",
                    Shape::Wide.name(from + object as usize, usize::MAX)
                );
                maker.request(&Method::PUT, &resource, Bytes::new())
            });
            load::complete(&store.endpoint, LOADERS, (size - made) as u64, &make).await?;
            made = size;
            let mut samples = Samples::default();
            for _ in 0..laboratory.rounds {
                samples.push(rate(laboratory, &store, size).await?);
            }
            rates.push(samples);
        }
        report.add(Line {
            work: format!(
                "rebuild of {} objects, {}, {}",
                number(made as f64),
                Shape::Wide.label(),
                base.label()
            ),
            unit: "nodes a second",
            ours: rates.last().cloned().unwrap_or_default(),
            other: None,
            target: Some(Target::AtLeast(20_000.0)),
            failures: Vec::new(),
        });
        let bars = sizes.iter().copied().zip(rates.iter().map(Samples::median));
        report.draw(
            &format!("rebuild, nodes a second, by the objects, {}", base.label()),
            bars.collect(),
        );
        store.stop().await?;
    }
    Ok(())
}

/// Nodes a second, from when the job was asked for to its end.
async fn rate(laboratory: &Laboratory, store: &Store, objects: usize) -> Result<f64> {
    let mut command = Command::new(&laboratory.stobj);
    command.args(["rebuild", "--json", "--account", "AUTH_bench"]);
    let output = store.administered(&mut command).output().await?;
    ensure!(
        output.status.success(),
        "stobj rebuild: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let job: Job = serde_json::from_slice(&output.stdout)?;
    let ended = job.ended.context("the job has ended")?;
    ensure!(
        job.done >= objects as u64,
        "{} of {objects} objects were done",
        job.done
    );
    let directories = objects.div_ceil(1000);
    let seconds = ended.units().saturating_sub(job.created.units()).max(1) as f64 / UNITS;
    Ok((objects + directories) as f64 / seconds)
}
