//! Which filters there are, in which order they may stand, and the pipeline that a configuration makes of them.
//!
//! [`FILTERS`] is the one table: the default pipeline is the table read from top to bottom, the order rules are data
//! beside the name. Section `[pipeline]`:
//!
//! ```toml
//! [pipeline]
//! protocol = ["catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "info", "cors", "listing_formats", "auth"]
//! semantic = ["copy", "users"]
//! guard = ["record", "authorise", "firewall", "quota"]
//! ```

use std::fmt;
use std::sync::Arc;

use common::config::Config;
use common::constraints::Constraints;
use common::service::{FunctionalService, HttpService};
use common::token::Keyring;
use common::{Clock, Error};
use serde::{Deserialize, Serialize};

use crate::protocol::{
    auth, catch_errors, cors, gatekeeper, healthcheck, info, listing_formats, proxy_logging,
};
use crate::registration::Registrations;
use crate::{Attempts, Features, InfoCache, PolicyCache, Recorder, guard, semantic};

mod order;

/// What the filters of a pipeline are built with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The server's clock.
    pub clock: Arc<Clock>,
    /// The innermost service, below the guards: answers what filters ask on nobody's behalf.
    pub owner: FunctionalService,
    /// The keys that sign tokens.
    pub keyring: Keyring,
    /// The limits.
    pub constraints: Arc<Constraints>,
    /// What decides over accounts and containers.
    pub info_cache: Arc<InfoCache>,
    /// Who can log in.
    pub policy: Arc<PolicyCache>,
    /// Above the semantic filters: where a filter of the protocol stack sends functional requests on a client's behalf.
    /// It is there when the first of them is built.
    pub entrance: FunctionalService,
    /// Above the guards: who asks whether a request would be let through asks here. It is there when the pipeline is.
    pub guards: FunctionalService,
    /// How somebody becomes a user.
    pub registrations: Registrations,
    /// Who failed to log in.
    pub attempts: Arc<Attempts>,
    /// Tokens to be handed out again, and who waits for one.
    pub(crate) logins: Arc<auth::Logins>,
    /// What `/info` tells; filters add to it while they are built.
    pub features: Features,
    /// Takes on how requests ended.
    pub recorder: Arc<Recorder>,
    /// How often each rule of the firewall has decided.
    pub firewall_hits: guard::firewall::Hits,
    /// Read once, used by `auth` and by `authorise`.
    pub(crate) auth: Option<Arc<auth::Checked>>,
}

impl Context {
    /// With empty caches that ask `owner`.
    pub fn new(
        clock: Arc<Clock>,
        owner: FunctionalService,
        keyring: Keyring,
        constraints: Arc<Constraints>,
    ) -> Self {
        Self {
            clock,
            info_cache: Arc::new(InfoCache::new(owner.clone())),
            policy: Arc::new(PolicyCache::new(owner.clone())),
            recorder: Arc::new(Recorder::new(owner.clone())),
            owner,
            entrance: nowhere(),
            guards: nowhere(),
            registrations: Registrations::default(),
            attempts: Arc::default(),
            logins: Arc::default(),
            keyring,
            constraints,
            features: Features::default(),
            firewall_hits: guard::firewall::Hits::default(),
            auth: None,
        }
    }

    /// For another pipeline in the place of one that serves: it shares what is remembered and counted, and reads all
    /// settings anew.
    #[must_use]
    pub fn for_another(&self) -> Self {
        Self {
            entrance: nowhere(),
            guards: nowhere(),
            features: Features::default(),
            auth: None,
            ..self.clone()
        }
    }
}

/// One of the three stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Speaks HTTP.
    Protocol,
    /// Speaks functional requests; what Swift means above plain objects.
    Semantic,
    /// Speaks functional requests; remembers and decides.
    Guard,
}

/// A filter that a pipeline can name.
#[derive(Debug)]
pub struct Filter {
    /// Its name in the pipeline, and in `[filter.NAME]`.
    pub name: &'static str,
    /// Where it stands.
    pub stack: Stack,
    /// Whether there is no pipeline without it.
    pub is_required: bool,
    /// Filters of its stack that must stand behind it; [`BELOW`] is all those below it in the table.
    pub outside: &'static [&'static str],
    /// Why it is required, or must stand there.
    pub because: &'static str,
    build: Build,
}

#[derive(Debug)]
enum Build {
    Protocol(fn(&mut Config, &mut Context, HttpService) -> HttpService),
    Functional(fn(&mut Config, &mut Context, FunctionalService) -> FunctionalService),
}

/// In [`Filter::outside`]: all filters of the stack that stand below in the table.
pub const BELOW: &str = "*";

