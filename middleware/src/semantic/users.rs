//! `users`: what programs ask about users that is more than one change in the table.
//!
//! `user/delete` is taken apart: the user is disabled, so that nobody works in the account any more; the account is
//! kept, disabled or removed; and the user is taken out of the table. What fails half-way can be asked for again. Each
//! part is the caller's own request and passes the guards.
//!
//! Where account and name are left out the caller is meant. Whoever changes their own password with a wrong old one is
//! slowed like somebody who logs in with it. What was changed holds in this process before the answer is given; the
//! others ask for it within a second.

use std::sync::Arc;

use common::config::Config;
use common::functional::policy::State;
use common::functional::{
    Action, Answer, Call, Caller, Context, Reply, Request, account, ask, firewall, user,
};
use common::name::AccountName;
use common::service::FunctionalService;
use common::{Body, Error, Outcome};

use crate::filter::{FunctionalFilter, functional};
use crate::protocol::auth;
use crate::registry;
use crate::{Attempts, PolicyCache};

/// Builds the filter around `inner`; its settings are those of `auth`.
pub fn build(
    config: &mut Config,
    context: &mut registry::Context,
    inner: FunctionalService,
) -> FunctionalService {
    functional(Users {
        prefix: auth::checked(config, context).reseller.first().text.clone(),
        attempts: Arc::clone(&context.attempts),
        policy: Arc::clone(&context.policy),
        inner,
    })
}

struct Users {
    /// Of accounts.
    prefix: String,
    attempts: Arc<Attempts>,
    policy: Arc<PolicyCache>,
    inner: FunctionalService,
}

impl FunctionalFilter for Users {
    fn inner(&self) -> &FunctionalService {
        &self.inner
    }

    fn concerns(&self, request: &Request) -> bool {
        changes_policy(&request.action) || matches!(request.action, Action::UserShow(_))
    }

    async fn handle(&self, request: Request) -> Result<Reply, Error> {
        let changes_policy = changes_policy(&request.action);
        let reply = self.answer(request).await?;
        if changes_policy {
            self.policy.refresh_in_time().await;
        }
        Ok(reply)
    }
}

impl Users {
    async fn answer(&self, mut request: Request) -> Result<Reply, Error> {
        match &mut request.action {
            Action::UserPassword(of) => itself(&mut of.account, &mut of.name, &request.context)?,
            Action::UserRevoke(of) => itself(&mut of.account, &mut of.name, &request.context)?,
            Action::UserShow(of) if of.email.is_none() => {
                itself(&mut of.account, &mut of.name, &request.context)?;
            }
            _ => {}
        }
        match request.action {
            Action::UserDelete(delete) => self.delete(delete, &request.context).await,
            Action::UserPassword(password) if password.old_password.is_some() => {
                self.change_password(password, &request.context).await
            }
            action => self.inner.handle(Request { action, ..request }).await,
        }
    }

    async fn change_password(&self, password: user::Password, context: &Context) -> Result<Reply, Error> {
        let login = format!("{}:{}", password.account, password.name);
        if let Err(wait) = self.attempts.check(&login, context.address) {
            return Err(Error::too_many_attempts(wait));
        }
        let changed = self.ask(password, context).await;
        match &changed {
            Ok(_) => self.attempts.succeeded(&login, context.address),
            Err(error) if *error.outcome() == Outcome::Forbidden => {
                self.attempts.failed(&login, context.address);
            }
            Err(_) => {}
        }
        changed.map(|written| Reply::new(Answer::UserPassword(written)))
    }

