//! `authorise`: may the caller do this? Account ACLs, container ACLs, administrators, service tokens, grants.
//!
//! Follows Swift's "TempAuth" page. A refusal is 401 for somebody who is not logged in, else 403, and it is given before
//! a missing container is: who may not look learns nothing of what is there.
//!
//! A request is decided on what is remembered of account and container, and carries the generations it was decided
//! under to the owner. The owner refuses it as `Stale` when it knows better; then it is decided again and sent again
//! with its unread body. What would be refused, or is said to be missing, on remembered information is decided again
//! on the owner's own before the client hears of it. So a change of an ACL holds from its answer on, for all proxies.

use std::sync::Arc;

use common::config::Config;
use common::functional::account::Head;
use common::functional::{Action, Answer, Context as RequestContext, Reply, Request, ask, info};
use common::name::{AccountName, ContainerName};
use common::service::FunctionalService;
use common::{Body, Error, Outcome, Properties};

use crate::filter::{FunctionalFilter, functional};
use crate::info_cache::{Info, InfoCache};
use crate::policy::PolicyCache;
use crate::protocol::auth;
use crate::registry::Context;

use self::decide::{Decision, decide};
use crate::guard::target::{Access, Level, Target};

mod decide;
mod present;

/// How often a request is sent, at most, when the owner keeps knowing better.
const MAX_ATTEMPTS: usize = 3;

/// Properties that only an account's owner sees and sets.
const OWNERS: [&str; 9] = [
    "x-container-read",
    "x-container-write",
    "x-container-sync-key",
    "x-container-sync-to",
    "x-account-meta-temp-url-key",
    "x-account-meta-temp-url-key-2",
    "x-container-meta-temp-url-key",
    "x-container-meta-temp-url-key-2",
    "x-account-access-control",
];

/// Builds the filter around `inner`; its settings are those of `auth`.
pub fn build(config: &mut Config, context: &mut Context, inner: FunctionalService) -> FunctionalService {
    context.features.set("tempauth", "account_acls", true);
    functional(Authorise {
        checked: auth::checked(config, context),
        info_cache: Arc::clone(&context.info_cache),
        policy: Arc::clone(&context.policy),
        inner,
    })
}

struct Authorise {
    checked: Arc<auth::Checked>,
    policy: Arc<PolicyCache>,
    info_cache: Arc<InfoCache>,
    inner: FunctionalService,
}

impl FunctionalFilter for Authorise {
    fn inner(&self) -> &FunctionalService {
        &self.inner
    }

    async fn handle(&self, mut request: Request) -> Result<Reply, Error> {
        if request.context.is_question {
            // Who asks was told apart long ago.
            let authority = &request.context.authority;
            request.context.authority = present::authority(authority, &self.policy, &self.checked.reseller)?;
        }
        match Target::of(&request.action) {
            Some(target) => self.resource(target, request).await,
            None => {
                decide::system(&request.action, &request.context)?;
                self.inner.handle(request).await
            }
        }
    }
}

