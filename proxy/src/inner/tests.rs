//! A [`Remote`] and the inner listener over real sockets.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::client::{Patience, Remote};
use common::functional::{Context, Reply, Request as Functional, ask, container, info, object, policy};
use common::name::ObjectName;
use common::token::Keyring;
use common::{Etag, Timestamp};
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::front::{self, Limits};

mod away;
mod several;

/// Nothing here takes so long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);

struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn key(digits: &str) -> ClusterKey {
    ClusterKey::new(&Keyring::parse(&format!("1 {}", digits.repeat(32))).unwrap())
}

async fn start<F>(answer: impl Fn(Functional) -> F + Clone + Send + Sync + 'static) -> Server
where
    F: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    let functional = FunctionalService::new(service_fn(answer));
    let limits = Limits {
        max_connections: NonZeroUsize::new(64).unwrap(),
        max_waiting_uploads: NonZeroUsize::new(64).unwrap(),
        idle_timeout: DEADLINE,
        header_timeout: DEADLINE,
        client_timeout: DEADLINE,
        drain_timeout: DEADLINE,
        lame_duck_timeout: Duration::ZERO,
        max_headers: 201,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service(functional, key("ab"));
    let task = tokio::spawn(front::serve(listener, service, limits, std::future::pending()));
    Server { address, task }
}

fn client(address: SocketAddr) -> FunctionalService {
    client_with(address, key("ab"), Patience::default())
}

fn client_with(address: SocketAddr, key: ClusterKey, patience: Patience) -> FunctionalService {
    Arc::new(Remote::new(address.to_string().parse().unwrap(), key, patience)).into_service()
}

fn context() -> Context {
    Context::internal("tx", Clock::now())
}

fn path() -> object::Path {
    object::Path::new("AUTH_a", "c", "o/ä").unwrap()
}

fn put() -> object::Put {
    object::Put::new(path())
}

fn get() -> object::Get {
    object::Get {
        path: path(),
        conditions: common::conditions::Conditions::default(),
        ranges: None,
        open_expired: false,
    }
}

fn stored(size: usize) -> Reply {
    Reply::new(common::functional::Answer::ObjectPut(object::Stored {
        etag: Etag::new(&size.to_string()),
        timestamp: Timestamp::from_seconds(1),
        content_type: "a/b".to_owned(),
        is_current: true,
    }))
}

fn got(body: Body) -> Reply {
    let info = object::Info::plain(5, "x", Timestamp::from_seconds(1));
    Reply {
        answer: common::functional::Answer::ObjectGet(object::Got { info, ranges: None }),
        body,
    }
}

/// Takes a body in and tells its length as the ETag.
async fn count(mut body: Body) -> Result<Reply, Error> {
    let mut size = 0;
    while let Some(chunk) = body.chunk().await {
        size += chunk
            .map_err(|error| Error::from(Outcome::ClientGone).caused_by(error))?
            .len();
    }
    Ok(stored(size))
}

/// A body that tells when it is polled for the first time.
fn watched(text: &'static str) -> (Body, Arc<Mutex<bool>>) {
    let is_read = Arc::new(Mutex::new(false));
    let noted = Arc::clone(&is_read);
    let body = Body::from_stream(stream::once(async move {
        *noted.lock() = true;
        Ok::<_, Error>(Bytes::from_static(text.as_bytes()))
    }));
    (body, is_read)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap()
}

#[tokio::test]
async fn bodies_stream_there_and_back() {
    const CHUNKS: usize = 200;
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let replied = chunk.clone();
    let server = start(move |request| {
        let chunk = replied.clone();
        async move {
            match request.action {
                Action::ObjectPut(_) => count(request.body).await,
                _ => Ok(got(Body::from_stream(stream::iter(
                    (0..CHUNKS).map(move |_| Ok::<_, Error>(chunk.clone())),
                )))),
            }
        }
    })
    .await;
    let client = client(server.address);
    for _ in 0..3 {
        let sent = chunk.clone();
        let body = Body::from_stream(stream::iter(
            (0..CHUNKS).map(move |_| Ok::<_, Error>(sent.clone())),
        ));
        let (answer, _) = in_time(ask(&client, put(), context(), body)).await.unwrap();
        assert_eq!(answer.etag.as_str(), (CHUNKS * 64 * 1024).to_string());
        let known = in_time(ask(&client, put(), context(), Body::full("12345"))).await;
        assert_eq!(known.unwrap().0.etag.as_str(), "5");
        let empty = in_time(ask(&client, put(), context(), Body::empty())).await;
        assert_eq!(empty.unwrap().0.etag.as_str(), "0");
        let (_, body) = in_time(ask(&client, get(), context(), Body::empty()))
            .await
            .unwrap();
        let bytes = in_time(body.collect(usize::MAX)).await.unwrap();
        assert_eq!(bytes.len(), CHUNKS * 64 * 1024);
    }
}

#[tokio::test]
async fn nobody_reads_ahead_of_the_other_side() {
    let (release, mut released) = (Arc::new(tokio::sync::Notify::new()), 0);
    let hold = Arc::clone(&release);
    let server = start(move |request| {
        let hold = Arc::clone(&hold);
        async move {
            // Asks for the body and then holds still.
            let mut body = request.body;
            let first = body.chunk().await.map_or(0, |chunk| chunk.unwrap().len());
            hold.notified().await;
            let rest = count(body).await?;
            let common::functional::Answer::ObjectPut(rest) = rest.answer else {
                return Err(Outcome::Internal.into());
            };
            let rest: usize = rest.etag.as_str().parse().unwrap();
            Ok(stored(first + rest))
        }
    })
    .await;
    let (chunks, mut source) = mpsc::channel::<Bytes>(1);
    let body = Body::from_stream(stream::poll_fn(move |context| {
        source.poll_recv(context).map(|chunk| chunk.map(Ok::<_, Error>))
    }));
    let client = client(server.address);
    let putting = tokio::spawn(async move { ask(&client, put(), context(), body).await });
    // More than all buffers on the way can hold: the source is not emptied while the other side holds still.
    let chunk = Bytes::from(vec![1; 1024 * 1024]);
    while timeout(Duration::from_millis(500), chunks.send(chunk.clone()))
        .await
        .is_ok()
    {
        released += 1;
        assert!(released < 64, "64 MiB went into buffers");
    }
    release.notify_one();
    drop(chunks);
    let (answer, _) = in_time(putting).await.unwrap().unwrap();
    assert_eq!(answer.etag.as_str(), (released * 1024 * 1024).to_string());
}

#[tokio::test]
async fn an_early_refusal_leaves_the_body_unread() {
    let server = start(|_| async { Err(Error::from(Outcome::TooLarge).with_text("much too large")) }).await;
    let (body, is_read) = watched("x");
    let error = in_time(ask(&client(server.address), put(), context(), body)).await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.status().as_u16(), error.text()),
        (413, Some("much too large"))
    );
    assert!(!*is_read.lock());
}

