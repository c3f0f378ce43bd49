//! Where a client logs in, and as whom.

use super::error::{Error, Failure};
use crate::Secret;

/// Where to log in, and as whom.
#[derive(Clone, Debug)]
pub struct Login {
    /// As `http://127.0.0.1:8080/auth/v1.0`.
    pub url: String,
    /// As `account:user`.
    pub user: String,
    /// The password.
    pub key: Secret,
}

/// The way to an account.
#[derive(Clone, Debug)]
pub enum Access {
    /// A log-in, which is done again when the token ends.
    Login {
        /// Where and as whom.
        login: Login,
        /// The account's URL, if it is to be another than the log-in tells.
        storage_url: Option<String>,
    },
    /// A token that somebody else got.
    Token {
        /// The account's URL.
        storage_url: String,
        /// The token.
        token: Secret,
    },
}

impl Login {
    /// What `ST_AUTH`, `ST_USER` and `ST_KEY` say, as python-swiftclient reads them; `None` without `ST_AUTH`.
    ///
    /// # Errors
    /// When one of the others is missing.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &'static str| {
            let missing = || Failure::Usage(format!("ST_AUTH is set, but {name} is not"));
            variable(name).ok_or_else(|| Error::new("log-in", missing()))
        };
        let Some(url) = variable("ST_AUTH") else {
            return Ok(None);
        };
        Ok(Some(Self {
            url,
            user: needed("ST_USER")?,
            key: Secret::new(needed("ST_KEY")?),
        }))
    }
}

impl Access {
    /// What the environment says, as python-swiftclient reads it: `OS_STORAGE_URL` together with `OS_AUTH_TOKEN` needs no
    /// log-in; without the token it replaces the URL that the log-in of `ST_AUTH` tells.
    ///
    /// # Errors
    /// When something is missing; the text says what to set.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let storage_url = set("OS_STORAGE_URL");
        if let (Some(storage_url), Some(token)) = (&storage_url, set("OS_AUTH_TOKEN")) {
            return Ok(Self::Token {
                storage_url: storage_url.clone(),
                token: Secret::new(token),
            });
        }
        match Login::from_environment(&variable)? {
            Some(login) => Ok(Self::Login { login, storage_url }),
            None => {
                let how =
                    "set ST_AUTH (as http://127.0.0.1:8080/auth/v1.0), ST_USER (as account:user) and ST_KEY";
                Err(Error::new("log-in", Failure::Usage(how.to_owned())))
            }
        }
    }
}

impl From<Login> for Access {
    fn from(login: Login) -> Self {
        Self::Login {
            login,
            storage_url: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(of: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| {
            of.iter()
                .find(|(have, _)| *have == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_environment_says_where_to_log_in() {
        assert!(Login::from_environment(variables(&[])).unwrap().is_none());
        assert!(
            Login::from_environment(variables(&[("ST_AUTH", "")]))
                .unwrap()
                .is_none()
        );
        let error =
            Login::from_environment(variables(&[("ST_AUTH", "http://x/"), ("ST_USER", "a:b")])).unwrap_err();
        assert!(error.to_string().contains("ST_KEY"), "{error}");
        let all = variables(&[("ST_AUTH", "http://x/"), ("ST_USER", "a:b"), ("ST_KEY", "k")]);
        let login = Login::from_environment(all).unwrap().unwrap();
        assert_eq!((login.user.as_str(), login.key.expose()), ("a:b", "k"));
    }

    #[test]
    fn a_token_needs_no_log_in() {
        let both = variables(&[
            ("ST_AUTH", "http://x/"),
            ("OS_STORAGE_URL", "http://y/v1/a"),
            ("OS_AUTH_TOKEN", "t"),
        ]);
        let access = Access::from_environment(both).unwrap();
        assert!(matches!(access, Access::Token { token, .. } if token.expose() == "t"));
        let only_url = variables(&[
            ("ST_AUTH", "http://x/"),
            ("ST_USER", "a:b"),
            ("ST_KEY", "k"),
            ("OS_STORAGE_URL", "http://y/v1/b"),
        ]);
        let access = Access::from_environment(only_url).unwrap();
        assert!(matches!(access, Access::Login { storage_url: Some(url), .. } if url.ends_with("/b")));
        let error = Access::from_environment(variables(&[])).unwrap_err();
        assert!(error.to_string().contains("ST_AUTH"), "{error}");
    }
}
