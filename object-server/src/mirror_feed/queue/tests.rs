use common::Timestamp;
use common::functional::mirror::ObjectRow;
use common::name::{ContainerName, ObjectName};
use proptest::prelude::*;

use super::*;

fn object(name: &str) -> NodePath {
    NodePath::Object(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
}

fn directory(name: &str) -> NodePath {
    NodePath::Directory(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
}

/// The state of an object whose last write was that of `bytes`.
fn state(path: &NodePath, bytes: Option<u64>) -> Node {
    let NodePath::Object(container, object) = path.clone() else {
        panic!("only objects have states here");
    };
    let row = bytes.map(|bytes| ObjectRow {
        timestamp: Timestamp::default(),
        bytes,
        etag: common::Etag::new(""),
        content_type: String::new(),
        delete_at: None,
        listing: None,
        metadata: common::Properties::new(),
        state: common::functional::firewall::State::Enable,
    });
    Node::Object(container, object, row)
}

fn names(batch: &Batch) -> Vec<(u64, u64, NodePath)> {
    let name = |what: &What| match what {
        What::Node(path, _) => path.clone(),
        What::Rename(rename, _) => rename.places().next().unwrap().clone(),
    };
    batch
        .waiting
        .iter()
        .map(|(place, waiting)| (*place, waiting.seq, name(&waiting.what)))
        .collect()
}

fn queue() -> Queue {
    let mut queue = Queue::new(0);
    for (seq, name) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
        let state = state(&object(name), None);
        queue.note(seq, Position::default(), object(name), Some(state));
    }
    queue
}

#[test]
fn a_node_is_sent_once_at_its_first_place() {
    let mut queue = queue();
    let batch = queue.take(2);
    assert_eq!(names(&batch), [(1, 3, object("a")), (2, 2, object("b"))]);
    assert_eq!(batch.through, 3);
    let batch = queue.take(2);
    assert_eq!(names(&batch), [(4, 4, object("c"))]);
    assert_eq!(batch.through, 4);
    assert!(queue.take(2).waiting.is_empty());
}

#[test]
fn a_batch_put_back_takes_newer_states() {
    let mut queue = queue();
    let batch = queue.take(2);
    queue.note(5, Position::default(), object("b"), None);
    queue.put_back(batch);
    let batch = queue.take(10);
    assert_eq!(
        names(&batch),
        [(1, 3, object("a")), (2, 5, object("b")), (4, 4, object("c"))]
    );
    assert!(matches!(batch.waiting[1].1.what, What::Node(_, None)));
    assert_eq!(batch.through, 5);
}

#[test]
fn what_the_mirror_has_is_forgotten() {
    let mut queue = queue();
    queue.forget_through(3);
    assert_eq!(names(&queue.take(10)), [(4, 4, object("c"))]);
}

#[test]
fn changes_on_the_two_sides_of_a_rename_stay_apart() {
    let mut queue = queue();
    let rename = Rename {
        from: Some(directory("d/")),
        to: Some(directory("e/")),
    };
    queue.note_rename(5, Position::default(), rename, None);
    queue.note(6, Position::default(), object("a"), None);
    let batch = queue.take(2);
    queue.note(7, Position::default(), object("a"), None);
    queue.put_back(batch);
    queue.note(8, Position::default(), object("a"), None);
    let batch = queue.take(10);
    assert_eq!(
        names(&batch),
        [
            (1, 3, object("a")),
            (2, 2, object("b")),
            (4, 4, object("c")),
            (5, 5, directory("d/")),
            (6, 8, object("a")),
        ]
    );
}

#[test]
fn a_moved_object_is_never_sent_by_halves() {
    let mut queue = queue();
    let rename = Rename {
        from: Some(object("b")),
        to: Some(object("x")),
    };
    queue.note_rename(5, Position::default(), rename, None);
    assert_eq!(queue.last_seq(), 6);
    let batch = queue.take(4);
    assert_eq!((batch.waiting.len(), batch.through), (3, 4));
    queue.arrived(&batch);
    let batch = queue.take(4);
    assert_eq!((batch.waiting.len(), batch.through), (1, 6));
}

/// What happens to the account, to the queue, or to the mirror.
#[derive(Clone, Debug)]
enum Step {
    /// An object is written or removed; the queue may know its state.
    Write(String, bool, bool),
    Move(String, String),
    MoveObject(String, String, bool),
    Detach(String),
    /// A batch of so many changes is read, and then so many other steps come before it is sent. It arrives, or it does
    /// not; and the answer, too.
    Send(usize, bool, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || "[ab]/([ab]/)?[xy]";
    let top = || "[a-d]/";
    let step = prop_oneof![
        6 => (name(), any::<bool>(), any::<bool>()).prop_map(|(name, is_there, known)| Step::Write(name, is_there, known)),
        2 => (top(), top()).prop_map(|(from, to)| Step::Move(from, to)),
        1 => ("[ab]/[ab]/", top()).prop_map(|(from, to)| Step::Move(from, to)),
        2 => (name(), name(), any::<bool>()).prop_map(|(from, to, known)| Step::MoveObject(from, to, known)),
        1 => top().prop_map(Step::Detach),
        4 => (1..6_usize, any::<bool>(), any::<bool>()).prop_map(|(limit, arrives, answered)| Step::Send(limit, arrives, answered)),
    ];
    prop::collection::vec(step, 0..60)
}

type Rows = BTreeMap<NodePath, (u64, u64)>;

/// Storage and mirror, each a map of names to the write that made what is there (and, in the mirror, its `seq`).
#[derive(Default)]
struct World {
    seq: u64,
    storage: BTreeMap<NodePath, u64>,
    rows: Rows,
    reached: u64,
    queue: Queue,
}

fn rename_all<T: Clone>(rows: &mut BTreeMap<NodePath, T>, rename: &Rename) {
    let moved: Vec<_> = rows
        .iter()
        .filter_map(|(path, row)| Some((rename.after(path)?, row.clone())))
        .collect();
    *rows = moved.into_iter().collect();
}

impl World {
    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn rename(&mut self, rename: Rename, state: Option<Node>) {
        let seq = self.next_seq();
        self.seq += u64::from(rename.is_of_object());
        rename_all(&mut self.storage, &rename);
        self.queue.note_rename(seq, Position::default(), rename, state);
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Write(name, is_there, is_known) => {
                let (seq, path) = (self.next_seq(), object(&name));
                match is_there {
                    true => self.storage.insert(path.clone(), seq),
                    false => self.storage.remove(&path),
                };
                let state = is_known.then(|| state(&path, is_there.then_some(seq)));
                self.queue.note(seq, Position::default(), path, state);
            }
            Step::Move(from, to) if !from.starts_with(&to) && !to.starts_with(&from) => {
                let (from, to) = (Some(directory(&from)), Some(directory(&to)));
                self.rename(Rename { from, to }, None);
            }
            Step::MoveObject(from, to, is_known) if from != to => {
                let (from, to) = (object(&from), object(&to));
                if let Some(write) = self.storage.get(&from).copied() {
                    let known = is_known.then(|| state(&to, Some(write)));
                    let rename = Rename {
                        from: Some(from),
                        to: Some(to),
                    };
                    self.rename(rename, known);
                }
            }
            Step::Detach(name) => {
                let from = Some(directory(&name));
                self.rename(Rename { from, to: None }, None);
            }
            Step::Move(..) | Step::MoveObject(..) | Step::Send(..) => {}
        }
    }

    /// The changes of a batch, as a stream makes them of it.
    fn read(&self, batch: &Batch) -> Vec<(u64, What)> {
        let state_of = |path: &NodePath, known: &Option<Node>, seq| match known {
            Some(known) => known.clone(),
            None => {
                let now = self.queue.now_called(path, seq);
                let write = now.and_then(|now| self.storage.get(&now).copied());
                state(path, write)
            }
        };
        let mut changes = Vec::new();
        for (_, waiting) in &batch.waiting {
            let seq = waiting.seq;
            match &waiting.what {
                What::Node(path, known) => {
                    let node = state_of(path, known, seq);
                    changes.push((seq, What::Node(path.clone(), Some(node))));
                }
                What::Rename(rename, known) if rename.is_of_object() => {
                    let to = rename.to.clone().unwrap();
                    let node = state_of(&to, known, seq);
                    changes.push((seq, What::Node(to, Some(node))));
                    let from = rename.from.clone().unwrap();
                    let gone = state(&from, None);
                    changes.push((seq + 1, What::Node(from, Some(gone))));
                }
                What::Rename(..) => changes.push((seq, waiting.what.clone())),
            }
        }
        changes
    }

    fn apply(&mut self, changes: Vec<(u64, What)>, through: u64) {
        let base = self.reached;
        for (seq, what) in changes.into_iter().filter(|(seq, _)| *seq > base) {
            match what {
                What::Node(path, Some(Node::Object(_, _, row))) => {
                    if self.rows.get(&path).is_some_and(|(_, stored)| *stored >= seq) {
                        continue;
                    }
                    match row {
                        Some(row) => self.rows.insert(path, (row.bytes, seq)),
                        None => self.rows.remove(&path),
                    };
                }
                What::Rename(rename, _) => rename_all(&mut self.rows, &rename),
                What::Node(..) => panic!("every state was read"),
            }
        }
        self.reached = self.reached.max(through);
    }

    fn finish(&mut self) {
        loop {
            let batch = self.queue.take(3);
            if batch.waiting.is_empty() {
                return;
            }
            let changes = self.read(&batch);
            self.apply(changes, batch.through);
            self.queue.arrived(&batch);
        }
    }
}

/// A batch, what it is read as, whether it arrives, and whether the answer does.
type InFlight = (Batch, Vec<(u64, What)>, bool, bool);

proptest! {
    /// Whatever is sent, lost, put back or sent again, with states known or read late: at last the mirror's rows are those
    /// of storage.
    #[test]
    fn the_rows_become_those_of_storage(steps in steps()) {
        let mut world = World::default();
        let mut in_flight: Option<InFlight> = None;
        for step in steps {
            if let Some((batch, changes, arrives, answered)) = in_flight.take() {
                if arrives {
                    world.apply(changes, batch.through);
                }
                if arrives && answered {
                    world.queue.arrived(&batch);
                } else {
                    world.queue.put_back(batch);
                    // Whoever looks where the mirror stands does not send again what it has.
                    if arrives {
                        world.queue.forget_through(world.reached);
                    }
                }
            }
            if let Step::Send(limit, arrives, answered) = step {
                let batch = world.queue.take(limit);
                let changes = world.read(&batch);
                in_flight = Some((batch, changes, arrives, answered));
            } else {
                world.run(step);
            }
        }
        if let Some((batch, ..)) = in_flight {
            world.queue.put_back(batch);
        }
        world.finish();
        prop_assert!(world.queue.is_empty() && world.queue.renames.is_empty());
        let rows: BTreeMap<_, _> = world.rows.iter().map(|(path, (write, _))| (path.clone(), *write)).collect();
        prop_assert_eq!(rows, world.storage);
        prop_assert_eq!(world.reached, world.seq);
    }

    /// A new owner that knows of every change only its name and `seq` brings the mirror to the same.
    #[test]
    fn a_journal_read_again_leads_to_the_same(steps in steps(), reached in 0..80_u64) {
        let (mut world, mut again) = (World::default(), World::default());
        let mut partial = World::default();
        for step in steps {
            let before = world.seq;
            let noted = |world: &World| world.queue.order.range(before + 1..).next().map(|(seq, waiting)| (*seq, waiting.what.clone()));
            let known = match &step {
                Step::Write(name, ..) => Some(object(name)),
                _ => None,
            };
            world.run(step.clone());
            if world.seq == before {
                continue;
            }
            let what = noted(&world).map(|(_, what)| what).or_else(|| known.map(|path| What::Node(path, None)));
            match what {
                Some(What::Node(path, _)) => again.queue.note(world.seq, Position::default(), path, None),
                Some(What::Rename(rename, _)) => again.queue.note_rename(before + 1, Position::default(), rename, None),
                None => {}
            }
            // The mirror has what happened up to some moment.
            if world.seq <= reached {
                partial.run(step);
            }
        }
        partial.finish();
        (again.storage, again.seq) = (world.storage.clone(), world.seq);
        (again.rows, again.reached) = (partial.rows, partial.seq);
        again.queue.forget_through(partial.seq);
        again.finish();
        let rows: BTreeMap<_, _> = again.rows.iter().map(|(path, (write, _))| (path.clone(), *write)).collect();
        prop_assert_eq!(rows, world.storage);
    }
}
