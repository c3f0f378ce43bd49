//! What a server printed, kept so that a failing test can show it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// More lines than this are forgotten, oldest first.
const MAX_LINES: usize = 20_000;

/// The last lines of a server's two outputs. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    open_outputs: usize,
    copies: Vec<Log>,
}

impl Log {
    /// Gathers what comes out of `output`, in a thread of its own, until it ends: so a server never waits for a
    /// test that does not read.
    pub fn follow(&self, output: impl Read + Send + 'static) {
        self.0.lines.lock().open_outputs += 1;
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                log.push(String::from_utf8_lossy(&line).into_owned());
            }
            log.ended();
        });
    }

    /// Adds all that is here, and all that will be, to `other` too.
    pub fn copy_to(&self, other: &Self) {
        let mut lines = self.0.lines.lock();
        for line in &lines.kept {
            other.push(line.clone());
        }
        other.0.lines.lock().open_outputs += lines.open_outputs;
        lines.copies.push(other.clone());
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lines.lock();
        if lines.kept.len() == MAX_LINES {
            lines.kept.pop_front();
        }
        for copy in &lines.copies {
            copy.push(line.clone());
        }
        lines.kept.push_back(line);
        self.0.changed.notify_all();
    }

    fn ended(&self) {
        let mut lines = self.0.lines.lock();
        lines.open_outputs -= 1;
        lines.copies.iter().for_each(Self::ended);
        self.0.changed.notify_all();
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lines.lock().kept.iter().cloned().collect()
    }

    /// The lines that hold `text`: a transaction's id, say.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.0.lines.lock();
        lines
            .kept
            .iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// What `find` makes of the lines so far, as soon as that is something. `None` when the outputs end, or after
    /// `patience`.
    ///
    /// Blocks the thread.
    pub fn wait_for<T>(
        &self,
        patience: Duration,
        find: impl Fn(&VecDeque<String>) -> Option<T>,
    ) -> Option<T> {
        let mut lines = self.0.lines.lock();
        let mut found = None;
        self.0.changed.wait_while_for(
            &mut lines,
            |lines| {
                found = find(&lines.kept);
                found.is_none() && lines.open_outputs > 0
            },
            patience,
        );
        found
    }
}
