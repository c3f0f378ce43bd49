//! The sections of the configuration that are the program's own; the others stand beside the code they configure.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use common::Secret;
use common::config::{Config, Period};
use http::HeaderName;
use http::uri::Authority;
use middleware::forwarded::TrustedProxies;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Headers that an object has anyway, or that only the server says.
const RESERVED_HEADERS: [&str; 6] = [
    "content-length",
    "content-type",
    "etag",
    "deleted",
    "x-timestamp",
    "x-delete-at",
];

/// Section `[proxy]`: the front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// Where clients connect; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Connections at once; further ones wait.
    pub max_connections: NonZeroUsize,
    /// Uploads at once whose client is being waited for; one more is 503.
    pub max_waiting_uploads: NonZeroUsize,
    /// How long a connection may rest between two requests.
    pub idle_timeout: Period,
    /// How long the head of a request may take from its first byte to its last.
    pub header_timeout: Period,
    /// How long a client may send nothing of a body, or take nothing of an answer.
    pub client_timeout: Period,
    /// How long requests that are under way may go on when the server is told to end.
    pub drain_timeout: Period,
    /// How long connections that rest are kept then, so that nobody is cut who is just sending the next request.
    pub lame_duck_timeout: Period,
    /// Networks and addresses of proxies in front of this one, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Headers that are kept with an object besides its metadata.
    pub allowed_headers: Vec<String>,
}

/// Section `[storage]`: where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The directory of the data: objects, the SQLite file, the keys of the tokens.
    pub data: PathBuf,
    /// The file of the keys that sign tokens; empty: `keys` in the directory of the data.
    pub keys: PathBuf,
}

/// Section `[cluster]`: where the servers are that are processes of their own, each as `host:port`. A server listens
/// there, unless its flag says otherwise, and the others find it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Of `stobj object-server`.
    pub object_server: String,
    /// Of further ones, one of which takes over when that one ends.
    pub other_object_servers: Vec<String>,
    /// Of `stobj account-server`.
    pub account_server: String,
    /// How long an object-server may take to answer what changes nothing, and be silent within an answer.
    pub read_timeout: Period,
    /// How long an object-server may take to ask for an upload, to take more of it, and to answer when it has all.
    pub write_timeout: Period,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least level that is logged: `error`, `warn`, `info`, `debug` or `trace`; or one for each part, as in
    /// `info,sqlx=warn`.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// An entry `[[user]]`: brought to this state at each start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenUser")]
pub struct User {
    /// The account's short name, as in `account:user`.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// The password.
    pub key: Secret,
    /// Of `.admin`, `.reseller_admin`, `.reseller_reader`, and any without a dot.
    pub groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    account: String,
    name: String,
    key: Secret,
    #[serde(default)]
    groups: Vec<String>,
}

impl Default for Proxy {
    fn default() -> Self {
        let allowed_headers = [
            "Content-Disposition",
            "Content-Encoding",
            "Cache-Control",
            "Content-Language",
            "Expires",
            "X-Robots-Tag",
            "X-Object-Manifest",
        ];
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            max_connections: const { NonZeroUsize::new(16_384).unwrap() },
            max_waiting_uploads: const { NonZeroUsize::new(2048).unwrap() },
            idle_timeout: Period::seconds(60),
            header_timeout: Period::seconds(30),
            client_timeout: Period::seconds(60),
            drain_timeout: Period::seconds(60),
            lame_duck_timeout: Period::seconds(1),
            trusted_proxies: Vec::new(),
            allowed_headers: allowed_headers.map(str::to_owned).into(),
        }
    }
}

impl Proxy {
    /// The proxies that are believed; none, while a wrong network stands among them.
    pub fn trusted(&self) -> TrustedProxies {
        TrustedProxies::new(&self.trusted_proxies).unwrap_or_default()
    }

    /// Reads the section.
    pub fn read(config: &mut Config) -> Self {
        let settings: Self = config.read("proxy");
        if let Err(why) = TrustedProxies::new(&settings.trusted_proxies) {
            config.reject("proxy", "trusted_proxies", why);
        }
        for name in &settings.allowed_headers {
            let is_header = HeaderName::try_from(name.as_str()).is_ok();
            if !is_header {
                config.reject("proxy", "allowed_headers", format!("{name:?} is no header name"));
            } else if RESERVED_HEADERS
                .iter()
                .any(|reserved| name.eq_ignore_ascii_case(reserved))
            {
                let message = format!("{name} has a meaning of its own; take it out of the list");
                config.reject("proxy", "allowed_headers", message);
            }
        }
        settings
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            data: "./stobj-data".into(),
            keys: PathBuf::new(),
        }
    }
}

impl Storage {
    /// The root of the posix engine.
    pub fn objects(&self) -> PathBuf {
        self.data.join("objects")
    }

    /// The mirror and the users, unless another database is configured.
    pub fn sqlite(&self) -> PathBuf {
        self.data.join("stobj.sqlite")
    }

    /// The keys that sign tokens.
    pub fn keys(&self) -> PathBuf {
        if self.keys.as_os_str().is_empty() {
            self.data.join("keys")
        } else {
            self.keys.clone()
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            object_server: "127.0.0.1:6200".to_owned(),
            other_object_servers: Vec::new(),
            account_server: "127.0.0.1:6202".to_owned(),
            read_timeout: Period::seconds(20),
            write_timeout: Period::seconds(120),
        }
    }
}

