//! Log-out: a token is made void, or all of a user's.

use common::functional::user::{Revoke, RevokedToken};
use common::functional::{Authority, Caller, Context, ask};
use common::{Body, Clock, Error};
use http::header::{CONTENT_LENGTH, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Extensions, HeaderMap, Response, StatusCode};

use super::Auth;
use crate::resource::unauthorized;
use crate::{ClientAddress, TransactionId};

impl Auth {
    /// Answers a `DELETE` with a token: that is void from now on, or with `?all=true` all tokens that the user has.
    pub(super) async fn revoke(&self, head: &Parts) -> Response<Body> {
        let all = match wants_all(head.uri.query()) {
            Ok(all) => all,
            Err(error) => return error.into_response(),
        };
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let token = text("x-auth-token").or_else(|| text("x-storage-token"));
        let verified = match token.and_then(|token| self.without_prefix(token)) {
            Some(token) => self.verified(token).await,
            None => None,
        };
        let Some((entry, token)) = verified else {
            return unauthorized(None);
        };
        let this = RevokedToken {
            token_id: token.token_id,
            expires: token.expires,
        };
        let revoke = Revoke {
            account: entry.user.account.clone(),
            name: entry.user.name.clone(),
            token: (!all).then_some(this),
        };
        let authority = Authority::Caller(Caller::User(self.identity_of(&entry)));
        let context = context(&head.extensions, &head.headers, authority);
        match ask(&self.entrance, revoke, context, Body::empty()).await {
            Ok(_) => {
                self.policy.refresh_in_time().await;
                no_content()
            }
            Err(error) => failed(error, &head.extensions),
        }
    }
}

/// In which a request is made on a client's behalf.
pub(super) fn context(extensions: &Extensions, headers: &HeaderMap, authority: Authority) -> Context {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Context {
        authority,
        address: ClientAddress::of(extensions),
        agent: agent.map(Into::into),
        ..Context::internal(TransactionId::of(extensions), Clock::now())
    }
}

/// The response to what a request on a client's behalf came to.
pub(super) fn failed(error: Error, extensions: &Extensions) -> Response<Body> {
    let status = error.status();
    if status.is_server_error() {
        let transaction_id = TransactionId::of(extensions);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%transaction_id, status = status.as_u16(), "the request failed: {error}: {cause:?}");
    }
    error.into_response()
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// `all` in the query.
fn wants_all(query: Option<&str>) -> Result<bool, Error> {
    let parameters = query.unwrap_or_default().split('&');
    let value = parameters
        .filter_map(|parameter| match parameter.split_once('=') {
            None => (parameter == "all").then_some("true"),
            Some((name, value)) => (name == "all").then_some(value),
        })
        .next_back();
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "no" | "off" | "0") => Ok(false),
        Some("true" | "yes" | "on" | "1") => Ok(true),
        Some(_) => Err(Error::bad_request("all: expected true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_said_in_the_query() {
        let all = |query| wants_all(query).ok();
        assert_eq!(all(None), Some(false));
        assert_eq!(all(Some("")), Some(false));
        assert_eq!(all(Some("all=true")), Some(true));
        assert_eq!(all(Some("x=1&all")), Some(true));
        assert_eq!(all(Some("all=false&y")), Some(false));
        assert_eq!(all(Some("all=flase")), None);
        assert_eq!(all(Some("allow=true")), Some(false));
    }
}
