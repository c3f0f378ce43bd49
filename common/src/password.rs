//! Passwords: hashed with argon2id, and verified so that nobody can make the server spend more than two cores' worth.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::{Error, Secret};

/// At most so many are computed at once, each with 19 MiB.
static COMPUTING: Semaphore = Semaphore::const_new(2);

/// The argon2id hash of `password` with a new random salt, in PHC form.
///
/// # Errors
/// When the system has no random numbers.
pub async fn hash(password: Secret) -> Result<String, Error> {
    compute(move || {
        let hash = Argon2::default().hash_password(password.expose().as_bytes());
        hash.map(|hash| hash.to_string())
            .map_err(|error| Error::internal(error.to_string()))
    })
    .await?
}

/// Whether `password` is the one that `verifier` was made of. Without a verifier the same time is spent, so that an
/// answer's delay does not tell whether a user exists.
///
/// # Errors
/// When the computation was cut off by the end of the process.
pub async fn verify(password: Secret, verifier: Option<String>) -> Result<bool, Error> {
    /// Of a random password that nobody has.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c3RvYmotbm9ib2R5LXNhbHQ$0F5vMHhXPfE2tSbc2iTh1N5mWmuU6WYPL3wXl5FyGuk";
    compute(move || {
        let known = verifier.is_some();
        let verifier = verifier.unwrap_or_else(|| NOBODY.to_owned());
        let matches = PasswordHash::new(&verifier).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.expose().as_bytes(), &hash)
                .is_ok()
        });
        known && matches
    })
    .await
}

async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _permit = COMPUTING.acquire().await.map_err(Error::internal)?;
    spawn_blocking(work).await.map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_verifies() {
        let verifier = hash(Secret::new("testing")).await.unwrap();
        assert!(verifier.starts_with("$argon2id$"));
        assert!(
            verify(Secret::new("testing"), Some(verifier.clone()))
                .await
                .unwrap()
        );
        assert!(!verify(Secret::new("Testing"), Some(verifier)).await.unwrap());
        assert!(!verify(Secret::new("testing"), None).await.unwrap());
        assert!(
            !verify(Secret::new("testing"), Some("nonsense".into()))
                .await
                .unwrap()
        );
    }
}
