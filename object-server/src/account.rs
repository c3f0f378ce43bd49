//! What the owner does with accounts.

use std::sync::Arc;

use common::functional::account::{Head, Info, List, Listing, Post, Put, Written};
use common::functional::firewall::{SetState, StateSet};
use common::functional::mirror::{AtLeast, ListAccount, Node};
use common::functional::object::Path;
use common::functional::{self, Context, info};
use common::name::AccountName;
use common::{Body, Error, Outcome, Properties};

use crate::journal::Action;
use crate::mirror_feed::account_row;
use crate::node::{AccountAttributes, NodePath, State, WriteId};
use crate::owner::{Account, Owner, PRESENT, found, record};
use crate::tree_listing;

mod removal;

pub(crate) use removal::remove;

const METADATA: &str = "x-account-meta-";

impl Owner {
    pub(crate) async fn info(&self, get: info::Get) -> Result<info::Found, Error> {
        let account = self.account(&get.account).await?;
        Ok(found(account.as_deref(), get.container.as_ref()))
    }

    pub(crate) async fn head_account(&self, head: Head, context: &Context) -> Result<Info, Error> {
        let (account, _) = self
            .admit_account(&head.account, None, context, Body::empty())
            .await?;
        self.readable(account.as_deref())
    }

    pub(crate) async fn list_account(&self, list: List, context: &Context) -> Result<Listing, Error> {
        let (account, _) = self
            .admit_account(&list.account, None, context, Body::empty())
            .await?;
        let info = self.readable(account.as_deref())?;
        let Some(account) = account else {
            return Ok(Listing {
                info,
                entries: Vec::new(),
            });
        };
        let entries = match self.mirrored(&account).await {
            Some(at_least) => {
                let ask = ListAccount {
                    at_least,
                    query: list.query.clone(),
                };
                self.page(ask, context, &account).await
            }
            None => None,
        };
        let entries = entries.unwrap_or_else(|| tree_listing::account_page(&account.lines(), &list.query));
        Ok(Listing { info, entries })
    }

    pub(crate) async fn put_account(self: &Arc<Self>, put: Put, context: &Context) -> Result<Written, Error> {
        let (account, _) = self
            .admit_switch(&put.account, None, context, Body::empty())
            .await?;
        match account {
            None => {
                self.make_with(&put.account, put.properties, "account/put", context)
                    .await
            }
            Some(account) if account.attributes().deleted => {
                Err(Error::forbidden().with_text("The account was deleted and is still being removed."))
            }
            Some(account) => {
                self.merge_account(account, put.properties, "account/put", context)
                    .await
            }
        }
    }

    pub(crate) async fn post_account(
        self: &Arc<Self>,
        post: Post,
        context: &Context,
    ) -> Result<Written, Error> {
        self.post_account_as(post, "account/post", context).await
    }

    /// The same, recorded as `action`.
    pub(crate) async fn post_account_as(
        self: &Arc<Self>,
        post: Post,
        action: &'static str,
        context: &Context,
    ) -> Result<Written, Error> {
        let (account, _) = self
            .admit_account(&post.account, None, context, Body::empty())
            .await?;
        match account {
            None if self.constraints.account_autocreate => {
                self.make_with(&post.account, post.properties, action, context)
                    .await
            }
            None => Err(Error::not_found()),
            Some(account) => {
                self.merge_account(account, post.properties, action, context)
                    .await
            }
        }
    }

    /// Sets the switch of an account or of an object, and nothing else of it.
    pub(crate) async fn set_state(
        self: &Arc<Self>,
        set: SetState,
        context: &Context,
    ) -> Result<StateSet, Error> {
        let state = set.state.into();
        match (set.container, set.object) {
            (None, None) => self.set_account_state(&set.account, state, context).await,
            (Some(container), Some(object)) => {
                let account = set.account;
                let path = Path {
                    account,
                    container,
                    object,
                };
                self.set_object_state(path, state, context).await
            }
            _ => Err(Error::bad_request(
                "Accounts and objects have a state; an object is named with its container",
            )),
        }
    }

