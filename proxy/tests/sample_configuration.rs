//! `etc/stobj.toml` shows every setting there is, with its default.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use common::config::Config;
use common::constraints::Constraints;
use middleware::guard::record;
use middleware::protocol::{auth, catch_errors, cors, healthcheck, info, proxy_logging};
use middleware::registry;
use proxy::serve::{Part, Plan};
use proxy::settings::{Cluster, Log, Proxy, Storage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../etc/stobj.toml")
}

struct Sample {
    config: Config,
    table: Table,
    seen: BTreeSet<String>,
}

impl Sample {
    fn check<T>(&mut self, section: &str)
    where
        T: Default + DeserializeOwned + Serialize + PartialEq + Debug,
    {
        assert_eq!(self.config.read::<T>(section), T::default(), "[{section}]");
        let written = section.split('.').fold(&self.table, |table, key| {
            table[key].as_table().expect("the sample has this section")
        });
        let keys = |table: &Table| table.keys().cloned().collect::<BTreeSet<_>>();
        let all = Table::try_from(T::default()).expect("settings are a table");
        assert_eq!(keys(written), keys(&all), "[{section}]");
        self.seen.insert(section.to_owned());
    }
}

#[test]
fn the_sample_shows_every_setting_with_its_default() {
    let text = std::fs::read_to_string(path()).unwrap();
    let mut sample = Sample {
        config: Config::load(Some(&path()), [], []),
        table: text.parse().unwrap(),
        seen: BTreeSet::new(),
    };
    sample.check::<Storage>("storage");
    sample.check::<Cluster>("cluster");
    sample.check::<Log>("log");
    sample.check::<Proxy>("proxy");
    sample.check::<registry::Settings>("pipeline");
    sample.check::<Constraints>("constraints");
    sample.check::<object_server::Settings>("object-server");
    sample.check::<account_server::Settings>("account-server");
    sample.check::<catch_errors::Settings>("filter.catch_errors");
    sample.check::<healthcheck::Settings>("filter.healthcheck");
    sample.check::<proxy_logging::Settings>("filter.proxy-logging");
    sample.check::<info::Settings>("filter.info");
    sample.check::<cors::Settings>("filter.cors");
    sample.check::<auth::Settings>("filter.auth");
    sample.check::<record::Settings>("filter.record");
    sample.config.finish().unwrap();
    for (section, value) in &sample.table {
        let below = value.as_table().filter(|_| section == "filter");
        let names: Vec<_> = match below {
            Some(filters) => filters.keys().map(|name| format!("filter.{name}")).collect(),
            None => vec![section.clone()],
        };
        for name in names {
            assert!(
                sample.seen.contains(&name),
                "[{name}] is not compared with its default"
            );
        }
    }
}

#[test]
fn a_server_would_start_with_the_sample() {
    Plan::new(Part::Everything, Config::load(Some(&path()), [], [])).unwrap();
}

#[test]
fn what_stands_in_comments_is_right_too() {
    let text = std::fs::read_to_string(path()).unwrap();
    let mut examples = String::from("[filter.auth]\nreseller_prefixes = [\"AUTH\", \"SERVICE\"]\n");
    let mut is_example = false;
    for line in text.lines() {
        is_example = line.starts_with("# [") || (is_example && line.starts_with("# "));
        if is_example {
            examples.push_str(line.trim_start_matches("# "));
            examples.push('\n');
        }
    }
    assert!(
        examples.contains("[[user]]") && examples.contains("SERVICE = "),
        "{examples}"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stobj.toml");
    std::fs::write(&file, examples).unwrap();
    Plan::new(Part::Everything, Config::load(Some(&file), [], [])).unwrap();
}
