//! What a rule's glob may match below a directory: tree operations touch names that nobody has spelt out.

use globset::GlobMatcher;

use super::rule::compiled;

/// What is reached from a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that lies below it, however deep.
    Below,
    /// All that lies directly in it.
    Children,
    /// All accounts and containers; the path is empty.
    Listings,
}

/// A glob over paths, cut at its slashes.
#[derive(Debug)]
pub(super) struct Shape {
    segments: Vec<Segment>,
    /// Whether it matches exactly what the glob does. Behind what cannot be cut (`{a/b,c}`) it matches everything.
    is_exact: bool,
}

#[derive(Debug)]
enum Segment {
    /// Exactly this.
    Literal(String),
    /// One segment of this form.
    Wild(GlobMatcher),
    /// Any number of segments, and none.
    Any,
}

impl Shape {
    /// # Errors
    /// When it is no glob.
    pub(super) fn of(glob: &str) -> Result<Self, String> {
        let uncut = glob.find(['{', '[', '\\']);
        let certain = uncut.map_or(glob, |end| {
            glob[..end].rsplit_once('/').map_or("", |(above, _)| above)
        });
        let mut segments = Vec::new();
        for segment in certain.split('/').filter(|_| !certain.is_empty()) {
            segments.push(match segment {
                "**" => Segment::Any,
                wild if wild.contains(['*', '?']) => Segment::Wild(compiled(wild)?),
                literal => Segment::Literal(literal.to_owned()),
            });
        }
        if uncut.is_some() {
            segments.push(Segment::Any);
        }
        Ok(Self {
            segments,
            is_exact: uncut.is_none(),
        })
    }

    /// Whether it may match something that is reached from `path`.
    pub(super) fn may_match_of(&self, path: &str, reach: Reach) -> bool {
        self.places_after(path).into_iter().any(|place| {
            let rest = &self.segments[place..];
            let needed = rest
                .iter()
                .filter(|segment| !matches!(segment, Segment::Any))
                .count();
            match reach {
                Reach::Below => !rest.is_empty(),
                Reach::Children => needed == 1 || (needed == 0 && !rest.is_empty()),
                Reach::Listings => (1..=2).contains(&needed) || (needed == 0 && !rest.is_empty()),
            }
        })
    }

    /// Whether it is certain to match all that is reached from `path`.
    pub(super) fn matches_all_of(&self, path: &str, reach: Reach) -> bool {
        self.is_exact
            && self
                .places_after(path)
                .into_iter()
                .any(|place| match &self.segments[place..] {
                    [Segment::Any] => true,
                    [Segment::Wild(glob)] => reach == Reach::Children && glob.glob().glob() == "*",
                    _ => false,
                })
    }

    /// Where in the shape one may be after `path`; an empty one is that of all accounts.
    fn places_after(&self, path: &str) -> Vec<usize> {
        let mut places = self.opened(vec![0]);
        if path.is_empty() {
            return places;
        }
        for segment in path.strip_suffix('/').unwrap_or(path).split('/') {
            let mut next = Vec::new();
            for place in places {
                match self.segments.get(place) {
                    Some(Segment::Any) => next.push(place),
                    Some(Segment::Literal(literal)) if literal == segment => next.push(place + 1),
                    Some(Segment::Wild(glob)) if glob.is_match(segment) => next.push(place + 1),
                    _ => {}
                }
            }
            places = self.opened(next);
        }
        places
    }

    /// The same places, and those behind segments that may stand for nothing.
    fn opened(&self, mut places: Vec<usize>) -> Vec<usize> {
        let mut at = 0;
        while at < places.len() {
            if matches!(self.segments.get(places[at]), Some(Segment::Any)) {
                places.push(places[at] + 1);
            }
            at += 1;
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use globset::GlobBuilder;
    use proptest::prelude::*;

    fn below(glob: &str, path: &str) -> (bool, bool) {
        let shape = Shape::of(glob).unwrap();
        (
            shape.may_match_of(path, Reach::Below),
            shape.matches_all_of(path, Reach::Below),
        )
    }

    #[test]
    fn what_may_lie_below() {
        for (glob, path, expected) in [
            ("a/c/**", "a/c/d/", (true, true)),
            ("a/c/d/**", "a/c/d/", (true, true)),
            ("a/c/d/e/f", "a/c/d/", (true, false)),
            ("a/c/*", "a/c/d/", (false, false)),
            ("a/c/d/*", "a/c/d/", (true, false)),
            ("a/c/e/**", "a/c/d/", (false, false)),
            ("a/c/d", "a/c/d/", (false, false)),
            ("a/**/secret", "a/c/d/", (true, false)),
            ("**", "a/c/d/", (true, true)),
            ("b/**", "a/c/d/", (false, false)),
            ("a/{c,x}/e", "a/c/d/", (true, false)),
            ("b/{c,x}/e", "a/c/d/", (false, false)),
            ("a/[c]/d/**", "a/c/d/", (true, false)),
            ("a/c/d*/**", "a/c/d/", (true, true)),
        ] {
            assert_eq!(below(glob, path), expected, "{glob} below {path}");
        }
    }

    #[test]
    fn what_may_lie_directly_in_it() {
        let children = |glob: &str| Shape::of(glob).unwrap().may_match_of("a", Reach::Children);
        for glob in ["a/secret", "a/*", "a/**", "**", "*/s*", "a/{b,c}"] {
            assert!(children(glob), "{glob}");
        }
        for glob in ["a", "a/secret/x", "b/*", "a/*/x", "a/secret/**/y"] {
            assert!(!children(glob), "{glob}");
        }
        assert!(Shape::of("a/*").unwrap().matches_all_of("a", Reach::Children));
    }

    #[test]
    fn what_may_be_listed_anywhere() {
        let listings = |glob: &str| Shape::of(glob).unwrap().may_match_of("", Reach::Listings);
        for glob in ["a", "a/secret", "*", "a/**", "**", "**/c", "{a,b}"] {
            assert!(listings(glob), "{glob}");
        }
        for glob in ["a/c/o", "a/*/secret*", "*/*/x"] {
            assert!(!listings(glob), "{glob}");
        }
        assert!(Shape::of("**").unwrap().matches_all_of("", Reach::Listings));
        assert!(Shape::of("a/c/o").unwrap().may_match_of("", Reach::Below));
    }

    proptest! {
        /// What the glob matches below a path is never missed, and a claim to match everything holds.
        #[test]
        fn a_shape_agrees_with_its_glob(
            glob in "(a|b|\\*|\\*\\*|a\\*|\\{a,b\\}|\\[ab\\])(/(a|b|\\*|\\*\\*|\\?)){0,4}",
            path in "(a|b)(/(a|b)){0,2}/",
            rest in "(a|b|ab)?(/(a|b)){0,3}",
        ) {
            let shape = Shape::of(&glob).unwrap();
            let matcher = GlobBuilder::new(&glob).literal_separator(true).build().unwrap().compile_matcher();
            let is_matched = matcher.is_match(format!("{path}{rest}"));
            if is_matched {
                prop_assert!(shape.may_match_of(&path, Reach::Below), "{} misses {}{}", glob, path, rest);
            }
            if shape.matches_all_of(&path, Reach::Below) {
                prop_assert!(is_matched, "{} does not match {}{}", glob, path, rest);
            }
        }
    }
}
