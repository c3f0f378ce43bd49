//! Requests to an account.

use common::functional::account::{Delete, Head, Info, List, Post, Put};
use common::functional::firewall::SetState;
use common::functional::record::Record;
use common::name::AccountName;
use common::quota::ACCOUNT_BYTES;
use common::{Body, Error};
use http::header::HeaderName;
use http::{Response, StatusCode};
use middleware::RenderListing;

use super::headers::{X_TIMESTAMP, empty, json, listing, set, set_number, set_properties, set_text};
use super::metadata::OLDER_ACCOUNT_BYTES;
use super::query::Parameters;
use super::{Exchange, job, metadata, search, state};

/// Answers a request to `account`, whose method is one of the account's.
pub(super) async fn answer(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    match exchange.method() {
        "GET" => {
            let mut parameters = Parameters::parse(exchange.query())?;
            if parameters.has("records") {
                records(exchange, account, parameters).await
            } else if parameters.has("search") {
                search::answer(exchange, account, None, parameters).await
            } else if parameters.has("job") {
                job::show(exchange, account, &mut parameters).await
            } else if parameters.has("jobs") {
                job::list(exchange, account).await
            } else {
                list(exchange, account, parameters).await
            }
        }
        "HEAD" => head(exchange, account).await,
        "PUT" => put(exchange, account).await,
        "POST" => post(exchange, account).await,
        _ if job::is_named(exchange.query()) => job::cancel(exchange, account).await,
        _ => delete(exchange, account).await,
    }
}

async fn list(
    exchange: &Exchange<'_>,
    account: AccountName,
    parameters: Parameters,
) -> Result<Response<Body>, Error> {
    let limit = exchange.constraints().account_listing_limit;
    let query = parameters.into_listing(limit, false)?;
    let name = account.clone();
    let page = exchange.ask(List { account, query }).await?;
    let mut response = listing(RenderListing::Account {
        name,
        entries: page.entries,
    });
    describe(exchange, &mut response, &page.info);
    Ok(response)
}

/// What was done in the account, as JSON.
async fn records(
    exchange: &Exchange<'_>,
    account: AccountName,
    parameters: Parameters,
) -> Result<Response<Body>, Error> {
    let page = exchange.ask(parameters.into_records(account)?).await?;
    let records: Vec<_> = page.records.iter().map(Record::to_json).collect();
    json(
        StatusCode::OK,
        &serde_json::json!({"records": records, "next": page.next}),
    )
}

async fn head(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    let info = exchange.ask(Head { account }).await?;
    let mut response = empty(StatusCode::NO_CONTENT);
    describe(exchange, &mut response, &info);
    Ok(response)
}

async fn put(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    exchange.check_name_length(
        "Account",
        &account.to_string(),
        exchange.constraints().max_account_name_length,
    )?;
    state::check_absent(exchange.headers())?;
    let properties = metadata::of_account(exchange.headers(), exchange.constraints())?;
    let written = exchange.ask(Put { account, properties }).await?;
    Ok(empty(if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    }))
}

async fn post(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    let properties = metadata::of_account(exchange.headers(), exchange.constraints())?;
    match state::wanted(exchange.headers())? {
        Some(state) => {
            state::check_alone(properties.is_empty())?;
            exchange
                .ask(SetState {
                    account,
                    container: None,
                    object: None,
                    state,
                })
                .await?;
        }
        None => {
            exchange.ask(Post { account, properties }).await?;
        }
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn delete(exchange: &Exchange<'_>, account: AccountName) -> Result<Response<Body>, Error> {
    // A forgotten `?bulk-delete` filter must not delete the account.
    if exchange.query().is_some_and(|query| !query.is_empty()) {
        return Err(Error::bad_request("DELETE of an account takes no query string"));
    }
    exchange.ask(Delete { account }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn describe(exchange: &Exchange<'_>, response: &mut Response<Body>, info: &Info) {
    let headers = response.headers_mut();
    state::show(exchange, headers);
    set_properties(headers, &info.properties);
    // Older clients know this limit as metadata.
    if let Some(limit) = info.properties.text(ACCOUNT_BYTES) {
        set_text(headers, HeaderName::from_static(OLDER_ACCOUNT_BYTES), limit);
    }
    set_number(headers, "x-account-container-count", info.containers);
    set_number(headers, "x-account-object-count", info.objects);
    set_number(headers, "x-account-bytes-used", info.bytes);
    // There is one storage policy, and everything is in it.
    set_number(
        headers,
        "x-account-storage-policy-default-container-count",
        info.containers,
    );
    set_number(
        headers,
        "x-account-storage-policy-default-object-count",
        info.objects,
    );
    set_number(headers, "x-account-storage-policy-default-bytes-used", info.bytes);
    // An account that nothing was written to yet is as old as the question.
    let created = if info.created.units() == 0 {
        exchange.context.timestamp
    } else {
        info.created
    };
    set(headers, X_TIMESTAMP, created);
}
