//! Which format a client wants: `format=` beats `Accept`, which is matched by quality.

use common::{Error, Outcome};
use http::HeaderMap;
use http::header::ACCEPT;
use percent_encoding::percent_decode;

/// A format of listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Json,
    ApplicationXml,
    TextXml,
}

/// The format, and whether the client's `Accept` led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) format: Format,
    pub(super) by_accept: bool,
}

impl Format {
    /// In the order of preference among equals.
    const ALL: [Self; 4] = [Self::Plain, Self::Json, Self::ApplicationXml, Self::TextXml];

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::ApplicationXml => "application/xml; charset=utf-8",
            Self::TextXml => "text/xml; charset=utf-8",
        }
    }

    fn media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("text", "plain"),
            Self::Json => ("application", "json"),
            Self::ApplicationXml => ("application", "xml"),
            Self::TextXml => ("text", "xml"),
        }
    }
}

pub(super) fn choose(query: Option<&str>, headers: &HeaderMap) -> Result<Chosen, Error> {
    if let Some(format) = query.and_then(format_parameter) {
        let decoded = percent_decode(format.as_bytes()).decode_utf8();
        let format = decoded.map_err(|_| Error::bad_request("\"format\" parameter not valid UTF-8"))?;
        let format = match format.to_ascii_lowercase().as_str() {
            "json" => Format::Json,
            "xml" => Format::ApplicationXml,
            _ => Format::Plain,
        };
        return Ok(Chosen {
            format,
            by_accept: false,
        });
    }
    let mut accepted = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let value = value.to_str().map_err(|_| invalid())?;
        if !value.trim().is_empty() {
            for range in split_quoted(value, ',') {
                accepted.push(MediaRange::parse(range).ok_or_else(invalid)?);
            }
        }
    }
    let format = best(accepted).ok_or(Outcome::NotAcceptable)?;
    Ok(Chosen {
        format,
        by_accept: true,
    })
}

fn format_parameter(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|parameter| match parameter.split_once('=') {
            Some(("format", value)) => Some(value),
            None if parameter == "format" => Some(""),
            _ => None,
        })
}

fn invalid() -> Error {
    Error::bad_request("Invalid Accept header")
}

/// A range of media types with its quality in thousandths.
struct MediaRange {
    kind: String,
    subtype: String,
    quality: u32,
}

fn best(mut accepted: Vec<MediaRange>) -> Option<Format> {
    if accepted.is_empty() {
        return Some(Format::Plain);
    }
    accepted.retain(|range| range.quality > 0);
    // Among equals a precise type goes before a range; the sort keeps the client's order otherwise.
    accepted.sort_by_key(|range| (u32::MAX - range.quality, range.is_glob()));
    accepted.iter().find_map(|range| {
        Format::ALL.into_iter().find(|format| {
            let (kind, subtype) = format.media_type();
            matches(&range.kind, kind) && matches(&range.subtype, subtype)
        })
    })
}

fn matches(pattern: &str, text: &str) -> bool {
    pattern == "*" || pattern == text
}

impl MediaRange {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = split_quoted(text, ';').into_iter();
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut quality = None;
        for parameter in parts.map(str::trim).filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let is_quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
            if !is_token(name) || !(is_token(value) || is_quoted) {
                return None;
            }
            if name.eq_ignore_ascii_case("q") && quality.replace(parse_quality(value)?).is_some() {
                return None;
            }
        }
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            quality: quality.unwrap_or(1000),
        })
    }

    fn is_glob(&self) -> bool {
        self.kind == "*" || self.subtype == "*"
    }
}

fn parse_quality(text: &str) -> Option<u32> {
    let quality: f64 = text.parse().ok()?;
    (0.0..=1.0)
        .contains(&quality)
        .then_some((quality * 1000.0).ceil() as u32)
}

fn is_token(text: &str) -> bool {
    let is_separator = |byte: u8| b"()<>@,;:\\\"/[]?={}".contains(&byte);
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !is_separator(byte))
}

/// Splits at `separator`, but not within quotes.
fn split_quoted(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let split = |char| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match char {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => is_escaped = true,
            _ => return char == separator && !is_quoted,
        }
        false
    };
    text.split(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_accept(accept: &str) -> Result<Format, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        let chosen = choose(None, &headers).map_err(|error| error.status().as_u16())?;
        assert!(chosen.by_accept);
        Ok(chosen.format)
    }

    fn by_query(query: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, "image/png".parse().unwrap());
        let chosen = choose(Some(query), &headers).unwrap();
        assert!(!chosen.by_accept);
        chosen.format
    }

    #[test]
    fn the_parameter_beats_accept() {
        assert_eq!(by_query("format=json"), Format::Json);
        assert_eq!(by_query("limit=1&format=XmL"), Format::ApplicationXml);
        assert_eq!(by_query("format=%6ason"), Format::Json);
        assert_eq!(by_query("format=yaml"), Format::Plain);
        assert_eq!(by_query("format="), Format::Plain);
        let error = choose(Some("format=%ff"), &HeaderMap::new()).unwrap_err();
        assert_eq!(error.status(), 400);
    }

    #[test]
    fn accept_is_matched_by_quality() {
        let table = [
            ("*/*", Format::Plain),
            ("", Format::Plain),
            ("application/json", Format::Json),
            ("APPLICATION/JSON", Format::Json),
            ("text/xml", Format::TextXml),
            ("application/*", Format::Json),
            ("text/*;q=0.5, application/xml;q=0.6", Format::ApplicationXml),
            ("*/*, application/xml", Format::ApplicationXml),
            ("text/plain;q=0.1,application/json;q=0.9,*/*;q=0.2", Format::Json),
            ("image/png, text/xml ; charset=\"a,b;c\" ; q=0.3", Format::TextXml),
            ("text/plain;q=0, text/xml;q=0.001", Format::TextXml),
        ];
        for (accept, format) in table {
            assert_eq!(by_accept(accept), Ok(format), "{accept}");
        }
        let nothing = choose(None, &HeaderMap::new()).unwrap();
        assert_eq!(nothing.format, Format::Plain);
    }

    #[test]
    fn what_cannot_be_served_is_406_and_what_cannot_be_read_400() {
        for accept in ["image/png", "application/json;q=0", "text/html, image/*"] {
            assert_eq!(by_accept(accept), Err(406), "{accept}");
        }
        for accept in [
            "text",
            "text/plain;q=x",
            "text/plain;q=2",
            "text/plain;q=NaN",
            "a/b;q=1;q=1",
            "text/plain,,",
            "text/(plain)",
            "a/b;x",
        ] {
            assert_eq!(by_accept(accept), Err(400), "{accept}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in "[a-z*/;,=q0-9. \"\\\\]{0,40}") {
            let _ = by_accept(&accept);
        }
    }
}
