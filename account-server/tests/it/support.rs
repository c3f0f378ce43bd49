//! A server on a new database, and an owner that feeds one account of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use account_server::{AccountServer, Settings};
use common::config::Period;
use common::functional::firewall::State;
use common::functional::mirror::{
    Apply, AtLeast, Change, ContainerRow, DirectoryRow, ListAccount, ListContainer, Moved, Node, ObjectRow,
    Open, Page, Position,
};
use common::functional::{Call, Context, account, ask, container, listing::Query};
use common::name::{AccountName, ContainerName, ObjectName};
use common::service::FunctionalService;
use common::{Body, Error, Etag, Properties, Timestamp};
use sqlx::Row as _;
use tempfile::TempDir;

use crate::database::{Database, Look};

pub(crate) struct Server {
    pub(crate) server: AccountServer,
    pub(crate) service: FunctionalService,
    database: Database,
    directory: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        // What is removed in time, or packed meanwhile, would be counted among the statements.
        let settings = Settings {
            record_retention_age: Period::seconds(0),
            search_block_names: 0,
            ..Settings::default()
        };
        Self::with(settings).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::at(settings, Database::create().await, directory).await
    }

    pub(crate) async fn at(mut settings: Settings, database: Database, directory: TempDir) -> Self {
        settings.database = database.setting();
        let server = AccountServer::open(&settings, &directory.path().join("stobj.sqlite"))
            .await
            .unwrap();
        let service = server.service();
        Self {
            server,
            service,
            database,
            directory,
        }
    }

    /// Closes it and opens it anew on the same database.
    pub(crate) async fn restart(self) -> Self {
        self.server.close().await;
        Self::at(Settings::default(), self.database, self.directory).await
    }

    /// The same with other settings.
    pub(crate) async fn restart_with(self, settings: Settings) -> Self {
        self.server.close().await;
        Self::at(settings, self.database, self.directory).await
    }

    /// The same after a change of the schema was cut off in the middle, as only MySQL leaves it.
    pub(crate) async fn restart_with_torn_schema(self) -> Self {
        self.server.close().await;
        if self.is_mysql() {
            let torn = "UPDATE _sqlx_migrations SET success = 0 WHERE version = 20261121000070";
            self.look().await.execute(torn).await;
        }
        Self::at(Settings::default(), self.database, self.directory).await
    }

    /// Whether it speaks MySQL's dialect.
    pub(crate) fn is_mysql(&self) -> bool {
        matches!(self.database, Database::MariaDb { .. })
    }

    /// Closes it, changes the database by `text`, and tries to open it anew.
    pub(crate) async fn reopen_after(self, text: &'static str) -> Result<Self, Error> {
        self.server.close().await;
        self.look().await.execute(text).await;
        let settings = Settings {
            database: self.database.setting(),
            ..Settings::default()
        };
        let server = AccountServer::open(&settings, &self.directory.path().join("stobj.sqlite")).await?;
        let service = server.service();
        Ok(Self {
            server,
            service,
            ..self
        })
    }

    /// A connection past the server.
    pub(crate) async fn look(&self) -> Look {
        self.database
            .look(&self.directory.path().join("stobj.sqlite"))
            .await
    }

    pub(crate) async fn ask<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        let context = Context::internal("tx0", Timestamp::from_seconds(1_700_000_000));
        ask(&self.service, call, context, Body::empty())
            .await
            .map(|(answer, _)| answer)
    }

    /// An owner of a new account.
    pub(crate) fn owner(&self) -> Owner<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let account_id = number << 32 | u64::from(std::process::id());
        Owner {
            server: self,
            account_id,
            account: AccountName::new(format!("AUTH_{account_id}")).unwrap(),
            incarnation: 0xfeed_0000_0000_0000 + number,
            seq: 0,
        }
    }
}

/// What an object-server does for one account.
#[derive(Clone)]
pub(crate) struct Owner<'a> {
    pub(crate) server: &'a Server,
    pub(crate) account_id: u64,
    pub(crate) account: AccountName,
    pub(crate) incarnation: u64,
    pub(crate) seq: u64,
}

