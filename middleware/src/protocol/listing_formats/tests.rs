use common::functional::{account, container};
use common::name::{AccountName, ContainerName, ObjectName};
use common::{Error, Etag, Timestamp};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};

use super::*;
use crate::testing::{account, container, remembering, request, responding, text};

fn object(name: &str, listing: Option<&str>) -> container::Entry {
    container::Entry::Object(container::Object {
        name: ObjectName::new(name).unwrap(),
        bytes: 5,
        etag: Etag::new("5d41402abc4b2a76b9719d911017c592"),
        content_type: "text/plain;charset=a;swift_bytes=7".to_owned(),
        last_modified: Timestamp::from_units(170_000_000_012_345),
        listing: listing.map(str::to_owned),
    })
}

fn in_container(entries: Vec<container::Entry>) -> RenderListing {
    RenderListing::Container {
        name: container(),
        entries,
    }
}

fn in_account(names: &[&str]) -> RenderListing {
    let entry = |name: &&str| match name.strip_suffix('/') {
        Some(_) => account::Entry::Subdir((*name).to_owned()),
        None => account::Entry::Container {
            name: ContainerName::new(*name).unwrap(),
            objects: 2,
            bytes: 14,
            last_modified: Timestamp::from_seconds(1_700_000_000),
        },
    };
    RenderListing::Account {
        name: AccountName::new("AUTH_\"a\"").unwrap(),
        entries: names.iter().map(entry).collect(),
    }
}

async fn ask(listing: RenderListing, uri: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let inner = responding(move |_| {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(listing.clone());
        response
            .headers_mut()
            .insert("x-container-object-count", "2".parse().unwrap());
        response
    });
    let filter = protocol(ListingFormats { inner });
    filter.handle(request("GET", uri, headers)).await.unwrap()
}

#[tokio::test]
async fn a_container_as_text() {
    let entries = vec![object("a", None), container::Entry::Subdir("b/".into())];
    let response = ask(in_container(entries), "/v1/A/c", &[]).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["vary"], "Accept");
    assert_eq!(headers["content-length"], "5");
    assert_eq!(headers["x-container-object-count"], "2");
    assert_eq!(text(response).await, "a\nb/\n");
}

#[tokio::test]
async fn an_empty_page_in_each_format() {
    let response = ask(in_container(vec![]), "/v1/A/c", &[]).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["content-length"], "0");
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    let response = ask(in_container(vec![]), "/v1/A/c?format=json", &[]).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("vary"));
    assert_eq!(text(response).await, "[]");
    let response = ask(in_account(&[]), "/v1/A", &[("accept", "text/xml")]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-8");
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <account name=\"AUTH_&quot;a&quot;\">\n</account>";
    assert_eq!(text(response).await, expected);
}

