//! `GET …?search=…`: what a search is asked for by a query string.

use common::functional::search::{Find, Kind, Sort};
use common::name::{AccountName, ContainerName};
use common::{Body, Error};
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::Exchange;
use super::headers::json;
use super::query::{Parameters, moment};

/// A search in an account, or in one of its containers.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    account: AccountName,
    container: Option<ContainerName>,
    parameters: Parameters,
) -> Result<Response<Body>, Error> {
    let find = wanted(account, container, parameters)?;
    json(StatusCode::OK, &exchange.ask(find).await?)
}

fn wanted(
    account: AccountName,
    container: Option<ContainerName>,
    mut parameters: Parameters,
) -> Result<Find, Error> {
    Ok(Find {
        account: Some(account),
        container,
        name: parameters.text("search"),
        kind: parameters.value("type", word::<Kind>)?,
        size_min: parameters.number("size_min")?,
        size_max: parameters.number("size_max")?,
        modified_after: parameters.value("modified_after", moment)?,
        modified_before: parameters.value("modified_before", moment)?,
        content_type: parameters.text("content_type"),
        meta: parameters.taken_with_prefix("meta."),
        sort: parameters.value("sort", word::<Sort>)?.unwrap_or_default(),
        limit: parameters.number("limit")?,
        cursor: parameters.text("cursor"),
        paths: parameters
            .value("paths", yes_or_no)?
            .unwrap_or(Find::default().paths),
    })
}

/// One of the words that a value is written as in JSON.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::from(text)).ok()
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Timestamp;

    fn of(query: &str) -> Result<Find, String> {
        let parameters = Parameters::parse(Some(query)).unwrap();
        wanted(AccountName::new("AUTH_a").unwrap(), None, parameters)
            .map_err(|error| error.text().unwrap_or_default().to_owned())
    }

    #[test]
    fn everything_can_be_asked_for() {
        let find = of(
            "search=*.jp%3Fg&type=file&size_min=1&size_max=20&modified_after=2026-01-02T03:04:05&\
             modified_before=1800000000&content_type=image/*&meta.Colour=blue&meta.shape=round&sort=-size&limit=7&\
             cursor=x&paths=false",
        )
        .unwrap();
        assert_eq!(find.name.as_deref(), Some("*.jp?g"));
        assert_eq!((find.kind, find.sort), (Some(Kind::File), Sort::SizeDescending));
        assert_eq!(
            (find.size_min, find.size_max, find.limit),
            (Some(1), Some(20), Some(7))
        );
        assert_eq!(find.modified_before, Some(Timestamp::from_seconds(1_800_000_000)));
        assert!(find.modified_after < find.modified_before && find.modified_after.is_some());
        assert_eq!(find.content_type.as_deref(), Some("image/*"));
        let meta = [("colour", "blue"), ("shape", "round")];
        assert_eq!(
            find.meta,
            meta.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!((find.cursor.as_deref(), find.paths), (Some("x"), false));
    }

    #[test]
    fn little_can_be_asked_for() {
        let find = of("search=").unwrap();
        assert_eq!((find.name, find.paths, find.sort), (None, true, Sort::Name));
    }

    #[test]
    fn nonsense_is_named() {
        for query in [
            "type=link",
            "size_min=-1",
            "sort=colour",
            "paths=maybe",
            "limit=x",
            "modified_after=soon",
        ] {
            assert_eq!(of(query).unwrap_err(), format!("{query} makes no sense"));
        }
    }
}
