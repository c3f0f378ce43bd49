//! `listing_formats`: writes listings as text, JSON or XML, whichever the client asked for.
//!
//! Follows Swift's "listing_formats" middleware. Stages further in never see a format: they answer with entries
//! ([`RenderListing`]), which become text here, once. The format is chosen before anything else is done, so that a
//! client that accepts none is told so (406) without anybody's work.

use std::borrow::Cow;

use bytes::Bytes;
use common::Body;
use common::config::Config;
use common::service::HttpService;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use http::{Method, Request, Response, StatusCode};

use crate::RenderListing;
use crate::filter::{ProtocolFilter, pass, protocol};
use crate::registry::Context;
use crate::resource::Resource;

use self::negotiate::{Chosen, Format};

mod json;
mod negotiate;
mod xml;

/// The one storage policy there is, which JSON and XML name with every container.
const STORAGE_POLICY: &str = "default";

/// Builds the filter around `inner`; nothing about it can be set.
pub fn build(_config: &mut Config, _context: &mut Context, inner: HttpService) -> HttpService {
    protocol(ListingFormats { inner })
}

struct ListingFormats {
    inner: HttpService,
}

impl ProtocolFilter for ListingFormats {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    fn concerns(&self, request: &Request<Body>) -> bool {
        matches!(*request.method(), Method::GET | Method::HEAD) && names_a_listing(request.uri().path())
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        let chosen = match negotiate::choose(request.uri().query(), request.headers()) {
            Ok(chosen) => chosen,
            Err(error) => return error.into_response(),
        };
        let mut response = pass(&self.inner, request).await;
        if let Some(listing) = response.extensions_mut().remove::<RenderListing>() {
            return rendered(response, listing, chosen);
        }
        if is_head && response.status().is_success() {
            *response.status_mut() = StatusCode::NO_CONTENT;
            describe(response.headers_mut(), chosen, 0);
        }
        response
    }
}

/// Whether a path is that of an account or a container.
fn names_a_listing(path: &str) -> bool {
    // Decoding only brings more slashes: what has a fourth one, and something behind it, is an object's or nobody's.
    let is_object = path
        .splitn(5, '/')
        .nth(4)
        .is_some_and(|object| !object.is_empty());
    !is_object && Resource::parse(path).is_some_and(|resource| !resource.is_object)
}

fn rendered(response: Response<Body>, listing: RenderListing, chosen: Chosen) -> Response<Body> {
    let text = match chosen.format {
        Format::Plain => plain(&listing),
        Format::Json => json::render(&listing),
        Format::ApplicationXml | Format::TextXml => xml::render(&listing),
    };
    drop(listing);
    let (mut parts, _) = response.into_parts();
    if text.is_empty() {
        parts.status = StatusCode::NO_CONTENT;
    }
    describe(&mut parts.headers, chosen, text.len());
    Response::from_parts(parts, Body::full(Bytes::from(text)))
}

fn describe(headers: &mut HeaderMap, chosen: Chosen, length: usize) {
    let content_type = HeaderValue::from_static(chosen.format.content_type());
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, length.into());
    if chosen.by_accept {
        headers.append(VARY, HeaderValue::from_static("Accept"));
    }
}

/// One name a line.
fn plain(listing: &RenderListing) -> Vec<u8> {
    use common::functional::{account, container};
    let mut text = Vec::new();
    let mut add = |name: &str| {
        text.extend_from_slice(name.as_bytes());
        text.push(b'\n');
    };
    match listing {
        RenderListing::Account { entries, .. } => entries.iter().for_each(|entry| match entry {
            account::Entry::Container { name, .. } => add(name.as_str()),
            account::Entry::Subdir(name) => add(name),
        }),
        RenderListing::Container { entries, .. } => entries.iter().for_each(|entry| match entry {
            container::Entry::Object(object) => add(object.name.as_str()),
            container::Entry::Subdir(name) => add(name),
        }),
    }
    text
}

/// A content type without the parameters that only filters use.
fn public_content_type(stored: &str) -> Cow<'_, str> {
    let is_internal = |part: &&str| {
        part.trim_start()
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("swift_"))
    };
    if !stored.contains("swift_") {
        return Cow::Borrowed(stored);
    }
    let parts: Vec<_> = stored.split(';').filter(|part| !is_internal(part)).collect();
    Cow::Owned(parts.join(";"))
}

/// What stands in a container's listing besides or instead of what is stored.
fn overrides(listing: Option<&str>) -> serde_json::Map<String, serde_json::Value> {
    let parsed = listing.and_then(|listing| serde_json::from_str(listing).ok());
    parsed.unwrap_or_default()
}

#[cfg(test)]
mod tests;
