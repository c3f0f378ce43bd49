//! Where a client logs in, and as whom.

use crate::{Error, Secret};

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

impl Login {
    /// What `ST_AUTH`, `ST_USER` and `ST_KEY` say, as python-swiftclient reads them; `None` without `ST_AUTH`.
    ///
    /// # Errors
    /// When one of the others is missing.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &'static str| {
            variable(name).ok_or_else(|| Error::bad_request(format!("ST_AUTH is set, but {name} is not")))
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
}
