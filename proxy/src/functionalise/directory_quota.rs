//! `X-Directory-Quota-Bytes` and `-Count`: what a directory may hold, set by a POST of its name.

use common::functional::object::Path;
use common::functional::quota::Set;
use common::{Body, Error};
use http::header::{HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::Exchange;
use super::headers::empty;

const BYTES: &str = "x-directory-quota-bytes";
const COUNT: &str = "x-directory-quota-count";
const REMOVE_BYTES: &str = "x-remove-directory-quota-bytes";
const REMOVE_COUNT: &str = "x-remove-directory-quota-count";

/// Whether a POST is about limits.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    [BYTES, COUNT, REMOVE_BYTES, REMOVE_COUNT]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Sets what the headers name and leaves the rest. The directory becomes explicit.
pub(super) async fn post(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    if !path.object.is_directory() {
        return Err(Error::bad_request(
            "X-Directory-Quota is set by a POST of a directory, whose name ends in a slash",
        ));
    }
    let headers = exchange.headers();
    let set = Set {
        account: path.account,
        container: Some(path.container),
        directory: Some(path.object),
        bytes: limit(headers, BYTES, REMOVE_BYTES)?,
        objects: limit(headers, COUNT, REMOVE_COUNT)?,
    };
    exchange.ask(set).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// What one limit shall be: a number, `Some(None)` to take it away, `None` to leave it.
fn limit(headers: &HeaderMap, name: &str, remove: &str) -> Result<Option<Option<u64>>, Error> {
    if headers.contains_key(remove) {
        return Ok(Some(None));
    }
    let Some(value) = headers.get(name).map(HeaderValue::as_bytes) else {
        return Ok(None);
    };
    if value.is_empty() {
        return Ok(Some(None));
    }
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    match number {
        Some(number) => Ok(Some(Some(number))),
        None => Err(Error::bad_request(format!(
            "{name} is a number, or empty for no limit"
        ))),
    }
}
