//! The operation record: `record/list`, and what is removed from it in time.

use common::functional::record::{DEFAULT_LIMIT, List, MAX_BATCH, Marker, Page, Record};
use common::{Error, Timestamp};

use crate::sql::{Connection, Failure};
use crate::table::record::{self, Range};

mod retention;

pub(crate) use retention::Retention;

/// So many rows are looked at in one go when not all that is asked for can be read from one index.
const PIECE: usize = 1000;

/// The most rows that are looked at for one page.
const MAX_LOOKED_AT: usize = 10_000;

/// Which rows a page takes, out of those of its range.
struct Choice<'a> {
    list: &'a List,
    range: Range,
}

/// Records, and who told them.
#[derive(Debug)]
pub(crate) enum Told {
    /// Changes.
    ByOwner(Vec<Record>),
    /// How requests ended.
    ByProxy(Vec<Record>),
}

impl Told {
    pub(crate) fn records(&self) -> &[Record] {
        match self {
            Self::ByOwner(records) | Self::ByProxy(records) => records,
        }
    }
}

/// Keeps records, in one transaction. After a failure that is still open.
pub(crate) async fn keep(connection: &mut Connection, told: &Told) -> Result<(), Failure> {
    connection.begin_write().await?;
    match told {
        Told::ByOwner(records) => record::commit(connection, records).await?,
        Told::ByProxy(records) => record::complete(connection, records).await?,
    }
    connection.commit().await
}

/// Whether such a page can be had.
///
/// # Errors
/// 412, as of listings, when it is too large.
pub(crate) fn check(list: &List) -> Result<(), Error> {
    match list.limit {
        Some(limit) if limit > MAX_BATCH => Err(Error::precondition_failed(format!(
            "Maximum limit is {MAX_BATCH}"
        ))),
        _ => Ok(()),
    }
}

/// `record/list`: a page from one index. It is short when too many rows would have to be looked at.
pub(crate) async fn list(connection: &mut Connection, list: &List) -> Result<Page, Failure> {
    let limit = list.limit.unwrap_or(DEFAULT_LIMIT);
    let choice = Choice::of(list);
    let since = list.since.unwrap_or_default();
    let newest = Marker {
        time: list
            .until
            .unwrap_or(Timestamp::from_units(i64::MAX.cast_unsigned())),
        id: i64::MAX.cast_unsigned(),
    };
    let mut before = list.marker.map_or(newest, |marker| marker.min(newest));
    let mut page = Page::default();
    let mut looked_at = 0;
    loop {
        // One more tells whether there is another page.
        let missing = limit - page.records.len() + 1;
        let piece = if choice.takes_all() { missing } else { PIECE };
        let rows = record::before(connection, &choice.range, since, before, piece).await?;
        let is_end = rows.len() < piece;
        looked_at += rows.len();
        for row in rows {
            if choice.takes(&row) {
                if page.records.len() == limit {
                    page.next = Some(before);
                    return Ok(page);
                }
                before = row.marker();
                page.records.push(row);
            } else {
                before = row.marker();
            }
        }
        if is_end {
            return Ok(page);
        }
        if looked_at >= MAX_LOOKED_AT {
            page.next = Some(before);
            return Ok(page);
        }
    }
}

impl<'a> Choice<'a> {
    /// By the index that leaves the fewest rows to look at, most probably.
    fn of(list: &'a List) -> Self {
        let exact_path = list.path.as_ref().filter(|path| !path.ends_with('/'));
        let one_result = list.results.filter(|results| results.from == results.to);
        let range = if let Some(path) = exact_path {
            Range::Path(path.clone())
        } else if let Some(user) = &list.user {
            Range::User(Some(user.clone()).filter(|user| !user.is_empty()))
        } else if let Some(account) = list.account.clone().or_else(|| account_of(list)) {
            Range::Account(account)
        } else if let Some(results) = one_result {
            Range::Result(results.from)
        } else if let Some(action) = &list.action {
            Range::Action(action.clone())
        } else {
            Range::All
        };
        Self { list, range }
    }

