//! `/v1/{account}?jobs` and `?job={id}`: what takes longer than a request.

use common::functional::job::{Cancel, List, Show};
use common::name::AccountName;
use common::{Body, Error};
use http::{Response, StatusCode};

use super::Exchange;
use super::headers::json;
use super::query::Parameters;

/// Whether a query string names a job.
pub(super) fn is_named(query: Option<&str>) -> bool {
    query
        .unwrap_or_default()
        .split('&')
        .any(|pair| pair.strip_prefix("job").is_some_and(|rest| rest.starts_with('=')))
}

/// The jobs of an account.
pub(super) async fn list(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    json(StatusCode::OK, &exchange.ask(List { account }).await?)
}

/// One of them.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    account: AccountName,
    parameters: &mut Parameters,
) -> Result<Response<Body>, Error> {
    let id = parameters.text("job").unwrap_or_default();
    json(StatusCode::OK, &exchange.ask(Show { account, id }).await?)
}

/// Ends one before its time.
pub(super) async fn cancel(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    let id = Parameters::parse(exchange.query())?
        .text("job")
        .unwrap_or_default();
    json(StatusCode::OK, &exchange.ask(Cancel { account, id }).await?)
}