    async fn delete(&self, delete: user::Delete, context: &Context) -> Result<Reply, Error> {
        let (account, name) = (&delete.account, &delete.name);
        if let Caller::User(identity) = context.authority.caller()
            && identity.name.split_once(':') == Some((account, name))
        {
            return Err(Error::conflict("nobody deletes the user that they are"));
        }
        let show = user::Show {
            account: account.clone(),
            name: name.clone(),
            email: None,
        };
        let shown = self.ask(show, context).await?;
        if delete.resources != user::Resources::Keep {
            self.check_alone(&delete, context).await?;
        }
        if shown.state == State::Enabled {
            let disable = user::Disable {
                account: account.clone(),
                name: name.clone(),
            };
            self.ask(disable, context).await?;
        }
        self.dispose(&delete, context).await?;
        let remove = user::Remove {
            account: account.clone(),
            name: name.clone(),
        };
        let written = self.ask(remove, context).await?;
        Ok(Reply::new(Answer::UserDelete(written)))
    }

    /// An account that others use as well is not theirs to lose.
    async fn check_alone(&self, delete: &user::Delete, context: &Context) -> Result<(), Error> {
        let list = user::List {
            account: Some(delete.account.clone()),
            limit: Some(2),
            ..user::List::default()
        };
        let listed = self.ask(list, context).await?;
        match listed.users.iter().find(|user| user.name != delete.name) {
            None => Ok(()),
            Some(other) => Err(Error::conflict(format!(
                "{}:{} uses this account too; keep it, or delete the others first",
                other.account, other.name
            ))),
        }
    }

    /// Does with the account what is wished. One that was never made, or is gone, is no obstacle.
    async fn dispose(&self, delete: &user::Delete, context: &Context) -> Result<(), Error> {
        let name = format!("{}{}", self.prefix, delete.account);
        let account = AccountName::new(name).map_err(|error| Error::bad_request(error.to_string()))?;
        let done = match delete.resources {
            user::Resources::Keep => Ok(()),
            user::Resources::Remove => self.ask(account::Delete { account }, context).await.map(|_| ()),
            user::Resources::Disable => {
                let state = firewall::SetState {
                    account,
                    container: None,
                    object: None,
                    state: firewall::State::Disable,
                };
                self.ask(state, context).await.map(|_| ())
            }
        };
        match done {
            Err(error) if matches!(error.outcome(), Outcome::NotFound | Outcome::Gone) => Ok(()),
            done => done,
        }
    }

    async fn ask<C: Call>(&self, call: C, context: &Context) -> Result<C::Answer, Error> {
        Ok(ask(&self.inner, call, context.clone(), Body::empty()).await?.0)
    }
}

/// Whether somebody may log in after it who could not, or the other way round.
fn changes_policy(action: &Action) -> bool {
    matches!(
        action,
        Action::UserPut(_)
            | Action::UserPassword(_)
            | Action::UserEnable(_)
            | Action::UserDisable(_)
            | Action::UserRevoke(_)
            | Action::UserDelete(_)
    )
}