#[tokio::test]
async fn a_stale_answer_gives_the_body_back() {
    let server = start(|request| async move {
        match request.context.decided_under.account {
            Some(7) => count(request.body).await,
            _ => {
                let mut found = info::Found::default();
                found.account.generation = 7;
                Err(Error::stale(found, request.body))
            }
        }
    })
    .await;
    let client = client(server.address);
    let (body, is_read) = watched("hello");
    let error = in_time(ask(&client, put(), context(), body)).await.unwrap_err();
    assert_eq!(error.status(), 409);
    let (found, body) = error.into_stale().unwrap();
    assert!(!*is_read.lock());
    let mut again = context();
    again.decided_under.account = Some(found.account.generation);
    let (answer, _) = in_time(ask(&client, put(), again, body)).await.unwrap();
    assert_eq!(answer.etag.as_str(), "5");
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_body_arrives() {
    let server = start(|request| async move {
        let mut body = request.body;
        body.chunk().await;
        Err(Outcome::InsufficientStorage.into())
    })
    .await;
    let endless = stream::repeat_with(|| Ok::<_, Error>(Bytes::from(vec![0; 64 * 1024])));
    let error = in_time(ask(
        &client(server.address),
        put(),
        context(),
        Body::from_stream(endless),
    ))
    .await;
    assert_eq!(error.unwrap_err().status(), 507);
}

#[tokio::test]
async fn a_body_that_fails_is_not_taken_for_whole() {
    let (outcome, outcomes) = std::sync::mpsc::channel();
    let server = start(move |request| {
        let outcome = outcome.clone();
        async move {
            let counted = count(request.body).await;
            outcome.send(counted.is_ok()).unwrap();
            counted
        }
    })
    .await;
    let client = client(server.address);
    let failing = stream::iter([
        Ok(Bytes::from_static(b"some")),
        Err(Error::from(Outcome::RequestTimeout)),
    ]);
    let error = in_time(ask(&client, put(), context(), Body::from_stream(failing))).await;
    assert_eq!(error.unwrap_err().status(), 408, "the body's own failure");
    // The other side breaks off as well: it is cancelled, or it reads a body that breaks off.
    let seen = tokio::task::spawn_blocking(move || outcomes.recv_timeout(DEADLINE));
    drop(server);
    assert_ne!(in_time(seen).await.unwrap(), Ok(true));
}

#[tokio::test]
async fn who_lets_go_ends_the_request_on_the_other_side() {
    struct Gone(Option<oneshot::Sender<()>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.take().map(|sender| sender.send(()));
        }
    }
    let (begun, mut begins) = mpsc::channel(1);
    let server = start(move |_| {
        let begun = begun.clone();
        async move {
            let (gone, is_gone) = oneshot::channel();
            let _gone = Gone(Some(gone));
            begun.send(is_gone).await.unwrap();
            std::future::pending::<Result<Reply, Error>>().await
        }
    })
    .await;
    let client = client(server.address);
    let asking = tokio::spawn(async move { ask(&client, get(), context(), Body::empty()).await });
    let is_gone = in_time(begins.recv()).await.unwrap();
    asking.abort();
    in_time(is_gone).await.unwrap();
}

