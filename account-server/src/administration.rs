//! The actions of users and of the policy: read, make a change of it, have it written; once more when somebody else
//! was faster.

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::email::normalised;
use common::functional::policy::{Restored, Revocation, State};
use common::functional::user::{List, Listed, Password, Pend, Pended, Put, Revoke, Show, Shown, Written};
use common::functional::{Action, Answer};
use common::{Clock, Error, Outcome};

use crate::policy::{Change, Done, Stored};
use crate::reader::{Found, Question};
use crate::server::Inner;
use crate::table::user::{Page, User};
use crate::users;
use crate::writer::{Job, PolicyJob};

/// How often a change of a user is tried that others change at the same time.
const ATTEMPTS: usize = 5;

/// The most users of one page.
const MAX_PAGE: u64 = 1000;

impl Inner {
    /// Answers an action of users or of the policy, made at `time`; all others are not implemented here.
    pub(crate) async fn administer(&self, action: Action, time: u64) -> Result<Answer, Error> {
        Ok(match action {
            Action::PolicyRestore(restore) => {
                let stored = self.store(Change::Restore(restore.policy)).await?;
                Answer::PolicyRestore(Restored {
                    restored: matches!(stored, Stored::Done(_)),
                })
            }
            Action::UserPut(put) => Answer::UserPut(self.put_user(&put, time).await?),
            Action::UserPassword(password) => Answer::UserPassword(self.set_password(&password).await?),
            Action::UserEnable(of) => {
                Answer::UserEnable(self.set_state(&of.account, &of.name, State::Enabled).await?)
            }
            Action::UserDisable(of) => {
                Answer::UserDisable(self.set_state(&of.account, &of.name, State::Disabled).await?)
            }
            Action::UserRevoke(revoke) => Answer::UserRevoke(self.revoke(&revoke).await?),
            Action::UserShow(show) => Answer::UserShow(self.show(show).await?),
            Action::UserList(list) => Answer::UserList(self.list_users(list).await?),
            Action::UserRemove(of) => {
                let removed = self.change(&of.account, &of.name, |before| Ok(Some(users::remove(before))));
                Answer::UserRemove(removed.await?.written)
            }
            Action::UserPend(pend) => Answer::UserPend(self.pend(pend, time).await?),
            Action::UserAdmit(of) => {
                let admitted = |before| users::admit(before, of.generation);
                Answer::UserAdmit(self.change(&of.account, &of.name, admitted).await?.written)
            }
            Action::UserAbandon(of) => {
                let is_it = |user: &User| user.state == State::Pending && user.generation == of.generation;
                let removed = |before: User| Ok(is_it(&before).then(|| users::remove(before)));
                Answer::UserAbandon(self.change(&of.account, &of.name, removed).await?.written)
            }
            _ => return Err(Outcome::NotImplemented.into()),
        })
    }

    async fn put_user(&self, put: &Put, time: u64) -> Result<Written, Error> {
        users::check(&put.account, &put.name)?;
        for _ in 0..ATTEMPTS {
            let before = self.user(&put.account, &put.name).await?;
            let Some(change) = users::put(put, before, time).await? else {
                return Ok(Written { created: false });
            };
            if let Some(done) = self.store_user(change).await? {
                return Ok(done.written);
            }
        }
        Err(busy())
    }

    async fn set_password(&self, password: &Password) -> Result<Written, Error> {
        for _ in 0..ATTEMPTS {
            let before = self.known_user(&password.account, &password.name).await?;
            if let Some(old) = &password.old_password
                && !common::password::verify(old.clone(), before.password.clone()).await?
            {
                return Err(users::wrong_password());
            }
            let change = users::password(password.password.clone(), before).await?;
            if let Some(done) = self.store_user(change).await? {
                return Ok(done.written);
            }
        }
        Err(busy())
    }

    async fn set_state(&self, account: &str, name: &str, state: State) -> Result<Written, Error> {
        let set = |before| users::set_state(before, state);
        Ok(self.change(account, name, set).await?.written)
    }

    async fn revoke(&self, revoke: &Revoke) -> Result<Written, Error> {
        let Some(token) = revoke.token else {
            let end_all = |before| Ok(Some(users::end_tokens(before)));
            return Ok(self.change(&revoke.account, &revoke.name, end_all).await?.written);
        };
        let user = self.known_user(&revoke.account, &revoke.name).await?;
        let revocation = Revocation {
            user_id: user.id,
            token_id: token.token_id,
            expires: token.expires,
        };
        match self.store(Change::Revoke(user, revocation)).await? {
            Stored::Done(done) => Ok(done.written),
            // A user that is gone has no valid token.
            _ => Err(Error::not_found()),
        }
    }

