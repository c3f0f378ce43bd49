//! Reads the settings of a file, the environment and the command line, in rising precedence, and gathers **all**
//! mistakes in them before anything starts.
//!
//! A section is a serde struct with `#[serde(deny_unknown_fields, default)]` beside the code it configures. Each of
//! its keys is tried on its own, so that one wrong value hides no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

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

#[derive(Debug, Default)]
struct Entries {
    origin: Option<Origin>,
    settings: BTreeMap<String, Setting>,
}

#[derive(Debug)]
struct Setting {
    value: Value,
    origin: Origin,
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    File(PathBuf, usize),
    Variable(String),
    Flag(String),
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

    fn add_file(&mut self, path: &Path, text: &str) {
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let place = error.span().map_or(1, |span| line(span.start));
            self.add_mistake(
                Origin::File(path.into(), place).to_string(),
                error.message().to_owned(),
            );
        }
        let origin_at = |at: usize| Origin::File(path.into(), line(at));
        self.add_table("", table.get_ref(), &origin_at);
    }

    fn add_table(&mut self, section: &str, table: &DeTable<'_>, origin_at: &dyn Fn(usize) -> Origin) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let origin = origin_at(key.span().start);
            let path = match section {
                "" => name.to_owned(),
                _ => format!("{section}.{name}"),
            };
            match value.get_ref() {
                DeValue::Table(inner) => {
                    if !inner.is_empty() && inner.values().all(|value| is_on_its_own(value.get_ref())) {
                        self.add_table(&path, inner, origin_at);
                        continue;
                    }
                    self.sections.entry(path.clone()).or_default().origin = Some(origin);
                    self.add_table(&path, inner, origin_at);
                }
                DeValue::Array(list) if is_list_of_tables(list) => {
                    let entries = list.iter().map(|entry| list_entry(entry, origin_at)).collect();
                    self.lists.insert(path, entries);
                }
                _ => self.set(section, name, plain(value), origin),
            }
        }
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

