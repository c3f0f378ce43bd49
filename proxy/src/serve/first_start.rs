//! Users that are there from the start: the administrator of a new store, and those of the configuration.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use common::functional::{Context, ask, policy, user};
use common::service::{FunctionalService, HttpService};
use common::{Body, Clock, Error, Outcome, Secret};
use http::{Request, header};
use middleware::PolicyCache;

use crate::settings::User;

/// The administrator's password may be chosen by this variable.
const PASSWORD_VARIABLE: &str = "STOBJ_ADMIN_PASSWORD";
const TOKEN_PATH: &str = "/auth/v1.0";

/// What somebody who starts the store for the first time is told: how to log in, store a file and fetch it again.
#[derive(Clone, Debug)]
pub struct FirstStart {
    address: SocketAddr,
    /// `None` when the user has chosen it.
    generated_password: Option<Secret>,
    /// The account's URL; `None` when log-in was moved to another place by the configuration.
    storage_url: Option<String>,
}

/// The password of a new administrator.
#[derive(Clone, Debug)]
pub(super) struct AdministratorPassword {
    password: Secret,
    is_generated: bool,
}

impl FirstStart {
    /// Logs in as the administrator, as a client would, to see what a client sees.
    pub(super) async fn new(
        service: &HttpService,
        address: SocketAddr,
        administrator: AdministratorPassword,
    ) -> Self {
        let address = reachable(address);
        let request = Request::get(TOKEN_PATH)
            .header(header::HOST, address.to_string())
            .header("x-auth-user", "admin:admin")
            .header("x-auth-key", administrator.password.expose())
            .body(Body::empty());
        let storage_url = match request {
            Ok(request) => {
                let Ok(response) = service.handle(request).await;
                let url = response.headers().get("x-storage-url");
                url.and_then(|url| url.to_str().ok()).map(str::to_owned)
            }
            Err(_) => None,
        };
        Self {
            address,
            generated_password: administrator.is_generated.then_some(administrator.password),
            storage_url,
        }
    }

    /// Of a process that clients do not speak to.
    pub(super) fn without_clients(address: SocketAddr, administrator: AdministratorPassword) -> Self {
        Self {
            address,
            generated_password: administrator.is_generated.then_some(administrator.password),
            storage_url: None,
        }
    }
}

impl fmt::Display for FirstStart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.generated_password {
            Some(password) => writeln!(
                formatter,
                "This is a new store. Its administrator is admin:admin with the password {}\n\
                 (shown only now; `stobj user password admin:admin` gives another).\n",
                password.expose()
            )?,
            None => writeln!(
                formatter,
                "This is a new store. Its administrator is admin:admin with the password of {PASSWORD_VARIABLE}.\n"
            )?,
        }
        let Some(storage_url) = &self.storage_url else {
            return Ok(());
        };
        let auth_url = format!("http://{}{TOKEN_PATH}", self.address);
        let key = match &self.generated_password {
            Some(password) => format!("'X-Auth-Key: {}'", password.expose()),
            None => format!("\"X-Auth-Key: ${PASSWORD_VARIABLE}\""),
        };
        write!(
            formatter,
            "Clients log in at {auth_url} (auth version 1). With curl: get a token, store a file, fetch it:\n\n  \
             TOKEN=$(curl -sSi -H 'X-Auth-User: admin:admin' -H {key} {auth_url} | awk 'tolower($1) == \"x-auth-token:\" {{ printf \"%s\", $2 }}' | tr -d '\\r')\n  \
             curl -sSf -H \"X-Auth-Token: $TOKEN\" -X PUT {storage_url}/first && echo 'Hello!' | curl -sSf -H \"X-Auth-Token: $TOKEN\" -T - {storage_url}/first/hello.txt\n  \
             curl -sSf -H \"X-Auth-Token: $TOKEN\" {storage_url}/first/hello.txt\n"
        )
    }
}

/// Makes the administrator of a new store and brings the users of the configuration to their state. A database that was
/// emptied is no new store when `known` says who was in it: it is filled first.
///
/// # Errors
/// When the users cannot be read or written.
pub(super) async fn prepare(
    account_server: &FunctionalService,
    users: &[User],
    known: &PolicyCache,
) -> Result<Option<AdministratorPassword>, Error> {
    if let Err(error) = known.refresh_from(account_server).await {
        if matches!(error.outcome(), Outcome::Unavailable(_)) {
            return Err(error);
        }
        // An older database than the one that is known. Whoever wants that removes the snapshots.
        tracing::error!("the users in the database are not those of the policy snapshot: {error}");
        return Ok(None);
    }
    let password = make_administrator(account_server).await?;
    put_users(account_server, users).await?;
    Ok(password)
}

/// Makes `admin:admin` in a store that has no users yet, and answers its password.
async fn make_administrator(
    account_server: &FunctionalService,
) -> Result<Option<AdministratorPassword>, Error> {
    let everybody = policy::Fetch { known_version: 0 };
    let (fetched, _) = ask(account_server, everybody, context(), Body::empty()).await?;
    let is_somebody = |policy: policy::Policy| !policy.users.is_empty() || !policy.inactive.is_empty();
    if fetched.policy.is_some_and(is_somebody) {
        return Ok(None);
    }
    let chosen = std::env::var(PASSWORD_VARIABLE)
        .ok()
        .filter(|password| !password.is_empty());
    let administrator = match chosen {
        Some(password) => AdministratorPassword {
            password: Secret::new(password),
            is_generated: false,
        },
        None => AdministratorPassword {
            password: generate_password()?,
            is_generated: true,
        },
    };
    let put = user::Put {
        account: "admin".to_owned(),
        name: "admin".to_owned(),
        password: administrator.password.clone(),
        groups: vec![".admin".to_owned(), ".reseller_admin".to_owned()],
        email: None,
        only_if_absent: true,
    };
    ask(account_server, put, context(), Body::empty()).await?;
    Ok(Some(administrator))
}

async fn put_users(account_server: &FunctionalService, users: &[User]) -> Result<(), Error> {
    for user in users {
        let put = user::Put {
            account: user.account.clone(),
            name: user.name.clone(),
            password: user.key.clone(),
            groups: user.groups.clone(),
            email: None,
            only_if_absent: false,
        };
        ask(account_server, put, context(), Body::empty()).await?;
    }
    Ok(())
}

/// A random password of 120 bits that can be pasted anywhere.
///
/// # Errors
/// When the system has no random numbers.
pub fn generate_password() -> Result<Secret, Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    let letters = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    Ok(Secret::new(letters.collect::<String>()))
}

fn context() -> Context {
    Context::internal("tx-start", Clock::now())
}

/// Where a client on this machine finds a server that listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_can_be_pasted() {
        let (one, other) = (generate_password().unwrap(), generate_password().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 24);
        assert!(one.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_chosen_password_is_not_shown() {
        let told = |generated: Option<&str>| FirstStart {
            address: reachable(([0, 0, 0, 0], 8080).into()),
            generated_password: generated.map(Secret::new),
            storage_url: Some("http://127.0.0.1:8080/v1/AUTH_admin".to_owned()),
        };
        let chosen = told(None).to_string();
        assert!(chosen.contains("$STOBJ_ADMIN_PASSWORD"), "{chosen}");
        let generated = told(Some("sesame")).to_string();
        assert!(generated.contains("'X-Auth-Key: sesame'"), "{generated}");
        assert_eq!(generated.lines().filter(|line| line.contains("curl ")).count(), 3);
        assert!(generated.contains("http://127.0.0.1:8080/auth/v1.0"));
    }
}
