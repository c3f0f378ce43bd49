use std::collections::BTreeMap;

use common::name::{AccountName, ContainerName, ObjectName};
use common::{Properties, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::checkpoint::Counters;
use crate::node::{AccountAttributes, ContainerAttributes, NodePath, State, WriteId};

fn account_attributes() -> AccountAttributes {
    AccountAttributes {
        account_id: 1,
        id: WriteId::default(),
        term: 1,
        incarnation: 1,
        generation: 1,
        created: Timestamp::default(),
        timestamp: Timestamp::default(),
        deleted: false,
        properties: Properties::new(),
        state: State::Enabled,
    }
}

fn container_attributes() -> ContainerAttributes {
    ContainerAttributes {
        id: WriteId::default(),
        generation: 1,
        created: Timestamp::default(),
        timestamp: Timestamp::default(),
        storage_policy: "default".to_owned(),
        properties: Properties::new(),
        state: State::Enabled,
    }
}

fn container_name(at: usize) -> ContainerName {
    ContainerName::new(["a", "b"][at]).unwrap()
}

fn footprint(size: u64) -> Footprint {
    Footprint {
        objects: 1,
        bytes: size,
    }
}

/// An account with two containers, as the owner has it.
struct Owned {
    account: Arc<Account>,
    containers: [Arc<Container>; 2],
}

impl Owned {
    fn new() -> Self {
        let mut counters = Counters::default();
        let present = Some(Footprint::default());
        for at in 0..2 {
            counters.apply(&NodePath::Container(container_name(at)), None, present);
        }
        let containers = (0..2).map(|at| (container_name(at), container_attributes()));
        let account = Account::new(
            AccountName::new("AUTH_test").unwrap(),
            account_attributes(),
            containers.collect(),
            1,
            (counters, Default::default()),
        );
        let container = |at| account.container(&container_name(at)).unwrap();
        Self {
            containers: [container(0), container(1)],
            account: Arc::new(account),
        }
    }

    fn limit(&self, node: Node, limits: Limits) {
        let mut ledger = self.account.ledger.lock();
        match node {
            None => ledger.room.limits = limits,
            Some(at) => self.containers[at].room.lock().limits = limits,
        }
    }

    fn held(&self, node: Node) -> Footprint {
        let ledger = self.account.ledger.lock();
        match node {
            None => ledger.room.held,
            Some(at) => self.containers[at].room.lock().held,
        }
    }

    fn used(&self, node: Node) -> Footprint {
        let ledger = self.account.ledger.lock();
        let (objects, bytes) = match node {
            None => (ledger.counters.totals().objects, ledger.counters.totals().bytes),
            Some(at) => {
                let count = ledger.counters.container(&container_name(at));
                (count.objects, count.bytes)
            }
        };
        Footprint { objects, bytes }
    }

    fn count(&self, at: usize, name: &str, sizes: [Option<u64>; 2], reservation: &Reservation) {
        let path = NodePath::Object(container_name(at), ObjectName::new(name).unwrap());
        let [old, new] = sizes.map(|size| size.map(footprint));
        self.account
            .ledger
            .lock()
            .count(&path, old, new, Some(reservation));
    }
}

/// The account, or one of its containers.
type Node = Option<usize>;
const NODES: [Node; 3] = [None, Some(0), Some(1)];

/// What is there, what each reservation holds, what is allowed.
#[derive(Default)]
struct Model {
    objects: BTreeMap<(usize, String), u64>,
    held: BTreeMap<usize, (usize, Footprint)>,
    limits: BTreeMap<Node, Limits>,
}

impl Model {
    fn used(&self, node: Node) -> Footprint {
        let within = self
            .objects
            .iter()
            .filter(|((at, _), _)| node.is_none_or(|node| node == *at));
        within.fold(Footprint::default(), |sum, (_, size)| sum.plus(footprint(*size)))
    }

    fn held(&self, node: Node) -> Footprint {
        let within = self
            .held
            .values()
            .filter(|(at, _)| node.is_none_or(|node| node == *at));
        within.fold(Footprint::default(), |sum, (_, held)| sum.plus(*held))
    }

    /// Whether reservation `number`, in container `at`, may hold `growth` instead of what it holds.
    fn may_hold(&mut self, number: usize, at: usize, growth: Footprint) -> bool {
        let before = self.held.insert(number, (at, growth));
        let fits = [None, Some(at)].into_iter().all(|node| {
            let limits = self.limits.get(&node).copied().unwrap_or_default();
            let sum = self.used(node).plus(self.held(node));
            let fits =
                |growth, sum, limit: Option<u64>| growth == 0 || limit.is_none_or(|limit| sum <= limit);
            fits(growth.bytes, sum.bytes, limits.bytes) && fits(growth.objects, sum.objects, limits.objects)
        });
        match before {
            Some(before) => self.held.insert(number, before),
            None => self.held.remove(&number),
        };
        fits
    }

    fn growth(&self, at: usize, name: &str, size: u64) -> Footprint {
        let present = self.objects.get(&(at, name.to_owned())).copied();
        footprint(size).less(present.map(footprint).unwrap_or_default())
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// An upload of so many bytes, of which so many are announced.
    Begin(usize, String, u64, u64),
    /// It asks for so much more at once, and needs so much of it.
    Extend(prop::sample::Index, u64, u64),
    Commit(prop::sample::Index),
    End(prop::sample::Index),
    Delete(usize, String),
    Limit(prop::sample::Index, Option<u64>, Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let size = 0..12_u64;
    let step = prop_oneof![
        6 => (0..2_usize, "[x-z]", size.clone(), size.clone())
            .prop_map(|(at, name, size, announced)| Step::Begin(at, name, size, announced)),
        3 => (index(), size.clone(), size).prop_map(|(index, wish, need)| Step::Extend(index, wish, need)),
        5 => index().prop_map(Step::Commit),
        4 => index().prop_map(Step::End),
        3 => (0..2_usize, "[x-z]").prop_map(|(at, name)| Step::Delete(at, name)),
        2 => (index(), prop::option::of(0..40_u64), prop::option::of(0..6_u64))
            .prop_map(|(index, bytes, objects)| Step::Limit(index, bytes, objects)),
    ];
    prop::collection::vec(step, 0..80)
}

/// A change under way: where, what, how large; `None` once it is counted and only not durable yet.
struct Upload {
    number: usize,
    at: usize,
    name: Option<(String, u64)>,
    reservation: Arc<Reservation>,
}

/// Both, and the changes under way.
struct World {
    owned: Owned,
    model: Model,
    uploads: Vec<Upload>,
    numbers: usize,
}

impl World {
    fn reservation(&mut self, at: usize) -> (usize, Arc<Reservation>) {
        self.numbers += 1;
        let reservation = Reservation::new(
            &self.owned.account,
            &self.owned.containers[at],
            &ObjectName::new("o").unwrap(),
        );
        self.model.held.insert(self.numbers, (at, Footprint::default()));
        (self.numbers, reservation)
    }

    fn hold(&mut self, number: usize, at: usize, reservation: &Reservation, growth: Footprint) -> bool {
        let expected = self.model.may_hold(number, at, growth);
        let held = reservation.hold(growth);
        assert_eq!(held.is_ok(), expected);
        if expected {
            self.model.held.insert(number, (at, growth));
        }
        expected
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Begin(at, name, size, announced) => {
                let (number, reservation) = self.reservation(at);
                let growth = self.model.growth(at, &name, announced);
                if self.hold(number, at, &reservation, growth) {
                    self.uploads.push(Upload {
                        number,
                        at,
                        name: Some((name, size)),
                        reservation,
                    });
                } else {
                    self.model.held.remove(&number);
                }
            }
            Step::Extend(index, wish, need) => self.extend(index, wish, need),
            Step::Commit(index) => self.commit(index),
            Step::End(index) => {
                if !self.uploads.is_empty() {
                    let upload = self.uploads.swap_remove(index.index(self.uploads.len()));
                    self.model.held.remove(&upload.number);
                }
            }
            Step::Delete(at, name) => {
                let Some(size) = self.model.objects.remove(&(at, name.clone())) else {
                    return;
                };
                let (number, reservation) = self.reservation(at);
                self.owned.count(at, &name, [Some(size), None], &reservation);
                self.model.held.insert(number, (at, footprint(size)));
                self.uploads.push(Upload {
                    number,
                    at,
                    name: None,
                    reservation,
                });
            }
            Step::Limit(index, bytes, objects) => {
                let (node, limits) = (NODES[index.index(3)], Limits { bytes, objects });
                self.owned.limit(node, limits);
                self.model.limits.insert(node, limits);
            }
        }
    }

    fn extend(&mut self, index: prop::sample::Index, wish: u64, need: u64) {
        if self.uploads.is_empty() {
            return;
        }
        let upload = &self.uploads[index.index(self.uploads.len())];
        let Some((name, _)) = &upload.name else { return };
        let need = self.model.growth(upload.at, name, need);
        let wish = need.plus(Footprint {
            objects: 0,
            bytes: wish,
        });
        let expected = [wish, need]
            .into_iter()
            .find(|growth| self.model.may_hold(upload.number, upload.at, *growth));
        assert_eq!(upload.reservation.hold_up_to(wish, need).ok(), expected);
        if let Some(growth) = expected {
            self.model.held.insert(upload.number, (upload.at, growth));
        }
    }

    fn commit(&mut self, index: prop::sample::Index) {
        if self.uploads.is_empty() {
            return;
        }
        let at = index.index(self.uploads.len());
        let mut upload = self.uploads.swap_remove(at);
        if let Some((name, size)) = upload.name.take() {
            let growth = self.model.growth(upload.at, &name, size);
            if !self.hold(upload.number, upload.at, &upload.reservation, growth) {
                self.model.held.remove(&upload.number);
                return;
            }
            let old = self.model.objects.insert((upload.at, name.clone()), size);
            let sizes = [old, Some(size)];
            self.owned.count(upload.at, &name, sizes, &upload.reservation);
            let freed = old.map(footprint).unwrap_or_default().less(footprint(size));
            self.model.held.insert(upload.number, (upload.at, freed));
        }
        self.uploads.push(upload);
    }
}

proptest! {
    /// Reservations, commits, removals and changed limits in any order: the sums are those of the model, and what is
    /// there and what is held never grow beyond a limit together.
    #[test]
    fn what_is_there_and_on_its_way_stays_within_limits(steps in steps()) {
        let mut world = World {
            owned: Owned::new(),
            model: Model::default(),
            uploads: Vec::new(),
            numbers: 0,
        };
        let mut before = NODES.map(|_| Footprint::default());
        for step in steps {
            world.run(step);
            for (node, before) in NODES.into_iter().zip(&mut before) {
                let (used, held) = (world.owned.used(node), world.owned.held(node));
                prop_assert_eq!(used, world.model.used(node));
                prop_assert_eq!(held, world.model.held(node));
                let sum = used.plus(held);
                let limits = world.model.limits.get(&node).copied().unwrap_or_default();
                prop_assert!(limits.bytes.is_none_or(|limit| sum.bytes <= limit.max(before.bytes)));
                prop_assert!(limits.objects.is_none_or(|limit| sum.objects <= limit.max(before.objects)));
                *before = sum;
            }
        }
        world.uploads.clear();
        for node in NODES {
            prop_assert_eq!(world.owned.held(node), Footprint::default());
        }
    }
}

#[tokio::test]
async fn a_limit_is_in_force_when_all_changes_under_the_former_one_are_made() {
    let Owned { account, containers } = Owned::new();
    let publishing = containers[1].lock.shared().await;
    let mut attributes = account_attributes();
    attributes.properties.insert("x-account-quota-bytes", "5");
    account.set_attributes(attributes);
    let enforcing = tokio::spawn({
        let account = Arc::clone(&account);
        async move { account.enforce_limits().await }
    });
    while !containers[0].standing().is_limited() {
        tokio::task::yield_now().await;
    }
    assert!(!enforcing.is_finished() && !containers[1].standing().is_limited());
    drop(publishing);
    enforcing.await.unwrap();
    assert!(containers[1].standing().is_limited());

    account.set_attributes(account_attributes());
    account.enforce_limits().await;
    assert!(
        containers
            .iter()
            .all(|container| !container.standing().is_limited())
    );
}
