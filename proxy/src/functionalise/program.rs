//! `POST /f/{system}/{action}`: a functional request as a program sends it, with plain JSON.
//!
//! It enters above the semantic filters like what is made of a resource URL, so nothing is allowed here that is not
//! allowed there.

use common::functional::{Context, Request};
use common::service::FunctionalService;
use common::wire::program::{self, MAX_ARGUMENTS, PREFIX};
use common::{Body, Error, Outcome};
use http::Response;
use http::request::Parts;

use super::{log, route};

/// `{system}/{action}` when the path is one of a program's requests.
pub(super) fn name(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX)
}

/// Sends the request to `inner`; every failure is JSON too.
pub(super) async fn answer(
    inner: &FunctionalService,
    head: &Parts,
    name: &str,
    context: Result<Context, Error>,
    body: Body,
) -> Response<Body> {
    let answered = match context {
        Ok(context) => exchange(inner, head, name, context, body).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(response) => response,
        Err(error) => {
            log(&error, head);
            program::encode_error(error)
        }
    }
}

async fn exchange(
    inner: &FunctionalService,
    head: &Parts,
    name: &str,
    context: Context,
    body: Body,
) -> Result<Response<Body>, Error> {
    if head.method != http::Method::POST {
        return Err(route::method_not_allowed(&["POST"]));
    }
    let json = arguments(body).await?;
    let action = program::decode(name, &json)?;
    let body = Body::empty();
    let reply = inner
        .handle(Request {
            action,
            context,
            body,
        })
        .await?;
    program::encode_answer(&reply.answer)
}

/// The whole body; it is bounded, and read only up to the bound.
async fn arguments(mut body: Body) -> Result<Vec<u8>, Error> {
    let too_long =
        || Error::from(Outcome::TooLarge).with_text(format!("arguments are at most {MAX_ARGUMENTS} bytes"));
    if body
        .exact_length()
        .is_some_and(|length| length > MAX_ARGUMENTS as u64)
    {
        return Err(too_long());
    }
    let mut json = Vec::new();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::new(Outcome::ClientGone).caused_by(error),
        })?;
        if json.len() + chunk.len() > MAX_ARGUMENTS {
            return Err(too_long());
        }
        json.extend_from_slice(&chunk);
    }
    Ok(json)
}