    async fn show(&self, show: Show) -> Result<Shown, Error> {
        let user = match show.email {
            Some(email) => {
                let email = normalised(&email)?;
                let found = self.ask(Question::UserOfEmail(email)).await?;
                users_of(found)?.pop().ok_or_else(Error::not_found)?
            }
            None => self.known_user(&show.account, &show.name).await?,
        };
        Ok(users::shown(user))
    }

    async fn list_users(&self, list: List) -> Result<Listed, Error> {
        let marker = list.marker.unwrap_or_default();
        let (account, name) = marker.split_once(':').unwrap_or((&marker, ""));
        let limit = list.limit.unwrap_or(MAX_PAGE);
        if limit == 0 || limit > MAX_PAGE {
            return Err(Error::bad_request(format!("limit: expected 1 to {MAX_PAGE}")));
        }
        let page = Page {
            account: list.account,
            after: (account.to_owned(), name.to_owned()),
            limit,
        };
        let found = self.ask(Question::Users(page)).await?;
        Ok(Listed {
            users: users_of(found)?.into_iter().map(users::shown).collect(),
        })
    }

    async fn pend(&self, mut pend: Pend, time: u64) -> Result<Pended, Error> {
        users::check(&pend.account, &pend.name)?;
        pend.email = normalised(&pend.email)?;
        let of_account = Page {
            account: Some(pend.account.clone()),
            after: (pend.account.clone(), String::new()),
            limit: 2,
        };
        let users = users_of(self.ask(Question::Users(of_account)).await?)?;
        if users.iter().any(|user| user.name != pend.name) {
            return Err(users::name_taken());
        }
        let hash = common::password::hash(pend.password.clone()).await?;
        for _ in 0..ATTEMPTS {
            let before = self.user(&pend.account, &pend.name).await?;
            let of_email = self.ask(Question::UserOfEmail(pend.email.clone())).await?;
            let again = before.is_some();
            let change = users::pend(&pend, &hash, before, users_of(of_email)?.last(), time)?;
            if let Some(done) = self.store_user(change).await? {
                let generation = done.generation;
                return Ok(Pended { generation, again });
            }
        }
        Err(busy())
    }

    /// Changes a user, who must be there, by what `make` makes of it, if anything.
    async fn change(
        &self,
        account: &str,
        name: &str,
        make: impl Fn(User) -> Result<Option<users::Change>, Error>,
    ) -> Result<Done, Error> {
        for _ in 0..ATTEMPTS {
            let before = self.known_user(account, name).await?;
            let generation = before.generation;
            let Some(change) = make(before)? else {
                return Ok(Done {
                    written: Written { created: false },
                    generation,
                });
            };
            if let Some(done) = self.store_user(change).await? {
                return Ok(done);
            }
        }
        Err(busy())
    }

    async fn known_user(&self, account: &str, name: &str) -> Result<User, Error> {
        let user = self.user(account, name).await?;
        user.ok_or_else(Error::not_found)
    }

    async fn user(&self, account: &str, name: &str) -> Result<Option<User>, Error> {
        let question = Question::User(account.to_owned(), name.to_owned());
        Ok(users_of(self.ask(question).await?)?.pop())
    }

    /// `None` when the user was changed by somebody else in between.
    async fn store_user(&self, change: users::Change) -> Result<Option<Done>, Error> {
        match self.store(Change::User(change)).await? {
            Stored::Done(done) => Ok(Some(done)),
            Stored::EmailTaken => Err(users::email_taken()),
            _ => Ok(None),
        }
    }

    async fn store(&self, change: Change) -> Result<Stored, Error> {
        let job = PolicyJob {
            change,
            seen: self.seen.load(Ordering::Relaxed),
            now: Clock::now(),
        };
        match self.write(|waiting| Job::Policy(Box::new(job), waiting)).await? {
            Stored::Emptied => {
                let why = "the database was emptied, and its users are not put back yet";
                Err(Error::unavailable(why, Some(Duration::from_secs(1))))
            }
            Stored::Older => Err(Error::conflict(
                "the users in the database are of an older day than those that the servers know; to go back to that \
                 day stop all servers, remove the directory policy from the data of each, and start them",
            )),
            stored => Ok(stored),
        }
    }
}

fn users_of(found: Found) -> Result<Vec<User>, Error> {
    match found {
        Found::Users(users) => Ok(users),
        Found::Answer(_) | Found::TooMuch => {
            Err(Error::internal("users were asked for and something else found"))
        }
    }
}

fn busy() -> Error {
    Error::conflict("the user is being changed by somebody else")
}
