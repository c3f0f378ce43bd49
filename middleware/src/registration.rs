//! Somebody becomes a user of their own making: user and account together, or neither.
//!
//! The user is put into the table first, *pending*: that takes the name and the e-mail address, and lets nobody in. Then
//! the account is made, and then the user is admitted. What ends half-way is brought to its end by a repetition of the
//! same request, or later by [`Registration::finish_pending`]: the account did not exist when the user was put in, so
//! nobody gets what was somebody else's.

use std::sync::{Arc, Weak};

use common::functional::{Authority, Call, Caller, Context, Grant, Scope, account, ask, info, policy, user};
use common::name::AccountName;
use common::service::FunctionalService;
use common::{Body, Clock, Error, Outcome, Properties, Secret, Timestamp};
use parking_lot::Mutex;

use crate::PolicyCache;

/// What the grant of who registers reaches.
const ACTIONS: [&str; 4] = ["user/pend", "user/admit", "user/abandon", "account/put"];

/// How users and accounts are made together.
#[derive(Debug)]
pub struct Registration {
    /// Above the guards.
    pub(crate) entrance: FunctionalService,
    /// Below them: tells what is there.
    pub(crate) owner: FunctionalService,
    pub(crate) policy: Arc<PolicyCache>,
    /// Of the accounts.
    pub(crate) prefix: String,
}

/// Where the pipelines are found that register people, by who has none of them: a pipeline that was replaced, or
/// proved wrong while it was built, is gone.
#[derive(Clone, Debug, Default)]
pub struct Registrations(Arc<Mutex<Vec<Weak<Registration>>>>);

impl Registrations {
    /// That of the newest pipeline there is.
    pub fn current(&self) -> Option<Arc<Registration>> {
        self.0.lock().iter().rev().find_map(Weak::upgrade)
    }

    /// Remembers that of a pipeline.
    pub(crate) fn add(&self, registration: &Arc<Registration>) {
        let mut known = self.0.lock();
        known.retain(|known| known.strong_count() > 0);
        known.push(Arc::downgrade(registration));
    }
}

/// Who wants to be a user, all of it checked.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Of the account and of the user in it.
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) password: Secret,
}

impl Registration {
    /// Makes user and account; `context` is that of the client's request.
    ///
    /// # Errors
    /// 409 when name or address are taken; what the servers answer.
    pub(crate) async fn register(&self, wanted: Wanted, context: Context) -> Result<(), Error> {
        let account = self.account(&wanted.name)?;
        if self.policy.has_group(&wanted.name) {
            // In lists of who may do what it would stand for the group.
            return Err(taken());
        }
        let get = info::Get {
            account: account.clone(),
            container: None,
        };
        let (found, _) = ask(&self.owner, get, context.clone(), Body::empty()).await?;
        let context = granted(context, account.clone());
        let pend = user::Pend {
            account: wanted.name.clone(),
            name: wanted.name.clone(),
            email: wanted.email,
            password: wanted.password,
            only_again: found.account.state != info::State::Absent,
        };
        let pended = self.ask(pend, &context).await?;
        let pending = Pending {
            name: wanted.name,
            account,
            generation: pended.generation,
        };
        match self.make_account(&pending, &context).await {
            Ok(created) if created || pended.again => self.admit(&pending, &context).await,
            Ok(_) => {
                self.abandon(&pending, &context).await;
                Err(taken())
            }
            Err(error) => {
                self.abandon(&pending, &context).await;
                Err(error)
            }
        }
    }

    /// Brings to an end what was begun before `before` and ended half-way.
    ///
    /// # Errors
    /// When something of it could not be done now.
    pub async fn finish_pending(&self, before: Timestamp) -> Result<(), Error> {
        if self.policy.version() == 0 {
            return Err(Error::unavailable("there is no policy yet", None));
        }
        let mut outcome = Ok(());
        for user in self.policy.pending() {
            if user.created >= before {
                continue;
            }
            if let Err(error) = self.finish(&user).await {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn finish(&self, user: &policy::User) -> Result<(), Error> {
        let pending = Pending {
            name: user.name.clone(),
            account: self.account(&user.account)?,
            generation: user.generation,
        };
        let context = Context::internal("tx-registration", Clock::now());
        let context = granted(context, pending.account.clone());
        match self.make_account(&pending, &context).await {
            Ok(_) => {
                self.admit(&pending, &context).await?;
                tracing::info!(user = pending.name, "a registration was brought to its end");
                Ok(())
            }
            Err(error) if *error.outcome() == Outcome::Conflict => {
                self.abandon(&pending, &context).await;
                tracing::info!(user = pending.name, "a registration was taken back");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the account was made by it.
    async fn make_account(&self, pending: &Pending, context: &Context) -> Result<bool, Error> {
        let put = account::Put {
            account: pending.account.clone(),
            properties: Properties::new(),
        };
        match self.ask(put, context).await {
            Ok(written) => Ok(written.created),
            // What was deleted under this name is still being removed.
            Err(error) if *error.outcome() == Outcome::Forbidden => Err(taken()),
            Err(error) => Err(error),
        }
    }

    async fn admit(&self, pending: &Pending, context: &Context) -> Result<(), Error> {
        let admit = user::Admit {
            account: pending.name.clone(),
            name: pending.name.clone(),
            generation: pending.generation,
        };
        self.ask(admit, context).await.map(|_| ())
    }

    /// Takes a pending user back, if that can be done now; else it is found again later.
    async fn abandon(&self, pending: &Pending, context: &Context) {
        let abandon = user::Abandon {
            account: pending.name.clone(),
            name: pending.name.clone(),
            generation: pending.generation,
        };
        if let Err(error) = self.ask(abandon, context).await {
            tracing::warn!(user = pending.name, "a registration stays pending: {error}");
        }
    }

    fn account(&self, name: &str) -> Result<AccountName, Error> {
        let account = AccountName::new(format!("{}{name}", self.prefix));
        account.map_err(|error| Error::bad_request(format!("name: {error}")))
    }

    async fn ask<C: Call>(&self, call: C, context: &Context) -> Result<C::Answer, Error> {
        Ok(ask(&self.entrance, call, context.clone(), Body::empty()).await?.0)
    }
}

/// Somebody whose account is still to be made.
struct Pending {
    name: String,
    account: AccountName,
    /// Which try it is.
    generation: u64,
}

/// `context` with the right to make just this account and its user.
fn granted(context: Context, account: AccountName) -> Context {
    let grant = Grant {
        minted_by: "auth".to_owned(),
        scope: Scope {
            account,
            container: None,
            object_prefix: String::new(),
        },
        actions: ACTIONS.map(str::to_owned).to_vec(),
        on_behalf_of: Caller::Anonymous,
    };
    Context {
        authority: Authority::Grant(Arc::new(grant)),
        ..context
    }
}

fn taken() -> Error {
    Error::conflict("this name is taken")
}
