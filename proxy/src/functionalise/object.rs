//! Requests to an object.

use common::conditions::Conditions;
use common::functional::firewall::SetState;
use common::functional::object::{Copied, Copy, Delete, Get, Got, Head, Info, Path, Post, Put, Stored};
use common::name::ObjectName;
use common::range::Ranges;
use common::{Body, Error, Etag};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::headers::{X_TIMESTAMP, empty, quote, set, set_delete_at, set_properties, set_text};
use super::query::{Parameters, is_truthy};
use super::{
    Exchange, content_type, copying, directory_quota, expiry, framing, metadata, multipart, state, tree,
};

/// Answers a request to the object at `path`, whose method is one of the object's.
pub(super) async fn answer(exchange: &Exchange<'_>, path: Path, body: Body) -> Result<Response<Body>, Error> {
    match exchange.method() {
        "GET" if exchange.query().is_some() => Box::pin(get_or_show(exchange, path)).await,
        "GET" => get(exchange, path).await,
        "HEAD" => head(exchange, path).await,
        "PUT" => {
            let source = copying::other_end(
                exchange.headers(),
                "x-copy-from",
                "x-copy-from-account",
                &path.account,
            )?;
            match source {
                Some(source) => Box::pin(copy(exchange, source, path)).await,
                None => Box::pin(put(exchange, path, body)).await,
            }
        }
        "COPY" if tree::is_deep(exchange.headers(), &path)? => Box::pin(tree::copy(exchange, path)).await,
        "MKCOL" => Box::pin(tree::make_directory(exchange, path)).await,
        "MOVE" => Box::pin(tree::rename(exchange, path)).await,
        "COPY" => {
            let destination = copying::other_end(
                exchange.headers(),
                "destination",
                "destination-account",
                &path.account,
            )?
            .ok_or_else(|| Error::precondition_failed("COPY needs a Destination header"))?;
            Box::pin(copy(exchange, path, destination)).await
        }
        "POST" if directory_quota::is_wanted(exchange.headers()) => {
            Box::pin(directory_quota::post(exchange, path)).await
        }
        "POST" => Box::pin(post(exchange, path)).await,
        _ if tree::is_recursive(exchange, &path)? => tree::remove(exchange, path).await,
        _ => {
            let if_delete_at = expiry::if_delete_at(exchange.headers())?;
            exchange.ask(Delete { path, if_delete_at }).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
    }
}

/// A query string makes no difference to an object, but for one.
async fn get_or_show(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    match Parameters::parse(exchange.query()) {
        Ok(mut parameters) if parameters.is("tree") => {
            let container = (path.account, path.container);
            tree::show(exchange, container, Some(path.object), &mut parameters).await
        }
        _ => get(exchange, path).await,
    }
}

async fn get(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    let (got, body) = exchange.exchange(read(exchange, path), Body::empty()).await?;
    let mut response = got_response(got, body)?;
    state::show(exchange, response.headers_mut());
    Ok(response)
}

async fn head(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    let info = exchange
        .ask(Head {
            path,
            conditions: Conditions::from_headers(exchange.headers()),
            open_expired: open_expired(exchange),
        })
        .await?;
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), &info);
    state::show(exchange, response.headers_mut());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(info.size));
    Ok(response)
}

async fn put(exchange: &Exchange<'_>, path: Path, body: Body) -> Result<Response<Body>, Error> {
    let headers = exchange.headers();
    let if_absent = match headers.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes) {
        None => false,
        Some(b"*") => true,
        Some(_) => return Err(Error::bad_request("PUT knows If-None-Match only with *")),
    };
    let content_length = framing::declared_length(headers)?;
    let max_file_size = exchange.constraints().max_file_size.0;
    if content_length.is_some_and(|length| length > max_file_size) {
        return Err(common::Outcome::TooLarge.into());
    }
    let mut put = written(exchange, path)?;
    put.content_type = Some(content_type::of_put(headers, put.path.object.as_str())?);
    put.content_length = content_length;
    put.if_absent = if_absent;
    let (body, failure) = framing::watched(body, max_file_size);
    let (stored, _) = exchange
        .exchange(put, body)
        .await
        .map_err(|error| failure.explain(error))?;
    Ok(stored_response(&stored))
}

async fn post(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    let headers = exchange.headers();
    let delete_at = expiry::delete_at(headers, exchange.context.timestamp)?;
    let properties = metadata::of_object(headers, exchange.constraints(), exchange.kept_headers())?;
    if let Some(state) = state::wanted(headers)? {
        let is_all =
            properties.is_empty() && delete_at.is_none() && !headers.contains_key(header::CONTENT_TYPE);
        state::check_alone(is_all)?;
        exchange
            .ask(SetState {
                account: path.account,
                container: Some(path.container),
                object: Some(path.object),
                state,
            })
            .await?;
        return Ok(empty(StatusCode::ACCEPTED));
    }
    exchange
        .ask(Post {
            path,
            content_type: content_type::of_post(headers)?,
            delete_at,
            properties,
            open_expired: open_expired(exchange),
        })
        .await?;
    Ok(empty(StatusCode::ACCEPTED))
}

