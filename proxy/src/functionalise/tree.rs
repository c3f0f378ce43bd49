//! Directories as directories, by WebDAV's verbs (RFC 4918) beside Swift's, and `?tree`.

use common::functional::fs::{CopyDirectory, MakeDirectory, Move, Moved, RemoveDirectory, Tree};
use common::functional::job::Job;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};
use common::{Body, Error};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::headers::{empty, json, quote, set};
use super::query::Parameters;
use super::{Exchange, copying, framing, route};

const DEPTH: HeaderName = HeaderName::from_static("depth");
const OVERWRITE: HeaderName = HeaderName::from_static("overwrite");
const CREATE_PARENTS: HeaderName = HeaderName::from_static("x-create-parents");

/// MKCOL (§9.3), with or without the slash at the end of the name.
pub(super) async fn make_directory(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    let headers = exchange.headers();
    if framing::unwanted_length(headers)? > 0 {
        return Err(Error::bad_request("MKCOL takes no body"));
    }
    let path = as_directory(path)?;
    check_name(exchange, &path)?;
    let create_parents = super::object::flag(headers, CREATE_PARENTS.as_str());
    exchange.ask(MakeDirectory { path, create_parents }).await?;
    Ok(empty(StatusCode::CREATED))
}

/// MOVE (§9.9) of an object, or of a directory, whose name ends in a slash.
pub(super) async fn rename(exchange: &Exchange<'_>, source: Path) -> Result<Response<Body>, Error> {
    let (destination, overwrite) = destination(exchange, &source)?;
    let moved = exchange
        .ask(Move {
            source,
            destination,
            overwrite,
        })
        .await?;
    match moved {
        Moved::Done { replaced: true } => Ok(empty(StatusCode::NO_CONTENT)),
        Moved::Done { replaced: false } => Ok(empty(StatusCode::CREATED)),
        Moved::Job(job) => accepted(&job),
    }
}

/// Whether a COPY is one of a whole directory: of a name with a slash at its end, with `Depth: infinity` (§9.8.3). Without
/// the header it is Swift's, of the object of that name.
///
/// # Errors
/// 400 for another depth than 0 and infinity.
pub(super) fn is_deep(headers: &HeaderMap, source: &Path) -> Result<bool, Error> {
    match headers.get(DEPTH).map(HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(false),
        // An object has no depth.
        Some(depth) if depth.eq_ignore_ascii_case(b"infinity") => Ok(source.object.is_directory()),
        Some(_) => Err(Error::bad_request("Depth is 0 or infinity")),
    }
}

/// COPY of a directory.
pub(super) async fn copy(exchange: &Exchange<'_>, source: Path) -> Result<Response<Body>, Error> {
    let (destination, overwrite) = destination(exchange, &source)?;
    let job = exchange
        .ask(CopyDirectory {
            source,
            destination,
            overwrite,
        })
        .await?;
    accepted(&job)
}

/// Whether a DELETE is one of a whole directory: `?recursive=true`.
///
/// # Errors
/// 400 for the name of an object.
pub(super) fn is_recursive(exchange: &Exchange<'_>, path: &Path) -> Result<bool, Error> {
    let is_recursive = |parameters: Parameters| parameters.is("recursive");
    if exchange.query().is_none() || !Parameters::parse(exchange.query()).is_ok_and(is_recursive) {
        return Ok(false);
    }
    match path.object.is_directory() {
        true => Ok(true),
        false => Err(Error::bad_request("The name of a directory ends in a slash")),
    }
}

/// DELETE of a directory with all that lies in it.
pub(super) async fn remove(exchange: &Exchange<'_>, path: Path) -> Result<Response<Body>, Error> {
    exchange.ask(RemoveDirectory { path }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `GET …?tree=true` of a container.
pub(super) async fn show(
    exchange: &Exchange<'_>,
    (account, container): (AccountName, ContainerName),
    directory: Option<ObjectName>,
    parameters: &mut Parameters,
) -> Result<Response<Body>, Error> {
    if directory
        .as_ref()
        .is_some_and(|directory| !directory.is_directory())
    {
        return Err(Error::bad_request("The name of a directory ends in a slash"));
    }
    let tree = Tree {
        account,
        container,
        directory,
        depth: parameters.number("depth")?,
        limit: parameters.number("limit")?,
        marker: parameters.text("marker"),
    };
    json(StatusCode::OK, &exchange.ask(tree).await?)
}

/// 202 for what a job does: where to look after it, and how it stands.
pub(super) fn accepted(job: &Job) -> Result<Response<Body>, Error> {
    let mut response = json(StatusCode::ACCEPTED, job)?;
    let location = format!("/v1/{}?job={}", quote(&job.account.to_string()), job.id);
    set(response.headers_mut(), header::LOCATION, location);
    Ok(response)
}

/// `Destination` (in Swift's form, `container/name`) and `Overwrite` (§10.6).
fn destination(exchange: &Exchange<'_>, source: &Path) -> Result<(Path, bool), Error> {
    let headers = exchange.headers();
    if framing::unwanted_length(headers)? > 0 {
        return Err(Error::bad_request("This takes no body"));
    }
    let end = copying::other_end(headers, "destination", "destination-account", &source.account)?;
    let destination = end.ok_or_else(|| {
        Error::precondition_failed(format!("{} needs a Destination header", exchange.method()))
    })?;
    let destination = match (source.object.is_directory(), destination.object.is_directory()) {
        (true, _) => as_directory(destination)?,
        (false, false) => destination,
        (false, true) => {
            return Err(Error::bad_request(
                "The source is an object, and the Destination the name of a directory",
            ));
        }
    };
    check_name(exchange, &destination)?;
    let overwrite = match headers.get(OVERWRITE).map(HeaderValue::as_bytes) {
        None | Some(b"T" | b"t") => true,
        Some(b"F" | b"f") => false,
        Some(_) => return Err(Error::bad_request("Overwrite is T or F")),
    };
    Ok((destination, overwrite))
}

/// The same name with a slash at its end.
fn as_directory(path: Path) -> Result<Path, Error> {
    if path.object.is_directory() {
        return Ok(path);
    }
    let object = route::name(ObjectName::new(format!("{}/", path.object)))?;
    Ok(Path { object, ..path })
}

fn check_name(exchange: &Exchange<'_>, path: &Path) -> Result<(), Error> {
    let limit = exchange.constraints().max_object_name_length;
    exchange.check_name_length("Object", path.object.as_str(), limit)
}