impl Owner<'_> {
    /// The batch of these nodes, behind all that was sent before.
    pub(crate) fn batch(&mut self, nodes: impl IntoIterator<Item = Node>) -> Apply {
        let after = self.seq;
        let changes = nodes
            .into_iter()
            .map(|node| {
                self.seq += 1;
                Change { seq: self.seq, node }
            })
            .collect();
        Apply {
            account_id: self.account_id,
            account: self.account.clone(),
            incarnation: self.incarnation,
            after,
            through: self.seq,
            changes,
        }
    }

    /// Sends these nodes.
    #[track_caller]
    pub(crate) fn apply(&mut self, nodes: impl IntoIterator<Item = Node>) -> impl Future<Output = ()> {
        let batch = self.batch(nodes);
        let (server, incarnation, seq) = (self.server, self.incarnation, self.seq);
        async move {
            let position = server.ask(batch).await.unwrap();
            let expected = Position {
                incarnation: Some(incarnation),
                seq,
            };
            assert_eq!(position, expected);
        }
    }

    pub(crate) async fn position(&self) -> Position {
        let account_id = self.account_id;
        self.server.ask(Open { account_id }).await.unwrap()
    }

    pub(crate) fn at_least(&self) -> AtLeast {
        AtLeast {
            account_id: self.account_id,
            incarnation: self.incarnation,
            seq: self.seq,
        }
    }

    pub(crate) async fn try_list(
        &self,
        container: &str,
        query: &Query,
    ) -> Result<Page<container::Entry>, Error> {
        let list = ListContainer {
            at_least: self.at_least(),
            container: ContainerName::new(container).unwrap(),
            query: query.clone(),
            now: now(),
        };
        self.server.ask(list).await
    }

    pub(crate) async fn list(&self, container: &str, query: &Query) -> Vec<container::Entry> {
        match self.try_list(container, query).await.unwrap() {
            Page::Entries(entries) => entries,
            Page::Behind(position) => panic!("the mirror is behind: {position:?}"),
        }
    }

    /// The names of a page; what is rolled up stands in `<>`.
    pub(crate) async fn names(&self, container: &str, query: &Query) -> Vec<String> {
        let entries = self.list(container, query).await;
        entries
            .into_iter()
            .map(|entry| match entry {
                container::Entry::Object(object) => object.name.to_string(),
                container::Entry::Subdir(name) => format!("<{name}>"),
            })
            .collect()
    }

    pub(crate) async fn containers(&self, query: &Query) -> Vec<account::Entry> {
        let list = ListAccount {
            at_least: self.at_least(),
            query: query.clone(),
        };
        match self.server.ask(list).await.unwrap() {
            Page::Entries(entries) => entries,
            Page::Behind(position) => panic!("the mirror is behind: {position:?}"),
        }
    }

    /// Reads all rows of the account that hang on the root, and checks that every total is the sum of what lies
    /// below and that no directory is there without reason. Answers objects by `container/name`: bytes, and whether
    /// it has a time of expiry.
    pub(crate) async fn checked_objects(&self) -> BTreeMap<String, (i64, bool)> {
        self.checked_tree().await.0
    }

    /// The same, and explicit directories by `container/name`.
    pub(crate) async fn checked_tree(&self) -> (BTreeMap<String, (i64, bool)>, BTreeSet<String>) {
        let mut rows = Rows::connect(self.server).await.read(self.account_id).await;
        let mut found = (BTreeMap::new(), BTreeSet::new());
        if let Some(account) = rows.remove(&1).and_then(|mut rows| rows.pop()) {
            check_branch(&rows, &account, "", &mut found);
        }
        found
    }

    /// Waits until the reaper has removed all rows of the account that do not hang on the root any more.
    pub(crate) async fn until_reaped(&self) {
        let mut rows = Rows::connect(self.server).await;
        let waiting = async {
            while rows.trash(self.account_id).await > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .expect("the reaper removes what was forgotten");
    }
}

/// A row as the check sees it.
struct Raw {
    id: i64,
    path: String,
    kind: i64,
    explicit: bool,
    own: Option<(i64, bool)>,
    totals: (i64, i64, i64),
}

fn check_branch(
    rows: &HashMap<i64, Vec<Raw>>,
    row: &Raw,
    name: &str,
    found: &mut (BTreeMap<String, (i64, bool)>, BTreeSet<String>),
) -> (i64, i64, i64) {
    let mut sum = (0, 0, 0);
    if let Some((bytes, expires)) = row.own {
        assert!(found.0.insert(name.to_owned(), (bytes, expires)).is_none());
        sum = (1, bytes, i64::from(expires));
    }
    for child in rows.get(&row.id).into_iter().flatten() {
        let separator = if child.kind == 2 { "/" } else { "" };
        let below = check_branch(rows, child, &format!("{name}{}{separator}", child.path), found);
        sum = (sum.0 + below.0, sum.1 + below.1, sum.2 + below.2);
    }
    if row.kind == 4 {
        assert_eq!(row.totals, (0, 0, 0), "{name}");
        assert!(row.own.is_some(), "{name}");
        return sum;
    }
    assert_eq!(row.totals, sum, "totals of {name:?}");
    if row.kind == 3 {
        assert!(
            row.explicit || sum.0 > 0 || rows.contains_key(&row.id),
            "{name:?} is empty"
        );
        if row.explicit {
            found.1.insert(name.to_owned());
        }
    }
    sum
}

