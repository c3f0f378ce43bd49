//! What the whole default pipeline costs a plain GET: every filter and *functionalise*, without the front before them
//! and the servers behind them.
//!
//! ```sh
//! cargo run --release -p proxy --example pipeline
//! ```
//!
//! The same requests go through the pipeline to a backend that answers at once, and straight to one that answers with
//! the same response; the difference of the times that this thread spent on its core is the pipeline's. Of several
//! turns each the fastest counts, for what disturbs only ever adds. (An example and no benchmark to cargo, which would
//! build the whole program once more for it.)

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use common::config::Config;
use common::constraints::Constraints;
use common::functional::{self, Action, Answer, Reply, info, object, policy};
use common::service::{FunctionalService, HttpService};
use common::token::{Keyring, Token};
use common::{Body, Clock, Error, Timestamp};
use http::{HeaderMap, Request, Response};
use middleware::{PeerAddress, registry};
use proxy::functionalise::Functionalise;
use proxy::settings::Proxy;
use tower::service_fn;

/// The one of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TURNS: usize = 20;
const REQUESTS: u32 = 20_000;
const USER: u64 = 7;
const ETAG: &str = "0f343b0931126a20f133d67c2b018a3b";
static CONTENT: [u8; 4096] = [b'x'; 4096];

#[expect(clippy::print_stdout, reason = "the result")]
fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (pipeline, token) = runtime.block_on(pipeline())?;
    let head = runtime.block_on(response_head(&pipeline, &token))?;
    let backend = straight(head);
    let (mut through, mut past) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        through = through.min(runtime.block_on(turn(&pipeline, &token))?);
        past = past.min(runtime.block_on(turn(&backend, &token))?);
    }
    let nanoseconds = through.saturating_sub(past).as_nanos();
    println!(
        "pipeline: {nanoseconds} ns a GET ({} ns with the request itself, {} ns without the pipeline)",
        through.as_nanos(),
        past.as_nanos()
    );
    Ok(())
}

/// The default pipeline over a backend that has every object, and a token that it accepts.
async fn pipeline() -> Result<(HttpService, String)> {
    let mut config = Config::load(
        None,
        [(
            "STOBJ_FILTER__PROXY_LOGGING__ACCESS_LOG".to_owned(),
            "false".to_owned(),
        )],
        [],
    );
    let keyring = Keyring::generate()?;
    let constraints = Arc::new(Constraints::default());
    let clock = Arc::new(Clock::new());
    let mut context = registry::Context::new(
        Arc::clone(&clock),
        backend(),
        keyring.clone(),
        Arc::clone(&constraints),
    );
    let kept_headers = Proxy::default().allowed_headers;
    let functionalise = |inner| Functionalise::new(inner, constraints, &kept_headers, clock).into_service();
    let service = registry::build(&mut config, &mut context, functionalise, backend());
    config.finish()?;
    context.policy.refresh().await?;
    let expires = Timestamp::from_seconds(Clock::now().seconds() + 86_400);
    let token = keyring.sign(
        "AUTH_",
        &Token {
            user_id: USER,
            generation: 1,
            expires,
            token_id: 1,
        },
    );
    Ok((service, token))
}

/// Answers what the pipeline asks for a GET.
fn backend() -> FunctionalService {
    FunctionalService::new(service_fn(|request: functional::Request| async move {
        answer(request.action)
    }))
}

fn answer(action: Action) -> Result<Reply, Error> {
    let resource = || info::Resource {
        generation: 1,
        state: info::State::Present,
        ..Default::default()
    };
    Ok(match action {
        Action::ObjectGet(_) => Reply {
            answer: Answer::ObjectGet(object::Got {
                info: object::Info::plain(CONTENT.len() as u64, ETAG, Timestamp::from_seconds(1_700_000_000)),
                ranges: None,
            }),
            body: Body::full(Bytes::from_static(&CONTENT)),
        },
        Action::InfoGet(_) => Reply::new(Answer::InfoGet(info::Found {
            account: resource(),
            container: Some(resource()),
        })),
        Action::PolicyFetch(_) => Reply::new(Answer::PolicyFetch(policy::Fetched {
            policy: Some(policy::Policy {
                version: 1,
                users: vec![policy::User {
                    id: USER,
                    generation: 1,
                    account: "test".to_owned(),
                    name: "tester".to_owned(),
                    groups: vec![".admin".to_owned()],
                    verifier: None,
                    email: None,
                    created: Timestamp::default(),
                }],
                ..policy::Policy::default()
            }),
        })),
        other => return Err(Error::bad_request(format!("{} was not expected", other.name()))),
    })
}

/// Answers as the pipeline would, at once.
fn straight(head: HeaderMap) -> HttpService {
    HttpService::new(service_fn(move |_request: Request<Body>| {
        let mut response = Response::new(Body::full(Bytes::from_static(&CONTENT)));
        *response.headers_mut() = head.clone();
        async move { Ok::<_, Infallible>(response) }
    }))
}

/// As a client's library would send it.
fn request(token: &str) -> Result<Request<Body>> {
    let mut request = Request::get("/v1/AUTH_test/photos/2026/summer/beach.jpg")
        .header("host", "127.0.0.1:8080")
        .header("user-agent", "python-swiftclient-4.6.0")
        .header("accept-encoding", "identity")
        .header("x-auth-token", token)
        .body(Body::empty())?;
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    request.extensions_mut().insert(PeerAddress(peer));
    Ok(request)
}

/// The headers of the answer, which must be the object.
async fn response_head(service: &HttpService, token: &str) -> Result<HeaderMap> {
    let response = service.handle(request(token)?).await?;
    let (head, body) = response.into_parts();
    let body = body.collect(1 << 20).await;
    let Ok(body) = body else {
        bail!("the body broke off")
    };
    ensure!(head.status == 200, "the answer is {}", head.status);
    ensure!(body == CONTENT[..], "{} bytes came", body.len());
    Ok(head.headers)
}

/// The time that this thread spends on one request.
async fn turn(service: &HttpService, token: &str) -> Result<Duration> {
    let before = time_on_core()?;
    for _ in 0..REQUESTS {
        let mut response = service.handle(request(token)?).await?;
        while let Some(chunk) = response.body_mut().chunk().await {
            std::hint::black_box(chunk.is_ok());
        }
    }
    Ok((time_on_core()? - before) / REQUESTS)
}

fn time_on_core() -> Result<Duration> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = schedule.split_whitespace().next().context("schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
