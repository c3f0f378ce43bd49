//! The authority of a request as of now, when it was told long ago: users are disabled and removed, and their groups change.

use std::sync::Arc;
use std::time::Duration;

use common::functional::{Authority, Caller, Grant, Identity};
use common::{Error, Outcome};

use crate::policy::PolicyCache;
use crate::protocol::auth::{Reseller, with_groups_of};

/// The same authority with what is known today of who stands behind it. What a filter has lent stays as it was lent.
///
/// # Errors
/// 401 when the user may not log in any more; 503 when nobody knows users yet.
pub(super) fn authority(
    then: &Authority,
    policy: &PolicyCache,
    reseller: &Reseller,
) -> Result<Authority, Error> {
    Ok(match then {
        Authority::Caller(then) => Authority::Caller(caller(then, policy, reseller)?),
        Authority::Grant(grant) => Authority::Grant(Arc::new(Grant {
            on_behalf_of: caller(&grant.on_behalf_of, policy, reseller)?,
            ..Grant::clone(grant)
        })),
    })
}

fn caller(then: &Caller, policy: &PolicyCache, reseller: &Reseller) -> Result<Caller, Error> {
    let Caller::User(then) = then else {
        return Ok(Caller::Anonymous);
    };
    if policy.version() == 0 {
        let why = "there is no policy yet";
        return Err(Error::unavailable(why, Some(Duration::from_secs(1))));
    }
    let known = |id| policy.by_id(id).map(|entry| reseller.identity_of(&entry.user));
    let user = known(then.user_id).ok_or_else(gone)?;
    // Without a service token that is still somebody's the user has no more than the user's own groups.
    let service = then.service_user_id.and_then(known);
    let user: Identity = match service {
        Some(service) => with_groups_of(&user, &service),
        None => user,
    };
    Ok(Caller::User(Arc::new(user)))
}

fn gone() -> Error {
    Error::from(Outcome::Unauthorized).with_text("The user is disabled, or is none any more.")
}

#[cfg(test)]
mod tests {
    use common::functional::{Scope, policy};

    use super::*;
    use crate::testing::{Answering, account, policy_user};

    fn knowing(users: &[(u64, &str, &[&str])]) -> PolicyCache {
        let nobody = Answering::with(|_| Err(Error::internal("nobody is asked")));
        let cache = PolicyCache::new(nobody);
        let users = users
            .iter()
            .map(|(id, name, groups)| policy_user(*id, name, groups))
            .collect();
        cache.adopt(policy::Policy {
            version: 1,
            users,
            ..policy::Policy::default()
        });
        cache
    }

    fn user(user_id: u64, service_user_id: Option<u64>) -> Caller {
        Caller::User(Arc::new(Identity {
            user_id,
            name: "test:then".to_owned(),
            groups: vec!["then".to_owned()],
            service_user_id,
        }))
    }

    fn groups(caller: &Caller) -> &[String] {
        match caller {
            Caller::Anonymous => &[],
            Caller::User(identity) => &identity.groups,
        }
    }

    #[test]
    fn groups_are_those_of_today() {
        let policy = knowing(&[(1, "one", &["now"]), (2, "two", &["service"])]);
        let now = |then: &Caller| caller(then, &policy, &Reseller::default());
        let one = now(&user(1, None)).unwrap();
        assert_eq!(groups(&one), ["test", "test:one", "now"]);
        let both = now(&user(1, Some(2))).unwrap();
        let together = ["test", "test:one", "now", "test", "test:two", "service"];
        assert_eq!(groups(&both), together);
        // The same again another day.
        assert_eq!(now(&both).unwrap(), both);
        assert_eq!(now(&user(1, Some(3))).unwrap(), one);
        assert_eq!(now(&user(3, None)).unwrap_err().status().as_u16(), 401);
        assert_eq!(now(&Caller::Anonymous).unwrap(), Caller::Anonymous);
    }

    #[test]
    fn who_stands_behind_a_lent_right_is_looked_at_too() {
        let policy = knowing(&[(1, "one", &[])]);
        let lent = |on_behalf_of| {
            Authority::Grant(Arc::new(Grant {
                minted_by: "tempurl".to_owned(),
                scope: Scope {
                    account: account(),
                    container: None,
                    object_prefix: String::new(),
                },
                actions: vec!["object/get".to_owned()],
                on_behalf_of,
            }))
        };
        let now = |then: &Authority| authority(then, &policy, &Reseller::default());
        let granted = now(&lent(user(1, None))).unwrap();
        assert_eq!(groups(granted.caller()), ["test", "test:one"]);
        assert!(matches!(granted, Authority::Grant(_)));
        assert_eq!(now(&lent(user(2, None))).unwrap_err().status().as_u16(), 401);
        assert_eq!(now(&lent(Caller::Anonymous)).unwrap(), lent(Caller::Anonymous));
    }

    #[test]
    fn without_a_policy_nobody_is_refused_for_good() {
        let nobody = Answering::with(|_| Err(Error::internal("nobody is asked")));
        let policy = PolicyCache::new(nobody);
        let refused = caller(&user(1, None), &policy, &Reseller::default());
        assert_eq!(refused.unwrap_err().status().as_u16(), 503);
    }
}