/// All rows of the table.
struct Rows(Look);

impl Rows {
    async fn connect(server: &Server) -> Self {
        Self(server.look().await)
    }

    /// By parent.
    async fn read(&mut self, account_id: u64) -> HashMap<i64, Vec<Raw>> {
        const ALL: &str = "SELECT parent_id, id, path, type, explicit, is_object, bytes, delete_at, sub_objects, \
                           sub_bytes, sub_expiring FROM stobj WHERE account_id = ?";
        macro_rules! read {
            ($connection:expr) => {{
                let query = sqlx::query(ALL).bind(account_id.cast_signed());
                let rows = query.fetch_all($connection).await.unwrap();
                let read = rows.into_iter().map(|row| {
                    let own = (row.get::<i64, _>(5) != 0)
                        .then(|| (row.get::<i64, _>(6), row.get::<Option<i64>, _>(7).is_some()));
                    let raw = Raw {
                        id: row.get(1),
                        path: String::from_utf8(row.get(2)).unwrap(),
                        kind: row.get(3),
                        explicit: row.get::<i64, _>(4) != 0,
                        own,
                        totals: (row.get(8), row.get(9), row.get(10)),
                    };
                    (row.get::<i64, _>(0), raw)
                });
                read.collect::<Vec<_>>()
            }};
        }
        let rows = match &mut self.0 {
            Look::Sqlite(connection) => read!(connection),
            Look::MariaDb(connection) => read!(connection),
        };
        let mut by_parent: HashMap<i64, Vec<Raw>> = HashMap::new();
        for (parent, row) in rows {
            by_parent.entry(parent).or_default().push(row);
        }
        by_parent
    }

    /// How many rows of the account do not hang on the root.
    async fn trash(&mut self, account_id: u64) -> usize {
        let rows = self.read(account_id).await;
        let all: usize = rows.values().map(Vec::len).sum();
        let mut hanging = 0;
        let mut parents = vec![1];
        while let Some(parent) = parents.pop() {
            for row in rows.get(&parent).into_iter().flatten() {
                hanging += 1;
                parents.push(row.id);
            }
        }
        all - hanging
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(2000)
}

pub(crate) fn object_row(bytes: u64) -> ObjectRow {
    ObjectRow {
        state: State::Enable,
        timestamp: Timestamp::from_seconds(1000 + bytes),
        bytes,
        etag: Etag::new(Etag::EMPTY_MD5),
        content_type: "text/plain".into(),
        delete_at: None,
        listing: None,
        metadata: Properties::new(),
    }
}

/// An object of so many bytes.
pub(crate) fn put(container: &str, name: &str, bytes: u64) -> Node {
    put_row(container, name, object_row(bytes))
}

pub(crate) fn put_row(container: &str, name: &str, row: ObjectRow) -> Node {
    Node::Object(
        ContainerName::new(container).unwrap(),
        ObjectName::new(name).unwrap(),
        Some(row),
    )
}

pub(crate) fn delete(container: &str, name: &str) -> Node {
    Node::Object(
        ContainerName::new(container).unwrap(),
        ObjectName::new(name).unwrap(),
        None,
    )
}

pub(crate) fn put_container(container: &str) -> Node {
    let row = ContainerRow {
        created: Timestamp::from_seconds(10),
        timestamp: Timestamp::from_seconds(20),
    };
    Node::Container(ContainerName::new(container).unwrap(), Some(row))
}

pub(crate) fn delete_container(container: &str) -> Node {
    Node::Container(ContainerName::new(container).unwrap(), None)
}

pub(crate) fn make(container: &str, directory: &str) -> Node {
    let created = Timestamp::from_seconds(30);
    directory_node(container, directory, Some(DirectoryRow { created }))
}

pub(crate) fn unmake(container: &str, directory: &str) -> Node {
    directory_node(container, directory, None)
}

fn directory_node(container: &str, directory: &str, row: Option<DirectoryRow>) -> Node {
    Node::Directory(
        ContainerName::new(container).unwrap(),
        ObjectName::new(directory).unwrap(),
        row,
    )
}

pub(crate) fn moved(container: &str, directory: &str, to_container: &str, to_directory: &str) -> Node {
    Node::Moved(Moved {
        container: ContainerName::new(container).unwrap(),
        directory: ObjectName::new(directory).unwrap(),
        to_container: ContainerName::new(to_container).unwrap(),
        to_directory: ObjectName::new(to_directory).unwrap(),
    })
}

pub(crate) fn detached(container: &str, directory: &str) -> Node {
    Node::Detached(
        ContainerName::new(container).unwrap(),
        ObjectName::new(directory).unwrap(),
    )
}
