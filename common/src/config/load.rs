//! Reads the settings of a file, the environment and the command line, in rising precedence, and gathers **all**
//! mistakes in them before anything starts.
//!
//! A section is a serde struct with `#[serde(deny_unknown_fields, default)]` beside the code it configures. Each of
//! its keys is tried on its own, so that one wrong value hides no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

mod file;
mod setting;

#[cfg(test)]
mod tests;

use setting::{Entries, Origin, Setting};

/// Variables start so; the section and the key follow, `__` between them: `STOBJ_OBJECT_SERVER__DURABILITY`.
const VARIABLE_PREFIX: &str = "STOBJ_";

/// The settings as they were written, and what was wrong with them.
#[derive(Debug, Default)]
pub struct Config {
    sections: BTreeMap<String, Entries>,
    lists: BTreeMap<String, Vec<Entries>>,
    read: BTreeSet<String>,
    mistakes: Vec<Mistake>,
}

/// One thing that is wrong, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    place: String,
    message: String,
}

/// Everything that is wrong.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl Config {
    /// Reads `file` if there is one, then variables (those of ours), then `flags`: section, key, value.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (&'static str, &'static str, String)>,
    ) -> Self {
        let mut config = Self::default();
        if let Some(path) = file {
            match std::fs::read_to_string(path) {
                Ok(text) => config.add_file(path, &text),
                Err(error) => {
                    config.add_mistake(path.display().to_string(), format!("cannot be read: {error}"));
                }
            }
        }
        for (name, value) in variables {
            config.add_variable(&name, value);
        }
        for (section, key, value) in flags {
            let origin = Origin::Flag(format!("--{key}"));
            config.set(section, key, Value::String(value), origin);
        }
        config
    }

    /// The settings of `section` (`proxy`, `filter.auth`), defaults where nothing is written.
    pub fn read<T: DeserializeOwned + Default>(&mut self, section: &str) -> T {
        self.read.insert(section.to_owned());
        self.adopt_variables(section);
        let Some(entries) = self.sections.get(section) else {
            return T::default();
        };
        let mut good = Table::new();
        for (key, setting) in &entries.settings {
            match setting.readable_as::<T>(key) {
                Ok(value) => {
                    good.insert(key.clone(), value);
                }
                Err(message) => self.mistakes.push(Mistake {
                    place: setting.origin.to_string(),
                    message: format!("[{section}] {key}: {message}"),
                }),
            }
        }
        good.try_into().unwrap_or_else(|error: toml::de::Error| {
            self.add_mistake(format!("[{section}]"), first_line(&error));
            T::default()
        })
    }

    /// The entries of a list of tables: `user` for `[[user]]`, `filter.firewall.rules` for that.
    pub fn read_list<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        self.read.insert(name.to_owned());
        let mut list = Vec::new();
        for entries in self.lists.get(name).into_iter().flatten() {
            let table: Table = entries
                .settings
                .iter()
                .map(|(key, setting)| (key.clone(), setting.value.clone()))
                .collect();
            match table.try_into() {
                Ok(entry) => list.push(entry),
                Err(error) => self.mistakes.push(Mistake {
                    place: entries
                        .origin
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    message: format!("[[{name}]]: {}", first_line(&error)),
                }),
            }
        }
        list
    }

    /// Remembers that the value of a setting, though of the right type, will not do; `message` says what would.
    pub fn reject(&mut self, section: &str, key: &str, message: impl fmt::Display) {
        let setting = self
            .sections
            .get(section)
            .and_then(|entries| entries.settings.get(key));
        let place = setting.map_or_else(|| "default".to_owned(), |setting| setting.origin.to_string());
        self.add_mistake(place, format!("[{section}] {key}: {message}"));
    }

    /// Remembers that the entry `at` (from 0) of a list of tables will not do; `message` says what would.
    pub fn reject_entry(&mut self, list: &str, at: usize, message: impl fmt::Display) {
        let entry = self.lists.get(list).and_then(|entries| entries.get(at));
        let origin = entry.and_then(|entry| entry.origin.as_ref());
        let place = origin.map_or_else(|| "default".to_owned(), ToString::to_string);
        self.add_mistake(place, format!("[[{list}]]: {message}"));
    }

    /// Whether `section` is written anywhere.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Ends the reading: sections that nobody asked for are mistakes too.
    ///
    /// # Errors
    /// All mistakes.
    pub fn finish(mut self) -> Result<(), Mistakes> {
        let known: Vec<_> = self.read.iter().cloned().collect();
        let unread = |name: &String| !self.read.contains(name);
        let mut unknown = Vec::new();
        for (name, entries) in self.sections.iter().filter(|(name, _)| unread(name)) {
            let first = entries.settings.values().next().map(|setting| &setting.origin);
            unknown.push((name.clone(), entries.origin.as_ref().or(first).cloned()));
        }
        for (name, list) in self.lists.iter().filter(|(name, _)| unread(name)) {
            unknown.push((
                name.clone(),
                list.first().and_then(|entries| entries.origin.clone()),
            ));
        }
        for (name, origin) in unknown {
            let place = origin.map(|origin| origin.to_string()).unwrap_or_default();
            let message = if name.is_empty() {
                "settings stand in a section: write one of the section headers first".to_owned()
            } else {
                format!(
                    "[{name}] is not a section in use here; expected one of {}",
                    known.join(", ")
                )
            };
            self.add_mistake(place, message);
        }
        if self.mistakes.is_empty() {
            Ok(())
        } else {
            Err(Mistakes(self.mistakes))
        }
    }

    fn add_mistake(&mut self, place: String, message: String) {
        self.mistakes.push(Mistake { place, message });
    }

    fn add_variable(&mut self, name: &str, value: String) {
        let Some(path) = name.strip_prefix(VARIABLE_PREFIX) else {
            return;
        };
        let Some((section, key)) = path.rsplit_once("__") else {
            return;
        };
        let section = section.to_ascii_lowercase().replace("__", ".");
        let origin = Origin::Variable(name.to_owned());
        self.set(&section, &key.to_ascii_lowercase(), Value::String(value), origin);
    }

    /// A variable's name has no dash: what it says of `object_server` is meant for `object-server`.
    fn adopt_variables(&mut self, section: &str) {
        let spelt = section.replace('-', "_");
        if spelt == section {
            return;
        }
        let Some(entries) = self.sections.get_mut(&spelt) else {
            return;
        };
        let is_variable = |_: &String, setting: &mut Setting| matches!(setting.origin, Origin::Variable(_));
        let variables: BTreeMap<_, _> = entries.settings.extract_if(.., is_variable).collect();
        if entries.settings.is_empty() && entries.origin.is_none() {
            self.sections.remove(&spelt);
        }
        let entries = self.sections.entry(section.to_owned()).or_default();
        for (key, setting) in variables {
            let is_flag = |known: &Setting| matches!(known.origin, Origin::Flag(_));
            if !entries.settings.get(&key).is_some_and(is_flag) {
                entries.settings.insert(key, setting);
            }
        }
    }

    fn set(&mut self, section: &str, key: &str, value: Value, origin: Origin) {
        let entries = self.sections.entry(section.to_owned()).or_default();
        entries.settings.insert(key.to_owned(), Setting { value, origin });
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

fn first_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or_default().to_owned()
}
