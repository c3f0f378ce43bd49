//! Globs: `*` is any text, `?` any one character, all else is itself.

/// Whether the text says more than itself.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The longest text that whatever matches must hold.
pub(super) fn literal(glob: &str) -> &str {
    glob.split(['*', '?']).max_by_key(|part| part.len()).unwrap_or("")
}

/// Whether the glob is all of `text`. Takes time in proportion to both lengths, at most.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.chars(), text.chars());
    // Where to go on when what was tried last does not fit: behind the last `*`, one character further on.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        match (glob.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((glob.clone(), text.clone()));
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                text.next();
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((behind, from)) = &mut retry else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        glob = behind.clone();
        text = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same by the plain definition.
    fn plain(glob: &[char], text: &[char]) -> bool {
        match glob.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
            Some((wanted, rest)) => text
                .split_first()
                .is_some_and(|(found, left)| (*wanted == '?' || wanted == found) && plain(rest, left)),
        }
    }

    #[test]
    fn a_glob_is_all_of_a_text() {
        for (glob, text, is_match) in [
            ("*.jpg", "a.jpg", true),
            ("*.jpg", "a.jpg.txt", false),
            ("?", "ä", true),
            ("?", "", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXcYb", false),
        ] {
            assert_eq!(matches(glob, text), is_match, "{glob} {text}");
        }
        assert_eq!(literal("*ab?abc*"), "abc");
        assert_eq!(literal("*?*"), "");
    }

    #[test]
    fn a_glob_of_many_stars_takes_no_time() {
        let (glob, text) = ("a*".repeat(400) + "b", "a".repeat(1024));
        assert!(!matches(&glob, &text));
    }

    proptest! {
        #[test]
        fn any_glob_is_what_it_is_defined_as(glob in "[ab*?ä]{0,8}", text in "[abä]{0,8}") {
            let (g, t): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&glob, &text), plain(&g, &t));
            if plain(&g, &t) {
                prop_assert!(text.contains(literal(&glob)));
            }
        }
    }
}
