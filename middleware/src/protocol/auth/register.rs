//! Registration: `POST /auth/register` with a JSON object, answered by 201 and the URL of the new account.

use std::sync::Arc;

use common::functional::{Authority, Caller};
use common::{Body, Error, Outcome, Secret, email};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq as _};

use super::settings::Admission;
use super::{Auth, revoke};
use crate::ClientAddress;
use crate::registration::Wanted;

/// The path behind the prefix.
pub(super) const PATH: &str = "register";

/// No more of a body is read.
const MAX_BODY: u64 = 16 * 1024;
/// In bytes, and the least is in characters.
const NAME_MAX: usize = 64;
const PASSWORD_MIN: usize = 8;
const PASSWORD_MAX: usize = 256;

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    email: String,
    name: String,
    password: Secret,
    #[serde(default)]
    invitation: Option<Secret>,
}

impl Auth {
    /// Answers a request to become a user.
    pub(super) async fn register(&self, head: Parts, body: Body) -> Response<Body> {
        if head.method != Method::POST {
            let mut response =
                Error::from(Outcome::MethodNotAllowed(vec!["POST".to_owned()])).into_response();
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        match self.try_to_register(&head, body).await {
            Ok(response) => response,
            Err(error) => revoke::failed(error, &head.extensions),
        }
    }

    async fn try_to_register(&self, head: &Parts, body: Body) -> Result<Response<Body>, Error> {
        let address = ClientAddress::of(&head.extensions);
        let settings = &self.checked.settings;
        if settings.registration == Admission::Closed {
            return Err(Error::forbidden().with_text("registration is closed"));
        }
        if let Err(wait) = self.attempts.check_address(address) {
            return Err(Error::too_many_attempts(wait));
        }
        // Whatever comes of it: who tries all names or codes is slowed.
        self.attempts.failed_from(address);
        let sent = read(body).await?;
        if settings.registration == Admission::Invitation
            && !is_invited(sent.invitation.as_ref(), &settings.invitations)
        {
            return Err(Error::forbidden().with_text("invitation: this code is not known"));
        }
        let wanted = self.check(&sent)?;
        let Ok(_permit) = self.logins.waiting.try_acquire() else {
            let later = Some(std::time::Duration::from_secs(1));
            return Err(Error::unavailable("too many log-ins are waiting", later));
        };
        let (name, email) = (wanted.name.clone(), wanted.email.clone());
        let authority = Authority::Caller(Caller::Anonymous);
        let context = revoke::context(&head.extensions, &head.headers, authority);
        let registration = Arc::clone(&self.registration);
        // A client that hangs up leaves nothing half done.
        let registered = tokio::spawn(async move { registration.register(wanted, context).await });
        registered.await.map_err(Error::internal)??;
        self.policy.refresh_in_time().await;
        self.registered(&name, &email, head)
    }

    fn check(&self, sent: &Sent) -> Result<Wanted, Error> {
        let email = email::normalised(&sent.email)?;
        check_name(&sent.name)?;
        if self.checked.reseller.prefix_of(&sent.name).is_some() {
            return Err(Error::bad_request(
                "name: it must not begin like the name of an account",
            ));
        }
        check_password(sent.password.expose())?;
        Ok(Wanted {
            name: sent.name.clone(),
            email,
            password: sent.password.clone(),
        })
    }

    fn registered(&self, name: &str, email: &str, head: &Parts) -> Result<Response<Body>, Error> {
        let url = self.storage_url(name, &head.headers)?;
        let answer = serde_json::json!({
            "user": format!("{name}:{name}"),
            "email": email,
            "storage_url": String::from_utf8_lossy(url.as_bytes()),
        });
        let mut response = Response::new(Body::full(format!("{answer}\n")));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("x-storage-url"), url);
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        Ok(response)
    }
}

async fn read(mut body: Body) -> Result<Sent, Error> {
    let too_long =
        || Error::from(Outcome::TooLarge).with_text(format!("the body has at most {MAX_BODY} bytes"));
    if body.exact_length().is_some_and(|length| length > MAX_BODY) {
        return Err(too_long());
    }
    let mut json = Vec::new();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::new(Outcome::ClientGone).caused_by(error),
        })?;
        if (json.len() + chunk.len()) as u64 > MAX_BODY {
            return Err(too_long());
        }
        json.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&json).map_err(|error| {
        // Without the place, and without what stands there, which may be the password.
        let what = if error.is_data() {
            shown(&error)
        } else {
            "it is no JSON".to_owned()
        };
        Error::bad_request(format!(
            "expected a JSON object with email, name, password and perhaps invitation, all texts: {what}"
        ))
    })
}

