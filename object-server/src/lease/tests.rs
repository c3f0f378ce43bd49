//! A lease by itself, and two servers that both believe to own a storage.

use super::*;

mod host;
mod jobs;
mod takeover;

const SECOND: u64 = 1_000_000_000;

fn lease() -> (Lease, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(SECOND));
    let lease = Lease::new(Terms::default(), Ticks::Manual(Arc::clone(&now)), SECOND);
    (lease, now)
}

#[test]
fn it_is_held_for_five_seconds_from_the_beginning_of_a_renewal() {
    let (lease, now) = lease();
    assert_eq!(lease.check(), Ok(()));
    now.store(6 * SECOND - 1, Ordering::Release);
    assert_eq!(lease.check(), Ok(()));
    now.store(6 * SECOND, Ordering::Release);
    assert_eq!(lease.check(), Err(NotHeld::Late));
    // One that took too long is of no use.
    lease.renewed(SECOND);
    assert_eq!(lease.check(), Err(NotHeld::Late));
    lease.renewed(2 * SECOND);
    assert_eq!(lease.check(), Ok(()));
}

#[test]
fn what_is_lost_is_lost_for_good() {
    let (lease, _now) = lease();
    lease.lose();
    lease.renewed(SECOND);
    assert_eq!(lease.check(), Err(NotHeld::Lost));
    assert!(lease.is_lost());
    assert_eq!(lease.wait(Duration::from_secs(60)), Err(NotHeld::Lost));
    assert_eq!(Lease::default().check(), Ok(()));
}

#[test]
fn who_is_late_in_the_midst_of_a_change_waits_until_it_is_known() {
    let (lease, now) = lease();
    now.store(10 * SECOND, Ordering::Release);
    assert_eq!(lease.wait(Duration::from_millis(1)), Err(NotHeld::Late));
    let waiting = lease.clone();
    let thread = std::thread::spawn(move || waiting.wait(Duration::from_secs(60)));
    lease.renewed(10 * SECOND);
    assert_eq!(thread.join().unwrap(), Ok(()));
    now.store(20 * SECOND, Ordering::Release);
    let waiting = lease.clone();
    let thread = std::thread::spawn(move || waiting.wait(Duration::from_secs(60)));
    lease.lose();
    assert_eq!(thread.join().unwrap(), Err(NotHeld::Lost));
}
