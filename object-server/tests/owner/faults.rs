//! The owner on the posix engine, with a fault at every named place: what was acknowledged is there, what was not is
//! whole or absent, counters and listings agree with what can be read, and no room under a limit is lost, before and after
//! a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::constraints::Constraints;
use common::functional::{ask, container, object};
use common::service::FunctionalService;
use common::{Body, Properties};
use object_server::engine::posix::{self, Posix};
use object_server::engine::{ArcEngine, EngineError};
use object_server::failure_point::{Failure, FailurePoints};
use object_server::{ObjectServer, Settings};

use crate::client::{Client, account, container_name, context, neighbours, path};
use crate::mirror::Mirror;

/// Every named place on the way of a change.
const POINTS: &[&str] = &[
    "stage:before_write",
    "stage:before_attributes",
    "stage:before_sync",
    "publish:before_lock",
    "publish:before_rename",
    "publish:after",
    "convert:after_link",
    "convert:before_unlink",
    "convert:after_unlink",
    "directory:before_rename",
    "revise:before_write",
    "revise:after_write",
    "remove:before_unlink",
    "remove:before_unlink_plain",
    "remove:before_prune",
    "sync:before",
    "sync:before_garbage",
];

/// The most bytes that the container may hold: enough for all that is put there.
const LIMIT: u64 = 700_000;

/// The data each name may have now; `None` is no object.
type Model = BTreeMap<&'static str, Vec<Option<String>>>;

async fn open(
    root: &std::path::Path,
    points: &FailurePoints,
    mirror: FunctionalService,
) -> Result<Client, EngineError> {
    let settings = posix::Settings {
        failure_points: points.clone(),
        ..posix::Settings::default()
    };
    let engine = Posix::open(root, &settings)?;
    let state = engine.private_directory();
    let engine: ArcEngine = Arc::new(engine);
    let constraints = Arc::new(Constraints::default());
    let server = ObjectServer::open_on(
        engine,
        &Settings::default(),
        &state,
        constraints,
        neighbours(mirror),
    )
    .await
    .unwrap();
    Ok(Client {
        service: server.service(),
        server,
    })
}

async fn put(client: &Client, model: &mut Model, name: &'static str, data: &str) {
    let result = client.put("c", name, data).await;
    note(model, name, Some(data.to_owned()), result.is_ok());
}

async fn delete(client: &Client, model: &mut Model, name: &'static str) {
    let result = client.delete("c", name).await;
    note(model, name, None, result.is_ok());
}

async fn post(client: &Client, name: &'static str) {
    let mut properties = Properties::new();
    // More than ext4 keeps beside a file: they go to an overflow file.
    for number in 0..20 {
        properties.insert(&format!("x-object-meta-{number}"), "v".repeat(250));
    }
    let post = object::Post {
        path: path("c", name),
        content_type: None,
        delete_at: None,
        properties,
        open_expired: false,
    };
    // Acknowledged or not, a POST changes no data.
    let _ = ask(&client.service, post, context(), Body::empty()).await;
}

fn note(model: &mut Model, name: &'static str, now: Option<String>, is_acknowledged: bool) {
    let possible = model.entry(name).or_insert_with(|| vec![None]);
    if is_acknowledged {
        possible.clear();
    }
    possible.push(now);
}

/// All that a fault may meet: new names, overwrites, a file that stands aside for a directory, removals.
async fn work(client: &Client) -> Model {
    let mut model = Model::new();
    for (name, data) in [
        ("a", "1"),
        ("a/b", "22"),
        ("a", "333"),
        ("d/e/f", "4444"),
        ("a", "55555"),
    ] {
        put(client, &mut model, name, data).await;
        post(client, name).await;
    }
    for name in ["d/e/f", "a", "a/b"] {
        delete(client, &mut model, name).await;
    }
    put(client, &mut model, "a/", "666666").await;
    put(client, &mut model, "large", &"8".repeat(600 << 10)).await;
    put(client, &mut model, "a", "7777777").await;
    model
}

async fn check(client: &Client, model: &Model, point: &str) {
    let mut readable = BTreeMap::new();
    for (name, possible) in model {
        let data = client.get("c", name).await.ok().map(|(_, data)| data);
        assert!(
            possible.contains(&data),
            "{point}: {name} is {data:?}, expected one of {possible:?}"
        );
        if let Some(data) = data {
            readable.insert((*name).to_owned(), data.len() as u64);
        }
    }
    let listing: BTreeMap<_, _> = client.list("c").await.unwrap().into_iter().collect();
    assert_eq!(listing, readable, "{point}: the listing");
    let info = client.head_container("c").await.unwrap();
    let counted = (readable.len() as u64, readable.values().sum());
    assert_eq!((info.objects, info.bytes), counted, "{point}: the counters");

    // What failed holds nothing any more, and the rest of the room is there to the byte.
    let rest = usize::try_from(LIMIT - info.bytes).unwrap();
    let filled = client.put("c", "rest", &"x".repeat(rest)).await;
    assert!(filled.is_ok(), "{point}: {filled:?} with {rest} bytes left");
    let refused = client.put("c", "more", "x").await.unwrap_err();
    assert_eq!(refused.status(), 413, "{point}");
    client.delete("c", "rest").await.unwrap();
}

async fn limit(client: &Client) {
    let mut properties = Properties::new();
    properties.insert("x-container-meta-quota-bytes", LIMIT.to_string());
    let post = container::Post {
        account: account(),
        container: container_name("c"),
        properties,
    };
    client.ask(post).await.unwrap();
}

/// The next life of the store, once the last one has let go of it.
fn in_a_process<T>(work: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work())
}

#[test]
fn a_fault_anywhere_leaves_everything_whole() {
    for point in POINTS {
        for skip in [0, 1, 3] {
            let root = tempfile::tempdir().unwrap();
            let mirror = Mirror::default();
            let points = FailurePoints::new();
            let model = in_a_process(async || {
                let client = open(root.path(), &points, mirror.service()).await.unwrap();
                client.make_container("c").await.unwrap();
                limit(&client).await;
                points.arm_later(point, Failure::Error(std::io::ErrorKind::Other), skip, 1);
                let model = work(&client).await;
                points.disarm(point);
                assert!(points.hits(point) > 0, "{point} is on no way");
                check(&client, &model, point).await;
                model
            });
            in_a_process(async || {
                let points = FailurePoints::default();
                let client = open(root.path(), &points, mirror.service()).await.unwrap();
                check(&client, &model, point).await;
                client.server.close().await.unwrap();
            });
        }
    }
}
