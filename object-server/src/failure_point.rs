//! Named places where a test can make the program fail, stop or wait.
//!
//! Whatever writes has its places, named `part:where` (`journal:before_write`), and calls
//! [`FailurePoints::hit`] there. The points belong to one server, not to the process: tests that run side by side
//! do not meet. In a server that no test has prepared a hit costs one comparison.

use std::collections::HashMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// How often a thread looks whether its gate is open.
const LOOK: Duration = Duration::from_millis(5);

/// What happens at a failure point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation fails with an error of this kind.
    Error(io::ErrorKind),
    /// The process ends at once, as if it were killed.
    Abort,
    /// The thread waits there until the point is disarmed.
    Wait,
}

/// The failure points of one server. Clones are the same points; the default has none and never fails.
#[derive(Clone, Default)]
pub struct FailurePoints(Option<Arc<Points>>);

struct Points {
    named: Mutex<HashMap<String, Point>>,
    disarmed: Condvar,
    passed: watch::Sender<()>,
}

#[derive(Default)]
struct Point {
    /// How often it was reached.
    hits: u64,
    failure: Option<Failure>,
    /// So many hits pass before the failure.
    skip: u64,
    /// So many hits fail then.
    times: u64,
    /// Who waits does so as long as there is this file, instead of until the point is disarmed.
    gate: Option<PathBuf>,
}

impl FailurePoints {
    /// Points that can be armed.
    pub fn new() -> Self {
        Self(Some(Arc::new(Points {
            named: Mutex::default(),
            disarmed: Condvar::new(),
            passed: watch::Sender::new(()),
        })))
    }

    /// Points armed by a text as an environment variable holds it: `name=abort`, `name=error`, `name=full`,
    /// `name=abort@3` (at the third hit), `name=error@3+` (at the third and every one after it), several separated by commas.
    /// `name=wait:FILE` lets no thread pass as long as there is a file of this name; each that waits adds a byte to it.
    ///
    /// # Errors
    /// The part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let points = Self::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, failure) = part.split_once('=').ok_or_else(|| part.to_owned())?;
            let (failure, hit) = failure.split_once('@').unwrap_or((failure, "1"));
            let (hit, times) = hit.strip_suffix('+').map_or((hit, 1), |hit| (hit, u64::MAX));
            let hit: u64 = hit.parse().map_err(|_| part.to_owned())?;
            if let Some(gate) = failure.strip_prefix("wait:") {
                points.arm_later(name, Failure::Wait, hit.saturating_sub(1), u64::MAX);
                points.hold_by(name, gate.into());
                continue;
            }
            let failure = match failure {
                "abort" => Failure::Abort,
                "error" => Failure::Error(io::ErrorKind::Other),
                "full" => Failure::Error(io::ErrorKind::StorageFull),
                _ => return Err(part.to_owned()),
            };
            points.arm_later(name, failure, hit.saturating_sub(1), times);
        }
        Ok(points)
    }

    /// The next hit of `name`, and every one after it, fails, until it is disarmed.
    pub fn arm(&self, name: &str, failure: Failure) {
        self.arm_later(name, failure, 0, u64::MAX);
    }

    /// After `skip` more hits that pass, `times` hits of `name` fail.
    pub fn arm_later(&self, name: &str, failure: Failure, skip: u64, times: u64) {
        if let Some(points) = &self.0 {
            let mut named = points.named.lock();
            let point = named.entry(name.to_owned()).or_default();
            (point.failure, point.skip, point.times) = (Some(failure), skip, times);
        }
    }

    fn hold_by(&self, name: &str, gate: PathBuf) {
        if let Some(points) = &self.0
            && let Some(point) = points.named.lock().get_mut(name)
        {
            point.gate = Some(gate);
        }
    }

    /// Hits of `name` pass again; who waits there goes on.
    pub fn disarm(&self, name: &str) {
        if let Some(points) = &self.0 {
            if let Some(point) = points.named.lock().get_mut(name) {
                point.failure = None;
            }
            points.disarmed.notify_all();
        }
    }

    /// How often `name` was reached so far, whatever happened there.
    pub fn hits(&self, name: &str) -> u64 {
        self.0.as_ref().map_or(0, |points| {
            points.named.lock().get(name).map_or(0, |point| point.hits)
        })
    }

    /// Waits until `name` was reached `hits` times.
    pub async fn reached(&self, name: &str, hits: u64) {
        let Some(points) = &self.0 else { return };
        let mut passed = points.passed.subscribe();
        while self.hits(name) < hits {
            if passed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The program is at `name`.
    ///
    /// # Errors
    /// When the point is armed with an error.
    pub fn hit(&self, name: &str) -> io::Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(points) => points.hit(name),
        }
    }
}

