//! What the mirror of an account holds, looked up past the server.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sqlx::{MySqlConnection, Row as _};
use tokio::time::{Instant, sleep};

/// The mirror has caught up so long after any fault. A connection that is tried when the fault ends takes up to 5 s to fail, and
/// the next try comes a second later; the rest is for the machine.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// Everything that the mirror says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The bytes of each object, by `container/object`.
    pub objects: BTreeMap<String, u64>,
    /// How far it has come.
    pub seq: u64,
}

struct Node {
    id: i64,
    path: String,
    kind: i64,
    is_object: bool,
    bytes: i64,
    totals: (i64, i64),
}

impl Mirror {
    /// Waits until the mirror of the account `AUTH_…` holds exactly these objects.
    pub async fn caught_up(connection: &mut MySqlConnection, account: &str, objects: &BTreeMap<String, u64>) {
        let begin = Instant::now();
        loop {
            let mirror = Self::read(connection, account).await;
            if mirror.objects == *objects {
                return;
            }
            assert!(
                begin.elapsed() < CATCH_UP,
                "the mirror holds {} objects at {}, storage {}",
                mirror.objects.len(),
                mirror.seq,
                objects.len()
            );
            sleep(PAUSE).await;
        }
    }

    /// Reads all rows of the account `AUTH_…`, from one snapshot, and checks that the totals of each are the sums of what
    /// lies below it.
    pub async fn read(connection: &mut MySqlConnection, account: &str) -> Self {
        sqlx::raw_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            .execute(&mut *connection)
            .await
            .expect("MariaDB is there");
        let epoch =
            "SELECT node_id, tree_epoch.seq FROM tree_epoch JOIN stobj ON stobj.id = node_id WHERE path = ?";
        let epoch = sqlx::query(epoch).bind(account.as_bytes());
        let epoch = epoch.fetch_optional(&mut *connection).await;
        let epoch: Option<(i64, i64)> = epoch
            .expect("MariaDB is there")
            .map(|row| (row.get(0), row.get(1)));
        let rows = "SELECT parent_id, id, path, type, is_object, bytes, sub_objects, sub_bytes FROM stobj";
        let rows = sqlx::query(rows).fetch_all(&mut *connection).await;
        let mut below: HashMap<i64, Vec<Node>> = HashMap::new();
        for row in rows.expect("MariaDB is there") {
            let node = Node {
                id: row.get(1),
                path: String::from_utf8(row.get(2)).expect("names are UTF-8"),
                kind: row.get(3),
                is_object: row.get::<i64, _>(4) != 0,
                bytes: row.get(5),
                totals: (row.get(6), row.get(7)),
            };
            below.entry(row.get(0)).or_default().push(node);
        }
        let ended = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
        ended.expect("MariaDB is there");
        let mut objects = BTreeMap::new();
        if let Some((id, _)) = epoch {
            let account = below.get(&1).into_iter().flatten().find(|node| node.id == id);
            gather(&below, account.expect("the account has a row"), "", &mut objects);
        }
        Self {
            objects,
            seq: epoch.map_or(0, |(_, seq)| seq.cast_unsigned()),
        }
    }
}

/// Gathers the objects of a branch; answers how many they are, and their bytes.
fn gather(
    below: &HashMap<i64, Vec<Node>>,
    node: &Node,
    name: &str,
    objects: &mut BTreeMap<String, u64>,
) -> (i64, i64) {
    let mut sum = (0, 0);
    if node.is_object {
        objects.insert(name.to_owned(), node.bytes.cast_unsigned());
        sum = (1, node.bytes);
    }
    for child in below.get(&node.id).into_iter().flatten() {
        let slash = if child.kind == 2 { "/" } else { "" };
        let more = gather(below, child, &format!("{name}{}{slash}", child.path), objects);
        sum = (sum.0 + more.0, sum.1 + more.1);
    }
    if node.kind < 4 {
        assert_eq!(node.totals, sum, "the totals of {name:?}");
    }
    sum
}
