//! Where something is: `container`, `container/name`, `container/directory/`.

use anyhow::bail;

use super::usage;

/// A container, or a name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::command) struct Place {
    pub(in crate::command) container: String,
    /// Empty: the container itself.
    pub(in crate::command) name: String,
}

impl Place {
    /// Reads what a user wrote.
    pub(in crate::command) fn parse(text: &str) -> anyhow::Result<Self> {
        let (container, name) = text.split_once('/').unwrap_or((text, ""));
        if container.is_empty() {
            bail!("expected CONTAINER or CONTAINER/NAME");
        }
        Ok(Self {
            container: container.to_owned(),
            name: name.to_owned(),
        })
    }

    pub(in crate::command) fn is_container(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether things lie in it: a container or a directory.
    pub(in crate::command) fn is_directory(&self) -> bool {
        self.is_container() || self.name.ends_with('/')
    }

    /// The last segment of the name; a directory's keeps its slash. Of a container its name.
    pub(in crate::command) fn last_segment(&self) -> &str {
        let last = self.name.split_inclusive('/').next_back();
        last.unwrap_or(&self.container)
    }

    /// What is called `name` in it.
    pub(in crate::command) fn with(&self, name: &str) -> Self {
        Self {
            container: self.container.clone(),
            name: format!("{}{name}", self.name),
        }
    }

    /// Where `source` comes to, which is copied or moved here: into a directory or a container under its own name, as `cp`
    /// does; but a directory becomes the directory that is named.
    pub(in crate::command) fn taking(&self, source: &Self) -> anyhow::Result<Self> {
        if source.is_container() {
            return Err(usage(
                &source.container,
                "a container cannot be moved or copied as a whole",
            ));
        }
        match (source.is_directory(), self.is_directory()) {
            (true, true) if !self.is_container() => Ok(self.clone()),
            (true, false) => Ok(self.with("/")),
            (false, false) => Ok(self.clone()),
            (_, true) => Ok(self.with(source.last_segment())),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_container() {
            true => formatter.write_str(&self.container),
            false => write!(formatter, "{}/{}", self.container, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::parse(text).unwrap()
    }

    #[test]
    fn places_are_containers_directories_and_objects() {
        assert!(place("c").is_container() && place("c/").is_container());
        assert!(place("c/d/").is_directory() && !place("c/d").is_directory());
        assert_eq!(place("c//a").name, "/a");
        assert_eq!(place("c/a/b/").last_segment(), "b/");
        assert_eq!(place("c/a/b").last_segment(), "b");
        assert_eq!(place("c").last_segment(), "c");
        assert!(Place::parse("").is_err() && Place::parse("/c/o").is_err());
    }

    #[test]
    fn sources_come_to_places_as_with_cp() {
        for (source, destination, at) in [
            ("c/a/o", "d/p", "d/p"),
            ("c/a/o", "d/b/", "d/b/o"),
            ("c/a/o", "d", "d/o"),
            ("c/a/", "d/b/", "d/b/"),
            ("c/a/", "d/b", "d/b/"),
            ("c/x/a/", "d", "d/a/"),
        ] {
            let taken = place(destination).taking(&place(source)).unwrap();
            assert_eq!(taken.to_string(), at, "{source} to {destination}");
        }
        assert!(place("d/x").taking(&place("c")).is_err());
    }
}
