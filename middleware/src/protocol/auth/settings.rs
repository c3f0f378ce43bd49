//! The settings of `auth`, and the reseller prefixes, which `authorise` knows too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::Secret;
use common::config::{Config, Period};
use common::functional::{Identity, policy};
use serde::{Deserialize, Serialize};

use crate::registry::Context;

const SECTION: &str = "filter.auth";
/// Shorter codes are guessed.
const MIN_CODE: usize = 8;
const REQUIRE_GROUP: &str = "filter.auth.require_group";

/// Section `[filter.auth]`. In `[filter.auth.require_group]` stands for a reseller prefix the group that a caller
/// must have besides being the account's administrator: `SERVICE = "service"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// With which accounts' names begin, an underscore behind; the first is that of tokens and storage URLs.
    pub reseller_prefixes: Vec<String>,
    /// How long a token is valid.
    pub token_life: Period,
    /// Paths that begin so are requests for tokens.
    pub auth_prefix: String,
    /// `http` or `https`: how clients reach this server, as storage URLs say it.
    pub storage_url_scheme: String,
    /// Whether people may make users of themselves.
    pub registration: Admission,
    /// The codes one of which they must know, where an invitation is needed.
    pub invitations: Vec<Secret>,
}

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// Nobody.
    #[default]
    Closed,
    /// Everybody.
    Open,
    /// Who knows a code.
    Invitation,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reseller_prefixes: vec!["AUTH".to_owned()],
            token_life: Period::seconds(86_400),
            auth_prefix: "/auth/".to_owned(),
            storage_url_scheme: "http".to_owned(),
            registration: Admission::Closed,
            invitations: Vec::new(),
        }
    }
}

/// The settings, checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) reseller: Reseller,
}

/// Whose accounts are kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reseller(Vec<Prefix>);

/// The beginning of accounts' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// With its underscore: `AUTH_`.
    pub text: String,
    /// The group that the administrator of such an account must have too.
    pub require_group: Option<String>,
}

impl Reseller {
    /// The prefix of tokens and of storage URLs.
    pub fn first(&self) -> &Prefix {
        &self.0[0]
    }

    /// The prefix of `account`, the longest that fits; `None`: the account is nobody's.
    pub fn prefix_of(&self, account: &str) -> Option<&Prefix> {
        let fitting = self.0.iter().filter(|prefix| account.starts_with(&prefix.text));
        fitting.max_by_key(|prefix| prefix.text.len())
    }

    /// What ACLs are compared with: account, `account:user`, further groups, and in the place of `.admin` the names
    /// of the user's account under every prefix.
    ///
    /// A short account name that itself begins with a prefix is left out: it would make its users owners of the
    /// account of that full name.
    pub fn groups_of(&self, user: &policy::User) -> Vec<String> {
        let account = &user.account;
        let mut groups = Vec::new();
        if self.prefix_of(account).is_none() {
            groups.push(account.clone());
        }
        groups.push(format!("{account}:{}", user.name));
        for group in &user.groups {
            if group == ".admin" {
                groups.extend(self.0.iter().map(|prefix| format!("{}{account}", prefix.text)));
            } else {
                groups.push(group.clone());
            }
        }
        groups
    }

    /// Who a user is to ACLs.
    pub fn identity_of(&self, user: &policy::User) -> Identity {
        Identity {
            user_id: user.id,
            name: format!("{}:{}", user.account, user.name),
            groups: self.groups_of(user),
            service_user_id: None,
        }
    }
}

impl Default for Reseller {
    fn default() -> Self {
        Self(vec![Prefix {
            text: "AUTH_".to_owned(),
            require_group: None,
        }])
    }
}

/// The settings, read at the first call.
pub(crate) fn checked(config: &mut Config, context: &mut Context) -> Arc<Checked> {
    if let Some(checked) = &context.auth {
        return Arc::clone(checked);
    }
    let settings: Settings = config.read(SECTION);
    let required: BTreeMap<String, String> = config.read(REQUIRE_GROUP);
    let reseller = check_prefixes(config, &settings, &required);
    let mut reject = |key, message| config.reject(SECTION, key, message);
    if settings.token_life.0 < Duration::from_secs(1) {
        reject("token_life", "expected at least \"1s\"");
    }
    let prefix = &settings.auth_prefix;
    if prefix.len() < 3 || !prefix.starts_with('/') || !prefix.ends_with('/') || prefix.starts_with("/v1") {
        reject(
            "auth_prefix",
            "expected a path between slashes other than /v1/, such as \"/auth/\"",
        );
    }
    if !matches!(settings.storage_url_scheme.as_str(), "http" | "https") {
        reject("storage_url_scheme", "expected \"http\" or \"https\"");
    }
    if settings.registration == Admission::Invitation && settings.invitations.is_empty() {
        reject(
            "invitations",
            "expected at least one code, as registration needs one",
        );
    }
    if settings
        .invitations
        .iter()
        .any(|code| code.expose().len() < MIN_CODE)
    {
        reject("invitations", "expected codes of at least 8 bytes");
    }
    let checked = Arc::new(Checked { settings, reseller });
    context.auth = Some(Arc::clone(&checked));
    checked
}

