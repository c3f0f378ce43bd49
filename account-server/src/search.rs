//! `search/find`: names and attributes, out of blocks of names or index `k_search`.
//!
//! What few names of an account hold is found in the account's blocks, of all accounts one behind the other where none is named, and
//! the rows of these names are looked at. All else is read from the index. By name and in one account a page is read in the order of the index, from the cursor on, until it is full
//! or its time has run out: the cursor is wherever it stopped. In any other order all that matches is looked at for each page,
//! and the best are kept. Either way a match is shown only when walking up from it leads to where was looked.

use std::collections::HashMap;
use std::time::Duration;

use common::functional::search::{Find, Found, MAX_FOUND, Match};
use common::{Error, Timestamp};
use tokio::time::Instant;

use crate::ancestry::Ancestry;
use crate::sql::{Connection, Failure};
use crate::table::counted;
use crate::table::stobj::{self, Detail, TRASH};

mod best;
pub(crate) mod block;
mod candidates;
mod criteria;
mod cursor;
mod glob;
mod walk;

use best::Best;
use criteria::{Criteria, Guise};
use cursor::Key;
use walk::{Stride, Walk};

/// A page in the order of the index.
const IN_ORDER: Stride = Stride {
    rows: 256,
    mask: 4095,
    time: Duration::from_millis(400),
};

/// A page of which all must be seen.
const SORTED: Stride = Stride {
    rows: 4096,
    mask: 255,
    time: Duration::from_secs(3),
};

/// So many rows are looked at in full at once.
const TOGETHER: usize = 256;

/// A search that makes sense.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    find: Find,
    limit: usize,
    cursor: Option<Key>,
}

/// A match.
#[derive(Debug)]
struct Hit {
    detail: Detail,
    guise: Guise,
}

impl Query {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// 400, when the cursor is none of this order, or a container is named without an account.
    pub(crate) fn new(find: Find) -> Result<Self, Error> {
        let cursor = match &find.cursor {
            None => None,
            Some(text) => Some(
                cursor::decode(find.sort, text)
                    .ok_or_else(|| Error::bad_request("the cursor is none of a search in this order"))?,
            ),
        };
        if find.container.is_some() && find.account.is_none() {
            return Err(Error::bad_request("a container is of an account: name that too"));
        }
        let limit = find.limit.filter(|limit| *limit > 0).unwrap_or(MAX_FOUND);
        Ok(Self {
            limit: limit.min(MAX_FOUND),
            find,
            cursor,
        })
    }
}

/// A page; `None`: there is more to sort than there is time for.
pub(crate) async fn find(
    connection: &mut Connection,
    query: &Query,
    now: Timestamp,
) -> Result<Option<Found>, Failure> {
    let criteria = Criteria::new(&query.find, now);
    let is_by_name = cursor::is_by_name(query.find.sort);
    let Some(mut search) = Search::begin(connection, query, &criteria).await? else {
        let results = Vec::new();
        return Ok(Some(Found {
            results,
            cursor: None,
        }));
    };
    if let Some(candidates) = search.candidates().await? {
        return if is_by_name {
            search.in_order_of(candidates).await.map(Some)
        } else {
            search.best_of(candidates).await.map(Some)
        };
    }
    if is_by_name && search.account.is_some() {
        search.in_order().await.map(Some)
    } else {
        search.sorted().await
    }
}

/// A search under way, in one snapshot.
#[derive(Debug)]
struct Search<'a> {
    connection: &'a mut Connection,
    query: &'a Query,
    criteria: &'a Criteria,
    account: Option<i64>,
    /// The row of the container that is looked in.
    container: Option<i64>,
    has_trash: bool,
    ancestry: Ancestry,
}

impl<'a> Search<'a> {
    /// `None`: what is looked in is not there.
    async fn begin(
        connection: &'a mut Connection,
        query: &'a Query,
        criteria: &'a Criteria,
    ) -> Result<Option<Self>, Failure> {
        let (mut account, mut container) = (None, None);
        if let Some(name) = &query.find.account {
            let name = name.as_str().as_bytes();
            account = stobj::account_id(connection, name).await?;
            let Some(row) = stobj::find(connection, (stobj::ROOT, name)).await? else {
                return Ok(None);
            };
            if let Some(name) = &query.find.container {
                let key = (row.id, name.as_str().as_bytes());
                let Some(row) = stobj::find(connection, key).await? else {
                    return Ok(None);
                };
                container = Some(row.id);
            }
        }
        let has_trash = stobj::has_child(connection, TRASH).await?;
        Ok(Some(Self {
            connection,
            query,
            criteria,
            account,
            container,
            has_trash,
            ancestry: Ancestry::default(),
        }))
    }

