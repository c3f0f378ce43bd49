//! `firewall`: rules of the administrator that deny or allow, by who asks, from where, what, and of which resource.
//!
//! The first rule that matches decides; what none matches is allowed. A rule never gives a right: `authorise` has
//! decided before. Rules hold for administrators too, and for requests that filters make on a client's behalf. What is
//! switched off by its state is refused by the owner, where it is opened and published.

use common::Error;
use common::config::Config;
use common::functional::{Action, Answer, Reply, Request, firewall};
use common::service::FunctionalService;

use crate::filter::{FunctionalFilter, functional};
use crate::registry::Context;

mod rule;
mod shape;
mod tree;

pub use rule::{Decision, Hits, RuleSettings};

use rule::{Asked, Matches, Rule};
use shape::Reach;
use tree::Touched;

const RULES: &str = "filter.firewall.rules";

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, context: &mut Context, inner: FunctionalService) -> FunctionalService {
    context.firewall_hits.forget_unused();
    let written: Vec<RuleSettings> = config.read_list(RULES);
    let mut rules = Vec::with_capacity(written.len());
    for (at, settings) in written.into_iter().enumerate() {
        match Rule::new(settings, &context.firewall_hits) {
            Ok(rule) => rules.push(rule),
            Err(why) => config.reject_entry(RULES, at, why),
        }
    }
    functional(Firewall { rules, inner })
}

struct Firewall {
    rules: Vec<Rule>,
    inner: FunctionalService,
}

impl FunctionalFilter for Firewall {
    fn inner(&self) -> &FunctionalService {
        &self.inner
    }

    fn concerns(&self, request: &Request) -> bool {
        !self.rules.is_empty() || matches!(request.action, Action::FirewallRules(_))
    }

    async fn handle(&self, request: Request) -> Result<Reply, Error> {
        self.check(&request)?;
        match request.action {
            Action::FirewallRules(_) => Ok(Reply::new(Answer::FirewallRules(self.list()))),
            _ => self.inner.handle(request).await,
        }
    }
}

impl Firewall {
    fn check(&self, request: &Request) -> Result<(), Error> {
        let context = &request.context;
        let denied = match Touched::by(&request.action) {
            None => self.deciding(&Asked::of(&request.action, context)),
            Some(all) => all.into_iter().find_map(|touched| {
                let asked = Asked::to(Some(touched.method), Some(touched.path), context);
                match touched.reach {
                    None => self.deciding(&asked),
                    Some(reach) => self.denying(&asked, reach),
                }
            }),
        };
        let Some(rule) = denied else {
            return Ok(());
        };
        let (rule, action) = (&rule.settings.name, request.action.name());
        tracing::info!(transaction_id = %context.transaction_id, rule, action, "denied by the firewall");
        Err(Error::forbidden())
    }

    /// The rule that denies it. The first that matches is counted.
    fn deciding(&self, asked: &Asked<'_>) -> Option<&Rule> {
        let rule = self.rules.iter().find(|rule| rule.matches(asked))?;
        rule.count();
        (rule.settings.decision == Decision::Deny).then_some(rule)
    }

    /// The first rule that could deny something of what is reached, unless all of it is allowed before.
    fn denying(&self, asked: &Asked<'_>, reach: Reach) -> Option<&Rule> {
        for rule in &self.rules {
            let decides = match (rule.settings.decision, rule.matches_of(asked, reach)) {
                (Decision::Deny, Matches::Something | Matches::Everything) => Some(rule),
                (Decision::Allow, Matches::Everything) => None,
                _ => continue,
            };
            rule.count();
            return decides;
        }
        None
    }

    fn list(&self) -> firewall::Rules {
        let shown = |rule: &Rule| firewall::Rule {
            name: rule.settings.name.clone(),
            decision: rule.settings.decision.to_string(),
            matches: rule.settings.to_string(),
            hits: rule.hits(),
        };
        firewall::Rules {
            rules: self.rules.iter().map(shown).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
