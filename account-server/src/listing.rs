//! Listings: pages of containers and objects, out of the tree, in byte order of whole names.

use common::functional::listing::{MAX_LIMIT, Query};
use common::functional::mirror::{AtLeast, ListAccount, ListContainer, Page, Position};
use common::functional::{account, container};
use common::name::{ContainerName, ObjectName};
use common::{Etag, Timestamp};

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Node};
use crate::table::{counted, stored, tree_epoch};

pub mod model;
mod range;
mod rollup;
mod walk;

use rollup::Line;

/// A page of an account's containers.
pub(crate) async fn account(
    connection: &mut Connection,
    list: &ListAccount,
) -> Result<Page<account::Entry>, Failure> {
    let account = match account_node(connection, list.at_least).await? {
        Ok(account) => account,
        Err(behind) => return Ok(Page::Behind(behind)),
    };
    let mut query = list.query.clone();
    query.limit = query.limit.min(MAX_LIMIT);
    let lines = match account {
        Some(node) => rollup::lines(connection, node, &query, 0).await?,
        None => Vec::new(),
    };
    let entries = lines.into_iter().map(container_entry);
    entries.collect::<Result<_, _>>().map(Page::Entries)
}

/// A page of a container's objects.
pub(crate) async fn container(
    connection: &mut Connection,
    list: &ListContainer,
) -> Result<Page<container::Entry>, Failure> {
    let account = match account_node(connection, list.at_least).await? {
        Ok(account) => account,
        Err(behind) => return Ok(Page::Behind(behind)),
    };
    let container = match account {
        Some(node) => stobj::find(connection, (node, list.container.as_str().as_bytes())).await?,
        None => None,
    };
    let mut query = list.query.clone();
    query.limit = query.limit.min(MAX_LIMIT);
    let now = stored(list.now.units());
    let lines = match container {
        Some(row) => rollup::lines(connection, row.id, &query, now).await?,
        None => Vec::new(),
    };
    let entries = lines.into_iter().map(object_entry);
    entries.collect::<Result<_, _>>().map(Page::Entries)
}

/// Objects with their rows, or word that the mirror is behind.
pub(crate) enum Below {
    Objects(Vec<(ObjectName, Box<Node>)>),
    Behind(Position),
}

/// A page of a container's objects with their rows, whatever has run out. Rows whose name no object can bear are left out:
/// an inspection tells of them.
pub(crate) async fn objects(
    connection: &mut Connection,
    at_least: AtLeast,
    container: &ContainerName,
    query: &Query,
) -> Result<Below, Failure> {
    let account = match account_node(connection, at_least).await? {
        Ok(account) => account,
        Err(behind) => return Ok(Below::Behind(behind)),
    };
    let container = match account {
        Some(node) => stobj::find(connection, (node, container.as_str().as_bytes())).await?,
        None => None,
    };
    let lines = match container {
        Some(row) => rollup::lines(connection, row.id, query, 0).await?,
        None => Vec::new(),
    };
    let object = |line| match line {
        Line::Subdir(_) => None,
        Line::Name(name, node) => object_name(name).ok().map(|name| (name, node)),
    };
    Ok(Below::Objects(lines.into_iter().filter_map(object).collect()))
}

/// The account's row, when the mirror shows the state asked for; else how far it is.
pub(crate) async fn account_node(
    connection: &mut Connection,
    at_least: AtLeast,
) -> Result<Result<Option<i64>, Position>, Failure> {
    let epoch = tree_epoch::lookup(connection, at_least.account_id).await?;
    Ok(match epoch {
        Some(epoch) if epoch.incarnation == at_least.incarnation && epoch.seq >= at_least.seq => {
            Ok(epoch.node)
        }
        Some(epoch) => Err(epoch.position()),
        None => Err(Position::default()),
    })
}

fn container_entry(line: Line) -> Result<account::Entry, Failure> {
    Ok(match line {
        Line::Subdir(name) => account::Entry::Subdir(text(name)?),
        Line::Name(name, node) => account::Entry::Container {
            name: ContainerName::new(text(name)?)
                .map_err(|_| Failure::Inconsistent("stobj.path of a container is no container's name"))?,
            objects: counted(node.sub_objects),
            bytes: counted(node.sub_bytes),
            last_modified: Timestamp::from_units(counted(node.timestamp)),
        },
    })
}

fn object_entry(line: Line) -> Result<container::Entry, Failure> {
    Ok(match line {
        Line::Subdir(name) => container::Entry::Subdir(text(name)?),
        Line::Name(name, node) => {
            let Node {
                bytes,
                etag,
                content_type,
                timestamp,
                listing,
                ..
            } = *node;
            container::Entry::Object(container::Object {
                name: object_name(name)?,
                bytes: counted(bytes),
                etag: etag.unwrap_or_else(|| Etag::new("")),
                content_type: content_type.unwrap_or_default(),
                last_modified: Timestamp::from_units(counted(timestamp)),
                listing,
            })
        }
    })
}

fn object_name(name: Vec<u8>) -> Result<ObjectName, Failure> {
    ObjectName::new(text(name)?)
        .map_err(|_| Failure::Inconsistent("stobj.path of an object is no object's name"))
}

fn text(name: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(name).map_err(|_| Failure::Inconsistent("stobj.path is not UTF-8"))
}
