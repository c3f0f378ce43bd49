//! How long something takes, on a machine that has other things to do.
//!
//! What a store promises in seconds it promises where it has a processor and a disk. So the time in which somebody on this machine
//! waited for one of these counts for a fifth only: on an idle machine a bound holds as it is written, and on one that is busy
//! all the time it is five times as long.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Nothing here takes so long unless it hangs.
const HANGING: Duration = Duration::from_secs(120);

/// Of the time in which the machine was busy, this part is forgiven: one in so many counts.
const COUNTED: u32 = 5;

/// The kernel counts the time that a hypervisor took away in so many parts of a second.
const TICKS: u64 = 100;

/// Measures from its start on.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    begin: Instant,
    busy: Duration,
}

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self {
            begin: Instant::now(),
            busy: busy(),
        }
    }

    /// How long it took, apart from what the machine is to blame for.
    pub fn elapsed(&self) -> Duration {
        let elapsed = self.begin.elapsed();
        counted(elapsed, busy().saturating_sub(self.busy))
    }
}

/// What comes of `work`, which must be over within `bound`.
pub async fn within<F: IntoFuture>(bound: Duration, what: &str, work: F) -> F::Output {
    let watch = Stopwatch::start();
    let done = timeout(HANGING, work.into_future()).await;
    let done = done.unwrap_or_else(|_| panic!("{what}: not within {HANGING:?}"));
    let took = watch.elapsed();
    assert!(took < bound, "{what}: took {took:?} of {bound:?}");
    done
}

fn counted(elapsed: Duration, busy: Duration) -> Duration {
    elapsed - busy.min(elapsed) / COUNTED * (COUNTED - 1)
}

/// How long, since the machine was started, somebody waited for a processor or a disk, or it was not allowed to run at all. Nothing
/// where the kernel does not say so.
fn busy() -> Duration {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let waited = ["/proc/pressure/cpu", "/proc/pressure/io"].map(|path| waited(&read(path)));
    waited.into_iter().sum::<Duration>() + stolen(&read("/proc/stat"))
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS`
fn waited(pressure: &str) -> Duration {
    let line = pressure.lines().find(|line| line.starts_with("some "));
    let total = line.and_then(|line| line.rsplit_once("total=")?.1.parse().ok());
    Duration::from_micros(total.unwrap_or(0))
}

/// `cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL …`
fn stolen(stat: &str) -> Duration {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let steal = all.and_then(|all| all.split_whitespace().nth(7)?.parse::<u64>().ok());
    Duration::from_millis(steal.unwrap_or(0) * 1000 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_a_busy_machine_takes_counts_for_a_fifth() {
        assert_eq!(counted(10 * SECOND, Duration::ZERO), 10 * SECOND);
        assert_eq!(counted(10 * SECOND, 5 * SECOND), 6 * SECOND);
        assert_eq!(counted(10 * SECOND, 10 * SECOND), 2 * SECOND);
        // Processors and disks may have been waited for at the same time.
        assert_eq!(counted(10 * SECOND, 30 * SECOND), 2 * SECOND);
    }

    #[test]
    fn the_kernels_words_are_understood() {
        let pressure = "some avg10=1.00 avg60=1.00 avg300=1.00 total=2500000\n\
                        full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(waited(pressure), Duration::from_millis(2500));
        assert_eq!(
            stolen("cpu  1 2 3 4 5 6 7 250 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n"),
            Duration::from_millis(2500)
        );
        assert_eq!((waited(""), stolen("")), (Duration::ZERO, Duration::ZERO));
    }
}
