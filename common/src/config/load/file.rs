//! The text of a file as sections, in which each setting knows its line.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::Config;
use super::setting::{Entries, Origin, Setting};

impl Config {
    pub(super) fn add_file(&mut self, path: &Path, text: &str) {
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
