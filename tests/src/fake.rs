//! A store that answers what a test tells it, and counts nothing: for what ours would not do.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// A store that listens, and gives a token to everybody.
#[derive(Clone, Debug)]
pub struct FakeStore {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeStore {
    /// Answers requests with status and body; they are told as `GET /c/o?query`, the account left out.
    pub async fn start(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let store = Self {
            address: listener.local_addr().expect("it is bound").to_string(),
            asked: Arc::default(),
        };
        let (answering, answer) = (store.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (store, answer) = (answering.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
                        let response =
                            store.answer(request.method().as_str(), &request.uri().to_string(), &*answer);
                        std::future::ready(Ok::<_, Infallible>(response))
                    });
                    // A client may go whenever it likes.
                    let _gone = http1::Builder::new()
                        .serve_connection(TokioIo::new(connection), service)
                        .await;
                });
            }
        });
        store
    }

    /// Where clients log in.
    pub fn auth_url(&self) -> String {
        format!("http://{}/auth/v1.0", self.address)
    }

    /// Everything that was asked but for log-ins, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    fn answer(
        &self,
        method: &str,
        target: &str,
        answer: &(dyn Fn(&str) -> (u16, String) + Send + Sync),
    ) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if target == "/auth/v1.0" {
            let url = format!("http://{}/v1/AUTH_test", self.address);
            let url = url.parse().expect("an address is a header value");
            response.headers_mut().insert("x-storage-url", url);
            let token = "token".parse().expect("it is a header value");
            response.headers_mut().insert("x-auth-token", token);
            return response;
        }
        let asked = format!("{method} {}", target.trim_start_matches("/v1/AUTH_test"));
        let (status, body) = answer(&asked);
        self.asked.lock().push(asked);
        *response.status_mut() = StatusCode::from_u16(status).expect("tests know statuses");
        *response.body_mut() = Full::new(body.into());
        response
    }
}
