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

pub use rule::{Decision, Hits, RuleSettings};

use rule::{Asked, Rule};

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
        let asked = Asked::of(&request.action, &request.context);
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(&asked)) else {
            return Ok(());
        };
        rule.count();
        match rule.settings.decision {
            Decision::Allow => Ok(()),
            Decision::Deny => {
                let (rule, action) = (&rule.settings.name, request.action.name());
                tracing::info!(transaction_id = %request.context.transaction_id, rule, action, "denied by the firewall");
                Err(Error::forbidden())
            }
        }
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
