//! How much an account holds, kept up with each change.

use std::collections::BTreeMap;

use common::name::ContainerName;

use super::{Checkpoint, Count};
use crate::journal::Footprint;
use crate::node::NodePath;

/// The counters of an account. Totals are kept, never summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    containers: BTreeMap<ContainerName, Count>,
    totals: Totals,
    inconsistencies: u64,
}

/// What an account holds in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Containers in it.
    pub containers: u64,
    /// Objects in all of them.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
}

impl Counters {
    /// The counters that were written down.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Self {
        let mut totals = Totals::default();
        for count in checkpoint.containers.values() {
            totals.containers += 1;
            totals.objects = totals.objects.saturating_add(count.objects);
            totals.bytes = totals.bytes.saturating_add(count.bytes);
        }
        Self {
            containers: checkpoint.containers.clone(),
            totals,
            inconsistencies: 0,
        }
    }

    /// Counts a change: what was at `path` before and what is now; `None` is nothing. A container's own footprint
    /// only says whether it is there; an account's says nothing here.
    ///
    /// A change that does not fit what was counted is counted as far as it makes sense, logged, and remembered in
    /// [`inconsistencies`](Self::inconsistencies).
    pub fn apply(&mut self, path: &NodePath, old: Option<Footprint>, new: Option<Footprint>) {
        let fits = match path {
            // A directory is no object and holds no bytes.
            NodePath::Account => true,
            NodePath::Container(name) => match (old, new) {
                (None, Some(_)) => self.add_container(name),
                (Some(_), None) => self.remove_container(name),
                (None, None) | (Some(_), Some(_)) => true,
            },
            NodePath::Object(container, _) | NodePath::Directory(container, _) => {
                self.apply_object(container, old.unwrap_or_default(), new.unwrap_or_default())
            }
        };
        if !fits {
            self.inconsistencies += 1;
            tracing::warn!(
                ?path,
                ?old,
                ?new,
                "a change does not fit the counters; they should be recounted"
            );
        }
    }

    /// What a container holds; nothing, when it is not there.
    pub fn container(&self, name: &ContainerName) -> Count {
        self.containers.get(name).copied().unwrap_or_default()
    }

    /// A container really holds this much, as somebody counted.
    pub fn correct(&mut self, name: &ContainerName, holds: Count) {
        let Some(count) = self.containers.get_mut(name) else {
            return;
        };
        let before = std::mem::replace(count, holds);
        change(&mut self.totals.objects, before.objects, holds.objects);
        change(&mut self.totals.bytes, before.bytes, holds.bytes);
    }

    /// The account really has this container, in which nothing was counted yet, or has it no more.
    pub fn correct_container(&mut self, name: &ContainerName, is_there: bool) {
        match is_there {
            true => self.add_container(name),
            false => self.remove_container(name),
        };
    }

    /// What each container holds.
    pub const fn containers(&self) -> &BTreeMap<ContainerName, Count> {
        &self.containers
    }

    /// What the account holds.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// How many changes did not fit. Above zero, the counters are only nearly right until they are recounted.
    pub const fn inconsistencies(&self) -> u64 {
        self.inconsistencies
    }

    fn add_container(&mut self, name: &ContainerName) -> bool {
        if self.containers.contains_key(name) {
            return false;
        }
        self.containers.insert(name.clone(), Count::default());
        self.totals.containers += 1;
        true
    }

    fn remove_container(&mut self, name: &ContainerName) -> bool {
        let Some(count) = self.containers.remove(name) else {
            return false;
        };
        self.totals.containers -= 1;
        self.totals.objects = self.totals.objects.saturating_sub(count.objects);
        self.totals.bytes = self.totals.bytes.saturating_sub(count.bytes);
        count == Count::default()
    }

    fn apply_object(&mut self, container: &ContainerName, old: Footprint, new: Footprint) -> bool {
        let Some(count) = self.containers.get_mut(container) else {
            return false;
        };
        let before = *count;
        let fits_objects = change(&mut count.objects, old.objects, new.objects);
        let fits_bytes = change(&mut count.bytes, old.bytes, new.bytes);
        change(&mut self.totals.objects, before.objects, count.objects);
        change(&mut self.totals.bytes, before.bytes, count.bytes);
        fits_objects && fits_bytes
    }
}