    /// A page by name in one account.
    async fn in_order(&mut self) -> Result<Found, Failure> {
        let from = self.query.cursor.as_ref().map(|key| (key.path.clone(), key.id));
        let mut walk = self.walk(from, IN_ORDER);
        let end = Instant::now() + IN_ORDER.time;
        let mut hits = Vec::new();
        let mut last = None;
        while hits.len() < self.query.limit && !walk.is_over() && (last.is_none() || Instant::now() < end) {
            let rows = walk.read(self.connection).await?;
            let ids: Vec<i64> = rows
                .iter()
                .filter(|row| self.criteria.may_take(row))
                .map(|row| row.id)
                .collect();
            let mut taken = self.take(&ids).await?;
            for row in rows {
                hits.extend(taken.remove(&row.id));
                last = Some(row);
                if hits.len() == self.query.limit {
                    break;
                }
            }
        }
        let is_last = walk.is_over() && hits.len() < self.query.limit;
        let next = last.filter(|_| !is_last).map(|row| Key {
            number: 0,
            path: row.path,
            id: row.id,
        });
        self.page(hits, next.as_ref()).await
    }

    /// A page in any order, out of all that matches.
    async fn sorted(&mut self) -> Result<Option<Found>, Failure> {
        let mut walk = self.walk(None, SORTED);
        let end = Instant::now() + SORTED.time;
        let mut best = Best::of(self.query);
        while !walk.is_over() {
            if Instant::now() >= end {
                return Ok(None);
            }
            let mut rows = walk.read(self.connection).await?;
            rows.retain(|row| self.criteria.may_take(row));
            // The best come first, so that few of the others have to be looked at.
            rows.sort_by(|one, other| best.order(&best.guess(one), &best.guess(other)));
            for some in rows.chunks(TOGETHER) {
                let ids: Vec<i64> = some
                    .iter()
                    .filter(|row| best.may_want(row))
                    .map(|row| row.id)
                    .collect();
                for (_, hit) in self.take(&ids).await? {
                    best.put(hit);
                }
            }
        }
        let (hits, next) = best.into_page();
        self.page(hits, next.as_ref()).await.map(Some)
    }

    fn walk(&self, from: Option<(Vec<u8>, i64)>, stride: Stride) -> Walk {
        let sort = self.query.find.sort;
        let is_falling = cursor::is_by_name(sort) && self.account.is_some() && cursor::is_falling(sort);
        Walk::new(self.account, is_falling, from, self.criteria.sieve(), stride)
    }

    /// Of these rows those that match and lie where was looked.
    async fn take(&mut self, ids: &[i64]) -> Result<HashMap<i64, Hit>, Failure> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let details = stobj::details(self.connection, ids).await?;
        let mut hits = HashMap::new();
        for detail in details {
            if let Some(guise) = self.criteria.take(&detail) {
                hits.insert(detail.place.id, Hit { detail, guise });
            }
        }
        if self.has_trash || self.container.is_some() {
            let parents = hits.values().map(|hit| hit.detail.place.parent);
            self.ancestry.learn(self.connection, parents).await?;
            for id in ids {
                if let Some(hit) = hits.get(id)
                    && !named(*id, self.is_here(hit.detail.place.parent))?.unwrap_or(false)
                {
                    hits.remove(id);
                }
            }
        }
        Ok(hits)
    }

    /// Whether what hangs on `parent` is in the tree, and in the container that is looked in.
    fn is_here(&self, parent: i64) -> Result<bool, Failure> {
        let Some(way) = self.ancestry.way(parent)? else {
            return Ok(false);
        };
        let container = way.get(1).map(|row| row.id);
        Ok(self.container.is_none() || self.container == container)
    }

    async fn page(&mut self, hits: Vec<Hit>, next: Option<&Key>) -> Result<Found, Failure> {
        if self.query.find.paths {
            let parents = hits.iter().map(|hit| hit.detail.place.parent);
            self.ancestry.learn(self.connection, parents).await?;
        }
        let mut results = Vec::with_capacity(hits.len());
        for hit in hits {
            let id = hit.detail.place.id;
            results.extend(named(id, self.shown(hit))?);
        }
        Ok(Found {
            results,
            cursor: next.map(|key| cursor::encode(self.query.find.sort, key)),
        })
    }

    fn shown(&self, Hit { detail, guise }: Hit) -> Result<Match, Failure> {
        let place = &detail.place;
        let whole = match self.query.find.paths {
            true => self.ancestry.name(place.parent, &place.path)?,
            false => None,
        };
        let name = String::from_utf8(detail.place.path)
            .map_err(|_| Failure::Inconsistent("stobj.path is not UTF-8"))?;
        let is_file = guise.kind == common::functional::search::Kind::File;
        let (account, container, path) = match whole {
            Some(whole) => (Some(whole.account), whole.container, whole.object),
            None => (None, None, None),
        };
        Ok(Match {
            id: counted(detail.place.id),
            name,
            kind: guise.kind,
            account,
            container,
            path: path.map(|path| path.to_string()),
            bytes: counted(guise.bytes),
            last_modified: guise.last_modified(),
            content_type: detail.content_type.filter(|_| is_file),
            etag: detail.etag.filter(|_| is_file),
        })
    }
}

/// `None`: the row has no name that makes sense. It must not keep anybody from all others: it is left out, and a check mends it.
fn named<T>(id: i64, answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Err(Failure::Inconsistent(why)) => {
            tracing::warn!(id, why, "a search leaves a row out; `stobj check` tells of it");
            Ok(None)
        }
        answer => answer.map(Some),
    }
}
