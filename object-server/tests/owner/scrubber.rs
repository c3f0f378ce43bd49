//! The scrubber's budget, on real files and a clock that runs as fast as it may.

use std::path::Path;
use std::time::Duration;

use common::config::Size;
use serde_json::Value;
use tokio::time::Instant;

use crate::World;

/// Files, and bytes in each. Few enough that no thread hashes them, on which the clock would wait.
const FILES: u64 = 30;
const SIZE: u64 = 100_000;
/// What looking at one costs besides.
const LOOK: u64 = 4096;

/// What is told of the round, if anything is.
fn told(private: &Path) -> Value {
    let json = std::fs::read(private.join("scrubber")).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}

/// How long a round takes with this budget, in which never more is read than there was time for: from before the start, and from
/// when the server is there.
async fn round(world: &World, rate: u64) -> (Duration, Duration) {
    let private = world.state.path().join(".stobj");
    let begun = Instant::now();
    let _client = world.open().await;
    let opened = Instant::now();
    let mut reports = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (report, elapsed) = (told(&private), begun.elapsed().as_millis());
        let bytes = report["bytes"].as_u64().unwrap_or(0);
        // The one that is under way is told of as a whole.
        let read = u128::from(bytes.saturating_sub(SIZE));
        assert!(
            read * 1000 <= u128::from(rate) * elapsed,
            "{bytes} bytes after {elapsed} ms"
        );
        if report["is_over"] == true {
            assert_eq!(report["objects"], FILES);
            assert_eq!((bytes, &report["damaged"]), (FILES * SIZE, &0.into()));
            return (begun.elapsed(), opened.elapsed());
        }
        if bytes > 0 && reports.last() != Some(&bytes) {
            reports.push(bytes);
        }
        assert!(reports.is_sorted(), "{reports:?}");
    }
}

/// Runs `work` in a process of its own, as `World::crash_after`, in which time passes when there is nothing to do.
fn in_no_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

#[test]
fn no_more_is_read_than_the_budget_allows() {
    let mut world = World::on_disk();
    world.settings.scrub_rate = Size(0);
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        let content = "x".repeat(usize::try_from(SIZE).unwrap());
        for number in 0..FILES {
            let name = format!("d{}/{number}", number % 3);
            client.put("c", &name, &content).await.unwrap();
        }
    });
    let file = world.state.path().join(".stobj/scrubber");
    assert!(!file.exists(), "without a budget nothing is read");
    let cost = FILES * (SIZE + LOOK);
    let least = |rate: u64| Duration::from_millis(cost * 1000 / rate);
    // Each start has the budget that it is given then.
    for (rate, next_slower) in [
        (50_000, None),
        (500_000, Some(50_000)),
        (5_000_000, Some(500_000)),
    ] {
        world.settings.scrub_rate = Size(rate);
        let (elapsed, since) = in_no_time(round(&world, rate));
        assert!(elapsed >= least(rate), "{rate} bytes a second: {elapsed:?}");
        let is_used = next_slower.is_none_or(|slower| since < least(slower));
        assert!(is_used, "{rate} bytes a second: {since:?} with a larger budget");
        std::fs::remove_file(&file).unwrap();
    }
}
