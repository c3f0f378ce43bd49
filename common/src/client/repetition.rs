//! What may be asked for once more when no answer came, and what only asks.

use crate::functional::Action;

/// What it comes to, when something is asked for twice because no answer came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    /// The same as once.
    Same,
    /// The server knows what it answered, if it is told that it may have done so.
    Known,
    /// It must not happen.
    Never,
}

impl Twice {
    pub(super) fn of(action: &Action) -> Self {
        match action {
            Action::FsMakeDirectory(_)
            | Action::FsMove(_)
            | Action::FsCopyDirectory(_)
            | Action::FsRemoveDirectory(_) => Self::Known,
            action if changes_nothing_twice(action) => Self::Same,
            _ => Self::Never,
        }
    }
}

/// Whether it only asks.
pub(super) fn is_question(action: &Action) -> bool {
    let name = action.name();
    let verb = name.rsplit('/').next().unwrap_or(name);
    matches!(
        verb,
        "get" | "head" | "list" | "show" | "open" | "fetch" | "totals" | "tree" | "find"
    ) || verb.starts_with("list_")
}

/// Whether doing it twice is the same as doing it once.
fn changes_nothing_twice(action: &Action) -> bool {
    let Some((system, verb)) = action.name().split_once('/') else {
        return false;
    };
    matches!(system, "info" | "mirror" | "policy" | "record" | "search")
        || matches!(verb, "get" | "head" | "list" | "show")
}
