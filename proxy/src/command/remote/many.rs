//! Many things, some of them at once.

use std::num::NonZeroU8;

use clap::Args;
use clap::builder::TypedValueParser as _;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

/// How many things are done at once.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::command) struct AtOnce {
    /// So many at once.
    #[arg(long, value_name = "NUMBER", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64).try_map(NonZeroU8::try_from))]
    pub(in crate::command) jobs: NonZeroU8,
}

/// Does `work` for all that comes, at most so many at once, and tells `settle` what came of each. Who sends waits meanwhile,
/// so nothing grows with the number of things. Ends early when `settle` fails.
pub(in crate::command) async fn each<T, R, F>(
    mut items: Receiver<T>,
    at_once: AtOnce,
    mut work: impl FnMut(T) -> F,
    mut settle: impl FnMut(R) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    F: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    let at_once = usize::from(at_once.jobs.get());
    let mut running = JoinSet::new();
    let mut is_over = false;
    while !is_over || !running.is_empty() {
        tokio::select! {
            item = items.recv(), if !is_over && running.len() < at_once => match item {
                Some(item) => drop(running.spawn(work(item))),
                None => is_over = true,
            },
            Some(done) = running.join_next() => settle(done?)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn so_many_run_at_once_and_no_more() {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for number in 0..51_u64 {
                sender.send(number).await.unwrap();
            }
        });
        // Nobody passes alone: with fewer than three at once this would never end.
        let three = Arc::new(tokio::sync::Barrier::new(3));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut sum = 0;
        let at_once = AtOnce {
            jobs: NonZeroU8::new(3).unwrap(),
        };
        let work = |number| {
            let (running, most, three) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&three));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                three.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                number
            }
        };
        let settle = |number| {
            sum += number;
            Ok(())
        };
        each(receiver, at_once, work, settle).await.unwrap();
        assert_eq!(sum, 50 * 51 / 2);
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }
}