    /// Whoever may have an account that nothing was written to yet may have it switched off.
    async fn set_account_state(
        self: &Arc<Self>,
        name: &AccountName,
        state: State,
        context: &Context,
    ) -> Result<StateSet, Error> {
        let (account, _) = self.admit_switch(name, None, context, Body::empty()).await?;
        let account = match account {
            Some(account) => account,
            None if self.constraints.account_autocreate => {
                self.make_account(name, Properties::new(), "account/put", &context.of_part())
                    .await?
                    .0
            }
            None => return Err(Error::not_found()),
        };
        let changed = account.attributes().state != state;
        let switch = move |attributes: &mut AccountAttributes| {
            check_alive(attributes)?;
            attributes.state = state;
            Ok(())
        };
        self.change_account(account, "firewall/state", context, switch)
            .await?;
        Ok(StateSet { changed })
    }

    /// The account, made if need be and allowed.
    pub(crate) async fn account_or_autocreate(
        self: &Arc<Self>,
        name: &AccountName,
        account: Option<Arc<Account>>,
        context: &Context,
    ) -> Result<Arc<Account>, Error> {
        match account {
            Some(account) => Ok(account),
            None if self.constraints.account_autocreate => {
                let context = context.of_part();
                let made = self.make_account(name, Properties::new(), "account/put", &context);
                Ok(made.await?.0)
            }
            None => Err(Error::not_found()),
        }
    }

    /// What HEAD and GET show; of an account that nothing was written to yet an empty one, with autocreate.
    fn readable(&self, account: Option<&Account>) -> Result<Info, Error> {
        match account {
            Some(account) => Ok(account.info()),
            None if self.constraints.account_autocreate => Ok(Info::default()),
            None => Err(Error::not_found()),
        }
    }

    /// Makes an account with these properties; one that was made meanwhile gets them merged.
    async fn make_with(
        self: &Arc<Self>,
        name: &AccountName,
        properties: Properties,
        action: &'static str,
        context: &Context,
    ) -> Result<Written, Error> {
        let (account, is_new) = self
            .make_account(name, properties.clone(), action, context)
            .await?;
        match is_new {
            true => Ok(Written { created: true }),
            false => self.merge_account(account, properties, action, context).await,
        }
    }

    /// Makes an account (`true`), unless it is there.
    async fn make_account(
        self: &Arc<Self>,
        name: &AccountName,
        properties: Properties,
        action: &'static str,
        context: &Context,
    ) -> Result<(Arc<Account>, bool), Error> {
        let (owner, name, context) = (Arc::clone(self), name.clone(), context.clone());
        uncancelled(async move {
            let _loading = owner.loading.lock().await;
            if let Some(account) = owner.load(&name).await? {
                return Ok((account, false));
            }
            let random = || {
                getrandom::u64()
                    .map(|number| number >> 1)
                    .map_err(Error::internal)
            };
            let term = first_term()?;
            let mut attributes = AccountAttributes {
                account_id: random()?,
                id: WriteId::default(),
                term,
                incarnation: random()?,
                generation: (term << 40) + 1,
                created: context.timestamp,
                timestamp: context.timestamp,
                deleted: false,
                properties: owner
                    .constraints
                    .merged(&Properties::new(), &properties, METADATA)?,
                state: State::Enabled,
            };
            let last_seq = term << 40;
            let account = Account::new(
                name.clone(),
                attributes.clone(),
                Vec::new(),
                last_seq,
                Default::default(),
            );
            let begun = owner.begin(
                &account,
                Action::Put,
                NodePath::Account,
                None,
                record(&context, action, 201, 0),
            )?;
            begun.sync().await?;
            attributes.id = begun.id;
            owner.engine.put_account(&name, attributes.clone()).await?;
            account.set_attributes(attributes);
            let account = Arc::new(account);
            owner.add_account(Arc::clone(&account));
            let row = account_row(&account.attributes());
            let position = begun.commit(&account, None, Some(PRESENT), Node::Account(Some(row)))?;
            owner.journal.sync(position).await?;
            Ok((account, true))
        })
        .await
    }

