//! The front over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::{Error, Outcome};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tower::service_fn;

use super::*;

/// Nothing here takes so long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

fn limits() -> Limits {
    Limits {
        max_connections: NonZeroUsize::new(8).unwrap(),
        max_waiting_uploads: NonZeroUsize::new(8).unwrap(),
        idle_timeout: DEADLINE,
        header_timeout: DEADLINE,
        client_timeout: DEADLINE,
        drain_timeout: DEADLINE,
        lame_duck_timeout: Duration::ZERO,
        max_headers: 201,
    }
}

async fn start<F>(
    limits: Limits,
    answer: impl Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
) -> Server
where
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = HttpService::new(service_fn(move |request| {
        let answered = answer(request);
        async move { Ok(answered.await) }
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(serve(listener, service, limits, async move {
        let _ = stopped.await;
    }));
    Server {
        address,
        stop: Some(stop),
        served,
    }
}

/// `GET` gets its path back, other methods the length of their body.
async fn echo(request: Request<Body>) -> Response<Body> {
    if request.method() == http::Method::GET {
        return Response::new(Body::full(request.uri().to_string()));
    }
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(chunk) = body.chunk().await {
        match chunk {
            Ok(chunk) => length += chunk.len(),
            Err(error) => return error.downcast::<Error>().unwrap().into_response(),
        }
    }
    Response::new(Body::full(length.to_string()))
}

async fn refuse(_request: Request<Body>) -> Response<Body> {
    Error::from(Outcome::Forbidden).with_text("no").into_response()
}

struct Client(TcpStream);

impl Client {
    async fn connect(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until what came ends in `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut seen = String::new();
        let read = async {
            while !seen.ends_with(end) {
                let byte = self
                    .0
                    .read_u8()
                    .await
                    .unwrap_or_else(|_| panic!("{seen:?} is all that came"));
                seen.push(char::from(byte));
            }
        };
        timeout(DEADLINE, read).await.unwrap();
        seen
    }

    async fn rest(&mut self) -> String {
        let mut text = String::new();
        timeout(DEADLINE, self.0.read_to_string(&mut text))
            .await
            .unwrap()
            .unwrap();
        text
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = start(limits(), echo).await;
    let mut client = Client::connect(&server).await;
    client.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let first = client.until("/one").await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(
        first.contains("Content-Length: 4\r\n") && !first.contains("Connection:"),
        "{first}"
    );
    client
        .send("PUT /two HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    let second = client.until("\r\n\r\n3").await;
    assert!(second.contains("Connection: keep-alive\r\n"), "{second}");
    client
        .send("GET http://elsewhere//v1/A HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert!(client.rest().await.ends_with("http://elsewhere//v1/A"));
}

#[tokio::test]
async fn requests_may_come_ahead_of_answers() {
    let server = start(limits(), echo).await;
    let mut client = Client::connect(&server).await;
    client
        .send("GET //v1/A HTTP/1.1\r\nHost: x\r\n\r\nGET /b?c HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    client.until("\r\n\r\n//v1/A").await;
    client.until("\r\n\r\n/b?c").await;
}

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_read() {
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let server = start(limits(), echo).await;
    let mut client = Client::connect(&server).await;
    client.send(head).await;
    assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc").await;
    client.until("\r\n\r\n3").await;

    let server = start(limits(), refuse).await;
    let mut client = Client::connect(&server).await;
    client.send(head).await;
    let answer = client.until("\r\n\r\nno").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_refused_upload_still_gets_its_answer() {
    let server = start(limits(), refuse).await;
    let mut client = Client::connect(&server).await;
    let length = 32 << 20;
    client
        .send(&format!(
            "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
    let block = vec![b'x'; 1 << 20];
    for _ in 0..32 {
        timeout(DEADLINE, client.0.write_all(&block))
            .await
            .unwrap()
            .unwrap();
    }
    let answer = client.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.ends_with("no"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_small_unread_body_costs_no_connection() {
    let server = start(limits(), refuse).await;
    let mut client = Client::connect(&server).await;
    for _ in 0..3 {
        client
            .send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
            .await;
        client.send("abc").await;
        let answer = client.until("\r\n\r\nno").await;
        assert!(!answer.contains("Connection: close"), "{answer}");
    }
}

/// So soon a client is given up that a test does not want to be served any more.
const SOON: Duration = Duration::from_millis(100);
/// And so soon one that is to be served before, however much else the machine has to do.
const LATER: Duration = Duration::from_secs(5);

#[tokio::test]
async fn clients_that_rest_are_given_up() {
    let silent = Limits {
        idle_timeout: SOON,
        ..limits()
    };
    let server = start(silent, echo).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.rest().await, "");

    let idle = Limits {
        idle_timeout: LATER,
        ..limits()
    };
    let server = start(idle, echo).await;
    let mut client = Client::connect(&server).await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.until("\r\n\r\n/a").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn clients_that_end_no_head_are_given_up() {
    let late = Limits {
        header_timeout: LATER,
        ..limits()
    };
    let server = start(late, echo).await;
    let mut client = Client::connect(&server).await;
    client
        .send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
        .await;
    client.until("\r\n\r\n1").await;
    client.send("GET / HTTP/1.1\r\nHo").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn clients_that_end_no_body_are_given_up() {
    let silent = Limits {
        client_timeout: SOON,
        ..limits()
    };
    let server = start(silent, echo).await;
    let mut client = Client::connect(&server).await;
    client
        .send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        .await;
    let answer = client.until("</html>").await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let dropped = Arc::new(Notify::new());
    let told = Arc::clone(&dropped);
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let endless = move |_request| {
        let tell = Tell(Arc::clone(&told));
        async move {
            Response::new(Body::from_stream(futures::stream::repeat_with(move || {
                let _held = &tell;
                Ok::<_, Error>(Bytes::from_static(&[0; 65536]))
            })))
        }
    };
    let impatient = Limits {
        client_timeout: Duration::from_millis(100),
        ..limits()
    };
    let server = start(impatient, endless).await;
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(DEADLINE, dropped.notified()).await.unwrap();
}

#[tokio::test]
async fn malformed_heads_are_answered() {
    let server = start(limits(), echo).await;
    let many: String = (0..202).map(|at| format!("X-{at}: x\r\n")).collect();
    let wide = "x".repeat(300_000);
    for (text, status) in [
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(), "400"),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
            "400",
        ),
        ("G\u{7f}T / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nX: {wide}\r\n\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", &wide[..70_000]), "414"),
    ] {
        let mut client = Client::connect(&server).await;
        // The server may answer and close before all of it is sent.
        let _ = client.0.write_all(text.as_bytes()).await;
        let line = client.until("\r\n").await;
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status}")),
            "{line} for {:.60}",
            text
        );
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_like_one() {
    let server = start(limits(), echo).await;
    for (head, status) in [
        (&b"GET /v1/\xff\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"[..], "412"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"),
        (b"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n\xff\xff", "400"),
    ] {
        let mut client = Client::connect(&server).await;
        client.0.write_all(head).await.unwrap();
        let answer = client.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("\r\nX-Trans-Id: tx"), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_without_content_says_so() {
    let nothing = |_request| async {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    };
    let server = start(limits(), nothing).await;
    let mut client = Client::connect(&server).await;
    for method in ["GET", "HEAD", "DELETE"] {
        client
            .send(&format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let head = client.until("\r\n\r\n").await;
        assert!(head.contains("Content-Length: 0\r\n"), "{head}");
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let two = Limits {
        max_connections: NonZeroUsize::new(2).unwrap(),
        ..limits()
    };
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let counted = move |_request| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Response::new(Body::empty())
        }
    };
    let server = start(two, counted).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(&server).await;
        client
            .send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await;
        clients.push(client);
    }
    for client in &mut clients {
        assert!(client.rest().await.starts_with("HTTP/1.1 200"));
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn the_end_waits_for_requests_under_way() {
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, released) = (Arc::clone(&entered), Arc::clone(&go_on));
    let held = move |_request| {
        let (inside, released) = (Arc::clone(&inside), Arc::clone(&released));
        async move {
            inside.notify_one();
            released.notified().await;
            let mut response = Response::new(Body::full("late"));
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
    };
    let mut server = start(limits(), held).await;
    let mut idle = Client::connect(&server).await;
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(DEADLINE, entered.notified()).await.unwrap();
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    assert!(TcpStream::connect(server.address).await.is_err());
    go_on.notify_one();
    let answer = client.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 202") && answer.ends_with("late"),
        "{answer}"
    );
    timeout(DEADLINE, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_that_rest_are_told_of_the_end_before_they_are_closed() {
    let patient = Limits {
        lame_duck_timeout: DEADLINE,
        ..limits()
    };
    let mut server = start(patient, echo).await;
    let (mut resting, mut leaving) = (Client::connect(&server).await, Client::connect(&server).await);
    for client in [&mut resting, &mut leaving] {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let head = client.until("\r\n\r\n").await;
        assert!(!head.contains("Connection: close"), "{head}");
    }
    // Whoever is in the kernel's queue by now is served still.
    let mut waiting = Client::connect(&server).await;
    server.stop.take().unwrap().send(()).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for client in [&mut resting, &mut waiting] {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let last = client.rest().await;
        assert!(last.contains("Connection: close"), "{last}");
    }
    assert!(!server.served.is_finished(), "one connection still rests");
    drop(leaving);
    timeout(DEADLINE, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_that_rest_are_closed_in_time() {
    let limits = Limits {
        lame_duck_timeout: Duration::from_millis(50),
        ..limits()
    };
    let mut server = start(limits, echo).await;
    let mut resting = Client::connect(&server).await;
    resting.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    resting.until("\r\n\r\n").await;
    server.stop.take().unwrap().send(()).unwrap();
    resting.rest().await;
    timeout(DEADLINE, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let entered = Arc::new(Notify::new());
    let inside = Arc::clone(&entered);
    let stuck = move |_request| {
        inside.notify_one();
        std::future::pending()
    };
    let hasty = Limits {
        drain_timeout: Duration::from_millis(50),
        lame_duck_timeout: DEADLINE,
        ..limits()
    };
    let mut server = start(hasty, stuck).await;
    let mut client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(DEADLINE, entered.notified()).await.unwrap();
    server.stop.take().unwrap().send(()).unwrap();
    timeout(DEADLINE, server.served).await.unwrap().unwrap();
}