/// What is wrong with the fields; of a wrong value nothing but that it is wrong.
fn shown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    match text.starts_with("missing field")
        || text.starts_with("unknown field")
        || text.starts_with("duplicate field")
    {
        true => text.to_owned(),
        false => "a value is no text".to_owned(),
    }
}

/// Whether `sent` is one of the codes. All are compared, each in a time that does not tell how much of it fits.
fn is_invited(sent: Option<&Secret>, codes: &[Secret]) -> bool {
    let sent = sent.map_or("", Secret::expose).as_bytes();
    let fits = |code: &Secret| code.expose().as_bytes().ct_eq(sent);
    let any = codes.iter().fold(Choice::from(0), |any, code| any | fits(code));
    bool::from(any)
}

fn check_name(name: &str) -> Result<(), Error> {
    let is_inside = |char: char| char.is_alphanumeric() || "-_.".contains(char);
    let begins = name.chars().next().is_some_and(char::is_alphanumeric);
    if !begins || name.len() > NAME_MAX || !name.chars().all(is_inside) {
        return Err(Error::bad_request(format!(
            "name: expected 1 to {NAME_MAX} bytes of letters, digits and -_. that begin with a letter or digit"
        )));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::bad_request(format!("password: {why}")));
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        return wrong("expected at least 8 characters, and at most 256 bytes");
    }
    if password.chars().any(char::is_control) || password.trim() != password {
        return wrong(
            "it must not hold control characters, nor begin or end with a space, to be sent in a header",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_passwords_are_checked() {
        for name in ["a", "bob", "bob-2.x_y", "jörg", "7"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", ".bob", "-bob", "a b", "a:b", "a/b", "a@b", "a\0", "a,b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name(&"a".repeat(65)).is_err());
        assert!(check_password("sesame-1").is_ok());
        for password in [
            "sesame1",
            " sesame-1",
            "sesame-1 ",
            "sesame\n-1",
            &"a".repeat(257),
        ] {
            assert!(check_password(password).is_err(), "{password:?}");
        }
    }

    #[test]
    fn an_invitation_is_one_of_the_codes() {
        let codes = [Secret::new("first-code"), Secret::new("second-code")];
        let is_invited = |sent: Option<&str>| is_invited(sent.map(Secret::new).as_ref(), &codes);
        assert!(is_invited(Some("first-code")) && is_invited(Some("second-code")));
        for sent in [
            None,
            Some(""),
            Some("first-cod"),
            Some("third-code"),
            Some("first-code "),
        ] {
            assert!(!is_invited(sent), "{sent:?}");
        }
        assert!(!super::is_invited(None, &[]));
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_and_no_value_is_repeated() {
        let told = |json: &str| {
            let json = json.to_owned();
            async move { read(Body::full(json)).await.unwrap_err() }
        };
        let missing = told(r#"{"email": "a@example.org", "name": "a"}"#).await;
        assert!(
            missing.text().unwrap().contains("missing field `password`"),
            "{missing}"
        );
        let unknown = told(r#"{"mail": "a"}"#).await;
        assert!(
            unknown.text().unwrap().contains("unknown field `mail`"),
            "{unknown}"
        );
        for json in [
            r#"{"password": 12345678}"#,
            r#"{"password": ["sesame-1"]}"#,
            r#""sesame-1""#,
            "sesame-1",
        ] {
            let text = told(json).await;
            let text = text.text().unwrap();
            assert!(!text.contains("sesame") && !text.contains("1234"), "{text}");
        }
        assert_eq!(told(&" ".repeat(20_000)).await.status(), 413);
    }

    proptest! {
        #[test]
        fn a_name_that_is_taken_makes_an_account(name in ".{0,20}") {
            if check_name(&name).is_ok() {
                let account = common::name::AccountName::new(format!("AUTH_{name}"));
                prop_assert!(account.is_ok());
            }
        }
    }
}