#[tokio::test]
async fn without_the_cluster_key_nothing_is_done() {
    let server = start(|_| async { panic!("nobody may come here") }).await;
    let stranger = client_with(server.address, key("cd"), Patience::default());
    let (body, is_read) = watched("x");
    let error = in_time(ask(&stranger, put(), context(), body)).await.unwrap_err();
    assert_eq!(
        error.status(),
        503,
        "what is wrong between servers is no 403 for a client"
    );
    assert!(!*is_read.lock());
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("files of the keys")
    );
}

async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_is_no_functional_request_is_not_found() {
    let server = start(|_| async { panic!("nobody may come here") }).await;
    for (line, status) in [
        ("GET /v1/AUTH_a/c/o", "404"),
        ("PUT /v1/AUTH_a/c/o", "404"),
        ("GET /healthcheck", "404"),
        ("GET /object/get", "404"),
        ("POST /object/fly", "404"),
        ("POST /object/get/", "404"),
        ("POST /object/get?x=1", "404"),
        ("POST /object/get", "403"),
        ("POST /policy/fetch", "403"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let answered = raw(server.address, &request).await;
        assert!(answered.contains(status), "{line}: {answered}");
    }
}

fn long_listing() -> container::Listing {
    let entry = |number| {
        container::Entry::Object(container::Object {
            name: ObjectName::new(format!("{number:0>100}")).unwrap(),
            bytes: number,
            etag: Etag::new("0cc175b9c0f1b6a831c399e269772661"),
            content_type: "application/octet-stream".to_owned(),
            last_modified: Timestamp::from_seconds(number),
            listing: None,
        })
    };
    container::Listing {
        info: container::Info::default(),
        entries: (0..5000).map(entry).collect(),
    }
}

#[tokio::test]
async fn long_answers_arrive() {
    let server = start(|_| async {
        Ok(Reply::new(common::functional::Answer::ContainerList(
            long_listing(),
        )))
    })
    .await;
    let list = container::List {
        account: path().account,
        container: path().container,
        query: common::functional::listing::Query::default(),
    };
    assert!(serde_json::to_vec(&long_listing()).unwrap().len() > 1024 * 1024);
    let (listing, _) = in_time(ask(&client(server.address), list, context(), Body::empty()))
        .await
        .unwrap();
    assert_eq!(listing, long_listing());
}
