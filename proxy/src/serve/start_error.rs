//! Why a server did not start.

use std::io;

use common::{Error, Outcome};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory, or what lies in it, cannot be made.
    #[error("{path}: {source}")]
    Data {
        /// What cannot be made.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A server behind the pipeline cannot be opened.
    #[error("{what} cannot be opened")]
    Open {
        /// Which.
        what: &'static str,
        /// Why.
        source: Error,
    },
}

/// What cannot be opened, and why.
pub(super) fn open_error(what: &'static str) -> impl FnOnce(Error) -> StartError {
    move |source| StartError::Open { what, source }
}

/// Whether it may be there later.
pub(super) fn is_away(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::Unavailable(_))
}
