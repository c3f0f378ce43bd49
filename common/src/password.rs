//! Passwords: hashed with argon2id, and verified so that nobody can make the server spend more than two cores' worth.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::{Error, Secret};

/// At most so many are computed at once, each with 19 MiB.
static COMPUTING: Semaphore = Semaphore::const_new(2);

/// Room for so many blocks is asked for, though most of it is never touched: what is larger than 32 MiB goes back to the
/// system when it is freed, whereas less may stay with the thread for good (glibc).
const RESERVED_BLOCKS: usize = (33 << 20) / Block::SIZE;

/// The argon2id hash of `password` with a new random salt, in PHC form.
///
/// # Errors
/// When the system has no random numbers.
pub async fn hash(password: Secret) -> Result<String, Error> {
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    getrandom::fill(&mut salt).map_err(Error::internal)?;
    let verifier = compute(move || new_verifier(&password, &salt)).await?;
    verifier.map_err(|error| Error::internal(error.to_string()))
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
        let matches = matches(&password, &verifier).unwrap_or(false);
        known && matches
    })
    .await
}

async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _permit = COMPUTING.acquire().await.map_err(Error::internal)?;
    spawn_blocking(work).await.map_err(Error::internal)
}

fn new_verifier(password: &Secret, salt: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let (algorithm, version, params) = (Algorithm::default(), Version::default(), Params::default());
    let salt = Salt::new(salt)?;
    let hash = PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(salt),
        hash: Some(output(password, &salt, &Argon2::new(algorithm, version, params))?),
    };
    Ok(hash.to_string())
}

/// In constant time. An error is a verifier that is none.
fn matches(password: &Secret, verifier: &str) -> Result<bool, argon2::password_hash::Error> {
    let hash = PasswordHash::new(verifier)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Ok(false);
    };
    let version = match hash.version {
        Some(version) => Version::try_from(version)?,
        None => Version::default(),
    };
    let argon2 = Argon2::new(
        Algorithm::try_from(hash.algorithm.as_str())?,
        version,
        Params::try_from(&hash)?,
    );
    Ok(output(password, salt, &argon2)? == *expected)
}

fn output(
    password: &Secret,
    salt: &[u8],
    argon2: &Argon2<'_>,
) -> Result<Output, argon2::password_hash::Error> {
    let count = argon2.params().block_count();
    let mut blocks = Vec::with_capacity(count.max(RESERVED_BLOCKS));
    blocks.resize(count, Block::default());
    let mut buffer = [0; Output::MAX_LENGTH];
    let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let bytes = buffer
        .get_mut(..length)
        .ok_or(argon2::password_hash::Error::OutputSize)?;
    argon2.hash_password_into_with_memory(
        password.expose().as_bytes(),
        salt,
        bytes,
        blocks.as_mut_slice(),
    )?;
    Output::new(bytes).map_err(Into::into)
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

    #[test]
    fn the_library_makes_and_takes_the_same_verifiers() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};

        let (right, wrong) = (Secret::new("testing"), Secret::new("Testing"));
        let library = Argon2::default();
        let theirs = library.hash_password(b"testing").unwrap().to_string();
        assert!(matches(&right, &theirs).unwrap());
        assert!(!matches(&wrong, &theirs).unwrap());
        let ours = new_verifier(&right, &[7; 16]).unwrap();
        assert_eq!(library.verify_password(b"testing", ours.as_str()), Ok(()));
        assert!(library.verify_password(b"Testing", ours.as_str()).is_err());
    }
}