/// Takes `old` off and puts `new` on; says whether that could be done exactly.
fn change(value: &mut u64, old: u64, new: u64) -> bool {
    let exact = value.checked_sub(old).and_then(|rest| rest.checked_add(new));
    *value = exact.unwrap_or_else(|| value.saturating_sub(old).saturating_add(new));
    exact.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::name::ObjectName;
    use proptest::prelude::*;

    type Model = BTreeMap<String, BTreeMap<String, u64>>;

    const PRESENT: Option<Footprint> = Some(Footprint { objects: 0, bytes: 0 });

    fn container(name: &str) -> ContainerName {
        ContainerName::new(name).unwrap()
    }

    fn object(of: &str, name: &str) -> NodePath {
        NodePath::Object(container(of), ObjectName::new(name).unwrap())
    }

    fn file(bytes: u64) -> Option<Footprint> {
        Some(Footprint { objects: 1, bytes })
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(String, String, u64),
        Delete(String, String),
        RemoveContainer(String),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => ("[a-c]", "[a-e]", 0..1_u64 << 40).prop_map(|(c, o, bytes)| Step::Put(c, o, bytes)),
            3 => ("[a-c]", "[a-e]").prop_map(|(c, o)| Step::Delete(c, o)),
            1 => "[a-c]".prop_map(Step::RemoveContainer),
        ];
        prop::collection::vec(step, 0..60)
    }

    /// Does to both what an owner would do; one that is refused there never reaches the counters.
    fn run(step: Step, model: &mut Model, counters: &mut Counters) {
        match step {
            Step::Put(c, o, bytes) => {
                if !model.contains_key(&c) {
                    counters.apply(&NodePath::Container(container(&c)), None, PRESENT);
                }
                let old = model.entry(c.clone()).or_default().insert(o.clone(), bytes);
                counters.apply(&object(&c, &o), old.and_then(file), file(bytes));
            }
            Step::Delete(c, o) => {
                if let Some(old) = model.get_mut(&c).and_then(|objects| objects.remove(&o)) {
                    counters.apply(&object(&c, &o), file(old), None);
                }
            }
            Step::RemoveContainer(c) => {
                if model.get(&c).is_some_and(BTreeMap::is_empty) {
                    model.remove(&c);
                    counters.apply(&NodePath::Container(container(&c)), PRESENT, None);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn counters_agree_with_a_recount(steps in steps(), cut in 0..60_usize) {
            let (mut model, mut counters) = (Model::new(), Counters::default());
            for (index, step) in steps.into_iter().enumerate() {
                if index == cut {
                    let containers = counters.containers().clone();
                    counters = Counters::from_checkpoint(&Checkpoint { containers, ..Checkpoint::default() });
                }
                run(step, &mut model, &mut counters);
                counters.apply(&NodePath::Account, PRESENT, PRESENT);
                let mut totals = Totals { containers: model.len() as u64, ..Totals::default() };
                for (name, objects) in &model {
                    let count = Count { objects: objects.len() as u64, bytes: objects.values().sum() };
                    prop_assert_eq!(counters.container(&container(name)), count);
                    totals.objects += count.objects;
                    totals.bytes += count.bytes;
                }
                prop_assert_eq!(counters.totals(), totals);
            }
            prop_assert_eq!(counters.inconsistencies(), 0);
        }
    }

    #[test]
    fn what_does_not_fit_is_remembered() {
        let mut counters = Counters::default();
        counters.apply(&object("a", "x"), None, file(5));
        assert_eq!(
            (counters.totals(), counters.inconsistencies()),
            (Totals::default(), 1)
        );
        counters.apply(&NodePath::Container(container("a")), None, PRESENT);
        counters.apply(&NodePath::Container(container("a")), None, PRESENT);
        assert_eq!(counters.inconsistencies(), 2);
        counters.apply(&object("a", "x"), file(5), file(3));
        assert_eq!(counters.inconsistencies(), 3);
        assert_eq!(
            counters.totals(),
            Totals {
                containers: 1,
                objects: 1,
                bytes: 3
            }
        );
        counters.apply(&NodePath::Container(container("a")), PRESENT, None);
        assert_eq!(
            (counters.totals(), counters.inconsistencies()),
            (Totals::default(), 4)
        );
        counters.apply(&NodePath::Container(container("a")), PRESENT, None);
        assert_eq!(counters.inconsistencies(), 5);
    }
}
