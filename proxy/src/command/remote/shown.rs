//! How names and numbers are shown to people.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

/// A name as one line that does nothing to a terminal: control characters are escaped, and those that change the direction
/// of text or cannot be seen.
pub(in crate::command) fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        let is_hidden = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if char.is_control() || is_hidden {
            // Writing to a string cannot fail.
            let _ = write!(line, "{}", char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

/// A name for standard output: as it is for a program, printable for people.
pub(in crate::command) fn shown(text: &str) -> String {
    match io::stdout().is_terminal() {
        true => printable(text),
        false => text.to_owned(),
    }
}

/// `1 object`, `2 objects`
pub(in crate::command) fn counted(objects: u64) -> String {
    match objects {
        1 => "1 object".to_owned(),
        _ => format!("{objects} objects"),
    }
}

/// `1.4 GiB`
pub(in crate::command) fn human_bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_to_a_terminal() {
        assert_eq!(printable("a b/ä"), "a b/ä");
        assert_eq!(printable("a\u{1b}[2J\n\u{202e}gpj"), "a\\u{1b}[2J\\n\\u{202e}gpj");
        assert_eq!(human_bytes(1536), "1.50 KiB");
    }
}
