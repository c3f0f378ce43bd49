//! Listings as JSON: an array of objects, in the order of the page.

use std::io::Write as _;

use common::functional::{account, container};
use serde_json::Value;

use super::{STORAGE_POLICY, overrides, public_content_type};
use crate::RenderListing;

pub(super) fn render(listing: &RenderListing) -> Vec<u8> {
    match listing {
        RenderListing::Account { entries, .. } => array(entries, add_container),
        RenderListing::Container { entries, .. } => array(entries, add_object),
    }
}

fn array<Entry>(entries: &[Entry], add: fn(&mut Vec<u8>, &Entry)) -> Vec<u8> {
    let mut json = Vec::with_capacity(2 + entries.len() * 200);
    json.push(b'[');
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        add(&mut json, entry);
    }
    json.push(b']');
    json
}

fn add_container(json: &mut Vec<u8>, entry: &account::Entry) {
    match entry {
        account::Entry::Container {
            name,
            objects,
            bytes,
            last_modified,
        } => {
            json.extend_from_slice(b"{\"name\":");
            add_string(json, name.as_str());
            // Writing to a vector cannot fail.
            let _ = write!(
                json,
                ",\"count\":{objects},\"bytes\":{bytes},\"last_modified\":\"{}\",\"storage_policy\":\"{}\"}}",
                last_modified.iso(),
                STORAGE_POLICY
            );
        }
        account::Entry::Subdir(name) => add_subdir(json, name),
    }
}

fn add_object(json: &mut Vec<u8>, entry: &container::Entry) {
    let object = match entry {
        container::Entry::Object(object) => object,
        container::Entry::Subdir(name) => return add_subdir(json, name),
    };
    if object.listing.is_some() {
        return add_overridden(json, object);
    }
    json.extend_from_slice(b"{\"bytes\":");
    let _ = write!(json, "{},\"hash\":", object.bytes);
    add_string(json, object.etag.as_str());
    json.extend_from_slice(b",\"name\":");
    add_string(json, object.name.as_str());
    json.extend_from_slice(b",\"content_type\":");
    add_string(json, &public_content_type(&object.content_type));
    let _ = write!(json, ",\"last_modified\":\"{}\"}}", object.last_modified.iso());
}

fn add_overridden(json: &mut Vec<u8>, object: &container::Object) {
    let mut members = serde_json::Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("bytes", object.bytes.into());
    set("hash", object.etag.as_str().into());
    set("name", object.name.as_str().into());
    set("content_type", public_content_type(&object.content_type).into());
    set("last_modified", object.last_modified.iso().into());
    members.extend(overrides(object.listing.as_deref()));
    let _ = write!(json, "{}", Value::Object(members));
}

fn add_subdir(json: &mut Vec<u8>, name: &str) {
    json.extend_from_slice(b"{\"subdir\":");
    add_string(json, name);
    json.push(b'}');
}

fn add_string(json: &mut Vec<u8>, text: &str) {
    // A string always has a JSON form, and a vector takes it.
    let _ = serde_json::to_writer(json, text);
}
