//! Requests to a container.

use common::functional::container::{Delete, Head, Info, List, Post, Put};
use common::name::{AccountName, ContainerName};
use common::{Body, Error};
use http::header::{ACCEPT_RANGES, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};
use http::{Response, StatusCode};
use middleware::RenderListing;

use super::headers::{X_TIMESTAMP, empty, listing, set, set_number, set_properties};
use super::query::Parameters;
use super::{Exchange, metadata, search, state, tree};

const STORAGE_POLICY: &str = "default";
const X_STORAGE_POLICY: HeaderName = HeaderName::from_static("x-storage-policy");

/// Answers a request to `container`, whose method is one of the container's.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    account: AccountName,
    container: ContainerName,
) -> Result<Response<Body>, Error> {
    match exchange.method() {
        "GET" => {
            let mut parameters = Parameters::parse(exchange.query())?;
            if parameters.is("tree") {
                tree::show(exchange, (account, container), None, &mut parameters).await
            } else if parameters.has("search") {
                search::answer(exchange, account, Some(container), parameters).await
            } else {
                list(exchange, account, container, parameters).await
            }
        }
        "HEAD" => head(exchange, account, container).await,
        "PUT" => put(exchange, account, container).await,
        "POST" => {
            state::check_absent(exchange.headers())?;
            let properties = metadata::of_container(exchange.headers(), exchange.constraints())?;
            exchange
                .ask(Post {
                    account,
                    container,
                    properties,
                })
                .await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        _ => {
            exchange.ask(Delete { account, container }).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
    }
}

async fn list(
    exchange: &Exchange<'_>,
    account: AccountName,
    container: ContainerName,
    parameters: Parameters,
) -> Result<Response<Body>, Error> {
    let limit = exchange.constraints().container_listing_limit;
    let query = parameters.into_listing(limit, true)?;
    let name = container.clone();
    let page = exchange
        .ask(List {
            account,
            container,
            query,
        })
        .await?;
    let mut response = listing(RenderListing::Container {
        name,
        entries: page.entries,
    });
    describe(response.headers_mut(), &page.info);
    Ok(response)
}

async fn head(
    exchange: &Exchange<'_>,
    account: AccountName,
    container: ContainerName,
) -> Result<Response<Body>, Error> {
    let info = exchange.ask(Head { account, container }).await?;
    let mut response = empty(StatusCode::NO_CONTENT);
    describe(response.headers_mut(), &info);
    Ok(response)
}

async fn put(
    exchange: &Exchange<'_>,
    account: AccountName,
    container: ContainerName,
) -> Result<Response<Body>, Error> {
    let limit = exchange.constraints().max_container_name_length;
    exchange.check_name_length("Container", &container.to_string(), limit)?;
    state::check_absent(exchange.headers())?;
    let storage_policy = storage_policy(exchange.headers())?;
    let properties = metadata::of_container(exchange.headers(), exchange.constraints())?;
    let written = exchange
        .ask(Put {
            account,
            container,
            storage_policy,
            properties,
        })
        .await?;
    Ok(empty(if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    }))
}

/// The storage policy that is asked for; an empty one is none.
fn storage_policy(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(X_STORAGE_POLICY) else {
        return Ok(None);
    };
    let name = value.as_bytes().trim_ascii();
    if name.is_empty() {
        return Ok(None);
    }
    if name.eq_ignore_ascii_case(STORAGE_POLICY.as_bytes()) {
        return Ok(Some(STORAGE_POLICY.to_owned()));
    }
    Err(Error::bad_request(format!(
        "There is no storage policy {:?}; see /info",
        String::from_utf8_lossy(name)
    )))
}

fn describe(headers: &mut HeaderMap, info: &Info) {
    set_properties(headers, &info.properties);
    set_number(headers, "x-container-object-count", info.objects);
    set_number(headers, "x-container-bytes-used", info.bytes);
    set(headers, X_TIMESTAMP, info.created);
    set(headers, LAST_MODIFIED, info.last_modified.http_date());
    set(headers, X_STORAGE_POLICY, &info.storage_policy);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_storage_policy() {
        let policy = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_STORAGE_POLICY, name.parse().unwrap());
            storage_policy(&headers).map_err(|error| error.status().as_u16())
        };
        assert_eq!(storage_policy(&HeaderMap::new()).unwrap(), None);
        assert_eq!(policy(""), Ok(None));
        assert_eq!(policy("Default"), Ok(Some("default".into())));
        assert_eq!(policy("gold"), Err(400));
    }
}
