//! What only an engine over a tree has to show.

use std::sync::Arc;

use super::{Posix, Settings};
use crate::engine::conformance;

#[tokio::test(flavor = "multi_thread")]
async fn posix_conforms() {
    let root = tempfile::tempdir().unwrap();
    let engine = Posix::open(root.path(), &Settings::default()).unwrap();
    conformance::run(Arc::new(engine)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posix_conforms_relaxed() {
    let root = tempfile::tempdir().unwrap();
    let settings = Settings {
        durability: crate::settings::Durability::Relaxed,
        ..Settings::default()
    };
    let engine = Posix::open(root.path(), &settings).unwrap();
    conformance::run(Arc::new(engine)).await;
}
