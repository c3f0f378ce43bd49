//! Whether the database is one we can work with, looked at once at start-up.
//!
//! Listings are in byte order only when names are compared as bytes, and quick only when the page of a directory
//! is a range of one index. A database that was made by hand, or restored by a tool that knew better, may be
//! neither, and would show nothing but wrong or slow listings.

use sqlx::Row as _;

use super::{Connection, Dialect, Failure, Row, Text};

const PAGE_PLAN: Text = Text {
    name: "check.page_plan",
    sqlite: "EXPLAIN QUERY PLAN SELECT id FROM stobj \
             WHERE parent_id = 1 AND path >= x'' AND path < x'ff' ORDER BY path LIMIT 1000",
    mysql: "EXPLAIN SELECT id FROM stobj \
            WHERE parent_id = 1 AND path >= x'00' AND path < x'ff' ORDER BY path LIMIT 1000",
};

const PACKET: Text = Text::both("mysql.packet", "SELECT CAST(@@max_allowed_packet AS SIGNED)");

const TABLE: Text = Text::both("mysql.table", "SHOW CREATE TABLE stobj");

/// A server that takes no larger packet than this cannot be written to: it is twice the largest statement.
const LEAST_PACKET: i64 = 1 << 20;

/// Refuses a database whose order or plan is wrong.
pub(super) async fn check(connection: &mut Connection) -> Result<(), Failure> {
    match connection.dialect() {
        Dialect::Sqlite => check_sqlite(connection).await,
        Dialect::MySql => check_mysql(connection).await,
    }
}

async fn check_sqlite(connection: &mut Connection) -> Result<(), Failure> {
    let plan = connection.rows(PAGE_PLAN, &[]).await?;
    // The columns are id, parent, notused and detail.
    let detail = plan
        .first()
        .map(|row| row.text(3))
        .transpose()?
        .unwrap_or_default();
    if plan.len() == 1 && detail.contains("(parent_id=? AND path>? AND path<?)") {
        return Ok(());
    }
    Err(wrong(&format!(
        "a page of a listing is not one range of an index: {detail}"
    )))
}

async fn check_mysql(connection: &mut Connection) -> Result<(), Failure> {
    let packet = connection.first(PACKET, &[]).await?;
    let packet = packet.map(|row| row.int(0)).transpose()?.unwrap_or(0);
    if packet < LEAST_PACKET {
        return Err(wrong(&format!(
            "max_allowed_packet is {packet} and must be at least {LEAST_PACKET}"
        )));
    }
    let table = connection.rows(TABLE, &[]).await?;
    let table = table
        .first()
        .map(|row| word(row, "Create Table"))
        .transpose()?
        .unwrap_or_default();
    if table.to_ascii_uppercase().contains("USING HASH") {
        return Err(wrong("the key of table stobj is a hash, which has no order"));
    }
    if !table.to_ascii_lowercase().contains("`path` varbinary(1025)") {
        return Err(wrong("column path of table stobj is not VARBINARY(1025)"));
    }
    let plan = connection.rows(PAGE_PLAN, &[]).await?;
    let access = plan
        .first()
        .map(|row| word(row, "type"))
        .transpose()?
        .unwrap_or_default();
    if plan.len() == 1 && access == "range" {
        return Ok(());
    }
    Err(wrong(&format!(
        "a page of a listing is not one range of the primary key, but: {access}"
    )))
}

fn wrong(text: &str) -> Failure {
    Failure::Unusable(text.to_owned())
}

/// A column of a statement whose columns are MySQL's own.
fn word(row: &Row, column: &str) -> Result<String, Failure> {
    Ok(match row {
        Row::Sqlite(_) => String::new(),
        Row::MySql(row) => row.try_get_unchecked(column)?,
    })
}