    /// Merges `changes` into the properties.
    async fn merge_account(
        self: &Arc<Self>,
        account: Arc<Account>,
        changes: Properties,
        action: &'static str,
        context: &Context,
    ) -> Result<Written, Error> {
        let (constraints, now) = (Arc::clone(&self.constraints), context.timestamp);
        let merge = move |attributes: &mut AccountAttributes| {
            check_alive(attributes)?;
            if attributes.state == State::Disabled {
                return Err(Outcome::Disabled.into());
            }
            attributes.properties = constraints.merged(&attributes.properties, &changes, METADATA)?;
            attributes.timestamp = attributes.timestamp.max(now);
            Ok(())
        };
        self.change_account(account, action, context, merge).await?;
        Ok(Written { created: false })
    }

    async fn change_account(
        self: &Arc<Self>,
        account: Arc<Account>,
        action: &'static str,
        context: &Context,
        change: impl FnOnce(&mut AccountAttributes) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move {
            let _structure = account.structure.lock().await;
            let mut attributes = account.attributes().as_ref().clone();
            change(&mut attributes)?;
            let begun = owner.begin(
                &account,
                Action::Post,
                NodePath::Account,
                Some(PRESENT),
                record(&context, action, 204, 0),
            )?;
            begun.sync().await?;
            attributes.id = begun.id;
            attributes.generation = account.next_generation();
            owner
                .engine
                .put_account(&account.name, attributes.clone())
                .await?;
            let row = (!attributes.deleted).then(|| account_row(&attributes));
            let is_closed = attributes.deleted || attributes.state == State::Disabled;
            account.set_attributes(attributes);
            if is_closed {
                account.changes_under_way().await;
            }
            account.enforce_limits().await;
            let position = begun.commit(&account, Some(PRESENT), Some(PRESENT), Node::Account(row))?;
            owner.journal.sync(position).await
        })
        .await
    }

    /// The state that a listing must show, once the mirror has it; `None`: it does not have it in time.
    pub(crate) async fn mirrored(&self, account: &Account) -> Option<AtLeast> {
        let seq = account.last_seq();
        let wait = self.settings.listing_wait.0;
        self.feed
            .reached(account.account_id, seq, wait)
            .await
            .then(|| AtLeast {
                account_id: account.account_id,
                incarnation: account.attributes().incarnation,
                seq,
            })
    }

    /// A page out of the mirror; `None`: it could not be had.
    pub(crate) async fn page<C, Entry>(
        &self,
        ask: C,
        context: &Context,
        account: &Account,
    ) -> Option<Vec<Entry>>
    where
        C: functional::Call<Answer = functional::mirror::Page<Entry>>,
    {
        let asking = functional::ask(self.feed.account_server(), ask, context.clone(), Body::empty());
        let asked = tokio::time::timeout(self.settings.listing_timeout.0, asking).await;
        let asked =
            asked.unwrap_or_else(|_| Err(Error::unavailable("the mirror took too long for a page", None)));
        match asked {
            Ok((functional::mirror::Page::Entries(entries), _)) => Some(entries),
            Ok((functional::mirror::Page::Behind(_), _)) => {
                self.feed.suspect(account.account_id);
                None
            }
            Err(error) => {
                tracing::warn!(account = %account.name, %error, "the mirror gave no page; the tree is read");
                None
            }
        }
    }
}

/// Refuses a change of an account that was deleted.
///
/// # Errors
/// 410.
fn check_alive(attributes: &AccountAttributes) -> Result<(), Error> {
    match attributes.deleted {
        true => Err(Outcome::Gone.into()),
        false => Ok(()),
    }
}

/// The term of a new account. Another one may have borne its name before: what was decided under the generations of that, which
/// a proxy may still remember, must not seem to be of this one.
fn first_term() -> Result<u64, Error> {
    const TERMS: u64 = 1 << 20;
    let random = getrandom::u64().map_err(Error::internal)?;
    Ok(1 + random % TERMS)
}

/// Runs a change to its end also when the one who asked for it goes away: between its announcement and its commit
/// nothing may be cut off.
pub(crate) async fn uncancelled<T: Send + 'static>(
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(change).await.map_err(Error::internal)?
}
