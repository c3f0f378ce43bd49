use super::*;
use crate::testing::{Answering, account, container, context};
use common::functional::{Answer, Reply};
use std::sync::atomic::{AtomicU64, Ordering};

fn found(generation: u64) -> info::Found {
    let resource = info::Resource {
        generation,
        state: info::State::Present,
        properties: Properties::new(),
    };
    info::Found {
        account: resource.clone(),
        container: Some(resource),
    }
}

fn counting() -> InfoCache {
    let asked = AtomicU64::new(0);
    InfoCache::new(Answering::with(move |_| {
        let generation = asked.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Reply::new(Answer::InfoGet(found(generation))))
    }))
}

async fn generation(cache: &InfoCache) -> u64 {
    let (account, container) = (account(), container());
    let info = cache.load(&account, Some(&container), &context()).await.unwrap();
    info.container.unwrap().generation
}

#[tokio::test(start_paused = true)]
async fn an_entry_lives_a_minute() {
    let cache = counting();
    assert_eq!(generation(&cache).await, 1);
    assert_eq!(generation(&cache).await, 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(generation(&cache).await, 2);
}

#[tokio::test]
async fn an_invalidated_entry_is_asked_for_again() {
    let cache = counting();
    assert_eq!(generation(&cache).await, 1);
    cache.invalidate(&account(), Some(&container()));
    assert_eq!(generation(&cache).await, 2);
}

#[tokio::test]
async fn a_stale_answer_is_taken_over() {
    let cache = counting();
    assert_eq!(generation(&cache).await, 1);
    cache.update(&account(), Some(&container()), found(77));
    assert_eq!(generation(&cache).await, 77);
}

#[tokio::test]
async fn an_answer_that_an_invalidation_overtook_is_not_remembered() {
    let cache = Arc::new(std::sync::OnceLock::<Arc<InfoCache>>::new());
    let inner = Arc::clone(&cache);
    let owner = Answering::with(move |_| {
        let cache = inner.get().unwrap();
        cache.invalidate(&account(), Some(&container()));
        Ok(Reply::new(Answer::InfoGet(found(1))))
    });
    let cache = cache.get_or_init(|| Arc::new(InfoCache::new(owner)));
    assert_eq!(generation(cache).await, 1);
    assert!(cache.cached(&account(), Some(&container())).is_none());
}
