//! How a subcommand ends: what failed, and the exit code that says so.

use std::io;

use common::storage_client::{Error, Failure};

use super::{complain, printable};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const REFUSED: u8 = 4;

/// Of several things some failed; each was told.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} failed")]
struct SomeFailed {
    failed: u64,
    all: u64,
    code: u8,
}

/// Counts what was done and what failed.
#[derive(Debug, Default)]
pub(in crate::command) struct Tally {
    pub(in crate::command) done: u64,
    failed: u64,
    code: Option<u8>,
}

impl Tally {
    /// One more that failed, which is told at once.
    pub(in crate::command) fn failed(&mut self, error: &anyhow::Error) {
        complain(&format!("stobj: {}", printable(&format!("{error:#}"))));
        let code = code_of(error);
        // One code for all, if they failed for one reason.
        self.code = Some(
            self.code
                .map_or(code, |before| if before == code { code } else { FAILED }),
        );
        self.failed += 1;
    }

    /// The end.
    ///
    /// # Errors
    /// When something failed.
    pub(in crate::command) fn end(self) -> anyhow::Result<()> {
        let Some(code) = self.code else { return Ok(()) };
        let all = self.done + self.failed;
        // Of many the most were done: that is no answer to whether these few are there.
        let code = if self.done > 0 { FAILED } else { code };
        let failed = self.failed;
        Err(SomeFailed { failed, all, code }.into())
    }
}

/// A command that makes no sense.
pub(in crate::command) fn usage(what: &str, why: &str) -> anyhow::Error {
    Error::new(what, Failure::Usage(why.to_owned())).into()
}

/// The exit code of a failure.
pub(in crate::command) fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(some) = cause.downcast_ref::<SomeFailed>() {
            return some.code;
        }
        if let Some(error) = cause.downcast_ref::<Error>() {
            return match &error.failure {
                Failure::Usage(_) => USAGE,
                Failure::NotFound => NOT_FOUND,
                Failure::Unauthorized | Failure::Refused { .. } => REFUSED,
                _ => FAILED,
            };
        }
        if let Some(error) = cause.downcast_ref::<common::Error>() {
            return match error.status().as_u16() {
                400 => USAGE,
                404 => NOT_FOUND,
                401 | 403 | 405 | 409 | 412 | 413 | 422 | 507 => REFUSED,
                _ => FAILED,
            };
        }
    }
    FAILED
}

/// Whether there is nothing left to say: the one thing that was to be done failed, and that was told.
pub(in crate::command) fn is_told(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<SomeFailed>()
        .is_some_and(|some| some.all == 1)
}

/// Whether whoever read our output has enough.
pub(in crate::command) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn codes_tell_scripts_why() {
        let not_found = || anyhow::Error::from(Error::new("c/o", Failure::NotFound));
        assert_eq!(code_of(&not_found()), NOT_FOUND);
        assert_eq!(
            code_of(&Err::<(), _>(not_found()).context("more").unwrap_err()),
            NOT_FOUND
        );
        assert_eq!(code_of(&usage("c", "no")), USAGE);
        assert_eq!(
            code_of(&common::Error::from(common::Outcome::Forbidden).into()),
            REFUSED
        );
        assert_eq!(code_of(&anyhow::anyhow!("something")), FAILED);
        let broken = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_broken_pipe(&broken) && !is_broken_pipe(&not_found()));
    }

    #[test]
    fn several_failures_have_one_code() {
        let mut tally = Tally::default();
        tally.failed(&Error::new("c/o", Failure::NotFound).into());
        tally.failed(&Error::new("c/p", Failure::NotFound).into());
        assert_eq!(code_of(&tally.end().unwrap_err()), NOT_FOUND);
        let mut tally = Tally {
            done: 1,
            ..Tally::default()
        };
        tally.failed(&Error::new("c/o", Failure::NotFound).into());
        let error = tally.end().unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), code_of(&error)),
            ("1 of 2 failed", FAILED)
        );
        assert!(!is_told(&error));
        assert!(Tally::default().end().is_ok());
    }
}
