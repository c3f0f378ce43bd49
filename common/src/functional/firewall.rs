//! The resource firewall: what is switched off, and rules that deny and allow.

use serde::{Deserialize, Serialize};

use crate::name::{AccountName, ContainerName, ObjectName};

/// The switch of an account or an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may be used.
    #[default]
    Enable,
    /// It answers 403 on every way, and so does all that lies in it.
    Disable,
}

impl State {
    /// As it stands in headers and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }

    /// Whether it may be used.
    pub fn is_enable(&self) -> bool {
        *self == Self::Enable
    }
}

/// `firewall/state`: sets the switch of an account or an object, and nothing else of it. Nothing unknown may stand here:
/// who misspells `object` does not mean the whole account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetState {
    /// The account.
    pub account: AccountName,
    /// The object's container; none when it is the account's own switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The object, which is given if the container is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectName>,
    /// What it shall be.
    pub state: State,
}

/// A switch that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSet {
    /// Whether it was another before.
    pub changed: bool,
}

/// The most entries in a page of what is switched off.
pub const MAX_DISABLED: usize = 1000;

/// `firewall/list`: a page of what is switched off, as the mirror shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDisabled {
    /// Of this account only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Behind this one: the `marker` of the page before.
    #[serde(default)]
    pub marker: u64,
    /// At most so many; none, or more than [`MAX_DISABLED`], is [`MAX_DISABLED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A page of what is switched off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisabledPage {
    /// In the order in which the mirror first saw them.
    pub entries: Vec<Disabled>,
    /// Where the next page begins; `None`: this was the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<u64>,
}

/// Something that is switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// The account.
    pub account: AccountName,
    /// The object's container; none when it is the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectName>,
}

/// `firewall/rules`: the rules of the proxy that answers, with what each has decided since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRules {}

/// The rules, in the order in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The first that matches decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What the administrator calls it.
    pub name: String,
    /// `deny` or `allow`.
    pub decision: String,
    /// What it matches, on one line.
    pub matches: String,
    /// How many requests it decided.
    pub hits: u64,
}
