//! The lines of a page: what the walk finds, rolled up as the query says.

use common::functional::listing::{Query, Rollup};

use super::range::{Range, behind};
use super::walk::{Below, Found, Walk};
use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Node};

/// How many rows are read at least, to find the one object that shows a directory or ends a group of names.
const FEW: usize = 16;

/// One line.
#[derive(Debug)]
pub(super) enum Line {
    Name(Vec<u8>, Box<Node>),
    Subdir(Vec<u8>),
}

/// The page that `query` asks for of what lies below the row `top`. What runs out at `now` is left out.
pub(super) async fn lines(
    connection: &mut Connection,
    top: i64,
    query: &Query,
    now: i64,
) -> Result<Vec<Line>, Failure> {
    let range = Range::of(query);
    if query.limit == 0 || range.from >= range.to {
        return Ok(Vec::new());
    }
    let prefix = query.prefix.len();
    let walk = |below| Walk::new(top, range.clone(), query.reverse, below, now);
    match &query.rollup {
        Rollup::None => names(connection, walk(Below::Enter), query).await,
        Rollup::Directory => names(connection, walk(Below::OwnObject(prefix)), query).await,
        Rollup::Subdirs { delimiter } if delimiter == "/" => {
            directories(connection, walk(Below::Subdir(prefix)), query, now).await
        }
        Rollup::Subdirs { delimiter } => {
            groups(connection, walk(Below::Enter), query, delimiter.as_bytes()).await
        }
    }
}

/// Names as they are.
async fn names(connection: &mut Connection, mut walk: Walk, query: &Query) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    while lines.len() < query.limit {
        match walk.next(connection, query.limit - lines.len()).await? {
            Some(Found::Object(name, node)) => lines.push(Line::Name(name, node)),
            Some(Found::Subdir(..)) => {}
            None => break,
        }
    }
    Ok(lines)
}

/// Names rolled up at the slash: what the tree is made for, one row a line.
async fn directories(
    connection: &mut Connection,
    mut walk: Walk,
    query: &Query,
    now: i64,
) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut is_any_expired = None;
    while lines.len() < query.limit {
        match walk.next(connection, query.limit - lines.len()).await? {
            None => break,
            Some(Found::Object(name, node)) => lines.push(Line::Name(name, node)),
            Some(Found::Subdir(name, _)) if name == query.low_marker().as_bytes() => {}
            Some(Found::Subdir(name, node)) => {
                let range = walk.range();
                if is_shown(connection, range, &name, *node, now, &mut is_any_expired).await? {
                    lines.push(Line::Subdir(name));
                }
            }
        }
    }
    Ok(lines)
}

/// Whether a live object of the range lies in the directory. The totals tell, unless the range ends inside it, or
/// all that it holds has a time of expiry and something in the database has run out: then one object is looked for.
async fn is_shown(
    connection: &mut Connection,
    range: &Range,
    name: &[u8],
    node: Node,
    now: i64,
    is_any_expired: &mut Option<bool>,
) -> Result<bool, Failure> {
    if node.sub_objects <= 0 {
        return Ok(false);
    }
    if range.covers(name) {
        if node.sub_objects > node.sub_expiring {
            return Ok(true);
        }
        let is_any_expired = match is_any_expired {
            Some(known) => *known,
            None => *is_any_expired.insert(stobj::first_expired(connection, now).await?),
        };
        if !is_any_expired {
            return Ok(true);
        }
    }
    let mut walk = Walk::within(range, name, node, now);
    Ok(walk.next(connection, FEW).await?.is_some())
}

/// Names rolled up at any other delimiter: the walk skips behind each group, so a group costs a few statements
/// whatever its size.
async fn groups(
    connection: &mut Connection,
    mut walk: Walk,
    query: &Query,
    delimiter: &[u8],
) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let mut names_in_a_row = 0;
    while lines.len() < query.limit {
        let need = (names_in_a_row * 2).clamp(FEW, query.limit.max(FEW));
        let Some(found) = walk.next(connection, need).await? else {
            break;
        };
        let Found::Object(name, node) = found else {
            continue;
        };
        match group(&name, query.prefix.len(), delimiter) {
            None => {
                lines.push(Line::Name(name, node));
                names_in_a_row += 1;
            }
            Some(end) => {
                let group = name[..end].to_vec();
                let mut rest = walk.range().clone();
                if query.reverse {
                    rest.lower(group.clone());
                } else {
                    rest.raise(behind(&group));
                }
                walk.skip_to(rest);
                names_in_a_row = 0;
                if group != query.low_marker().as_bytes() {
                    lines.push(Line::Subdir(group));
                }
            }
        }
    }
    Ok(lines)
}

/// Where the group ends that `name` belongs to: behind the first delimiter that follows the prefix.
fn group(name: &[u8], prefix: usize, delimiter: &[u8]) -> Option<usize> {
    let rest = name.get(prefix..)?;
    let place = rest
        .windows(delimiter.len().max(1))
        .position(|window| window == delimiter)?;
    Some(prefix + place + delimiter.len())
}
