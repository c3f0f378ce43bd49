//! What holds of every entry and of all bytes.

use std::fs;
use std::net::IpAddr;

use common::Timestamp;
use common::name::{ContainerName, ObjectName};
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::*;
use super::{begin, open, record};
use crate::node::{NodePath, WriteId};

fn any_path() -> impl Strategy<Value = NodePath> {
    prop_oneof![
        Just(NodePath::Account),
        "[^/]{1,20}".prop_map(|name| NodePath::Container(ContainerName::new(name).unwrap())),
        ("[^/]{1,20}", "(?s).{1,40}").prop_map(|(container, object)| {
            NodePath::Object(
                ContainerName::new(container).unwrap(),
                ObjectName::new(object).unwrap(),
            )
        }),
        ("[^/]{1,20}", "(?s).{1,40}/").prop_map(|(container, directory)| {
            NodePath::Directory(
                ContainerName::new(container).unwrap(),
                ObjectName::new(directory).unwrap(),
            )
        }),
    ]
}

fn any_footprint() -> impl Strategy<Value = Option<Footprint>> {
    prop::option::of((0..2_u64, any::<u64>()).prop_map(|(objects, bytes)| Footprint { objects, bytes }))
}

prop_compose! {
    fn any_record()(
        id in any::<u64>(),
        time in any::<u64>(),
        user_id in prop::option::of(any::<u64>()),
        user in prop::option::of("\\PC{0,20}"),
        result in any::<u16>(),
        bytes in any::<u64>(),
        address in prop::option::of(any::<IpAddr>()),
        agent in prop::option::of("\\PC{0,100}"),
        texts in ("\\PC{0,16}", "\\PC{0,32}"),
        repeat in prop::option::of((any::<u64>(), prop::option::of("[!-~]{1,128}"))),
    ) -> Arc<Record> {
        let (action, transaction_id): (String, String) = texts;
        Arc::new(Record {
            id,
            time: Timestamp::from_units(time),
            user_id,
            user: user.map(Arc::from),
            action: action.into(),
            result,
            bytes,
            address,
            agent: agent.map(Arc::from),
            transaction_id: transaction_id.into(),
            repeat: repeat.map(|(request, key)| Repeat { request, key: key.map(Arc::from) }),
        })
    }
}

fn any_change() -> impl Strategy<Value = Kind> {
    let id = any::<u64>().prop_map(WriteId);
    let actions = prop_oneof![Just(Action::Put), Just(Action::Post), Just(Action::Delete)];
    prop_oneof![
        (id.clone(), any_path(), actions, any_footprint(), any_record()).prop_map(
            |(id, path, action, old, record)| Kind::Begin {
                id,
                path,
                action,
                old,
                record
            }
        ),
        (
            id.clone(),
            any::<u64>(),
            any_path(),
            any_footprint(),
            any_footprint(),
            any_record()
        )
            .prop_map(|(id, seq, path, old, new, record)| Kind::Commit {
                id,
                seq,
                path,
                old,
                new,
                record
            }),
        id.prop_map(|id| Kind::Abort { id }),
    ]
}

fn any_tree_operation() -> impl Strategy<Value = Kind> {
    let footprint = || any_footprint().prop_map(Option::unwrap_or_default);
    let parts = (
        any::<u64>().prop_map(WriteId),
        (any_path(), any_path()),
        (any::<u64>(), any::<u64>()),
        (footprint(), footprint()),
        any_record(),
        0..6_u8,
    );
    parts.prop_map(
        |(id, (from, to), (seq, identity), (moved, replaced), record, kind)| {
            let detachment = Detachment {
                path: from.clone(),
                identity,
                removed: moved,
                record: Arc::clone(&record),
            };
            let attachment = Attachment {
                source: Arc::clone(&record.transaction_id),
                to: to.clone(),
                identity,
                added: moved,
                replaced,
                longest: 1024,
                record: Arc::clone(&record),
            };
            let renaming = Move {
                from,
                to,
                identity,
                moved,
                replaced,
                record,
            };
            match kind {
                0 => Kind::Moving { id, what: renaming },
                1 => Kind::Moved {
                    id,
                    seq,
                    what: renaming,
                },
                2 => Kind::Detaching { id, what: detachment },
                3 => Kind::Detached {
                    id,
                    seq,
                    what: detachment,
                },
                4 => Kind::Attaching { id, what: attachment },
                _ => Kind::Attached {
                    id,
                    seq,
                    what: attachment,
                },
            }
        },
    )
}