impl Points {
    fn hit(&self, name: &str) -> io::Result<()> {
        let mut named = self.named.lock();
        if !named.contains_key(name) {
            named.insert(name.to_owned(), Point::default());
        }
        let failure = named.get_mut(name).and_then(Point::take);
        self.passed.send_replace(());
        match failure {
            None => Ok(()),
            Some(Failure::Error(kind)) => Err(io::Error::new(kind, format!("failure point {name}"))),
            Some(Failure::Abort) => std::process::abort(),
            Some(Failure::Wait) => {
                if let Some(gate) = named.get(name).and_then(|point| point.gate.clone()) {
                    drop(named);
                    if let Ok(mut file) = OpenOptions::new().append(true).open(&gate) {
                        file.write_all(b".")?;
                    }
                    while gate.exists() {
                        std::thread::sleep(LOOK);
                    }
                    return Ok(());
                }
                while named
                    .get(name)
                    .is_some_and(|point| point.failure == Some(Failure::Wait))
                {
                    self.disarmed.wait(&mut named);
                }
                Ok(())
            }
        }
    }
}

impl Point {
    /// Counts a hit and says what happens at it.
    fn take(&mut self) -> Option<Failure> {
        self.hits += 1;
        self.failure?;
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if self.times == 0 {
            return None;
        }
        self.times -= 1;
        self.failure
    }
}

impl fmt::Debug for FailurePoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "FailurePoints({})",
            if self.0.is_some() {
                "armed by a test"
            } else {
                "none"
            }
        )
    }
}

impl PartialEq for FailurePoints {
    /// Whether these are the same points.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }
}

impl Eq for FailurePoints {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_fails_as_often_as_it_was_told() {
        let points = FailurePoints::new();
        points.arm_later("a:b", Failure::Error(io::ErrorKind::StorageFull), 1, 2);
        let passed: Vec<_> = (0..5).map(|_| points.hit("a:b").is_ok()).collect();
        assert_eq!(passed, [true, false, false, true, true]);
        assert_eq!(points.hits("a:b"), 5);
        points.arm("a:b", Failure::Error(io::ErrorKind::Other));
        assert_eq!(points.hit("a:b").unwrap_err().kind(), io::ErrorKind::Other);
        points.disarm("a:b");
        points.hit("a:b").unwrap();
        assert!(FailurePoints::default().hit("a:b").is_ok());
    }

    #[test]
    fn points_are_read_from_text() {
        let points = FailurePoints::parse("a:b=error@2, c:d=full").unwrap();
        assert!(points.hit("a:b").is_ok() && points.hit("a:b").is_err() && points.hit("a:b").is_ok());
        assert_eq!(points.hit("c:d").unwrap_err().kind(), io::ErrorKind::StorageFull);
        let points = FailurePoints::parse("a:b=error@2+").unwrap();
        assert!(points.hit("a:b").is_ok() && points.hit("a:b").is_err() && points.hit("a:b").is_err());
        for text in ["a", "a=b", "a=abort@x", "a=abort@+"] {
            assert!(FailurePoints::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_thread_waits_as_long_as_there_is_a_file() {
        let gate = tempfile::NamedTempFile::new().unwrap();
        let points = FailurePoints::parse(&format!("a:b=wait:{}@2", gate.path().display())).unwrap();
        points.hit("a:b").unwrap();
        let waiting = points.clone();
        let thread = std::thread::spawn(move || waiting.hit("a:b"));
        while gate.as_file().metadata().unwrap().len() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!thread.is_finished());
        points.hit("c:d").unwrap();
        gate.close().unwrap();
        thread.join().unwrap().unwrap();
        points.hit("a:b").unwrap();
    }

    #[tokio::test]
    async fn a_thread_waits_until_it_is_let_go() {
        let points = FailurePoints::new();
        points.arm("a:b", Failure::Wait);
        let waiting = points.clone();
        let thread = std::thread::spawn(move || waiting.hit("a:b"));
        points.reached("a:b", 1).await;
        assert!(!thread.is_finished());
        points.disarm("a:b");
        thread.join().unwrap().unwrap();
    }
}
