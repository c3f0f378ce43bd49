//! A setting as it was written, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::first_line;

/// A section, or an entry of a list.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) origin: Option<Origin>,
    pub(super) settings: BTreeMap<String, Setting>,
}

/// A value as it was written.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File(PathBuf, usize),
    Variable(String),
    Flag(String),
}

impl Setting {
    /// The value as `T` can read it under `key`. Variables and flags are text, which may stand for something else.
    pub(super) fn readable_as<T: DeserializeOwned>(&self, key: &str) -> Result<Value, String> {
        let attempt = |value: &Value| -> Result<T, toml::de::Error> {
            Table::from_iter([(key.to_owned(), value.clone())]).try_into()
        };
        let Err(error) = attempt(&self.value) else {
            return Ok(self.value.clone());
        };
        if !matches!(self.origin, Origin::File(..))
            && let Value::String(text) = &self.value
            && let Ok(mut table) = format!("value = {text}").parse::<Table>()
            && let Some(value) = table.remove("value")
            && attempt(&value).is_ok()
        {
            return Ok(value);
        }
        Err(first_line(&error))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(formatter, "{}:{line}", path.display()),
            Self::Variable(name) => write!(formatter, "environment variable {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}