#[test]
fn an_operation_stands_in_the_file_as_one_map() {
    let moved = Footprint { objects: 1, bytes: 5 };
    let what = Detachment {
        path: NodePath::Account,
        identity: 7,
        removed: moved,
        record: Arc::new(record()),
    };
    let kind = Kind::Detached {
        id: WriteId(1),
        seq: 2,
        what,
    };
    let bytes = frame::encode(&Entry { account_id: 3, kind }).unwrap();
    let entry: serde_json::Value = rmp_serde::from_slice(&bytes[8..]).unwrap();
    let mut map = entry["kind"]["detached"].clone();
    map["record"].take();
    let expected = serde_json::json!({
        "id": 1, "seq": 2, "path": "account", "identity": 7, "removed": {"objects": 1, "bytes": 5}, "record": null,
    });
    assert_eq!(map, expected);
}

proptest! {
    #[test]
    fn entries_round_trip(account_id in any::<u64>(), kind in prop_oneof![any_change(), any_tree_operation()], behind in any::<Vec<u8>>()) {
        let entry = Entry { account_id, kind };
        let mut bytes = frame::encode(&entry).unwrap();
        let length = bytes.len();
        bytes.extend(behind);
        match frame::read(&bytes) {
            frame::Read::Entry(read, consumed) => prop_assert_eq!((*read, consumed), (entry, length)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn the_longest_entry_fits(filler in "[\u{e4}x]", text in 1..3_usize) {
        let long = |length: usize| filler.repeat(length / filler.len());
        let path = || NodePath::Object(
            ContainerName::new(long(256)).unwrap(),
            ObjectName::new(long(1024)).unwrap(),
        );
        let many = long(10_000 * text);
        let record = Record {
            action: many.clone().into(),
            agent: Some(many.clone().into()),
            transaction_id: many.into(),
            ..record()
        };
        let record = Arc::new(record);
        let kind = Kind::Begin { id: WriteId(1), path: path(), action: Action::Put, old: None, record };
        let frame = frame::encode(&Entry { account_id: 1, kind }).unwrap();
        match frame::read(&frame) {
            frame::Read::Entry(entry, _) => {
                let Kind::Begin { record, .. } = entry.kind else { panic!("{entry:?}") };
                prop_assert!(record.action.len() <= 64 && record.action.len() > 60);
                prop_assert!(record.agent.as_ref().unwrap().len() <= 512 && record.transaction_id.len() <= 128);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// Whatever stands behind the header of the only file, or instead of it, nothing panics, and what was good
    /// before the first bad byte is found.
    #[test]
    fn random_bytes_never_panic(good in 0..4_u64, noise in any::<Vec<u8>>(), header in any::<bool>()) {
        let directory = TempDir::new().unwrap();
        let mut frames = Vec::new();
        for id in 0..good {
            frames.extend(frame::encode(&begin(id)).unwrap());
        }
        frames.extend(&noise);
        if header {
            segment::Segment::create(directory.path(), &Lease::default(), 0, &frames).unwrap();
            let (_, replay) = open(&directory, &Settings { reserve: Size(0), ..Settings::default() });
            prop_assert_eq!(replay, (0..good).map(begin).collect::<Vec<_>>());
        } else {
            fs::write(segment::path(directory.path(), 0), &noise).unwrap();
            prop_assert!(Journal::open(directory.path(), &Settings::default()).is_err());
        }
    }
}