impl Cluster {
    /// Reads the section.
    pub fn read(config: &mut Config) -> Self {
        let settings: Self = config.read("cluster");
        let others = settings.other_object_servers.iter();
        let all = [
            ("object_server", &settings.object_server),
            ("account_server", &settings.account_server),
        ];
        for (key, address) in all
            .into_iter()
            .chain(others.map(|other| ("other_object_servers", other)))
        {
            if authority(address).is_none() {
                let message = format!("expected HOST:PORT, not {address:?}");
                config.reject("cluster", key, message);
            }
        }
        settings
    }

    /// All addresses of object-servers, each once, the plain one first.
    pub(crate) fn object_servers(&self) -> Vec<&str> {
        let mut addresses = vec![self.object_server.as_str()];
        for other in &self.other_object_servers {
            if !addresses.contains(&other.as_str()) {
                addresses.push(other);
            }
        }
        addresses
    }
}

/// An address of a server in the form in which a client takes it; `None` without a host or a port.
pub(crate) fn authority(address: &str) -> Option<Authority> {
    let authority = Authority::try_from(address).ok()?;
    let is_address = authority.port_u16().is_some() && !authority.host().is_empty();
    (is_address && !address.contains('@')).then_some(authority)
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

impl Log {
    /// Reads the section.
    pub fn read(config: &mut Config) -> Self {
        let settings: Self = config.read("log");
        if let Err(error) = EnvFilter::try_new(&settings.level) {
            let message = format!("expected error, warn, info, debug or trace ({error})");
            config.reject("log", "level", message);
        }
        settings
    }
}

impl TryFrom<WrittenUser> for User {
    type Error = String;

    fn try_from(written: WrittenUser) -> Result<Self, String> {
        check_login(&written.account, &written.name)?;
        if written.key.is_empty() {
            return Err("key: expected a password".to_owned());
        }
        written.groups.iter().try_for_each(|group| check_group(group))?;
        Ok(Self {
            account: written.account,
            name: written.name,
            key: written.key,
            groups: written.groups,
        })
    }
}

/// Whether somebody of this account and name could log in, as `account:name`.
///
/// # Errors
/// What is wrong.
pub fn check_login(account: &str, name: &str) -> Result<(), String> {
    let is_visible =
        |text: &str| !text.is_empty() && !text.chars().any(|char| char.is_control() || char == ' ');
    if !is_visible(account) || account.contains([':', '/', ',']) || account.starts_with('.') {
        return Err(format!(
            "account: {account:?} must not be empty, start with a dot, or hold spaces, colons, commas or slashes"
        ));
    }
    if !is_visible(name) || name.contains(',') {
        return Err(format!(
            "name: {name:?} must not be empty or hold spaces or commas"
        ));
    }
    Ok(())
}

/// Whether a user can be in this group.
///
/// # Errors
/// What is wrong.
pub fn check_group(group: &str) -> Result<(), String> {
    let is_known = matches!(group, ".admin" | ".reseller_admin" | ".reseller_reader");
    if is_known || !(group.is_empty() || group.starts_with('.') || group.contains([',', ' '])) {
        return Ok(());
    }
    Err(format!(
        "groups: {group:?} is none; expected .admin, .reseller_admin, .reseller_reader, or a name without dot in front"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stobj.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), [], [])
    }

    #[test]
    fn settings_are_checked() {
        let mut config = load(
            "[proxy]\nlisten = \"nowhere\"\ntrusted_proxies = [\"10.0.0.0/33\"]\nallowed_headers = [\"a b\", \"ETag\", \"X-Fine\"]\n[log]\nlevel = \"x=y=z\"\n",
        );
        Proxy::read(&mut config);
        Log::read(&mut config);
        let mistakes = config.finish().unwrap_err();
        assert_eq!(mistakes.0.len(), 5, "{mistakes}");
    }

    #[test]
    fn addresses_of_servers_have_host_and_port() {
        let text = "[cluster]\nobject_server = \"storage\"\naccount_server = \"u@h:1\"\n";
        let mut config = load(text);
        Cluster::read(&mut config);
        assert_eq!(config.finish().unwrap_err().0.len(), 2);
        for address in ["127.0.0.1:6200", "[::1]:6200", "storage-1.example.com:1"] {
            assert!(authority(address).is_some(), "{address}");
        }
        for address in ["", ":6200", "host", "host:", "host:70000", "http://host:1"] {
            assert!(authority(address).is_none(), "{address}");
        }
    }

    #[test]
    fn users_are_checked() {
        let entry = |account: &str, name: &str, key: &str, group: &str| {
            let text = format!(
                "[[user]]\naccount = {account:?}\nname = {name:?}\nkey = {key:?}\ngroups = [{group:?}]\n"
            );
            let mut config = load(&text);
            let users: Vec<User> = config.read_list("user");
            (users.len(), config.finish().is_ok())
        };
        assert_eq!(entry("test", "tester", "testing", ".admin"), (1, true));
        assert_eq!(entry("test", "joe@example.com", "testing", "service"), (1, true));
        for (account, name, key, group) in [
            ("", "n", "k", "g"),
            ("a:b", "n", "k", "g"),
            (".a", "n", "k", "g"),
            ("a", "", "k", "g"),
            ("a", "n", "", "g"),
            ("a", "n", "k", ".adimn"),
            ("a", "n", "k", ""),
        ] {
            assert_eq!(
                entry(account, name, key, group),
                (0, false),
                "{account} {name} {group}"
            );
        }
    }
}
