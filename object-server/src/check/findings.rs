//! What a check has found so far.

use common::functional::check::{Difference, Kind, Report};

use crate::jobs::Handle;

/// The job hears of it after so many objects.
const STEP: u64 = 1000;

/// The report as it grows.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    report: Report,
    examples: usize,
    handle: &'a Handle,
    /// Not told yet.
    untold: (u64, u64),
}

impl<'a> Findings<'a> {
    pub(super) fn new(examples: usize, handle: &'a Handle) -> Self {
        Self {
            report: Report::default(),
            examples,
            handle,
            untold: (0, 0),
        }
    }

    /// An object was looked at.
    pub(super) fn looked_at(&mut self, bytes: u64) {
        self.report.objects += 1;
        self.report.bytes += bytes;
        self.untold = (self.untold.0 + 1, self.untold.1 + bytes);
        if self.untold.0 >= STEP {
            self.tell();
        }
    }

    /// A container was looked at.
    pub(super) fn looked_at_container(&mut self) {
        self.report.containers += 1;
    }

    /// A difference, mended or not.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        path: String,
        storage: Option<String>,
        found: Option<String>,
        is_repaired: bool,
    ) {
        tracing::info!(
            kind = kind.as_str(),
            path,
            storage,
            found,
            is_repaired,
            "a check found a difference"
        );
        let difference = Difference {
            path,
            storage,
            found,
            reason: None,
        };
        self.report.note(kind, difference, is_repaired, self.examples);
    }

    /// A difference that stays for this reason.
    pub(super) fn note_refused(&mut self, kind: Kind, path: String, storage: Option<String>, reason: &str) {
        tracing::warn!(
            kind = kind.as_str(),
            path,
            storage,
            reason,
            "a check found what cannot be mended"
        );
        let difference = Difference {
            path,
            storage,
            found: None,
            reason: Some(reason.to_owned()),
        };
        self.report.note(kind, difference, false, self.examples);
    }

    /// The job shows what there is.
    pub(super) fn tell(&mut self) {
        let (objects, bytes) = std::mem::take(&mut self.untold);
        self.handle.advance(objects, bytes);
        self.handle.report(self.report.clone());
    }
}
