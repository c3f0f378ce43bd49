//! The decision itself, a pure function of target, authority and what is known.

use common::functional::{Action, Authority, Caller, Context, Grant};
use common::{Error, Outcome};

use crate::acl::AccountRight;
use crate::guard::target::{Access, Level, Target};
use crate::info_cache::Info;
use crate::protocol::auth::Reseller;

/// How a request is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// As the account's owner.
    AllowOwner,
    /// As somebody else.
    Allow,
}

/// Decides a request that touches a resource.
///
/// # Errors
/// 401 or 403.
pub(super) fn decide(
    target: &Target,
    context: &Context,
    info: &Info,
    reseller: &Reseller,
) -> Result<Decision, Error> {
    match &context.authority {
        Authority::Caller(caller) => {
            let groups = groups_of(caller);
            let decision = by_right(target, groups, info, reseller)
                .or_else(|| by_container_acl(target, groups, context.referrer.as_deref(), info, reseller));
            // What was done in an account, and what is being done, is its owner's business.
            let is_owners = matches!(
                target.action,
                "record/list" | "job/list" | "job/show" | "job/cancel"
            );
            let decision = decision.filter(|decision| !is_owners || *decision == Decision::AllowOwner);
            decision.ok_or_else(|| denied(caller))
        }
        Authority::Grant(grant) if covers(grant, target) => Ok(Decision::Allow),
        Authority::Grant(_) => Err(Error::forbidden()),
    }
}

/// Decides a request that touches no resource: users are administrators' business, but for what is one's own; who
/// registers does so by the grant of a filter; and what servers ask each other is nobody's.
///
/// # Errors
/// 401 or 403.
pub(super) fn system(action: &Action, context: &Context) -> Result<(), Error> {
    let caller = context.authority.caller();
    let is_allowed = match (&context.authority, action) {
        (_, Action::ObjectCopy(_)) => {
            return Err(Error::internal("a copy reached the guards in one piece"));
        }
        (Authority::Caller(_), action) => {
            (caller.is_administrator() && is_for_administrators(action)) || is_own(action, caller)
        }
        (Authority::Grant(grant), Action::UserPend(_) | Action::UserAdmit(_) | Action::UserAbandon(_)) => {
            grant.actions.iter().any(|name| name == action.name())
        }
        (Authority::Grant(_), _) => false,
    };
    if is_allowed { Ok(()) } else { Err(denied(caller)) }
}

fn is_for_administrators(action: &Action) -> bool {
    matches!(
        action,
        Action::UserPut(_)
            | Action::UserPassword(_)
            | Action::UserEnable(_)
            | Action::UserDisable(_)
            | Action::UserRevoke(_)
            | Action::UserShow(_)
            | Action::UserList(_)
            | Action::UserRemove(_)
            | Action::FirewallRules(_)
            | Action::FirewallList(_)
            | Action::QuotaSet(_)
            | Action::QuotaShow(_)
            | Action::QuotaList(_)
            | Action::RecordList(_)
            | Action::SearchFind(_)
            | Action::CheckRun(_)
            | Action::CheckRebuild(_)
            | Action::CheckAdopt(_)
            | Action::CheckAccounts(_)
    )
}

/// What everybody may do with the user that they are.
fn is_own(action: &Action, caller: &Caller) -> bool {
    let (account, name) = match action {
        Action::UserPassword(of) if of.old_password.is_some() => (&of.account, &of.name),
        Action::UserRevoke(of) => (&of.account, &of.name),
        Action::UserShow(of) if of.email.is_none() => (&of.account, &of.name),
        _ => return false,
    };
    match caller {
        Caller::Anonymous => false,
        Caller::User(identity) => identity.name.split_once(':') == Some((account, name)),
    }
}

fn groups_of(caller: &Caller) -> &[String] {
    match caller {
        Caller::Anonymous => &[],
        Caller::User(identity) => &identity.groups,
    }
}

fn denied(caller: &Caller) -> Error {
    match caller {
        Caller::Anonymous => Outcome::Unauthorized.into(),
        Caller::User(_) => Error::forbidden(),
    }
}

/// By what the caller is: administrator or reader of everything, owner, or named in the account's list.
fn by_right(target: &Target, groups: &[String], info: &Info, reseller: &Reseller) -> Option<Decision> {
    let account = target.account.as_str();
    let prefix = reseller.prefix_of(account)?;
    let has = |name: &str| groups.iter().any(|group| group == name);
    let own_name = &account[prefix.text.len()..];
    if !own_name.is_empty() && !own_name.starts_with('.') {
        if has(".reseller_admin") {
            return Some(Decision::AllowOwner);
        }
        if has(".reseller_reader") && target.access == Access::Read {
            return Some(Decision::Allow);
        }
    }
    let has_required_group = prefix.require_group.as_deref().is_none_or(has);
    if target.access != Access::Manage && has(account) && has_required_group {
        return Some(Decision::AllowOwner);
    }
    match info.account.acl.right_of(groups)? {
        AccountRight::Administer if target.access != Access::Manage => Some(Decision::AllowOwner),
        AccountRight::Write if target.level != Level::Account && target.access != Access::Manage => {
            Some(Decision::Allow)
        }
        _ if target.access == Access::Read => Some(Decision::Allow),
        _ => None,
    }
}

/// By the container's lists: the read list governs reading of the container and of its objects, the write list
/// writing of objects.
fn by_container_acl(
    target: &Target,
    groups: &[String],
    referrer: Option<&str>,
    info: &Info,
    reseller: &Reseller,
) -> Option<Decision> {
    reseller.prefix_of(target.account.as_str())?;
    let container = info.container.as_deref()?;
    let acl = match (target.level, target.access) {
        (Level::Container | Level::Object, Access::Read) => &container.read,
        (Level::Object, Access::Write) => &container.write,
        _ => return None,
    };
    let by_referrer =
        acl.admits_referrer(referrer) && (target.level == Level::Object || acl.admits_listings());
    (by_referrer || acl.admits_any(groups)).then_some(Decision::Allow)
}

fn covers(grant: &Grant, target: &Target) -> bool {
    let scope = &grant.scope;
    let is_in_container = match &scope.container {
        Some(container) => target.container.as_ref() == Some(container),
        None => true,
    };
    let is_below_prefix = match &target.object {
        Some(object) => object.as_str().starts_with(&scope.object_prefix),
        None => scope.object_prefix.is_empty(),
    };
    scope.account == target.account
        && is_in_container
        && is_below_prefix
        && grant.actions.iter().any(|action| action == target.action)
}
