//! The memory that the server holds.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::endpoint::Endpoint;
use crate::laboratory::{Laboratory, random};
use crate::report::{Line, Report, Target};
use crate::samples::Samples;
use crate::store::Store;
use crate::usage;

const CONTAINER: &str = "bench-memory";
/// Of each kind.
const TRANSFERS: usize = 64;
const LENGTH: usize = 256 << 20;
/// Of each transfer is moved as fast as the server will; then it waits, under way, until all are so far.
const MOVED: usize = 32 << 20;
const CHUNK: usize = 256 << 10;

/// With nothing to do, and with 128 large transfers in flight.
pub(crate) async fn memory(laboratory: &Laboratory, report: &mut Report) -> Result<()> {
    let (mut idle, mut busy) = (Samples::default(), Samples::default());
    let body = random(LENGTH);
    for _ in 0..laboratory.rounds {
        let store = Store::start(laboratory).await?;
        store.endpoint.put(CONTAINER, Bytes::new()).await?;
        store
            .endpoint
            .put(&format!("{CONTAINER}/small"), random(4096))
            .await?;
        store.endpoint.get(&format!("{CONTAINER}/small")).await?;
        idle.push(usage::resident_memory(store.process())?);
        store.endpoint.put(&object(), body.clone()).await?;
        usage::forget_peak(store.process())?;
        all_in_flight(&store.endpoint, &body).await?;
        busy.push(usage::peak_memory(store.process())?);
    }
    report.set(
        "transfers in flight",
        format!(
            "each of the {TRANSFERS} uploads and {TRANSFERS} downloads of 256 MiB moves {} MiB as fast as it can; when all \
             have, they are broken off",
            MOVED >> 20
        ),
    );
    let line = |work: String, ours, limit| Line {
        work,
        unit: "MiB",
        ours,
        other: None,
        target: Some(Target::Below(limit)),
        failures: Vec::new(),
    };
    report.add(line("resident memory, idle".to_owned(), idle, 64.0));
    report.add(line(
        format!("peak memory, {TRANSFERS} uploads and {TRANSFERS} downloads of 256 MiB in flight"),
        busy,
        256.0,
    ));
    Ok(())
}

fn object() -> String {
    format!("{CONTAINER}/large")
}

/// Has all transfers under way at the same time, none of them ended.
async fn all_in_flight(endpoint: &Endpoint, body: &Bytes) -> Result<()> {
    let all_moved = Arc::new(Barrier::new(2 * TRANSFERS));
    let mut transfers = JoinSet::new();
    for number in 0..TRANSFERS {
        let (endpoint, all_moved) = (endpoint.clone(), Arc::clone(&all_moved));
        let body = body.slice(..MOVED);
        let uploading = Arc::clone(&all_moved);
        transfers.spawn(upload(endpoint.clone(), number, body, uploading));
        transfers.spawn(download(endpoint, all_moved));
    }
    // The first that fails would let the others wait for ever.
    while let Some(ended) = transfers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn upload(endpoint: Endpoint, number: usize, part: Bytes, all_moved: Arc<Barrier>) -> Result<()> {
    let head = head(&endpoint, "PUT", &format!("{CONTAINER}/upload-{number}"));
    let mut stream = TcpStream::connect(&endpoint.address).await?;
    stream
        .write_all(format!("{head}Content-Length: {LENGTH}\r\n\r\n").as_bytes())
        .await?;
    stream.write_all(&part).await?;
    all_moved.wait().await;
    // An answer by now would be a refusal.
    let answer = stream.try_read(&mut [0; 64]);
    ensure!(
        answer.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "an upload ended early"
    );
    Ok(())
}

async fn download(endpoint: Endpoint, all_moved: Arc<Barrier>) -> Result<()> {
    let head = head(&endpoint, "GET", &object());
    let mut stream = TcpStream::connect(&endpoint.address).await?;
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    let (mut buffer, mut moved) = (vec![0; CHUNK], 0);
    while moved < MOVED {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "a download ended early");
        ensure!(
            moved > 0 || buffer.starts_with(b"HTTP/1.1 200"),
            "a download was refused"
        );
        moved += read;
    }
    all_moved.wait().await;
    Ok(())
}

fn head(endpoint: &Endpoint, method: &str, resource: &str) -> String {
    format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nX-Auth-Token: {}\r\n",
        endpoint.target(resource),
        endpoint.address,
        endpoint.token
    )
}
