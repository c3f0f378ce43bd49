//! Listings as XML.
//!
//! XML 1.0 has no way at all to write most control characters. Such a character in a name appears as U+FFFD: one odd
//! name must not make the whole listing unreadable. JSON shows every name as it is.

use std::io::Write as _;

use common::functional::{account, container};
use serde_json::Value;

use super::{STORAGE_POLICY, overrides, public_content_type};
use crate::RenderListing;

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub(super) fn render(listing: &RenderListing) -> Vec<u8> {
    let mut xml = DECLARATION.to_vec();
    match listing {
        RenderListing::Account { name, entries } => {
            xml.reserve(64 + entries.len() * 256);
            open(&mut xml, b"account", name.as_str());
            xml.extend_from_slice(b">\n");
            for entry in entries {
                add_container(&mut xml, entry);
                xml.push(b'\n');
            }
            xml.extend_from_slice(b"</account>");
        }
        RenderListing::Container { name, entries } => {
            xml.reserve(64 + entries.len() * 320);
            open(&mut xml, b"container", name.as_str());
            xml.push(b'>');
            for entry in entries {
                add_object(&mut xml, entry);
            }
            xml.extend_from_slice(b"</container>");
        }
    }
    xml
}

fn add_container(xml: &mut Vec<u8>, entry: &account::Entry) {
    match entry {
        account::Entry::Container {
            name,
            objects,
            bytes,
            last_modified,
        } => {
            xml.extend_from_slice(b"<container>");
            element(xml, b"name", name.as_str());
            // Writing to a vector cannot fail.
            let _ = write!(xml, "<count>{objects}</count><bytes>{bytes}</bytes>");
            element(xml, b"last_modified", &last_modified.iso());
            element(xml, b"storage_policy", STORAGE_POLICY);
            xml.extend_from_slice(b"</container>");
        }
        account::Entry::Subdir(name) => {
            open(xml, b"subdir", name);
            xml.extend_from_slice(b" />");
        }
    }
}

fn add_object(xml: &mut Vec<u8>, entry: &container::Entry) {
    let object = match entry {
        container::Entry::Object(object) => object,
        container::Entry::Subdir(name) => {
            open(xml, b"subdir", name);
            xml.push(b'>');
            element(xml, b"name", name);
            xml.extend_from_slice(b"</subdir>");
            return;
        }
    };
    let overrides = overrides(object.listing.as_deref());
    let overridden = |name: &str| match overrides.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    xml.extend_from_slice(b"<object>");
    element(xml, b"name", object.name.as_str());
    let hash = overridden("hash");
    element(xml, b"hash", hash.as_deref().unwrap_or(object.etag.as_str()));
    let bytes = overridden("bytes").unwrap_or_else(|| object.bytes.to_string());
    element(xml, b"bytes", &bytes);
    let content_type = match overridden("content_type") {
        Some(text) => text.into(),
        None => public_content_type(&object.content_type),
    };
    element(xml, b"content_type", &content_type);
    element(xml, b"last_modified", &object.last_modified.iso());
    xml.extend_from_slice(b"</object>");
}

/// `<tag name="…"`, without its end.
fn open(xml: &mut Vec<u8>, tag: &[u8], name: &str) {
    xml.push(b'<');
    xml.extend_from_slice(tag);
    xml.extend_from_slice(b" name=\"");
    escape(xml, name);
    xml.push(b'"');
}

fn element(xml: &mut Vec<u8>, tag: &[u8], text: &str) {
    xml.push(b'<');
    xml.extend_from_slice(tag);
    xml.push(b'>');
    escape(xml, text);
    xml.extend_from_slice(b"</");
    xml.extend_from_slice(tag);
    xml.push(b'>');
}

/// White space other than the space is written by number, since parsers would change it.
fn escape(xml: &mut Vec<u8>, text: &str) {
    for char in text.chars() {
        let replacement: &[u8] = match char {
            '&' => b"&amp;",
            '<' => b"&lt;",
            '>' => b"&gt;",
            '"' => b"&quot;",
            '\t' => b"&#09;",
            '\n' => b"&#10;",
            '\r' => b"&#13;",
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "\u{fffd}".as_bytes(),
            plain => {
                let mut buffer = [0; 4];
                xml.extend_from_slice(plain.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
        };
        xml.extend_from_slice(replacement);
    }
}