#[tokio::test]
async fn an_account_as_json_and_xml() {
    let names = ["c d", "e/"];
    let json = text(ask(in_account(&names), "/v1/A?format=json", &[]).await).await;
    let expected = json!([
        {"name": "c d", "count": 2, "bytes": 14, "last_modified": "2023-11-14T22:13:20.000000",
         "storage_policy": "default"},
        {"subdir": "e/"},
    ]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    let xml = text(ask(in_account(&names), "/v1/A?format=xml", &[]).await).await;
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account name=\"AUTH_&quot;a&quot;\">\n\
                    <container><name>c d</name><count>2</count><bytes>14</bytes>\
                    <last_modified>2023-11-14T22:13:20.000000</last_modified>\
                    <storage_policy>default</storage_policy></container>\n\
                    <subdir name=\"e/\" />\n</account>";
    assert_eq!(xml, expected);
}

#[tokio::test]
async fn a_container_as_json_and_xml() {
    let listing = r#"{"slo_etag":"\"x\"","bytes":99,"hash":"h"}"#;
    let entries = || {
        in_container(vec![
            object("a&b", None),
            object("slo", Some(listing)),
            container::Entry::Subdir("d/".into()),
        ])
    };
    let json = text(ask(entries(), "/v1/A/c", &[("accept", "application/json")]).await).await;
    let last_modified = "2023-11-14T22:13:20.123450";
    let expected = json!([
        {"name": "a&b", "bytes": 5, "hash": "5d41402abc4b2a76b9719d911017c592",
         "content_type": "text/plain;charset=a", "last_modified": last_modified},
        {"name": "slo", "bytes": 99, "hash": "h", "slo_etag": "\"x\"",
         "content_type": "text/plain;charset=a", "last_modified": last_modified},
        {"subdir": "d/"},
    ]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    let xml = text(ask(entries(), "/v1/A/c?format=xml", &[]).await).await;
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c\"><object><name>a&amp;b</name>\
                    <hash>5d41402abc4b2a76b9719d911017c592</hash><bytes>5</bytes>\
                    <content_type>text/plain;charset=a</content_type>\
                    <last_modified>2023-11-14T22:13:20.123450</last_modified></object>\
                    <object><name>slo</name><hash>h</hash><bytes>99</bytes>\
                    <content_type>text/plain;charset=a</content_type>\
                    <last_modified>2023-11-14T22:13:20.123450</last_modified></object>\
                    <subdir name=\"d/\"><name>d/</name></subdir></container>";
    assert_eq!(xml, expected);
}

#[tokio::test]
async fn head_has_the_type_and_no_body() {
    let inner = responding(|_| Response::new(Body::empty()));
    let filter = protocol(ListingFormats { inner });
    let head = request("HEAD", "/v1/A/c", &[("accept", "application/xml")]);
    let response = filter.handle(head).await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["content-length"], "0");
    assert_eq!(
        response.headers()["content-type"],
        "application/xml; charset=utf-8"
    );
    let refused = request("HEAD", "/v1/A/c", &[("accept", "image/png")]);
    assert_eq!(filter.handle(refused).await.unwrap().status(), 406);
}

#[tokio::test]
async fn what_is_no_listing_passes_as_it_is() {
    let (inner, requests) = remembering();
    let filter = protocol(ListingFormats { inner });
    for (method, uri) in [
        ("GET", "/v1/A/c/o"),
        ("PUT", "/v1/A/c"),
        ("GET", "/v1"),
        ("GET", "/"),
    ] {
        let request = request(method, uri, &[("accept", "image/png")]);
        let response = filter.handle(request).await.unwrap();
        assert!(!response.headers().contains_key("content-type"), "{method} {uri}");
    }
    assert_eq!(requests.lock().len(), 4);
    let not_found = protocol(ListingFormats {
        inner: responding(|_| Error::not_found().into_response()),
    });
    let response = not_found.handle(request("HEAD", "/v1/A/c", &[])).await.unwrap();
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn an_unacceptable_listing_is_refused_before_any_work() {
    let (inner, requests) = remembering();
    let filter = protocol(ListingFormats { inner });
    let ask = |accept| filter.handle(request("GET", "/v1/A", &[("accept", accept)]));
    assert_eq!(ask("image/png").await.unwrap().status(), 406);
    assert_eq!(ask("nonsense").await.unwrap().status(), 400);
    assert!(requests.lock().is_empty());
}

/// The names that an XML parser finds, and what it finds in attributes `name`.
fn names_in_xml(xml: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut reader = Reader::from_reader(xml);
    let (mut names, mut attributes) = (Vec::new(), Vec::new());
    let mut buffer = Vec::new();
    let mut is_name = false;
    loop {
        match reader.read_event_into(&mut buffer).unwrap() {
            Event::Start(tag) => {
                is_name = tag.name().as_ref() == "name";
                if is_name {
                    names.push(String::new());
                }
                for attribute in tag.attributes() {
                    let value = attribute.unwrap().value;
                    attributes.push(quick_xml::escape::unescape(&value).unwrap().into_owned());
                }
            }
            Event::Text(text) if is_name => {
                names.last_mut().unwrap().push_str(&text);
            }
            Event::GeneralRef(reference) if is_name => {
                let reference = format!("&{};", &*reference);
                let char = quick_xml::escape::unescape(&reference).unwrap().into_owned();
                names.last_mut().unwrap().push_str(&char);
            }
            Event::End(_) => is_name = false,
            Event::Eof => return (names, attributes),
            _ => {}
        }
        buffer.clear();
    }
}

proptest! {
    #[test]
    fn every_name_survives_json(names in prop::collection::vec("[ -~]{1,20}|.{1,40}|\\PC{1,10}", 0..5)) {
        let entries = names.iter().map(|name| object(name, None)).collect();
        let json: Value = serde_json::from_slice(&json::render(&in_container(entries))).unwrap();
        let found: Vec<_> = json.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        prop_assert_eq!(found, names);
    }

    #[test]
    fn every_name_survives_xml(names in prop::collection::vec("[\\t\\n\\r -~äß\u{1f600}<&\"]{1,20}", 0..5)) {
        let mut entries: Vec<_> = names.iter().map(|name| object(name, None)).collect();
        entries.extend(names.iter().map(|name| container::Entry::Subdir(name.clone())));
        let (found, attributes) = names_in_xml(&xml::render(&in_container(entries)));
        prop_assert_eq!(&found[..names.len()], &names[..]);
        prop_assert_eq!(&found[names.len()..], &names[..]);
        prop_assert_eq!(&attributes[1..], &names[..]);
    }

    #[test]
    fn any_character_leaves_the_xml_readable(name in any::<String>()) {
        let listing = RenderListing::Account { name: account(), entries: vec![account::Entry::Subdir(name)] };
        let xml = String::from_utf8(xml::render(&listing)).unwrap();
        let is_allowed = |char: char| char >= ' ' || char == '\n';
        prop_assert!(xml.chars().all(is_allowed));
        let (_, attributes) = names_in_xml(xml.as_bytes());
        let account = account();
        prop_assert_eq!(attributes[0].as_str(), account.as_str());
    }

    #[test]
    fn any_override_leaves_the_json_readable(listing in ".{0,40}") {
        let entries = vec![object("o", Some(&listing))];
        prop_assert!(serde_json::from_slice::<Value>(&json::render(&in_container(entries))).is_ok());
    }
}
