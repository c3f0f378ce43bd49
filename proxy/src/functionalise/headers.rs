//! Headers of responses: how properties, counters, moments and names are written.

use std::fmt::Display;

use common::{Body, Error, Properties, Timestamp};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use middleware::RenderListing;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What is left as it is when a name is quoted for a header, as Swift leaves it.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// When something was written last.
pub(super) const X_TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");
/// When an object expires.
pub(super) const X_DELETE_AT: HeaderName = HeaderName::from_static("x-delete-at");

/// A response without a body, with the type that Swift gives to it.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    response
}

/// A response with `value` as JSON.
///
/// # Errors
/// When it has no such form, which is a fault of ours.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, Error> {
    let mut text = serde_json::to_vec(value).map_err(Error::internal)?;
    text.push(b'\n');
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    let json_type = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, json_type);
    Ok(response)
}

/// The response that `listing_formats` writes `page` into.
pub(super) fn listing(page: RenderListing) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(page);
    response
}

/// Sets a header to whatever `value` reads as; what cannot stand in a header is left out.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: impl Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(name, value);
    }
}

/// The same for what is text already.
pub(super) fn set_text(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// Sets a header to a number.
pub(super) fn set_number(headers: &mut HeaderMap, name: &'static str, value: u64) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
}

/// Sets `X-Delete-At`, in whole seconds.
pub(super) fn set_delete_at(headers: &mut HeaderMap, delete_at: Option<Timestamp>) {
    if let Some(at) = delete_at {
        headers.insert(X_DELETE_AT, HeaderValue::from(at.seconds()));
    }
}

/// Writes all properties that clients may see; what filters remember is not theirs.
pub(super) fn set_properties(headers: &mut HeaderMap, properties: &Properties) {
    for (name, value) in properties {
        if is_system(name) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::from_maybe_shared(value.clone()),
        ) {
            headers.insert(name, value);
        }
    }
}

/// `text` percent-encoded but for slashes.
pub(super) fn quote(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

fn is_system(name: &str) -> bool {
    [
        "x-object-sysmeta-",
        "x-object-transient-sysmeta-",
        "x-container-sysmeta-",
        "x-account-sysmeta-",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_become_headers_but_for_system_metadata() {
        let mut properties = Properties::new();
        properties.insert("x-object-meta-a", &b"\xc3\xa4\xff"[..]);
        properties.insert("x-object-sysmeta-slo", "1");
        properties.insert("x-object-transient-sysmeta-b", "1");
        properties.insert("x-object-meta-broken", "a\nb");
        properties.insert("not a name", "1");
        let mut headers = HeaderMap::new();
        set_properties(&mut headers, &properties);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["x-object-meta-a"].as_bytes(), b"\xc3\xa4\xff");
    }

    #[test]
    fn names_are_quoted_as_swift_quotes() {
        assert_eq!(quote("c/ä b%\"~"), "c/%C3%A4%20b%25%22~");
    }
}
