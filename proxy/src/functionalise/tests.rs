//! Requests through functionalise against a functional service that remembers them.

use common::functional::Action;
use common::service::ArcService;
use http::Method;
use tower::service_fn;

use super::*;

mod account;
mod container;
mod corpus;
mod fake;
mod head;
mod object;
mod refusal;
mod tree;

use fake::{Fake, object_info};

const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";

struct Edge {
    fake: Arc<Fake>,
    service: HttpService,
}

impl Edge {
    fn new() -> Self {
        Self::with(Fake::default(), Constraints::default())
    }

    fn with(fake: Fake, constraints: Constraints) -> Self {
        let fake = Arc::new(fake);
        let inner = {
            let fake = Arc::clone(&fake);
            ArcService::new(service_fn(move |request| {
                let fake = Arc::clone(&fake);
                async move { fake.answer(request).await }
            }))
        };
        let kept = ["Content-Encoding".to_owned()];
        let functionalise = Functionalise::new(inner, Arc::new(constraints), &kept, Arc::default());
        Self {
            fake,
            service: functionalise.into_service(),
        }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response<Body> {
        self.send_body(method, target, headers, Body::empty()).await
    }

    async fn send_body(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Response<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = target.parse().unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        self.service.handle(request).await.unwrap()
    }

    async fn status(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        self.send(method, target, headers).await.status().as_u16()
    }

    fn last(&self) -> Action {
        self.fake.actions.lock().last().unwrap().clone()
    }
}

fn text(response: &Response<Body>, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    })
}

async fn page(response: Response<Body>) -> String {
    let bytes = response.into_body().collect(10_000).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
