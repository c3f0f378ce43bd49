//! The listener for the cluster's own processes: a functional request over HTTP goes to the service that answers it.
//!
//! There are no resource URLs here: what is not `POST /{system}/{action}` is 404. What the cluster key does not prove
//! to come from one of the cluster's processes is 403. Only answers of the service itself are marked as such, so that
//! no refusal of this listener can be taken for one.

use std::convert::Infallible;

use common::functional::Action;
use common::service::{BoxFuture, FunctionalService, HttpService};
use common::wire::{self, ClusterKey};
use common::{Body, Clock, Error, Outcome};
use http::{Method, Request, Response};
use tower::service_fn;

/// Hands what proves to be the cluster's to `functional`.
pub fn service(functional: FunctionalService, key: ClusterKey) -> HttpService {
    HttpService::new(service_fn(
        move |request| -> BoxFuture<Response<Body>, Infallible> {
            let (functional, key) = (functional.clone(), key.clone());
            Box::pin(async move {
                Ok(match answer(&functional, &key, request).await {
                    Ok(response) => response,
                    Err(refused) => {
                        tracing::debug!("a request to an inner listener was refused: {refused}");
                        refused.into_response()
                    }
                })
            })
        },
    ))
}

/// The reply, or why there is none.
async fn answer(
    functional: &FunctionalService,
    key: &ClusterKey,
    request: Request<Body>,
) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let name = known_action(&head).ok_or_else(Error::not_found)?;
    if !key.verify(head.uri.path(), &head.headers, Clock::now()) {
        return Err(Outcome::Forbidden.into());
    }
    let request = wire::decode_request(name, &head.headers, body).await?;
    let replied = functional.handle(request).await;
    Ok(match replied.and_then(wire::encode_reply) {
        Ok(response) => response,
        Err(error) => {
            log(name, &error);
            wire::encode_error(&error)
        }
    })
}

fn known_action(head: &http::request::Parts) -> Option<&'static str> {
    let name = head.uri.path().strip_prefix('/')?;
    let is_call = head.method == Method::POST && head.uri.query().is_none();
    let known = Action::NAMES.iter().find(|&&known| known == name);
    known.copied().filter(|_| is_call)
}

/// Causes stay where they happened, so here is the last place to tell them.
fn log(action: &str, error: &Error) {
    if error.status().is_server_error() {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(action, cause, "{error}");
    }
}

#[cfg(test)]
mod tests;
