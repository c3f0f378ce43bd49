//! The order rules, and what to write where they are broken.

use super::{BELOW, FILTERS, Filter, Stack};

/// Everything that is wrong with `names` as the list of `stack`.
pub(super) fn mistakes(stack: Stack, names: &[String]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut filters = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match FILTERS.iter().find(|filter| filter.name == name) {
            None => mistakes.push(unknown(stack, name)),
            Some(filter) if filter.stack != stack => mistakes.push(format!(
                "{name:?} belongs into the list `{}`; move it there",
                filter.stack
            )),
            Some(_) if names[..at].contains(name) => {
                mistakes.push(format!("{name:?} stands here twice; leave it only once"));
            }
            Some(filter) => filters.push(filter),
        }
    }
    for required in FILTERS
        .iter()
        .filter(|filter| filter.stack == stack && filter.is_required)
    {
        if !names.iter().any(|name| name == required.name) {
            mistakes.push(missing(required));
        }
    }
    for (at, outer) in filters.iter().enumerate() {
        for inner in &filters[at + 1..] {
            if must_stand_outside(inner, outer) {
                let (inner, outer, because) = (inner.name, outer.name, inner.because);
                mistakes.push(format!("write {inner:?} before {outer:?}: {because}"));
            }
        }
    }
    mistakes
}

fn must_stand_outside(filter: &Filter, other: &Filter) -> bool {
    let place = |name| FILTERS.iter().position(|filter| filter.name == name);
    let is_below = place(filter.name) < place(other.name);
    filter
        .outside
        .iter()
        .any(|&name| name == other.name || (name == BELOW && is_below))
}

fn unknown(stack: Stack, name: &str) -> String {
    let known: Vec<_> = FILTERS
        .iter()
        .filter(|filter| filter.stack == stack)
        .map(|filter| filter.name)
        .collect();
    format!(
        "there is no filter {name:?}; expected some of {}",
        known.join(", ")
    )
}

fn missing(filter: &Filter) -> String {
    let (name, because) = (filter.name, filter.because);
    format!("{name:?} is missing; add it: {because}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stack: Stack, names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        mistakes(stack, &names)
    }

    #[test]
    fn a_good_list_has_no_mistake() {
        let full = [
            "catch_errors",
            "gatekeeper",
            "healthcheck",
            "proxy-logging",
            "info",
            "cors",
            "listing_formats",
            "auth",
        ];
        assert!(check(Stack::Protocol, &full).is_empty());
        let least = ["catch_errors", "gatekeeper", "auth", "listing_formats"];
        assert!(check(Stack::Protocol, &least).is_empty());
        assert!(check(Stack::Guard, &["authorise", "quota"]).is_empty());
    }

    #[test]
    fn each_mistake_says_what_to_write() {
        let table: &[(&[&str], &str)] = &[
            (
                &["gatekeeper", "catch_errors", "listing_formats", "auth"],
                "write \"catch_errors\" before \"gatekeeper\"",
            ),
            (
                &[
                    "catch_errors",
                    "healthcheck",
                    "gatekeeper",
                    "listing_formats",
                    "auth",
                ],
                "write \"gatekeeper\" before \"healthcheck\"",
            ),
            (
                &["catch_errors", "gatekeeper", "listing_formats", "auth", "cors"],
                "write \"cors\" before \"auth\"",
            ),
            (
                &["catch_errors", "gatekeeper", "listing_formats"],
                "\"auth\" is missing; add it",
            ),
            (
                &["catch_errors", "gatekeeper", "listing_formats", "auth", "auth"],
                "\"auth\" stands here twice",
            ),
            (
                &["catch_errors", "gatekeeper", "listing_formats", "auth", "copy"],
                "\"copy\" belongs into the list `semantic`",
            ),
            (
                &[
                    "catch_errors",
                    "gatekeeper",
                    "listing_formats",
                    "auth",
                    "tempauth",
                ],
                "there is no filter \"tempauth\"",
            ),
        ];
        for (names, expected) in table {
            let mistakes = check(Stack::Protocol, names);
            assert_eq!(mistakes.len(), 1, "{names:?}: {mistakes:?}");
            assert!(mistakes[0].starts_with(expected), "{mistakes:?}");
        }
    }

    #[test]
    fn several_mistakes_are_told_at_once() {
        assert_eq!(check(Stack::Protocol, &["nonsense", "auth", "cors"]).len(), 5);
    }
}
