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