impl Authorise {
    async fn resource(&self, target: Target, request: Request) -> Result<Reply, Error> {
        let Request {
            action,
            mut context,
            mut body,
        } = request;
        self.beside(&action, &context).await?;
        let mut newest = None;
        for _ in 0..MAX_ATTEMPTS {
            let (info, decision) = self.decide(&target, &context, newest.take()).await?;
            context.decided_under = info.generations();
            context.may_limit = self.may_limit(&action, &target, &info, &context).await?;
            if is_shown_elsewhere(&action, &context) {
                self.ask_the_owner(&action, &target.account, &context).await?;
            }
            let _invalidation = Invalidation::of(&target, &self.info_cache);
            let mut action = action.clone();
            if decision == Decision::Allow {
                keep_owners_properties(&mut action);
            }
            let attempt = Request {
                action,
                context: context.clone(),
                body,
            };
            let error = match self.inner.handle(attempt).await {
                Ok(reply) if decision == Decision::Allow => return Ok(without_owners_properties(reply)),
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let (found, unread) = error.into_stale().map_err(|error| veiled(error, &context))?;
            let container = target.container.as_ref();
            newest = Some(self.info_cache.update(&target.account, container, found));
            body = unread;
        }
        let why = "account or container kept changing while the request was decided";
        Err(Error::unavailable(why, Some(std::time::Duration::from_secs(1))))
    }

    /// Decides over what else the request touches. The request carries the generations of one container only, so its owner
    /// is asked for what is true of the other, each time.
    async fn beside(&self, action: &Action, context: &RequestContext) -> Result<(), Error> {
        for target in Target::beside(action) {
            let container = target.container.as_ref();
            let info = self.info_cache.fetch(&target.account, container, context).await?;
            self.outcome(&target, context, &info)?;
        }
        Ok(())
    }

    /// Whether the caller could as well change the limits of all directories that the request takes away or replaces. `info` is
    /// of its target.
    async fn may_limit(
        &self,
        action: &Action,
        target: &Target,
        info: &Info,
        context: &RequestContext,
    ) -> Result<bool, Error> {
        let limits = Target::limits(action);
        for limit in &limits {
            let is_here = (&limit.account, &limit.container) == (&target.account, &target.container);
            let decided = if is_here {
                decide(limit, context, info, &self.checked.reseller)
            } else {
                let container = limit.container.as_ref();
                let info = self.info_cache.fetch(&limit.account, container, context).await?;
                decide(limit, context, &info, &self.checked.reseller)
            };
            if decided.is_err() {
                return Ok(false);
            }
        }
        Ok(!limits.is_empty())
    }

    /// Whether the account is switched off: then it shows nothing. Nor does one that was deleted, but for its records, which stay
    /// when the account goes.
    async fn ask_the_owner(
        &self,
        action: &Action,
        account: &AccountName,
        context: &RequestContext,
    ) -> Result<(), Error> {
        let account = account.clone();
        let head = ask(&self.inner, Head { account }, context.clone(), Body::empty());
        match head.await {
            Err(error) if matches!(error.outcome(), Outcome::Disabled) => Err(veiled(error, context)),
            Err(error) if matches!(error.outcome(), Outcome::Gone) && !is_of_records(action) => Err(error),
            _ => Ok(()),
        }
    }

    /// What the request may be sent under. `newest` is what the owner just said, if it did.
    async fn decide(
        &self,
        target: &Target,
        context: &RequestContext,
        newest: Option<Info>,
    ) -> Result<(Info, Decision), Error> {
        let (account, container) = (&target.account, target.container.as_ref());
        if newest.is_none()
            && let Some(info) = self.info_cache.cached(account, container)
            && let Ok(decision) = self.outcome(target, context, &info)
        {
            return Ok((info, decision));
        }
        let info = match newest {
            Some(info) => info,
            None => self.info_cache.fetch(account, container, context).await?,
        };
        let decision = self.outcome(target, context, &info)?;
        Ok((info, decision))
    }

    fn outcome(&self, target: &Target, context: &RequestContext, info: &Info) -> Result<Decision, Error> {
        let decision = decide(target, context, info, &self.checked.reseller)?;
        let is_absent = |container: &_| matches!(container, info::State::Absent | info::State::Deleted);
        let container = info.container.as_ref().map(|container| container.state);
        // What a deleted account is answered with, its owner knows.
        let is_account_alive = info.account.state != info::State::Deleted;
        if target.level == Level::Object && is_account_alive && container.as_ref().is_none_or(is_absent) {
            return Err(Error::not_found());
        }
        Ok(decision)
    }
}

/// Whether this shows what is in an account, and its owner is not asked, who alone knows what is switched off.
/// Administrators read the records also of that.
fn is_shown_elsewhere(action: &Action, context: &RequestContext) -> bool {
    match action {
        Action::RecordList(_) => !context.authority.caller().is_administrator(),
        Action::SearchFind(_) => true,
        _ => false,
    }
}

fn is_of_records(action: &Action) -> bool {
    matches!(action, Action::RecordList(_))
}

/// That something is switched off is administrators' business; others may not, and are not told why.
fn veiled(error: Error, context: &RequestContext) -> Error {
    match error.outcome() {
        Outcome::Disabled if !context.authority.caller().is_administrator() => Error::forbidden(),
        _ => error,
    }
}

/// Forgets what was remembered of a resource when a write to it is over, however that came.
struct Invalidation<'a> {
    cache: &'a InfoCache,
    account: AccountName,
    container: Option<ContainerName>,
}

impl<'a> Invalidation<'a> {
    fn of(target: &Target, cache: &'a InfoCache) -> Option<Self> {
        let changes = target.access != Access::Read && target.level != Level::Object;
        changes.then(|| Self {
            cache,
            account: target.account.clone(),
            container: target.container.clone(),
        })
    }
}

impl Drop for Invalidation<'_> {
    fn drop(&mut self) {
        self.cache.invalidate(&self.account, self.container.as_ref());
    }
}

/// Somebody who is not the owner leaves the owner's properties as they are, silently.
fn keep_owners_properties(action: &mut Action) {
    match action {
        Action::AccountPut(put) => remove_owners(&mut put.properties),
        Action::AccountPost(post) => remove_owners(&mut post.properties),
        Action::ContainerPut(put) => remove_owners(&mut put.properties),
        Action::ContainerPost(post) => remove_owners(&mut post.properties),
        _ => {}
    }
}

fn without_owners_properties(mut reply: Reply) -> Reply {
    match &mut reply.answer {
        Answer::AccountHead(info) => remove_owners(&mut info.properties),
        Answer::AccountList(listing) => remove_owners(&mut listing.info.properties),
        Answer::ContainerHead(info) => remove_owners(&mut info.properties),
        Answer::ContainerList(listing) => remove_owners(&mut listing.info.properties),
        _ => {}
    }
    reply
}

fn remove_owners(properties: &mut Properties) {
    for name in OWNERS {
        properties.remove(name);
    }
}

#[cfg(test)]
mod tests;