/// Puts the caller where nobody is named.
fn itself(account: &mut String, name: &mut String, context: &Context) -> Result<(), Error> {
    if !account.is_empty() || !name.is_empty() {
        return Ok(());
    }
    let Caller::User(identity) = context.authority.caller() else {
        return Err(Outcome::Unauthorized.into());
    };
    if let Some((of_account, of_name)) = identity.name.split_once(':') {
        of_account.clone_into(account);
        of_name.clone_into(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answering, context};
    use common::functional::{Authority, Identity};
    use parking_lot::Mutex;

    fn caller(name: &str) -> Context {
        let identity = Identity {
            user_id: 1,
            name: name.to_owned(),
            groups: vec![".reseller_admin".to_owned()],
            service_user_id: None,
        };
        Context {
            authority: Authority::Caller(Caller::User(Arc::new(identity))),
            ..context()
        }
    }

    fn shown(name: &str) -> user::Shown {
        user::Shown {
            account: "joe".to_owned(),
            name: name.to_owned(),
            email: None,
            groups: Vec::new(),
            state: State::Enabled,
            created: 0,
            id: 1,
        }
    }

    /// The filter before somebody who knows `users` of the account `joe`, and what was asked.
    fn filter(users: &'static [&'static str]) -> (FunctionalService, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&asked);
        let written = user::Written { created: false };
        let inner = Answering::with(move |action| {
            sink.lock().push(action.name().to_owned());
            Ok(Reply::new(match action {
                Action::UserShow(show) => Answer::UserShow(shown(&show.name)),
                Action::UserList(_) => Answer::UserList(user::Listed {
                    users: users.iter().map(|name| shown(name)).collect(),
                }),
                Action::UserDisable(_) => Answer::UserDisable(written),
                Action::UserRemove(_) => Answer::UserRemove(written),
                Action::UserRevoke(revoke) => {
                    assert_eq!((revoke.account.as_str(), revoke.name.as_str()), ("joe", "a"));
                    Answer::UserRevoke(written)
                }
                Action::UserPassword(_) => return Err(Error::forbidden()),
                Action::FirewallState(state) => {
                    assert_eq!(state.account.as_str(), "AUTH_joe");
                    Answer::FirewallState(firewall::StateSet { changed: true })
                }
                Action::AccountDelete(_) => return Err(Error::not_found()),
                other => panic!("{other:?}"),
            }))
        });
        let nobody = Answering::with(|_| Err(Error::not_found()));
        let filter = functional(Users {
            prefix: "AUTH_".to_owned(),
            attempts: Arc::default(),
            policy: Arc::new(PolicyCache::new(nobody)),
            inner,
        });
        (filter, asked)
    }

    async fn send(filter: &FunctionalService, call: impl Into<Action>, context: Context) -> Result<(), u16> {
        let request = Request {
            action: call.into(),
            context,
            body: Body::empty(),
        };
        let answered = filter.handle(request).await;
        answered.map(|_| ()).map_err(|error| error.status().as_u16())
    }

    fn delete(resources: user::Resources) -> user::Delete {
        user::Delete {
            account: "joe".to_owned(),
            name: "a".to_owned(),
            resources,
        }
    }

    #[tokio::test]
    async fn a_user_is_deleted_in_an_order_that_can_be_repeated() {
        for (resources, parts) in [
            (user::Resources::Keep, "user/show user/disable user/remove"),
            (
                user::Resources::Disable,
                "user/show user/list user/disable firewall/state user/remove",
            ),
            (
                user::Resources::Remove,
                "user/show user/list user/disable account/delete user/remove",
            ),
        ] {
            let (filter, asked) = filter(&["a"]);
            send(&filter, delete(resources), caller("admin:admin"))
                .await
                .unwrap();
            assert_eq!(asked.lock().join(" "), parts);
        }
    }

    #[tokio::test]
    async fn an_account_of_several_is_not_taken_from_them() {
        let (filter, asked) = filter(&["a", "b"]);
        let sent = send(&filter, delete(user::Resources::Remove), caller("admin:admin")).await;
        assert_eq!(sent, Err(409));
        assert_eq!(*asked.lock(), ["user/show", "user/list"]);
        send(&filter, delete(user::Resources::Keep), caller("admin:admin"))
            .await
            .unwrap();
        let sent = send(&filter, delete(user::Resources::Keep), caller("joe:a")).await;
        assert_eq!(sent, Err(409), "nobody deletes themselves");
    }

    #[tokio::test]
    async fn nobody_named_is_the_caller() {
        let (filter, _) = filter(&[]);
        let revoke = user::Revoke::default();
        send(&filter, revoke.clone(), caller("joe:a")).await.unwrap();
        assert_eq!(send(&filter, revoke, context()).await, Err(401));
    }

    #[tokio::test]
    async fn guessing_an_old_password_is_slowed() {
        let (filter, asked) = filter(&[]);
        let change = user::Password {
            account: String::new(),
            name: String::new(),
            password: common::Secret::new("new"),
            old_password: Some(common::Secret::new("guess")),
        };
        for _ in 0..10 {
            assert_eq!(send(&filter, change.clone(), caller("joe:a")).await, Err(403));
        }
        assert_eq!(send(&filter, change, caller("joe:a")).await, Err(429));
        assert_eq!(asked.lock().len(), 10);
    }
}
