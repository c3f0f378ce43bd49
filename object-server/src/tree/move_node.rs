//! Another name for an object, or for a directory with all that lies in it: one rename, whatever is below.

use std::sync::Arc;

use common::functional::Context;
use common::functional::fs::{Move, Moved};
use common::functional::mirror::Node;
use common::functional::object::Path;
use common::{Body, Error};

use super::look::{self, Present};
use super::operation::{Announced, Operation};
use super::rename::Rename;
use super::totals::briefly;
use crate::account::uncancelled;
use crate::journal::{Footprint, Position};
use crate::mirror_feed::object_row;
use crate::owner::{Account, Container, Limited, Owner, Renaming, Reservation, record};

impl Owner {
    pub(crate) async fn move_node(self: &Arc<Self>, call: Move, context: &Context) -> Result<Moved, Error> {
        if call.source.account != call.destination.account {
            return match call.source.object.is_directory() {
                true => self.move_directory_between(call, context).await,
                false => self.move_object_between(call, context).await,
            };
        }
        check_names(&call)?;
        let source = &call.source;
        let (account, from, _) = self
            .admit(&source.account, &source.container, context, Body::empty())
            .await?;
        let to = look::container(&account, &call.destination.container)?;
        let moving = Moving {
            owner: Arc::clone(self),
            account,
            from,
            to,
            call,
            context: context.clone(),
        };
        uncancelled(moving.run()).await
    }
}

/// Whether the two names can be those of a move at all.
fn check_names(call: &Move) -> Result<(), Error> {
    let (source, destination) = (&call.source, &call.destination);
    let is_directory = source.object.is_directory();
    if is_directory != destination.object.is_directory() {
        return Err(Error::bad_request(
            "A directory, whose name ends in a slash, can only be given the name of a directory.",
        ));
    }
    let (from, to) = (source.object.as_str(), destination.object.as_str());
    let is_within = from == to || is_directory && (to.starts_with(from) || from.starts_with(to));
    match source.container == destination.container && is_within {
        true => Err(Error::forbidden().with_text("Neither name of a move may lie in the other.")),
        false => Ok(()),
    }
}

/// A move under way.
struct Moving {
    owner: Arc<Owner>,
    account: Arc<Account>,
    from: Arc<Container>,
    to: Arc<Container>,
    call: Move,
    context: Context,
}

/// What bears the two names.
struct Found {
    source: Present,
    destination: Option<Present>,
    /// Whether what bears the new name is replaced, to a client.
    replaces: bool,
}

impl Moving {
    async fn run(self) -> Result<Moved, Error> {
        // Refusals and the mirror's coming up to date need no locks: others go on meanwhile.
        let found = self.look().await?;
        if !self.stays() {
            self.owner.reach_mirror(&self.account, &self.context).await?;
        }
        self.footprints(&found).await?;
        let locks = look::lock(&[Arc::clone(&self.from), Arc::clone(&self.to)]).await?;
        let found = self.look().await?;
        let (moved, replaced) = briefly(self.footprints(&found)).await?;
        let room = self.reserve(moved, replaced)?;
        let result = if found.replaces { 204 } else { 201 };
        let operation = Operation {
            rename: Rename {
                from: Some(look::node(&self.call.source)),
                to: Some(look::node(&self.call.destination)),
            },
            identity: found.source.identity(),
            moved,
            replaced,
            built: None,
            record: Arc::new(record(&self.context, "fs/move", result, 0)),
        };
        let announced = self.owner.announce(&self.account, operation).await?;
        let position = self.make(announced, self.state(&found)).await?;
        drop((room, locks));
        self.owner.reaper.wake();
        self.owner.journal.sync(position).await?;
        Ok(Moved::Done {
            replaced: found.replaces,
        })
    }

    /// Whether it keeps its container.
    fn stays(&self) -> bool {
        self.from.name == self.to.name
    }

