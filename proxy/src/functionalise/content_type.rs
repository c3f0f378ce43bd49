//! The type of an object: what the client says, or what the name suggests.

use common::Error;
use http::{HeaderMap, header};

use super::query::is_truthy;

const UNKNOWN: &str = "application/octet-stream";

/// The type of an object that is stored under `name`.
///
/// # Errors
/// 400 when what the client says is not UTF-8 or uses a parameter that is reserved.
pub(super) fn of_put(headers: &HeaderMap, name: &str) -> Result<String, Error> {
    Ok(of_copy(headers, name)?.unwrap_or_else(|| guess(name).to_owned()))
}

/// The type that a copy to `name` is asked to have; `None` is the source's.
///
/// # Errors
/// As [`of_put`].
pub(super) fn of_copy(headers: &HeaderMap, name: &str) -> Result<Option<String>, Error> {
    let detect = headers
        .get("x-detect-content-type")
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_truthy);
    if detect {
        return Ok(Some(guess(name).to_owned()));
    }
    of_post(headers)
}

/// The type that the request states; `None` when it states none.
///
/// # Errors
/// As [`of_put`].
pub(super) fn of_post(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let stated = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Error::bad_request("Content-Type must be UTF-8"))?
        .trim();
    let is_reserved = |parameter: &str| {
        parameter
            .trim_start()
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("swift_"))
    };
    if stated.split(';').skip(1).any(is_reserved) {
        return Err(Error::bad_request(
            "Content-Type parameters that begin with swift_ are reserved",
        ));
    }
    Ok((!stated.is_empty()).then(|| stated.to_owned()))
}

/// What the extension of the last segment stands for.
fn guess(name: &str) -> &'static str {
    let segment = name.rsplit('/').next().unwrap_or_default();
    match segment.rsplit_once('.') {
        Some(("", _)) | None => UNKNOWN,
        // Swift's tests insist on the older name.
        Some((_, extension)) if extension.eq_ignore_ascii_case("wav") => "audio/x-wav",
        Some((_, extension)) => mime_guess::from_ext(extension).first_raw().unwrap_or(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(value: &[u8], name: &str) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_bytes(value).unwrap(),
        );
        of_put(&headers, name).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn an_extension_tells_the_type() {
        for (name, expected) in [
            ("a.wav", "audio/x-wav"),
            ("x/y.txt", "text/plain"),
            ("a.ZIP", "application/zip"),
            ("a.html", "text/html"),
            ("noextension", UNKNOWN),
            (".txt", UNKNOWN),
            ("dir.txt/", UNKNOWN),
            ("a.unheard-of", UNKNOWN),
        ] {
            assert_eq!(of_put(&HeaderMap::new(), name).unwrap(), expected, "{name}");
            assert_eq!(put(b"", name).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn what_the_client_says_is_kept() {
        assert_eq!(
            put(b"text/PLAIN; charset=x", "a.zip").unwrap(),
            "text/PLAIN; charset=x"
        );
        assert_eq!(put("ä/ö".as_bytes(), "a").unwrap(), "ä/ö");
        assert_eq!(put(b"\xff", "a"), Err(400));
        assert_eq!(put(b"text/plain; swift_bytes=5", "a"), Err(400));
        assert_eq!(
            put("text/plain;swiftä".as_bytes(), "a").unwrap(),
            "text/plain;swiftä"
        );
    }

    #[test]
    fn detection_overrides_the_client() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        headers.insert("x-detect-content-type", "true".parse().unwrap());
        assert_eq!(of_put(&headers, "a.zip").unwrap(), "application/zip");
        headers.insert("x-detect-content-type", "no".parse().unwrap());
        assert_eq!(of_put(&headers, "a.zip").unwrap(), "text/plain");
    }
}
