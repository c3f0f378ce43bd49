//! One rule: as it is written, and compiled once.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use common::functional::{Action, Caller, Context};
use globset::{GlobBuilder, GlobMatcher};
use ipnet::IpNet;
use parking_lot::Mutex;
use serde::Deserialize;

use super::shape::{Reach, Shape};
use crate::guard::target::Target;
use crate::network;

/// The methods that rules can name: COPY is the GET of its source and the PUT of its destination, MOVE also the DELETE of
/// its source.
pub(super) const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
/// Who a rule names when nobody is logged in.
const ANONYMOUS: &str = "anonymous";

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// 403.
    Deny,
    /// No later rule is asked.
    Allow,
}

/// A rule as it is written: `[[filter.firewall.rules]]`. All that it names must hold; what it leaves out matches all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// What it is called in the log and in lists.
    #[serde(default)]
    pub name: String,
    /// `deny` or `allow`.
    pub decision: Decision,
    /// Globs over `account:user`, any of which; `anonymous` is who is not logged in.
    #[serde(default)]
    pub users: Vec<String>,
    /// Addresses of clients, or networks as `10.0.0.0/8`, any of which.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Any of GET, HEAD, PUT, POST and DELETE.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Globs over `account`, `account/container` and `account/container/object`, any of which: `*` stays within a
    /// segment, `**` does not.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// How often each rule has decided, by what the rule says: counters outlive a change of other rules, and end with the
/// last pipeline that has the rule.
#[derive(Clone, Debug, Default)]
pub struct Hits(Arc<Mutex<HashMap<String, Weak<AtomicU64>>>>);

/// What of a request rules look at.
pub(super) struct Asked<'a> {
    user: &'a str,
    source: Option<IpAddr>,
    method: Option<&'static str>,
    path: Option<String>,
}

/// How much of what is reached a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    Nothing,
    /// It may match something.
    Something,
    Everything,
}

/// A rule, compiled.
pub(super) struct Rule {
    pub(super) settings: RuleSettings,
    users: Vec<GlobMatcher>,
    sources: Vec<IpNet>,
    paths: Vec<GlobMatcher>,
    /// The same paths, to tell what may be matched below a directory.
    shapes: Vec<Shape>,
    hits: Arc<AtomicU64>,
}

impl Rule {
    /// # Errors
    /// What is wrong with it, for the one who wrote it.
    pub(super) fn new(settings: RuleSettings, hits: &Hits) -> Result<Self, String> {
        if let Some(method) = settings
            .methods
            .iter()
            .find(|method| !METHODS.contains(&method.as_str()))
        {
            return Err(format!(
                "there is no method {method:?} to name; there are {}",
                METHODS.join(", ")
            ));
        }
        let compile = |globs: &[String]| globs.iter().map(|glob| compiled(glob)).collect::<Result<_, _>>();
        Ok(Self {
            users: compile(&settings.users)?,
            paths: compile(&settings.paths)?,
            shapes: settings
                .paths
                .iter()
                .map(|glob| Shape::of(glob))
                .collect::<Result<_, _>>()?,
            sources: settings
                .sources
                .iter()
                .map(|source| network::parse(source))
                .collect::<Result<_, _>>()?,
            hits: hits.of(&settings.to_string()),
            settings,
        })
    }

    pub(super) fn matches(&self, asked: &Asked<'_>) -> bool {
        let is_path = |path: Option<&str>| {
            any(&self.paths, |glob: &GlobMatcher| {
                path.is_some_and(|path| glob.is_match(path))
            })
        };
        self.matches_caller(asked) && is_path(asked.path.as_deref())
    }

    /// Whether it matches something, or everything, of what is reached from the path asked for.
    pub(super) fn matches_of(&self, asked: &Asked<'_>, reach: Reach) -> Matches {
        if !self.matches_caller(asked) {
            return Matches::Nothing;
        }
        let path = asked.path.as_deref().unwrap_or_default();
        if self.shapes.is_empty() || self.shapes.iter().any(|shape| shape.matches_all_of(path, reach)) {
            return Matches::Everything;
        }
        match self.shapes.iter().any(|shape| shape.may_match_of(path, reach)) {
            true => Matches::Something,
            false => Matches::Nothing,
        }
    }

    fn matches_caller(&self, asked: &Asked<'_>) -> bool {
        let is_user = |user: &str| any(&self.users, |glob: &GlobMatcher| glob.is_match(user));
        let is_source = |source: Option<IpAddr>| {
            any(&self.sources, |network: &IpNet| {
                source.is_some_and(|source| network.contains(&source))
            })
        };
        let is_method =
            |method: Option<&str>| any(&self.settings.methods, |name: &String| method == Some(name));
        is_method(asked.method) && is_source(asked.source) && is_user(asked.user)
    }

    pub(super) fn count(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

impl<'a> Asked<'a> {
    pub(super) fn of(action: &Action, context: &'a Context) -> Self {
        let target = Target::of(action);
        let method = target.as_ref().and_then(|_| method_of(action));
        Self::to(method, target.as_ref().map(Target::path), context)
    }

    /// A request of `context` with this method to this path.
    pub(super) fn to(method: Option<&'static str>, path: Option<String>, context: &'a Context) -> Self {
        let user = match context.authority.caller() {
            Caller::Anonymous => ANONYMOUS,
            Caller::User(identity) => identity.name.as_str(),
        };
        Self {
            user,
            // A socket for both families shows the clients of the old one in the new one's form.
            source: context.address.map(|address| address.to_canonical()),
            method,
            path,
        }
    }
}

impl Hits {
    /// Forgets the counters of rules that no pipeline has any more.
    pub(super) fn forget_unused(&self) {
        self.0.lock().retain(|_, counter| counter.strong_count() > 0);
    }

    fn of(&self, rule: &str) -> Arc<AtomicU64> {
        let mut counters = self.0.lock();
        let counter = counters.get(rule).and_then(Weak::upgrade).unwrap_or_default();
        counters.insert(rule.to_owned(), Arc::downgrade(&counter));
        counter
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        })
    }
}

/// All that it says but its name, on one line.
impl fmt::Display for RuleSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.decision)?;
        for (what, list) in [
            ("users", &self.users),
            ("sources", &self.sources),
            ("methods", &self.methods),
            ("paths", &self.paths),
        ] {
            if !list.is_empty() {
                write!(formatter, " {what} {}", list.join(" "))?;
            }
        }
        Ok(())
    }
}

/// An empty list names nobody in particular, which is everybody.
fn any<T>(list: &[T], is_it: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(is_it)
}

pub(super) fn compiled(glob: &str) -> Result<GlobMatcher, String> {
    let built = GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    built
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("{glob:?} is no glob: {}", error.kind()))
}

/// The method of a resource URL that asks for this action.
fn method_of(action: &Action) -> Option<&'static str> {
    let (_, verb) = action.name().split_once('/')?;
    Some(match verb {
        "get" | "list" | "show" => "GET",
        "head" => "HEAD",
        "put" => "PUT",
        "post" | "state" | "set" => "POST",
        "delete" | "cancel" => "DELETE",
        _ => return None,
    })
}
