//! What `/info` tells clients.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};

/// What the filters of a pipeline add to `/info`: each adds its own while it is built. Clones share one collection.
#[derive(Clone, Debug, Default)]
pub struct Features(Arc<Mutex<Map<String, Value>>>);

impl Features {
    /// Announces the feature `name`, without members unless [`set`](Self::set) adds some.
    pub fn announce(&self, name: &str) {
        self.0
            .lock()
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()));
    }

    /// Says something about the feature `name`.
    pub fn set(&self, name: &str, member: &str, value: impl Into<Value>) {
        let mut features = self.0.lock();
        let entry = features.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(members) = entry {
            members.insert(member.to_owned(), value.into());
        }
    }

    /// All of them, as the object that `/info` shows.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.lock().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn features_and_their_members_add_up() {
        let features = Features::default();
        features.announce("staticweb");
        let clone = features.clone();
        clone.set("tempauth", "account_acls", true);
        clone.announce("tempauth");
        assert_eq!(
            features.to_json(),
            json!({"staticweb": {}, "tempauth": {"account_acls": true}})
        );
    }
}
