//! The resource firewall: rules that deny and allow.

use serde::{Deserialize, Serialize};

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
