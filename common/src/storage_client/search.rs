//! Search.

use http::Method;

use super::Client;
use super::error::{Error, Failure};
use super::request::Request;
use crate::functional::search::{Find, Found};

impl Client {
    /// A page of what matches all that is asked for, in this account; the account in `find` is not looked at.
    ///
    /// # Errors
    /// [`Failure::NotUnderstood`] when the store is another Swift.
    pub async fn search(&self, find: &Find) -> Result<Found, Error> {
        let container = find.container.as_ref().map_or("", |name| name.as_str());
        let mut request = Request::new(Method::GET, container, "")?
            .query("search", find.name.as_deref().unwrap_or_default())
            .query_if("type", find.kind.map(as_text).transpose()?)
            .query_if("size_min", find.size_min)
            .query_if("size_max", find.size_max)
            .query_if("modified_after", find.modified_after)
            .query_if("modified_before", find.modified_before)
            .query_if("content_type", find.content_type.as_ref())
            .query("sort", as_text(find.sort)?)
            .query_if("limit", find.limit)
            .query_if("cursor", find.cursor.as_ref())
            .query("paths", find.paths.to_string());
        for (name, value) in &find.meta {
            request = request.query(&format!("meta.{name}"), value);
        }
        self.0.send(request).await?.json()
    }
}

/// As it stands in JSON, without quotes.
fn as_text(value: impl serde::Serialize) -> Result<String, Error> {
    let value = serde_json::to_value(value).ok();
    let text = value.as_ref().and_then(serde_json::Value::as_str);
    let why = || Failure::NotUnderstood("a value that is no text".to_owned());
    text.map(str::to_owned).ok_or_else(|| Error::new("search", why()))
}
