//! What a listing must show: Swift's rules over a sorted set of names, as plainly as they can be written.

use std::collections::BTreeSet;

use crate::client::Request;

/// The parameters of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Only names after it, or before it in reverse.
    pub marker: Option<String>,
    /// Only names before it, or after it in reverse.
    pub end_marker: Option<String>,
    /// Only names that begin so.
    pub prefix: Option<String>,
    /// Rolls up what follows it.
    pub delimiter: Option<String>,
    /// Only what lies directly in this directory.
    pub path: Option<String>,
    /// The most entries.
    pub limit: Option<usize>,
    /// Backwards.
    pub reverse: bool,
}

impl Parameters {
    /// Adds the parameters to a request.
    pub fn apply(&self, mut request: Request) -> Request {
        let texts = [
            ("marker", &self.marker),
            ("end_marker", &self.end_marker),
            ("prefix", &self.prefix),
            ("delimiter", &self.delimiter),
            ("path", &self.path),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                request = request.query(name, value);
            }
        }
        if let Some(limit) = self.limit {
            request = request.query("limit", &limit.to_string());
        }
        if self.reverse {
            request = request.query("reverse", "true");
        }
        request
    }

    /// The entries that a container with these names shows.
    pub fn entries(&self, names: &BTreeSet<String>) -> Vec<String> {
        let (prefix, delimiter) = self.prefix_and_delimiter();
        let mut entries: Vec<String> = Vec::new();
        let forward: Box<dyn Iterator<Item = &String>> = Box::new(names.iter());
        let backward: Box<dyn Iterator<Item = &String>> = Box::new(names.iter().rev());
        for name in if self.reverse { backward } else { forward } {
            if !name.starts_with(&prefix) || !self.lies_between_markers(name) {
                continue;
            }
            let end_of_group = delimiter
                .as_ref()
                .filter(|delimiter| !delimiter.is_empty())
                .and_then(|delimiter| {
                    Some(prefix.len() + name[prefix.len()..].find(delimiter)? + delimiter.len())
                });
            let entry = match end_of_group {
                Some(end) if self.path.is_some() && end < name.len() => continue,
                Some(end) => &name[..end],
                None => name,
            };
            let is_directory_itself = self.path.is_some() && *name == prefix;
            let is_marker = self.path.is_none() && end_of_group.is_some() && self.low_bound() == Some(entry);
            if is_directory_itself || is_marker || entries.last().is_some_and(|last| last == entry) {
                continue;
            }
            entries.push(entry.to_owned());
        }
        entries.truncate(self.limit.unwrap_or(10_000));
        entries
    }

    /// `path` stands for both.
    fn prefix_and_delimiter(&self) -> (String, Option<String>) {
        match &self.path {
            None => (self.prefix.clone().unwrap_or_default(), self.delimiter.clone()),
            Some(path) if path.is_empty() => (String::new(), Some("/".to_owned())),
            Some(path) => (format!("{}/", path.trim_end_matches('/')), Some("/".to_owned())),
        }
    }

    fn low_bound(&self) -> Option<&str> {
        let bound = if self.reverse {
            &self.end_marker
        } else {
            &self.marker
        };
        bound.as_deref().filter(|bound| !bound.is_empty())
    }

    fn lies_between_markers(&self, name: &str) -> bool {
        let high = if self.reverse {
            &self.marker
        } else {
            &self.end_marker
        };
        let high = high.as_deref().filter(|bound| !bound.is_empty());
        self.low_bound().is_none_or(|low| name > low) && high.is_none_or(|high| name < high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(parameters: &Parameters) -> Vec<String> {
        let names = ["a", "a/", "a/b", "a/c/d", "b", "b/c"];
        parameters.entries(&names.into_iter().map(ToOwned::to_owned).collect())
    }

    #[test]
    fn groups_stand_once() {
        let mut parameters = Parameters {
            delimiter: Some("/".to_owned()),
            ..Parameters::default()
        };
        assert_eq!(entries(&parameters), ["a", "a/", "b", "b/"]);
        parameters.marker = Some("a/".to_owned());
        assert_eq!(entries(&parameters), ["b", "b/"]);
        parameters.marker = Some("a/b".to_owned());
        assert_eq!(entries(&parameters), ["a/", "b", "b/"]);
        parameters.limit = Some(2);
        assert_eq!(entries(&parameters), ["a/", "b"]);
    }

    #[test]
    fn a_path_shows_what_lies_directly_in_it() {
        let parameters = Parameters {
            path: Some("a".to_owned()),
            ..Parameters::default()
        };
        assert_eq!(entries(&parameters), ["a/b"]);
    }
}
