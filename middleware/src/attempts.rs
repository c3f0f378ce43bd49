//! Attempts to log in that failed, and how long whoever fails too often must wait.
//!
//! Everybody may fail some times at once: ten times as one user, a hundred times from one address (an IPv6 network of 64
//! bits counts as one). Each failure is forgiven after a while, ten seconds for a user and one for an address; who
//! has no attempt left waits for that. The first answer tells how long, and no password is verified before.
//!
//! So that nobody is kept out by somebody who fails in their name, an address from which a user has logged in has
//! attempts of its own for that user. It makes no difference here whether there is such a user.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bounded::BoundedMap;

/// So many are remembered of each: users, addresses, addresses of users.
const REMEMBERED: usize = 20_000;

/// How many failures are allowed at once, and after which time one of them is forgiven.
struct Allowance {
    failures: u32,
    forgiven_after: Duration,
}

const OF_USER: Allowance = Allowance {
    failures: 10,
    forgiven_after: Duration::from_secs(10),
};
const OF_ADDRESS: Allowance = Allowance {
    failures: 100,
    forgiven_after: Duration::from_secs(1),
};

/// Who has failed, and who has not. Names and addresses are kept as hashes of a secret key.
#[derive(Debug)]
pub struct Attempts {
    hasher: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// When all failures of a user, or of a user from one address, are forgiven.
    users: BoundedMap<u64, Instant>,
    addresses: BoundedMap<u64, Instant>,
    /// Of users, from which they have logged in.
    familiar: BoundedMap<u64, ()>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            kept: Mutex::new(Kept {
                users: BoundedMap::new(REMEMBERED),
                addresses: BoundedMap::new(REMEMBERED),
                familiar: BoundedMap::new(REMEMBERED),
            }),
        }
    }
}

impl Attempts {
    /// Whether `login` may be tried from `address` now.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, login: &str, address: Option<IpAddr>) -> Result<(), Duration> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        let user = self.user(&mut kept, login, address);
        let of_user = OF_USER.wait(kept.users.lookup(&user), now);
        let of_address =
            address.and_then(|address| OF_ADDRESS.wait(kept.addresses.lookup(&self.address(address)), now));
        match of_user.max(of_address) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// Whether anything may be tried from `address` now.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check_address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        let Some(address) = address else { return Ok(()) };
        let until = self.kept.lock().addresses.lookup(&self.address(address)).copied();
        OF_ADDRESS
            .wait(until.as_ref(), Instant::now())
            .map_or(Ok(()), Err)
    }

    /// `login` was tried from `address` with a wrong password.
    pub fn failed(&self, login: &str, address: Option<IpAddr>) {
        self.failed_from(address);
        let now = Instant::now();
        let mut kept = self.kept.lock();
        let user = self.user(&mut kept, login, address);
        let until = OF_USER.after_failure(kept.users.lookup(&user), now);
        kept.users.insert(user, until);
    }

    /// Something was tried from `address` that counts as a failure of its own.
    pub fn failed_from(&self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let address = self.address(address);
        let mut kept = self.kept.lock();
        let until = OF_ADDRESS.after_failure(kept.addresses.lookup(&address), Instant::now());
        kept.addresses.insert(address, until);
    }

    /// `login` was tried from `address` with the right password. That forgives the user, not the address, from which
    /// others may be tried.
    pub fn succeeded(&self, login: &str, address: Option<IpAddr>) {
        let mut kept = self.kept.lock();
        let user = self.user(&mut kept, login, address);
        kept.users.remove(&user);
        if let Some(address) = address {
            let pair = self.hasher.hash_one((login, network(address)));
            kept.familiar.insert(pair, ());
        }
    }

    /// Under which key the failures of `login` are counted.
    fn user(&self, kept: &mut Kept, login: &str, address: Option<IpAddr>) -> u64 {
        let pair = address.map(|address| self.hasher.hash_one((login, network(address))));
        match pair.filter(|pair| kept.familiar.lookup(pair).is_some()) {
            Some(pair) => pair,
            None => self.hasher.hash_one(login),
        }
    }

    fn address(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(network(address))
    }
}

impl Allowance {
    /// How long to wait for the next attempt, where all failures are forgiven at `until`.
    fn wait(&self, until: Option<&Instant>, now: Instant) -> Option<Duration> {
        let owed = until?.saturating_duration_since(now);
        let free = self.forgiven_after * (self.failures - 1);
        owed.checked_sub(free).filter(|wait| !wait.is_zero())
    }

    fn after_failure(&self, until: Option<&Instant>, now: Instant) -> Instant {
        let until = until.copied().unwrap_or(now).max(now) + self.forgiven_after;
        // Attempts that were under way together are more than are allowed; nobody waits longer for that.
        until.min(now + self.forgiven_after * self.failures)
    }
}

/// The addresses that one client may choose from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_ten_times_waits_ten_seconds() {
        let attempts = Attempts::default();
        for number in 0..10 {
            assert_eq!(attempts.check("a:b", address("192.0.2.1")), Ok(()), "{number}");
            attempts.failed("a:b", address("192.0.2.1"));
        }
        let wait = Duration::from_secs(10);
        assert_eq!(attempts.check("a:b", address("192.0.2.1")), Err(wait));
        assert_eq!(
            attempts.check("a:b", address("192.0.2.2")),
            Err(wait),
            "from anywhere"
        );
        assert_eq!(attempts.check("a:c", address("192.0.2.1")), Ok(()), "others may");
        advance(wait).await;
        assert_eq!(attempts.check("a:b", None), Ok(()));
        attempts.failed("a:b", None);
        assert_eq!(attempts.check("a:b", None), Err(wait));
        for _ in 0..100 {
            attempts.failed("a:b", None);
        }
        assert_eq!(attempts.check("a:b", None), Err(wait), "it never gets longer");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_tries_a_hundred_users() {
        let attempts = Attempts::default();
        for number in 0..100 {
            attempts.failed(&format!("a:{number}"), address("2001:db8::1"));
        }
        let wait = Err(Duration::from_secs(1));
        assert_eq!(
            attempts.check("a:new", address("2001:db8::2")),
            wait,
            "the same network"
        );
        assert_eq!(attempts.check_address(address("2001:db8::3")), wait);
        assert_eq!(attempts.check("a:new", address("2001:db8:0:1::1")), Ok(()));
        assert_eq!(attempts.check_address(None), Ok(()));
        attempts.succeeded("a:new", address("2001:db8::2"));
        assert_eq!(
            attempts.check_address(address("2001:db8::3")),
            wait,
            "it forgives the user only"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_familiar_address_is_not_kept_out() {
        let attempts = Attempts::default();
        let (home, elsewhere) = (address("192.0.2.1"), address("198.51.100.1"));
        attempts.succeeded("a:b", home);
        for _ in 0..10 {
            attempts.failed("a:b", elsewhere);
        }
        assert!(attempts.check("a:b", elsewhere).is_err());
        assert_eq!(attempts.check("a:b", home), Ok(()));
        for _ in 0..10 {
            attempts.failed("a:b", home);
        }
        assert!(attempts.check("a:b", home).is_err());
        attempts.succeeded("a:b", home);
        assert_eq!(attempts.check("a:b", home), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_names_takes_no_more_room() {
        let attempts = Attempts::default();
        for number in 0..3 * REMEMBERED {
            attempts.failed(&number.to_string(), None);
        }
        assert_eq!(attempts.check("0", None), Ok(()));
    }
}
