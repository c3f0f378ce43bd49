//! The sections of the configuration besides those of the pipeline, and which of their settings hold without a restart.

use std::sync::Arc;

use common::config::Config;
use common::constraints::Constraints;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::settings::{Cluster, Log, Proxy, Storage, User};

/// Settings of `[proxy]` that the pipeline is built with, so that they change with it.
const AT_ONCE: [&str; 2] = ["allowed_headers", "trusted_proxies"];

/// All of them, read and checked.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    pub(super) proxy: Proxy,
    pub(super) cluster: Cluster,
    pub(super) storage: Storage,
    pub(super) log: Log,
    pub(super) constraints: Arc<Constraints>,
    pub(super) account_server: account_server::Settings,
    pub(super) object_server: object_server::Settings,
    pub(super) users: Vec<User>,
}

impl Sections {
    pub(super) fn read(config: &mut Config) -> Self {
        Self {
            proxy: Proxy::read(config),
            cluster: Cluster::read(config),
            storage: config.read("storage"),
            log: Log::read(config),
            constraints: Arc::new(config.read("constraints")),
            account_server: config.read("account-server"),
            object_server: object_server::Settings::read(config),
            users: config.read_list("user"),
        }
    }

    /// The settings that are others in `new`, and hold only after a restart: `[section] key`.
    pub(super) fn needing_restart(&self, new: &Self) -> Vec<String> {
        let mut names = Vec::new();
        let mut compare = |section: &str, old: &dyn AsMap, new: &dyn AsMap| {
            let (old, new) = (old.as_map(), new.as_map());
            let differing = old.iter().filter(|(key, value)| new.get(*key) != Some(*value));
            let kept = differing.filter(|(key, _)| section != "proxy" || !AT_ONCE.contains(&key.as_str()));
            names.extend(kept.map(|(key, _)| format!("[{section}] {key}")));
        };
        compare("storage", &self.storage, &new.storage);
        compare("cluster", &self.cluster, &new.cluster);
        compare("log", &self.log, &new.log);
        compare("proxy", &self.proxy, &new.proxy);
        compare("constraints", self.constraints.as_ref(), new.constraints.as_ref());
        compare("object-server", &self.object_server, &new.object_server);
        compare("account-server", &self.account_server, &new.account_server);
        if self.users != new.users {
            names.push("[[user]]".to_owned());
        }
        names
    }
}

/// Settings by their keys; all of one type have the same.
trait AsMap {
    fn as_map(&self) -> Map<String, Value>;
}

impl<T: Serialize> AsMap for T {
    fn as_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // Sections are structs of plain values, which are always an object.
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Sections {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stobj.toml");
        std::fs::write(&path, text).unwrap();
        let mut config = Config::load(Some(&path), [], []);
        let sections = Sections::read(&mut config);
        config.finish().unwrap();
        sections
    }

    #[test]
    fn what_only_a_restart_changes_is_named() {
        let old = read("");
        let text = "[proxy]\nlisten = \"127.0.0.1:1\"\ntrusted_proxies = [\"::1\"]\nallowed_headers = []\n\
                    [log]\nlevel = \"debug\"\n[constraints]\nmax_meta_count = 5\nmax_file_size = 5\n\
                    [object-server]\njournal_size = \"1GiB\"\n[account-server]\ndatabase = \"mysql://u:secret@h/d\"\n\
                    [storage]\ndata = \"/elsewhere\"\n[cluster]\nread_timeout = \"1s\"\n\
                    [[user]]\naccount = \"a\"\nname = \"n\"\nkey = \"secret\"\n";
        let mut named = old.needing_restart(&read(text));
        named.sort_unstable();
        let expected = [
            "[[user]]",
            "[account-server] database",
            "[cluster] read_timeout",
            "[constraints] max_file_size",
            "[constraints] max_meta_count",
            "[log] level",
            "[object-server] journal_size",
            "[proxy] listen",
            "[storage] data",
        ];
        assert_eq!(named, expected);
        assert!(
            old.needing_restart(&read("[proxy]\ntrusted_proxies = [\"::1\"]\n"))
                .is_empty()
        );
    }
}
