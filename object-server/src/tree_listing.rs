//! Listings read from the tree itself, for when the mirror is away.
//!
//! A page is a walk over sorted directories, which are read once and kept within a memory bound; whoever publishes says
//! so ([`TreeListing::note`]), and they stay right. Attributes are read for the lines of the page only, and for one
//! object of each sub-directory: it is shown only if something in it is alive.
//!
//! | look at | for |
//! |---|---|
//! | `window.rs` | what a query means: which names, which bounds, what is rolled up |
//! | `cursor.rs` | the walk |
//! | `directory.rs`, `cache.rs` | sorted directories, kept |
//! | `names.rs` | the same pages over names in memory, for accounts |

use std::sync::Arc;

use common::functional::container::{Entry, Object};
use common::functional::listing::Query;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};
use common::{Error, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::engine::ArcEngine;
use crate::node::ObjectAttributes;

mod cache;
mod cursor;
mod directory;
mod names;
mod window;

#[cfg(test)]
mod tests;

use cache::Cache;
use cursor::Cursor;
pub use names::{Line, account_page, page_of_names};
use window::{Verdict, Window};

/// So many names are looked at together.
const BATCH: usize = 128;

/// So many attributes are read side by side.
const READS: usize = 16;

/// Listings from storage.
#[derive(Debug)]
pub struct TreeListing {
    cache: Arc<Cache>,
}

/// Names whose attributes decide the next lines.
#[derive(Debug, Default)]
struct Batch {
    paths: Vec<Path>,
    /// The last name is not a line of its own: it stands for this sub-directory.
    group: Option<String>,
    is_last: bool,
}

impl TreeListing {
    /// Listings of what `engine` holds, keeping at most `memory` bytes of directories.
    pub fn new(engine: ArcEngine, memory: u64) -> Self {
        let limit = usize::try_from(memory).unwrap_or(usize::MAX);
        Self {
            cache: Arc::new(Cache::new(engine, limit)),
        }
    }

    /// A page of a container. Everything noted before is in it; objects whose time has run out by `now` are not.
    ///
    /// # Errors
    /// 404 when the container is not there, 503 when storage cannot be read.
    pub async fn page(
        &self,
        account: &AccountName,
        container: &ContainerName,
        query: &Query,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        if query.limit == 0 {
            return Ok(entries);
        }
        let window = Window::new(query);
        let container = (account.clone(), container.clone());
        let mut cursor = Cursor::start(&self.cache, container.clone(), window).await?;
        loop {
            let missing = query.limit - entries.len();
            let mut batch = gather(&mut cursor, &container, window, missing.min(BATCH)).await?;
            let group = batch.group.take();
            let listed = batch.paths.len() - usize::from(group.is_some());
            let mut found = self.attributes(batch.paths, now).await?;
            let witness = found.split_off(listed);
            entries.extend(found.into_iter().flatten().map(entry));
            if let Some(group) = group
                && witness.iter().any(Option::is_some)
            {
                cursor.skip(&group);
                entries.push(Entry::Subdir(group));
            }
            if batch.is_last || entries.len() >= query.limit {
                return Ok(entries);
            }
        }
    }

    /// Says that an object became visible or vanished. To be called after storage shows it, before it is acknowledged,
    /// and for each name in the order of its changes.
    pub fn note(&self, account: &AccountName, container: &ContainerName, name: &ObjectName, present: bool) {
        self.cache.note(account, container, name, present);
    }

    /// Says that a container was removed, or that more than single objects changed in it.
    pub fn forget_container(&self, account: &AccountName, container: &ContainerName) {
        self.cache.forget_container(account, container);
    }

    /// The attributes of each path, if a live object is there.
    async fn attributes(
        &self,
        paths: Vec<Path>,
        now: Timestamp,
    ) -> Result<Vec<Option<(ObjectName, ObjectAttributes)>>, Error> {
        let engine = self.cache.engine();
        let reads = paths.into_iter().map(|path| async move {
            let attributes = engine.stat(&path).await.map_err(Error::from)?;
            let is_live =
                |attributes: &ObjectAttributes| attributes.delete_at.is_none_or(|delete_at| delete_at > now);
            let live = attributes.filter(is_live);
            Ok::<_, Error>(live.map(|attributes| (path.object, attributes)))
        });
        futures::stream::iter(reads).buffered(READS).try_collect().await
    }
}

/// Takes names from the walk up to one that stands for a sub-directory, or as many as are asked for.
async fn gather(
    cursor: &mut Cursor<'_>,
    (account, container): &(AccountName, ContainerName),
    window: Window<'_>,
    limit: usize,
) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    while batch.paths.len() < limit && batch.group.is_none() {
        let Some(name) = cursor.next().await? else {
            batch.is_last = true;
            break;
        };
        match window.judge(&name) {
            Verdict::Past => {
                batch.is_last = true;
                break;
            }
            Verdict::Outside => continue,
            Verdict::Hidden(group) => {
                cursor.skip(group);
                continue;
            }
            Verdict::Listed => {}
            Verdict::Rolled(group) => batch.group = Some(group.to_owned()),
        }
        // What is too long for a name was put there by another program; nobody can ask for it.
        if let Ok(object) = ObjectName::new(name) {
            let (account, container) = (account.clone(), container.clone());
            batch.paths.push(Path {
                account,
                container,
                object,
            });
        } else {
            batch.group = None;
        }
    }
    Ok(batch)
}

fn entry((name, attributes): (ObjectName, ObjectAttributes)) -> Entry {
    Entry::Object(Object {
        name,
        bytes: attributes.size,
        etag: attributes.etag,
        content_type: attributes.content_type,
        last_modified: attributes.timestamp,
        listing: attributes.listing,
    })
}
