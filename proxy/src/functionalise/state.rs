//! `X-Resource-State`: the switch of accounts and objects, which administrators set and see.

use common::{Error, X_RESOURCE_STATE};

use common::functional::firewall::State;
use http::header::{HeaderMap, HeaderValue};

use super::Exchange;

/// What a POST sets the switch to; `None`: it is about something else.
///
/// # Errors
/// 400 for what is no state, or several.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Option<State>, Error> {
    let mut values = headers.get_all(X_RESOURCE_STATE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is = |state: State| value.as_bytes().eq_ignore_ascii_case(state.as_str().as_bytes());
    let state = [State::Enable, State::Disable]
        .into_iter()
        .find(|state| is(*state));
    match (state, values.next()) {
        (Some(state), None) => Ok(Some(state)),
        _ => Err(Error::bad_request("X-Resource-State is enable or disable")),
    }
}

/// Refuses the header where nobody would obey it.
///
/// # Errors
/// 400.
pub(super) fn check_absent(headers: &HeaderMap) -> Result<(), Error> {
    match headers.contains_key(X_RESOURCE_STATE) {
        true => Err(Error::bad_request(
            "X-Resource-State is set by a POST of an account or an object",
        )),
        false => Ok(()),
    }
}

/// Refuses a request that sets the switch and would change something else too.
///
/// # Errors
/// 400, unless it `is_all`.
pub(super) fn check_alone(is_all: bool) -> Result<(), Error> {
    match is_all {
        true => Ok(()),
        false => Err(Error::bad_request(
            "A POST with X-Resource-State changes nothing else; send metadata, types and expiry in another",
        )),
    }
}

/// Shows administrators the switch of what was answered, which is on: else there would be no answer.
pub(super) fn show(exchange: &Exchange<'_>, headers: &mut HeaderMap) {
    if exchange.context.authority.caller().is_administrator() {
        let state = HeaderValue::from_static(State::Enable.as_str());
        headers.insert(X_RESOURCE_STATE, state);
    }
}
