//! All that a figure depends on, for the report.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::laboratory::{CONNECTIONS, Laboratory};
use crate::report::Report;
use crate::{Options, load};

/// Writes down the machine, the versions and the settings.
pub(crate) fn describe(options: &Options, laboratory: &Laboratory, report: &mut Report) -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    let (model, memory) = (
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
    );
    report.set("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    report.set(
        "machine",
        format!(
            "{cores} cores ({model}), {memory} of memory, Linux {}, {} for the data; load average before: {}",
            read("/proc/sys/kernel/osrelease"),
            file_system(laboratory.directory()),
            read("/proc/loadavg"),
        ),
    );
    let peers: Vec<&str> = options.peers.iter().map(|peer| peer.name.as_str()).collect();
    report.set(
        "versions",
        format!(
            "stobj {} ({}), {}, {}{}{}",
            said("git", &["describe", "--always", "--dirty"]),
            said("rustc", &["--version"]),
            said("nginx", &["-v"]).replace("nginx version: ", ""),
            said("wrk", &["-v"])
                .split(" Copyright")
                .next()
                .unwrap_or_default(),
            if peers.is_empty() { "" } else { "; peers: " },
            peers.join(", "),
        ),
    );
    report.set(
        "stobj",
        format!(
            "release build, one process, posix, SQLite unless a line says otherwise, the default pipeline, access log off, \
             durability \"durable\", a worker a core ({cores})"
        ),
    );
    report.set(
        "nginx",
        "one worker, access log off, sendfile, open_file_cache, serving the store's own file",
    );
    report.set(
        "rounds",
        format!(
            "{}, alternating, of {} s each; **median** (least–most), the ratio is of medians; every PUT turn in a fresh \
             directory, nothing removed before the end",
            laboratory.rounds,
            laboratory.span.as_secs()
        ),
    );
    report.set(
        "load",
        format!(
            "over loopback on the same machine, from one thread; wrk for GET 4 KiB, the benchmark's own client ({CONNECTIONS} \
             connections, {} s of warm-up) for the others",
            load::WARM_UP.as_secs()
        ),
    );
    Ok(())
}

/// The first line that a program says to either of its outputs.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let lines = output.map(|output| [output.stdout, output.stderr].concat());
    let text = lines.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn read(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// The value behind the first `name:` of a file.
fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines
        .filter(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim());
    value.take(1).collect()
}

fn file_system(directory: &Path) -> String {
    let directory = directory.display().to_string();
    let said = Command::new("df").args(["--output=fstype", &directory]).output();
    let text = said.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().nth(1).unwrap_or("unknown").trim().to_owned()
}
