//! Functional requests as programs send them to the proxy: `POST /f/{system}/{action}`, the arguments and the answer
//! as plain JSON bodies. A failure is its status with `{"outcome": …, "text": …}`.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::{content_of, named};
use crate::functional::{Action, Answer, Call};
use crate::{Body, Error};

/// Where programs send their requests: behind it stands `{system}/{action}`.
pub const PREFIX: &str = "/f/";
/// The longest arguments a program may send, in bytes of JSON.
pub const MAX_ARGUMENTS: usize = 1024 * 1024;

/// The path and the body of a request.
///
/// # Errors
/// An internal one when the arguments cannot be written as JSON, which none of ours does.
pub fn encode(action: &Action) -> Result<(String, Vec<u8>), Error> {
    Ok((format!("{PREFIX}{}", action.name()), content_of(action)?))
}

/// The action `name` with the arguments that a program sent; no bytes at all are no arguments.
///
/// # Errors
/// 404 when there is no such action for programs, 400 that says what is wrong with the arguments.
pub fn decode(name: &str, json: &[u8]) -> Result<Action, Error> {
    if !Action::FOR_PROGRAMS.contains(&name) {
        return Err(Error::not_found());
    }
    let json = if json.trim_ascii().is_empty() { b"{}" } else { json };
    // What is wrong is told of the arguments as they were sent, not of the name that is put around them.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(json) {
        return Err(Error::bad_request(format!("the arguments are no JSON: {error}")));
    }
    serde_json::from_slice(&named(name, json))
        .map_err(|error| Error::bad_request(format!("the arguments of {name}: {}", without_place(&error))))
}

/// The response with an answer.
///
/// # Errors
/// An internal one when it cannot be written as JSON, which none of ours does.
pub fn encode_answer(answer: &Answer) -> Result<Response<Body>, Error> {
    let mut json = content_of(answer)?;
    json.push(b'\n');
    Ok(json_response(Response::new(Body::empty()), json))
}

/// The response with a failure.
pub fn encode_error(error: Error) -> Response<Body> {
    // The page of the outcome is for browsers; here its title will do.
    let text = error.text().map_or_else(|| error.to_string(), str::to_owned);
    let shown = Error::new(error.outcome().clone()).with_text(text).to_wire();
    let response = error.into_response();
    match shown {
        Ok((_, json)) => json_response(response, json.into_bytes()),
        Err(_) => response,
    }
}

/// What the proxy answered to `C`.
///
/// # Errors
/// What it answered; an internal one when that makes no sense.
pub fn decode_reply<C: Call>(name: &str, response: &Response<()>, json: &[u8]) -> Result<C::Answer, Error> {
    if response.status().is_success() {
        let answer = serde_json::from_slice::<Answer>(&named(name, json));
        return C::expect(answer.map_err(Error::internal)?);
    }
    let error = std::str::from_utf8(json)
        .ok()
        .and_then(|json| Error::from_wire(json).ok());
    Err(error.unwrap_or_else(|| Error::internal(format!("the store answered {}", response.status()))))
}

/// `response` with a JSON body in the place of its own.
fn json_response(response: Response<Body>, json: Vec<u8>) -> Response<Body> {
    let (mut head, _) = response.into_parts();
    let json_type = HeaderValue::from_static("application/json; charset=utf-8");
    head.headers.insert(CONTENT_TYPE, json_type);
    Response::from_parts(head, Body::full(json))
}

/// What is wrong, without line and column: these count what stands around the arguments.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use crate::functional::user;

    fn text_of(result: Result<Action, Error>) -> (u16, String) {
        let error = result.unwrap_err();
        (error.status().as_u16(), error.to_string())
    }

    #[test]
    fn arguments_go_there_and_back() {
        let put = user::Put {
            account: "test".into(),
            name: "joe".into(),
            password: crate::Secret::new("p"),
            groups: vec![".admin".into()],
            email: None,
            only_if_absent: false,
        };
        let (path, json) = encode(&Action::from(put.clone())).unwrap();
        assert_eq!(path, "/f/user/put");
        assert_eq!(decode("user/put", &json).unwrap(), Action::from(put));
    }

    #[test]
    fn what_is_wrong_with_arguments_is_told() {
        let (status, text) = text_of(decode("user/put", b"{\"account\": \"a\"}"));
        assert_eq!(status, 400);
        assert!(
            text.ends_with("the arguments of user/put: missing field `name`"),
            "{text}"
        );
        for json in [&b"{"[..], b"{}}", b"1 2", b"{\"a\":1},\"user/put\":{}", b"\xff"] {
            let (status, text) = text_of(decode("user/put", json));
            assert!(status == 400 && text.contains("no JSON"), "{text}");
        }
    }

    #[test]
    fn only_what_is_for_programs_is_there() {
        for name in [
            "policy/fetch",
            "object/put",
            "mirror/apply",
            "user",
            "",
            "user/put/",
        ] {
            assert_eq!(text_of(decode(name, b"{}")).0, 404, "{name}");
        }
        for name in Action::FOR_PROGRAMS {
            assert!(Action::NAMES.contains(name), "{name}");
        }
    }

    #[tokio::test]
    async fn answers_and_failures_arrive() {
        let (head, body) = encode_answer(&Answer::UserPut(user::Written { created: true }))
            .unwrap()
            .into_parts();
        let body = body.collect(1000).await.unwrap();
        let answer = decode_reply::<user::Put>("user/put", &Response::from_parts(head, ()), &body);
        assert!(answer.unwrap().created);

        let (head, body) = encode_error(Error::unavailable("not now", None)).into_parts();
        let body = body.collect(1000).await.unwrap();
        assert_eq!(head.headers[CONTENT_TYPE], "application/json; charset=utf-8");
        let error =
            decode_reply::<user::Put>("user/put", &Response::from_parts(head, ()), &body).unwrap_err();
        assert_eq!(error.status(), 503);

        let (head, body) = encode_error(Outcome::Forbidden.into()).into_parts();
        let body = body.collect(1000).await.unwrap();
        assert_eq!(&body[..], br#"{"outcome":"forbidden","text":"Forbidden"}"#);
        assert_eq!(head.status, 403);

        let head = Response::builder().status(502).body(()).unwrap();
        let error = decode_reply::<user::Put>("user/put", &head, b"<html>").unwrap_err();
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .to_string()
                .contains("502")
        );
    }
}