    /// Whether every row of the range is one of the page.
    fn takes_all(&self) -> bool {
        let List {
            account,
            user,
            path,
            action,
            results,
            ..
        } = self.list;
        let others = |asked: [bool; 4]| asked.into_iter().all(|is_asked| !is_asked);
        let [by_account, by_user, by_path, by_action] = [
            account.is_some(),
            user.is_some(),
            path.is_some(),
            action.is_some(),
        ];
        match &self.range {
            Range::All => results.is_none() && others([by_account, by_user, by_path, by_action]),
            Range::Account(_) => results.is_none() && others([by_user, by_path, by_action, false]),
            Range::User(_) => results.is_none() && others([by_account, by_path, by_action, false]),
            Range::Action(_) => results.is_none() && others([by_account, by_user, by_path, false]),
            Range::Result(_) => others([by_account, by_user, by_path, by_action]),
            // Several paths may share a number.
            Range::Path(_) => false,
        }
    }

    fn takes(&self, row: &Record) -> bool {
        let list = self.list;
        let is_path = |path: &String| match path.ends_with('/') {
            true => row.path.starts_with(path.as_str()),
            false => row.path == *path,
        };
        list.account
            .as_ref()
            .is_none_or(|name| row.account.as_ref() == Some(name))
            && list
                .user
                .as_ref()
                .is_none_or(|user| row.user.as_deref().unwrap_or_default() == user)
            && list.path.as_ref().is_none_or(is_path)
            && list.action.as_ref().is_none_or(|action| row.action == *action)
            && list.results.is_none_or(|results| results.contains(row.result))
    }
}

/// The account that a path is in of which all that lies below is asked for.
fn account_of(list: &List) -> Option<common::name::AccountName> {
    let (account, _) = list.path.as_ref()?.split_once('/')?;
    common::name::AccountName::new(account).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(json: &str) -> List {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_index_is_the_one_that_leaves_the_fewest() {
        let range = |json| Choice::of(&list(json)).range;
        assert_eq!(range("{}"), Range::All);
        let all =
            r#"{"account": "A", "user": "a:b", "path": "A/c/o", "action": "object/put", "results": "403"}"#;
        assert_eq!(range(all), Range::Path("A/c/o".into()));
        assert_eq!(
            range(r#"{"path": "A/c/", "user": "a:b"}"#),
            Range::User(Some("a:b".into()))
        );
        assert_eq!(range(r#"{"user": ""}"#), Range::User(None));
        let account = Range::Account(common::name::AccountName::new("A").unwrap());
        assert_eq!(range(r#"{"path": "A/c/", "results": "403"}"#), account);
        assert_eq!(
            range(r#"{"action": "object/put", "results": "403"}"#),
            Range::Result(403)
        );
        assert_eq!(
            range(r#"{"action": "object/put", "results": "4xx"}"#),
            Range::Action("object/put".into())
        );
    }

    #[test]
    fn what_the_index_says_is_not_looked_at_again() {
        for (json, all) in [
            ("{}", true),
            (r#"{"account": "A"}"#, true),
            (r#"{"account": "A", "results": "2xx"}"#, false),
            (r#"{"results": "403"}"#, true),
            (r#"{"results": "403", "action": "object/put"}"#, false),
            (r#"{"path": "A/c"}"#, false),
        ] {
            assert_eq!(Choice::of(&list(json)).takes_all(), all, "{json}");
        }
    }

    #[test]
    fn a_path_is_one_or_all_below_it() {
        let row = Record {
            path: "A/c/d/o".into(),
            ..Record::default()
        };
        let takes = |path: &str| Choice::of(&list(&format!("{{\"path\": {path:?}}}"))).takes(&row);
        assert!(takes("A/c/d/o") && takes("A/c/d/") && takes("A/"));
        assert!(!takes("A/c/d") && !takes("A/c/d/o/") && !takes("B/"));
    }
}