    async fn look(&self) -> Result<Found, Error> {
        let (source, destination) = (&self.call.source, &self.call.destination);
        let now = self.context.timestamp;
        let present = self.owner.present(source).await?;
        let present = present.filter(|present| !present.is_expired(now));
        let present = present.ok_or_else(Error::not_found)?;
        look::check_enabled(&self.account, &look::node(source))?;
        look::check_enabled(&self.account, &look::node(destination))?;
        for path in [source, destination] {
            look::check_limits(&self.account, &look::node(path), &self.context)?;
        }
        let replaced = self.owner.present(destination).await?;
        let replaces = replaced
            .as_ref()
            .is_some_and(|replaced| !replaced.is_expired(now));
        if replaces && !self.call.overwrite {
            return Err(Error::precondition_failed("Something has the new name already."));
        }
        if source.object.is_directory() {
            self.owner
                .check_lengths(&self.account, source, destination)
                .await?;
        }
        Ok(Found {
            source: present,
            destination: replaced,
            replaces,
        })
    }

    /// What is taken along from its container, and what is replaced.
    async fn footprints(&self, found: &Found) -> Result<(Footprint, Footprint), Error> {
        let (left, entered) = self.limited_apart();
        let moved = match self.stays() && left.is_empty() && entered.is_empty() {
            true => Footprint::default(),
            false => self.footprint(&self.call.source, &found.source).await?,
        };
        let replaced = match &found.destination {
            None => Footprint::default(),
            Some(replaced) => self.footprint(&self.call.destination, replaced).await?,
        };
        Ok((moved, replaced))
    }

    async fn footprint(&self, path: &Path, present: &Present) -> Result<Footprint, Error> {
        match present.footprint() {
            Some(footprint) => Ok(footprint),
            None => self.owner.totals(&self.account, path, &self.context).await,
        }
    }

    /// The limited directories that it leaves, and those that it comes into.
    fn limited_apart(&self) -> (Vec<Arc<Limited>>, Vec<Arc<Limited>>) {
        let (from, to) = (look::node(&self.call.source), look::node(&self.call.destination));
        self.account.limited_apart(&from, &to)
    }

    /// Holds room in the container and the directories that something new comes into.
    fn reserve(&self, moved: Footprint, replaced: Footprint) -> Result<Option<Arc<Reservation>>, Error> {
        let (_, entered) = self.limited_apart();
        if entered.is_empty() && (self.stays() || !self.to.standing().is_limited()) {
            return Ok(None);
        }
        let reservation = Reservation::of_move(&self.account, &self.to, !self.stays(), entered);
        reservation.hold(moved.less(replaced))?;
        Ok(Some(reservation))
    }

    /// What the mirror is told of a moved object.
    fn state(&self, found: &Found) -> Option<Node> {
        let Present::Object { attributes, .. } = &found.source else {
            return None;
        };
        let Path {
            container, object, ..
        } = self.call.destination.clone();
        Some(Node::Object(container, object, Some(object_row(attributes))))
    }

    /// Has the engine do it. Answers what to sync.
    async fn make(&self, announced: Announced, state: Option<Node>) -> Result<Position, Error> {
        let Self {
            owner, account, call, ..
        } = self;
        let _renaming = Renaming::of(&self.containers());
        let renamed = owner
            .engine
            .rename(&call.source, &call.destination, announced.id, Box::new(|| ()))
            .await;
        let made = match renamed {
            Ok(true) => announced.commit(account, state),
            Ok(false) => {
                announced.abort();
                Err(Error::not_found())
            }
            Err(error) => Err(announced.fail(account, state, error).await),
        };
        account.note_limited(&self.containers());
        for container in [&call.source.container, &call.destination.container] {
            owner.tree_listing.forget_container(&account.name, container);
        }
        made
    }

    fn containers(&self) -> Vec<Arc<Container>> {
        let mut containers = vec![Arc::clone(&self.from)];
        if !self.stays() {
            containers.push(Arc::clone(&self.to));
        }
        containers
    }
}