fn check_prefixes(config: &mut Config, settings: &Settings, required: &BTreeMap<String, String>) -> Reseller {
    let mut prefixes: Vec<Prefix> = Vec::new();
    for name in &settings.reseller_prefixes {
        let name = name.trim_end_matches('_');
        let text = format!("{name}_");
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            let message = format!(
                "{name:?} cannot begin account names: an account would be called like a group of its users; \
                 expected a word such as \"AUTH\""
            );
            config.reject(SECTION, "reseller_prefixes", message);
        } else if prefixes.iter().any(|prefix| prefix.text == text) {
            let message = format!("{name:?} stands here twice");
            config.reject(SECTION, "reseller_prefixes", message);
        } else {
            let group = required.iter().find(|(key, _)| is_same(key, name));
            prefixes.push(Prefix {
                text,
                require_group: group.map(|(_, group)| group.clone()),
            });
        }
    }
    if settings.reseller_prefixes.is_empty() {
        let message = "expected at least one, such as \"AUTH\"";
        config.reject(SECTION, "reseller_prefixes", message);
    }
    for key in required.keys() {
        if !settings.reseller_prefixes.iter().any(|name| is_same(key, name)) {
            let message = format!(
                "{key:?} is no reseller prefix; expected one of {}",
                settings.reseller_prefixes.join(", ")
            );
            config.reject(REQUIRE_GROUP, key, message);
        }
    }
    if prefixes.is_empty() {
        Reseller::default()
    } else {
        Reseller(prefixes)
    }
}

/// Keys out of environment variables are in lower case.
fn is_same(key: &str, prefix: &str) -> bool {
    let bare = |text: &str| text.trim_end_matches('_').to_ascii_lowercase();
    bare(key) == bare(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answering, policy_user};
    use common::Error;
    use common::token::Keyring;

    fn read(toml: &str) -> Result<Arc<Checked>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stobj.toml");
        std::fs::write(&path, toml).unwrap();
        let mut config = Config::load(Some(&path), [], []);
        let owner = Answering::with(|_| Err(Error::internal("no owner here")));
        let keyring = Keyring::generate().unwrap();
        let mut context = Context::new(Arc::default(), owner, keyring, Arc::default());
        checked(&mut config, &mut context);
        let checked = checked(&mut config, &mut context);
        config.finish().map_err(|mistakes| mistakes.to_string())?;
        Ok(checked)
    }

    #[test]
    fn prefixes_with_their_groups() {
        let toml = "[filter.auth]\nreseller_prefixes = [\"AUTH\", \"SERVICE_\"]\n\
                    [filter.auth.require_group]\nSERVICE = \"service\"\n";
        let checked = read(toml).unwrap();
        let reseller = &checked.reseller;
        assert_eq!(reseller.first().text, "AUTH_");
        let service = reseller.prefix_of("SERVICE_test").unwrap();
        assert_eq!(service.require_group.as_deref(), Some("service"));
        assert_eq!(reseller.prefix_of("AUTH_test").unwrap().require_group, None);
        assert_eq!(reseller.prefix_of("test"), None);
        let groups = reseller.groups_of(&policy_user(1, "tester", &[".admin", "extra"]));
        assert_eq!(
            groups,
            ["test", "test:tester", "AUTH_test", "SERVICE_test", "extra"]
        );
    }

    #[test]
    fn an_account_called_like_anothers_id_owns_nothing() {
        let mut user = policy_user(1, "thief", &[]);
        user.account = "AUTH_test".to_owned();
        let groups = Reseller::default().groups_of(&user);
        assert_eq!(groups, ["AUTH_test:thief"]);
    }

    #[test]
    fn all_mistakes_are_told() {
        let toml = "[filter.auth]\nreseller_prefixes = [\"\", \"A\", \"A_\"]\ntoken_life = \"0s\"\n\
                    auth_prefix = \"auth\"\nstorage_url_scheme = \"ftp\"\n\
                    [filter.auth.require_group]\nB = \"x\"\n";
        let mistakes = read(toml).unwrap_err();
        assert_eq!(mistakes.lines().count(), 6, "{mistakes}");
        assert!(mistakes.contains("B"), "{mistakes}");
        assert!(read("[filter.auth]\nreseller_prefixes = []\n").is_err());
        assert!(read("[filter.auth]\nregistration = \"invitation\"\n").is_err());
        assert!(read("[filter.auth]\ninvitations = [\"short\"]\n").is_err());
        let good = "[filter.auth]\nregistration = \"invitation\"\ninvitations = [\"long-enough\"]\n";
        assert_eq!(read(good).unwrap().settings.registration, Admission::Invitation);
    }
}