impl Setting {
    /// The value as `T` can read it under `key`. Variables and flags are text, which may stand for something else.
    fn readable_as<T: DeserializeOwned>(&self, key: &str) -> Result<Value, String> {
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

/// Whether it has headers of its own, and is no setting of the section around it.
fn is_on_its_own(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(list) => is_list_of_tables(list),
        _ => false,
    }
}

fn is_list_of_tables(list: &[Spanned<DeValue<'_>>]) -> bool {
    !list.is_empty()
        && list
            .iter()
            .all(|entry| matches!(entry.get_ref(), DeValue::Table(_)))
}

fn list_entry(entry: &Spanned<DeValue<'_>>, origin_at: &dyn Fn(usize) -> Origin) -> Entries {
    let origin = origin_at(entry.span().start);
    let mut settings = BTreeMap::new();
    if let DeValue::Table(table) = entry.get_ref() {
        for (key, value) in table {
            let setting = Setting {
                value: plain(value),
                origin: origin_at(key.span().start),
            };
            settings.insert(key.get_ref().to_string(), setting);
        }
    }
    Entries {
        origin: Some(origin),
        settings,
    }
}

/// The value without the places it was read at.
fn plain(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| Value::String(number.to_string()), Value::Integer)
        }
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::String(number.to_string()), Value::Float),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(moment) => Value::Datetime(*moment),
        DeValue::Array(list) => Value::Array(list.iter().map(plain).collect()),
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), plain(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Period, Size};
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Proxy {
        listen: String,
        drain_timeout: Period,
        max_file_size: Size,
        workers: usize,
    }

    impl Default for Proxy {
        fn default() -> Self {
            Self {
                listen: "127.0.0.1:8080".into(),
                drain_timeout: Period::seconds(60),
                max_file_size: Size(5 << 30),
                workers: 2,
            }
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct User {
        name: String,
    }

    fn load(text: &str, variables: &[(&str, &str)]) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stobj.toml");
        std::fs::write(&path, text).unwrap();
        let variables = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Config::load(Some(&path), variables, [])
    }

    fn mistakes(config: Config) -> Vec<String> {
        config.finish().map_or_else(
            |mistakes| {
                mistakes
                    .0
                    .iter()
                    .map(|m| m.to_string().rsplit_once('/').unwrap().1.to_owned())
                    .collect()
            },
            |()| Vec::new(),
        )
    }

    #[test]
    fn later_layers_win() {
        let variables = [
            ("STOBJ_PROXY__WORKERS", "7"),
            ("STOBJ_PROXY__LISTEN", "[::1]:1"),
            ("HOME", "/"),
        ];
        let mut config = load("[proxy]\nworkers = 3\ndrain_timeout = \"5s\"\n", &variables);
        let proxy: Proxy = config.read("proxy");
        assert_eq!((proxy.workers, proxy.drain_timeout), (7, Period::seconds(5)));
        assert_eq!(proxy.listen, "[::1]:1");
        config.finish().unwrap();
    }

    #[test]
    fn a_variable_reaches_a_section_with_a_dash() {
        let variables = [("STOBJ_OBJECT_SERVER__WORKERS", "7")];
        let mut config = load("[object-server]\nworkers = 3\nlisten = \"x\"\n", &variables);
        let settings: Proxy = config.read("object-server");
        assert_eq!((settings.workers, settings.listen.as_str()), (7, "x"));
        config.finish().unwrap();
        let mut config = load("[object_server]\nworkers = 3\n", &variables);
        assert_eq!(config.read::<Proxy>("object-server").workers, 7);
        assert!(mistakes(config)[0].contains("[object_server] is not a section"));
    }

    #[test]
    fn a_list_may_stand_in_a_section() {
        let text = "[[filter.firewall.rules]]\nname = \"a\"\n\n[[filter.firewall.rules]]\nname = \"b\"\n";
        let mut config = load(text, &[]);
        let names: Vec<_> = config
            .read_list::<User>("filter.firewall.rules")
            .into_iter()
            .map(|user| user.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
        config.reject_entry("filter.firewall.rules", 1, "no b here");
        assert_eq!(
            mistakes(config),
            ["stobj.toml:4: [[filter.firewall.rules]]: no b here"]
        );
        let unread = mistakes(load(text, &[]));
        assert!(
            unread[0].starts_with("stobj.toml:1: [filter.firewall.rules] is not a section"),
            "{unread:?}"
        );
    }

    #[test]
    fn all_mistakes_are_reported_with_their_lines() {
        let text =
            "[proxy]\nlisten = 5\n\ndrain_timeout = \"soon\"\nworker = 1\n[prxy]\na = 1\n[[user]]\nnam = 1\n";
        let mut config = load(text, &[]);
        let proxy: Proxy = config.read("proxy");
        assert_eq!(proxy, Proxy::default());
        assert!(config.read_list::<User>("user").is_empty());
        let mistakes = mistakes(config);
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
        let has = |start: &str, word: &str| mistakes.iter().any(|m| m.starts_with(start) && m.contains(word));
        assert!(
            has("stobj.toml:2: [proxy] listen", "expected a string"),
            "{mistakes:#?}"
        );
        assert!(
            has("stobj.toml:4: [proxy] drain_timeout", "\"30s\""),
            "{mistakes:#?}"
        );
        assert!(has("stobj.toml:5: [proxy] worker", "`workers`"), "{mistakes:#?}");
        assert!(has("stobj.toml:6: [prxy]", "proxy"), "{mistakes:#?}");
        assert!(has("stobj.toml:8: [[user]]", "name"), "{mistakes:#?}");
    }

    #[test]
    fn a_syntax_error_has_a_line() {
        let config = load("[proxy]\nlisten = \n", &[]);
        assert!(mistakes(config)[0].starts_with("stobj.toml:2"));
    }

    #[test]
    fn lists_and_dotted_sections() {
        let mut config = load(
            "[filter.auth]\nworkers = 1\n[[user]]\nname = \"a\"\n[[user]]\nname = \"b\"\n",
            &[],
        );
        assert_eq!(config.read::<Proxy>("filter.auth").workers, 1);
        let names: Vec<_> = config
            .read_list::<User>("user")
            .into_iter()
            .map(|user| user.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
        config.finish().unwrap();
    }
}
