use std::collections::BTreeMap;

use super::*;
use crate::journal::{Action, Kind, Record};
use crate::node::WriteId;
use common::Timestamp;
use common::name::ObjectName;
use proptest::prelude::*;

fn record() -> Arc<Record> {
    Arc::new(Record {
        id: 0,
        time: Timestamp::default(),
        user_id: None,
        user: None,
        action: "object/put".into(),
        result: 201,
        bytes: 0,
        address: None,
        agent: None,
        transaction_id: "tx".into(),
        repeat: None,
    })
}

fn object(name: u8) -> NodePath {
    let name = ObjectName::new(format!("o{name}")).unwrap();
    NodePath::Object(ContainerName::new("c").unwrap(), name)
}

/// What one change says in the journal: how far ahead of its end it was announced, its name, the bytes it leaves
/// (`None`: it removes), and whether it succeeded.
type Change = (usize, u8, Option<u64>, bool);

/// The entries of `changes`, whose announcements are interleaved with the ends of others; and the final state.
fn journal(changes: &[Change]) -> (Vec<Kind>, BTreeMap<u8, u64>) {
    let mut state = BTreeMap::new();
    let mut seq = (1 << TERM_SHIFT) + 1;
    let container = Kind::Commit {
        id: WriteId(u64::MAX),
        seq,
        path: NodePath::Container(ContainerName::new("c").unwrap()),
        old: None,
        new: Some(PRESENT),
        record: record(),
    };
    let mut entries: Vec<(usize, Kind)> = vec![(0, container)];
    for (at, (ahead, name, bytes, succeeds)) in changes.iter().enumerate() {
        let (id, path) = (WriteId(at as u64), object(*name));
        let some = |bytes: u64| Footprint { objects: 1, bytes };
        let old = state.get(name).copied().map(some);
        let action = if bytes.is_some() {
            Action::Put
        } else {
            Action::Delete
        };
        let begin = Kind::Begin {
            id,
            path: path.clone(),
            action,
            old,
            record: record(),
        };
        entries.push((at.saturating_sub(*ahead) * 2 + 1, begin));
        let end = if *succeeds {
            seq += 1;
            match bytes {
                Some(bytes) => state.insert(*name, *bytes),
                None => state.remove(name),
            };
            let new = bytes.map(some);
            Kind::Commit {
                id,
                seq,
                path,
                old,
                new,
                record: record(),
            }
        } else {
            Kind::Abort { id }
        };
        entries.push((at * 2 + 2, end));
    }
    entries.sort_by_key(|(place, _)| *place);
    (entries.into_iter().map(|(_, kind)| kind).collect(), state)
}

fn read(entries: Vec<Kind>) -> Found {
    let entries = entries
        .into_iter()
        .map(|kind| (Position::default(), Entry { account_id: 7, kind }));
    Recovery::read(entries, false)
        .accounts
        .remove(&7)
        .unwrap_or_default()
}

proptest! {
    /// However announcements and ends of changes lie between one another, replay counts each change once, from
    /// any checkpoint on.
    #[test]
    fn replay_counts_each_change_once(
        changes in prop::collection::vec((0..6_usize, 0..4_u8, prop::option::of(0..9_u64), any::<bool>()), 0..40),
        covered in 0..40_u64,
    ) {
        let (entries, state) = journal(&changes);
        let found = read(entries);
        let (base, ..) = replayed(&Checkpoint::default(), Names::default(), &found.changes);
        let totals = base.totals();
        prop_assert_eq!((totals.objects, totals.bytes), (state.len() as u64, state.values().sum::<u64>()));

        let through_seq = (1 << TERM_SHIFT) + covered;
        let early: Vec<_> = found.changes.iter().filter(|change| change.seq <= through_seq).collect();
        let mut counters = Counters::default();
        for change in early {
            if let Made::Node { path, old, new, .. } = &change.made {
                counters.apply(path, *old, *new);
            }
        }
        let containers = counters.containers().clone();
        let checkpoint = Checkpoint { through_seq, containers, ..Checkpoint::default() };
        let totals = replayed(&checkpoint, Names::default(), &found.changes).0.totals();
        prop_assert_eq!((totals.objects, totals.bytes), (state.len() as u64, state.values().sum::<u64>()));
    }
}
