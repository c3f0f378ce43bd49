//! Functional requests and replies as HTTP between processes. The form is described in this crate's guide.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::body::BoxError;
use crate::functional::{Action, Answer, Context, Reply, Request};
use crate::{Body, Error, Outcome, Timestamp};

pub mod program;
mod proof;

pub use proof::ClusterKey;

/// The arguments: JSON in base64url, or the digest of the body that holds them.
pub const ARGUMENTS: HeaderName = HeaderName::from_static("x-stobj-arguments");
/// The context: JSON in base64url.
pub const CONTEXT: HeaderName = HeaderName::from_static("x-stobj-context");
/// The proof that the request is the cluster's.
pub const CLUSTER_KEY: HeaderName = HeaderName::from_static("x-stobj-cluster-key");
/// Marks a reply: its answer in base64url, or `body` when that holds it as JSON.
pub const ANSWER: HeaderName = HeaderName::from_static("x-stobj-answer");
/// Marks a failure: the error in base64url, or `body` when that holds it as JSON.
pub const ERROR: HeaderName = HeaderName::from_static("x-stobj-error");

/// The value of a header whose JSON is the body. No JSON object looks so in base64.
const IN_BODY: &str = "body";
const DIGEST: &str = "sha256=";
/// The longest value of a header of a request; arguments beyond it need the body.
pub const MAX_REQUEST_HEADER: usize = 64 * 1024;
/// The longest value of a header of a reply: what was stored by one header of arguments, and something more.
const MAX_REPLY_HEADER: usize = 128 * 1024;
/// The longest JSON in a body. The longest pages of listings stay below it, whatever the names are.
const MAX_JSON: usize = 128 * 1024 * 1024;

/// A request's head, which can be sent more than once.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Arguments that are too long for a header.
    pub(crate) json: Option<Bytes>,
}

impl RequestHead {
    /// # Errors
    /// 431 when the arguments of a request with a body, or a context, are too long.
    pub(crate) fn new(action: &Action, context: &Context, has_body: bool) -> Result<Self, Error> {
        let json = content_of(action)?;
        let mut headers = HeaderMap::with_capacity(4);
        let mut body = None;
        let arguments = if URL_SAFE_NO_PAD.encode(&json).len() <= MAX_REQUEST_HEADER {
            in_header(&json, MAX_REQUEST_HEADER)?
        } else if has_body {
            return Err(Outcome::HeadersTooLarge.into());
        } else {
            let digest = HeaderValue::try_from(digest(&json)).map_err(Error::internal)?;
            body = Some(Bytes::from(json));
            digest
        };
        headers.insert(ARGUMENTS, arguments);
        let context = serde_json::to_vec(context).map_err(Error::internal)?;
        headers.insert(CONTEXT, in_header(&context, MAX_REQUEST_HEADER)?);
        Ok(Self {
            path: format!("/{}", action.name()),
            headers,
            json: body,
        })
    }

    /// The headers, with the proof that they were made at `now`.
    pub(crate) fn signed(&self, key: &ClusterKey, now: Timestamp) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(CLUSTER_KEY, key.sign(&self.path, &headers, now));
        headers
    }
}

/// The request that another process sent. Its proof must have been verified.
///
/// # Errors
/// 400 when it is not of this form.
pub async fn decode_request(name: &str, headers: &HeaderMap, mut body: Body) -> Result<Request, Error> {
    let arguments = headers.get(ARGUMENTS).ok_or_else(malformed)?;
    let json = match arguments.as_bytes().strip_prefix(DIGEST.as_bytes()) {
        Some(_) => {
            let json = collect(std::mem::take(&mut body)).await;
            let json = json.map_err(|error| malformed().caused_by(error))?;
            if digest(&json).as_bytes() != arguments.as_bytes() {
                return Err(malformed());
            }
            json
        }
        None => from_header(arguments)?,
    };
    let action = serde_json::from_slice(&named(name, &json)).map_err(unreadable)?;
    let context = from_header(headers.get(CONTEXT).ok_or_else(malformed)?)?;
    Ok(Request {
        action,
        context: serde_json::from_slice(&context).map_err(unreadable)?,
        body,
    })
}