async fn copy(exchange: &Exchange<'_>, source: Path, destination: Path) -> Result<Response<Body>, Error> {
    let headers = exchange.headers();
    if framing::unwanted_length(headers)? > 0 {
        return Err(Error::bad_request("A copy takes no body"));
    }
    let mut put = written(exchange, destination)?;
    put.content_type = content_type::of_copy(headers, put.path.object.as_str())?;
    let copied = exchange
        .ask(Copy {
            source: read(exchange, source),
            destination: put,
            fresh_metadata: flag(headers, "x-fresh-metadata"),
        })
        .await?;
    Ok(copied_response(&copied))
}

/// What a request says of the object that it reads.
fn read(exchange: &Exchange<'_>, path: Path) -> Get {
    let headers = exchange.headers();
    Get {
        path,
        conditions: Conditions::from_headers(headers),
        ranges: headers
            .get(header::RANGE)
            .and_then(|value| Ranges::parse(value.to_str().ok()?)),
        open_expired: open_expired(exchange),
    }
}

/// What a request says of the object that it writes, but for type, length and condition.
fn written(exchange: &Exchange<'_>, path: Path) -> Result<Put, Error> {
    let headers = exchange.headers();
    check_name(exchange, &path.object)?;
    state::check_absent(headers)?;
    let delete_at = expiry::delete_at(headers, exchange.context.timestamp)?;
    let etag = headers
        .get(header::ETAG)
        .map(|value| Etag::new(&String::from_utf8_lossy(value.as_bytes())))
        .filter(|etag| !etag.is_unknown());
    Ok(Put {
        path,
        content_type: None,
        content_length: None,
        etag: etag.map(|etag| etag.as_str().to_ascii_lowercase()),
        if_absent: false,
        delete_at,
        properties: metadata::of_object(headers, exchange.constraints(), exchange.kept_headers())?,
        listing: None,
    })
}

fn check_name(exchange: &Exchange<'_>, name: &ObjectName) -> Result<(), Error> {
    exchange.check_name_length(
        "Object",
        name.as_str(),
        exchange.constraints().max_object_name_length,
    )
}

fn open_expired(exchange: &Exchange<'_>) -> bool {
    exchange.constraints().allow_open_expired && flag(exchange.headers(), "x-open-expired")
}

/// Whether a header says yes.
pub(super) fn flag(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_truthy)
}

/// What answers have besides an object's properties, those headers included that filters and the front add.
const USUAL_HEADERS: usize = 12;

fn describe(headers: &mut HeaderMap, info: &Info) {
    headers.reserve(USUAL_HEADERS + info.properties.len());
    set_properties(headers, &info.properties);
    set_text(headers, header::CONTENT_TYPE, &info.content_type);
    if !info.etag.is_unknown() {
        set_text(headers, header::ETAG, info.etag.as_str());
    }
    set_text(headers, header::LAST_MODIFIED, &info.timestamp.http_date());
    set(headers, X_TIMESTAMP, info.timestamp);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set_delete_at(headers, info.delete_at);
}

fn got_response(got: Got, body: Body) -> Result<Response<Body>, Error> {
    let info = got.info;
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), &info);
    let (status, length, body) = match got.ranges.as_deref() {
        None => (StatusCode::OK, info.size, body),
        Some([range]) => {
            let value = format!("bytes {}-{}/{}", range.first, range.last, info.size);
            set(response.headers_mut(), header::CONTENT_RANGE, value);
            (StatusCode::PARTIAL_CONTENT, range.length(), body)
        }
        Some(ranges) => {
            let boundary = random_boundary()?;
            let body = multipart::byteranges(body, ranges, info.size, &info.content_type, &boundary);
            let value = format!("multipart/byteranges;boundary={boundary}");
            set(response.headers_mut(), header::CONTENT_TYPE, value);
            let length = body.exact_length().unwrap_or_default();
            (StatusCode::PARTIAL_CONTENT, length, body)
        }
    };
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = body;
    Ok(response)
}

fn stored_response(stored: &Stored) -> Response<Body> {
    let mut response = empty(if stored.is_current {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    });
    let headers = response.headers_mut();
    set_text(headers, header::ETAG, stored.etag.as_str());
    set_text(headers, header::LAST_MODIFIED, &stored.timestamp.http_date());
    response
}

fn copied_response(copied: &Copied) -> Response<Body> {
    let mut response = stored_response(&copied.stored);
    let headers = response.headers_mut();
    let mut metadata = copied.properties.clone();
    metadata.retain(|name, _| name.starts_with("x-object-meta-"));
    set_properties(headers, &metadata);
    set_delete_at(headers, copied.delete_at);
    let source = &copied.source;
    let from = format!("{}/{}", source.container, source.object);
    set(headers, HeaderName::from_static("x-copied-from"), quote(&from));
    set(
        headers,
        HeaderName::from_static("x-copied-from-account"),
        quote(&source.account.to_string()),
    );
    set(
        headers,
        HeaderName::from_static("x-copied-from-last-modified"),
        copied.source_info.timestamp.http_date(),
    );
    response
}

fn random_boundary() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