/// Every filter, in the order of the default pipeline.
pub const FILTERS: &[Filter] = &[
    Filter {
        name: "catch_errors",
        stack: Stack::Protocol,
        is_required: true,
        outside: &[BELOW],
        because: "every answer carries a transaction id, whoever gave it",
        build: Build::Protocol(catch_errors::build),
    },
    Filter {
        name: "gatekeeper",
        stack: Stack::Protocol,
        is_required: true,
        outside: &[BELOW],
        because: "no filter may see an internal header that a client made up",
        build: Build::Protocol(gatekeeper::build),
    },
    Filter {
        name: "healthcheck",
        stack: Stack::Protocol,
        is_required: false,
        outside: &["auth"],
        because: "a load balancer has no token",
        build: Build::Protocol(healthcheck::build),
    },
    Filter {
        name: "proxy-logging",
        stack: Stack::Protocol,
        is_required: false,
        outside: &["info", "cors", "listing_formats", "auth"],
        because: "it logs what those answer",
        build: Build::Protocol(proxy_logging::build),
    },
    Filter {
        name: "info",
        stack: Stack::Protocol,
        is_required: false,
        outside: &["auth"],
        because: "clients read /info before they log in",
        build: Build::Protocol(info::build),
    },
    Filter {
        name: "cors",
        stack: Stack::Protocol,
        is_required: false,
        outside: &["auth"],
        because: "a browser's preflight request carries no token",
        build: Build::Protocol(cors::build),
    },
    Filter {
        name: "listing_formats",
        stack: Stack::Protocol,
        is_required: true,
        outside: &[],
        because: "listings are only entries until it writes them",
        build: Build::Protocol(listing_formats::build),
    },
    Filter {
        name: "auth",
        stack: Stack::Protocol,
        is_required: true,
        outside: &[],
        because: "without it nobody can be told from anybody else",
        build: Build::Protocol(auth::build),
    },
    Filter {
        name: "copy",
        stack: Stack::Semantic,
        is_required: true,
        outside: &[],
        because: "servers know no copying, it takes a copy apart",
        build: Build::Functional(semantic::copy::build),
    },
    Filter {
        name: "users",
        stack: Stack::Semantic,
        is_required: false,
        outside: &[],
        because: "",
        build: Build::Functional(semantic::users::build),
    },
    Filter {
        name: "record",
        stack: Stack::Guard,
        is_required: false,
        outside: &[BELOW],
        because: "it also sees what the others refuse",
        build: Build::Functional(guard::record::build),
    },
    Filter {
        name: "authorise",
        stack: Stack::Guard,
        is_required: true,
        outside: &[BELOW],
        because: "without it everybody may do everything, and who may not learns nothing from what stands behind",
        build: Build::Functional(guard::authorise::build),
    },
    Filter {
        name: "firewall",
        stack: Stack::Guard,
        is_required: false,
        outside: &[],
        because: "",
        build: Build::Functional(guard::firewall::build),
    },
    Filter {
        name: "quota",
        stack: Stack::Guard,
        is_required: true,
        outside: &[],
        because: "without it everybody could lift the limits of their own account",
        build: Build::Functional(guard::quota::build),
    },
];

/// The names of all filters.
pub const NAMES: &[&str] = &{
    let mut names = [""; FILTERS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FILTERS[at].name;
        at += 1;
    }
    names
};

/// Section `[pipeline]`: the names of the filters, the outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Filters that speak HTTP.
    pub protocol: Vec<String>,
    /// Filters above plain objects.
    pub semantic: Vec<String>,
    /// Filters that decide.
    pub guard: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let of = |stack| {
            let filters = FILTERS.iter().filter(move |filter| filter.stack == stack);
            filters.map(|filter| filter.name.to_owned()).collect()
        };
        Self {
            protocol: of(Stack::Protocol),
            semantic: of(Stack::Semantic),
            guard: of(Stack::Guard),
        }
    }
}

impl Stack {
    const ALL: [Self; 3] = [Self::Protocol, Self::Semantic, Self::Guard];
}

/// The key in `[pipeline]`.
impl fmt::Display for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Protocol => "protocol",
            Self::Semantic => "semantic",
            Self::Guard => "guard",
        })
    }
}

/// Builds the pipeline that `config` describes: guards around `dispatch`, semantic filters around these,
/// `functionalise` around them, protocol filters around all.
///
/// Whatever is wrong is left in `config` as mistakes; a pipeline is built nevertheless, so that all filters' mistakes
/// come to light, and must not be served unless [`Config::finish`] finds none.
pub fn build(
    config: &mut Config,
    context: &mut Context,
    functionalise: impl FnOnce(FunctionalService) -> HttpService,
    dispatch: FunctionalService,
) -> HttpService {
    let settings: Settings = config.read("pipeline");
    for stack in Stack::ALL {
        for mistake in order::mistakes(stack, settings.names(stack)) {
            config.reject("pipeline", &stack.to_string(), mistake);
        }
    }
    let mut functional = dispatch;
    for stack in [Stack::Guard, Stack::Semantic] {
        for filter in settings.filters(stack) {
            if let Build::Functional(build) = filter.build {
                functional = build(config, context, functional);
            }
        }
        if stack == Stack::Guard {
            context.guards = functional.clone();
        }
    }
    context.entrance = functional.clone();
    let mut http = functionalise(functional);
    for filter in settings.filters(Stack::Protocol) {
        if let Build::Protocol(build) = filter.build {
            http = build(config, context, http);
        }
    }
    http
}

/// Of a pipeline that is not built yet.
fn nowhere() -> FunctionalService {
    let refused = || Err(Error::unavailable("the pipeline is not built yet", None));
    FunctionalService::from_fn(move |_| Box::pin(std::future::ready(refused())))
}

impl Settings {
    fn names(&self, stack: Stack) -> &[String] {
        match stack {
            Stack::Protocol => &self.protocol,
            Stack::Semantic => &self.semantic,
            Stack::Guard => &self.guard,
        }
    }

    /// The filters of `stack`, the innermost first.
    fn filters(&self, stack: Stack) -> impl Iterator<Item = &'static Filter> {
        let lookup = move |name: &String| {
            let is_it = |filter: &&Filter| filter.stack == stack && filter.name == name;
            FILTERS.iter().find(is_it)
        };
        self.names(stack).iter().rev().filter_map(lookup)
    }
}

#[cfg(test)]
mod tests;