/// The response that carries `reply` to another process.
///
/// # Errors
/// When an answer that comes with a body is too long for a header.
pub fn encode_reply(reply: Reply) -> Result<Response<Body>, Error> {
    let json = content_of(&reply.answer)?;
    // The answer to `object/get` stands in the header also when the object is empty: one form for an action.
    let has_body = matches!(reply.answer, Answer::ObjectGet(_)) || !is_empty(&reply.body);
    if !has_body {
        return Ok(json_response(StatusCode::OK, ANSWER, json));
    }
    let mut response = Response::new(reply.body);
    response
        .headers_mut()
        .insert(ANSWER, in_header(&json, MAX_REPLY_HEADER)?);
    Ok(response)
}

/// The response that carries `error` to another process.
pub fn encode_error(error: &Error) -> Response<Body> {
    let Ok((status, json)) = error.to_wire() else {
        return Error::from(Outcome::Internal).into_response();
    };
    if status != StatusCode::NOT_MODIFIED {
        return json_response(status, ERROR, json.into_bytes());
    }
    // HTTP has no body on a 304.
    match in_header(json.as_bytes(), MAX_REPLY_HEADER) {
        Ok(value) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response.headers_mut().insert(ERROR, value);
            response
        }
        Err(error) => encode_error(&error),
    }
}

/// What another process replied to the action `name`; `None` when it is no reply of this form.
///
/// # Errors
/// When the body breaks off.
pub(crate) async fn decode_reply(
    name: &str,
    response: Response<Body>,
) -> Result<Option<Result<Reply, Error>>, BoxError> {
    let (head, mut body) = response.into_parts();
    let (value, is_error) = match (head.headers.get(ANSWER), head.headers.get(ERROR)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => return Ok(None),
    };
    let json = if value == IN_BODY {
        collect(std::mem::take(&mut body)).await?
    } else {
        match from_header(value) {
            Ok(json) => json,
            Err(_) => return Ok(None),
        }
    };
    if is_error {
        let text = std::str::from_utf8(&json).ok();
        return Ok(text.and_then(|json| Error::from_wire(json).ok()).map(Err));
    }
    let answer = serde_json::from_slice::<Answer>(&named(name, &json));
    Ok(answer.ok().map(|answer| Ok(Reply { answer, body })))
}

/// The whole of a body that is JSON.
async fn collect(mut body: Body) -> Result<Vec<u8>, BoxError> {
    let length = body.exact_length().unwrap_or_default();
    let mut json = Vec::with_capacity(usize::try_from(length).unwrap_or_default().min(MAX_JSON));
    while let Some(chunk) = body.chunk().await {
        json.extend_from_slice(&chunk?);
        if json.len() > MAX_JSON {
            return Err("it is too long".into());
        }
    }
    Ok(json)
}

/// Whether a body is known to have no bytes.
pub(crate) fn is_empty(body: &Body) -> bool {
    http_body::Body::is_end_stream(body) || body.exact_length() == Some(0)
}

/// The JSON of an action or answer without its name, which stands around it as `{"name":…}`.
fn content_of(named: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut json = serde_json::to_vec(named).map_err(Error::internal)?;
    let colon = json.iter().position(|&byte| byte == b':');
    let colon = colon.ok_or_else(|| Error::internal("an action without content"))?;
    json.pop();
    json.drain(..=colon);
    Ok(json)
}

fn named(name: &str, json: &[u8]) -> Vec<u8> {
    let mut named = Vec::with_capacity(name.len() + json.len() + 5);
    for part in [b"{\"", name.as_bytes(), b"\":", json, b"}"] {
        named.extend_from_slice(part);
    }
    named
}

fn in_header(json: &[u8], limit: usize) -> Result<HeaderValue, Error> {
    let text = URL_SAFE_NO_PAD.encode(json);
    if text.len() > limit {
        return Err(Outcome::HeadersTooLarge.into());
    }
    HeaderValue::try_from(text).map_err(Error::internal)
}

fn from_header(value: &HeaderValue) -> Result<Vec<u8>, Error> {
    let json = URL_SAFE_NO_PAD.decode(value.as_bytes());
    json.map_err(|_| malformed())
}

fn digest(json: &[u8]) -> String {
    format!("{DIGEST}{}", URL_SAFE_NO_PAD.encode(Sha256::digest(json)))
}

fn json_response(status: StatusCode, mark: HeaderName, json: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(mark, HeaderValue::from_static(IN_BODY));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn malformed() -> Error {
    Error::bad_request("this is no request between servers")
}

fn unreadable(error: serde_json::Error) -> Error {
    malformed().caused_by(error)
}

#[cfg(test)]
mod tests;
