//! Large downloads by a client that does nothing but read.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::Instant;

/// Asks `address` for `target` so many times over one connection, and gives the time it took and the bytes that came.
pub(crate) async fn download(
    address: &str,
    target: &str,
    token: &str,
    times: usize,
) -> Result<(Duration, u64)> {
    let (address, request) = (
        address.to_owned(),
        format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nX-Auth-Token: {token}\r\n\r\n"),
    );
    tokio::task::spawn_blocking(move || {
        let mut stream = BufReader::with_capacity(1 << 20, TcpStream::connect(address)?);
        let (start, mut bytes) = (Instant::now(), 0);
        for _ in 0..times {
            stream.get_mut().write_all(request.as_bytes())?;
            bytes += answer(&mut stream)?;
        }
        Ok((start.elapsed(), bytes))
    })
    .await?
}

/// Reads one answer to its end; its length.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<u64> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.contains(" 200 "), "the answer is {line:?}");
    let mut length = None;
    while line.trim_end() != "" {
        line.clear();
        stream.read_line(&mut line)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse()?);
        }
    }
    let length: u64 = length.context("the answer has no length")?;
    let read = std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
    ensure!(read == length, "{read} of {length} bytes came");
    Ok(length)
}
