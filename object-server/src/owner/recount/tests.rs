use std::collections::BTreeMap;

use common::Timestamp;
use common::name::AccountName;
use proptest::prelude::*;

use super::*;
use crate::checkpoint::{Checkpoint, Counters, Names};
use crate::node::{AccountAttributes, State, WriteId};
use crate::owner::limited::LimitedDirectories;
use common::Properties;

fn container() -> ContainerName {
    ContainerName::new("c").unwrap()
}

/// Half of them lie in a directory.
fn name(number: u8) -> ObjectName {
    let above = if is_in_directory(number) { "d/" } else { "" };
    ObjectName::new(format!("{above}o{number:03}")).unwrap()
}

const fn is_in_directory(number: u8) -> bool {
    number < 20
}

fn number(name: &ObjectName) -> u8 {
    name.as_str().rsplit_once('o').unwrap().1.parse().unwrap()
}

fn directory() -> ObjectName {
    ObjectName::new("d/").unwrap()
}

fn holds(bytes: u64) -> Footprint {
    Footprint { objects: 1, bytes }
}

fn account(counters: Count) -> Arc<Account> {
    let attributes = AccountAttributes {
        account_id: 1,
        id: WriteId(1),
        term: 1,
        incarnation: 1,
        generation: 1,
        created: Timestamp::default(),
        timestamp: Timestamp::default(),
        deleted: false,
        properties: Properties::new(),
        state: State::Enabled,
    };
    let checkpoint = Checkpoint {
        containers: BTreeMap::from([(container(), counters)]),
        ..Checkpoint::default()
    };
    let counters = Counters::from_checkpoint(&checkpoint);
    let name = AccountName::new("AUTH_a").unwrap();
    Arc::new(Account::new(
        name,
        attributes,
        Vec::new(),
        1,
        (counters, Names::default()),
    ))
}

/// What storage holds, and the account that keeps count of it.
struct World {
    account: Arc<Account>,
    objects: BTreeMap<u8, u64>,
}

impl World {
    fn new(objects: BTreeMap<u8, u64>, wrong: u64) -> Self {
        let there = sum(&objects);
        let counters = Count {
            objects: there.objects + wrong,
            bytes: there.bytes + wrong,
        };
        let account = account(counters);
        let world = Self { account, objects };
        let mut used = world.in_directory();
        used.objects += wrong;
        let used = BTreeMap::from([(container(), BTreeMap::from([(directory(), used)]))]);
        world.account.ledger.lock().limited = LimitedDirectories::with_used(used);
        world
    }

    fn in_directory(&self) -> Footprint {
        let objects = self.objects.iter();
        let lying_in = objects.filter(|(number, _)| is_in_directory(**number));
        lying_in.fold(Footprint::default(), |sum, (_, bytes)| sum.plus(holds(*bytes)))
    }

    fn used(&self) -> Footprint {
        self.account.ledger.lock().limited.used()[&container()][&directory()]
    }

    fn change(&mut self, number: u8, size: Option<u64>) {
        let old = match size {
            Some(size) => self.objects.insert(number, size),
            None => self.objects.remove(&number),
        };
        let path = NodePath::Object(container(), name(number));
        let mut ledger = self.account.ledger.lock();
        ledger.count(&path, old.map(holds), size.map(holds), None);
    }

    fn pass(&self, recount: &Recount, next: u8) {
        let held = |number: u8| self.objects.get(&number).copied().map(holds).unwrap_or_default();
        loop {
            match recount.pass(&name(next), held(next)) {
                Step::Passed => return,
                Step::First(first) => {
                    let first = number(&first);
                    assert_eq!(recount.pass(&name(first), held(first)), Step::Passed);
                }
            }
        }
    }
}

fn sum(objects: &BTreeMap<u8, u64>) -> Count {
    Count {
        objects: objects.len() as u64,
        bytes: objects.values().sum(),
    }
}

proptest! {
    /// Whatever changes while a walk goes over names that it read at its beginning.
    #[test]
    fn what_is_counted_is_what_is_there(
        objects in prop::collection::btree_map(0..40_u8, 0..99_u64, 0..30),
        changes in prop::collection::vec((0..40_u8, prop::option::of(0..99_u64), 0..30_usize), 0..60),
        wrong in 0..3_u64,
    ) {
        let mut world = World::new(objects, wrong);
        let snapshot: Vec<u8> = world.objects.keys().copied().collect();
        let recount = world.account.recount(&container());
        for (at, number) in snapshot.iter().enumerate() {
            for (changed, size, _) in changes.iter().filter(|(_, _, when)| *when == at) {
                world.change(*changed, *size);
            }
            world.pass(&recount, *number);
        }
        for (changed, size, _) in changes.iter().filter(|(_, _, when)| *when >= snapshot.len()) {
            world.change(*changed, *size);
        }
        while let Some(left) = recount.left() {
            world.pass(&recount, number(&left));
        }
        let there = sum(&world.objects);
        let counters = world.account.count(&container());
        let (inside, used) = (world.in_directory(), world.used());
        let limited = if wrong == 0 { Vec::new() } else { vec![(directory(), inside, used)] };
        prop_assert_eq!(used.objects, inside.objects + wrong);
        prop_assert_eq!(recount.end(true), Some(Counted { there, counters, limited }));
        prop_assert_eq!(world.used(), inside);
        prop_assert_eq!(world.account.count(&container()), there);
        prop_assert_eq!(counters.objects, there.objects + wrong);
    }
}

#[test]
fn what_moves_meanwhile_is_not_counted() {
    let mut world = World::new(BTreeMap::from([(1, 5)]), 0);
    let recount = world.account.recount(&container());
    let other = ContainerName::new("d").unwrap();
    world.account.ledger.lock().break_countings(&other);
    world.pass(&recount, 1);
    world.account.ledger.lock().break_countings(&container());
    world.change(2, Some(7));
    assert_eq!(recount.end(true), None);
    let recount = world.account.recount(&container());
    world.pass(&recount, 1);
    world.pass(&recount, 2);
    drop(recount);
    assert!(world.account.ledger.lock().countings.is_empty());
}
