//! A Swift endpoint: whose account is measured, and how requests to it look.

use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;

use crate::connection::{Connection, expect_success};

/// Where and as whom to log in.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) name: String,
    auth: Uri,
    user: String,
    key: String,
}

/// An account that we are logged in to.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// As the report calls it.
    pub(crate) name: String,
    /// `host:port`
    pub(crate) address: String,
    /// The path of the account.
    path: String,
    pub(crate) token: String,
}

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = || anyhow!("expected NAME=http://HOST:PORT/auth/v1.0,USER,KEY");
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let mut parts = rest.splitn(3, ',');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or_else(form);
        Self::new(name, part()?, part()?, part()?)
    }
}

impl Address {
    pub(crate) fn new(name: &str, auth: &str, user: &str, key: &str) -> Result<Self> {
        let auth: Uri = auth.parse()?;
        host_of(&auth)?;
        Ok(Self {
            name: name.to_owned(),
            auth,
            user: user.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl Endpoint {
    pub(crate) async fn login(address: &Address) -> Result<Self> {
        let request = Request::get(address.auth.path())
            .header("host", host_of(&address.auth)?)
            .header("x-auth-user", &address.user)
            .header("x-auth-key", &address.key)
            .body(Full::default())?;
        let mut connection = Connection::open(&host_of(&address.auth)?).await?;
        let (head, _) = connection.fetch(request).await?;
        expect_success(head.status)?;
        let header = |name: &str| -> Result<String> {
            let value = head.headers.get(name);
            let value = value.with_context(|| format!("log-in gave no {name}"))?;
            Ok(value.to_str()?.to_owned())
        };
        let storage: Uri = header("x-storage-url")?.parse()?;
        Ok(Self {
            name: address.name.clone(),
            address: host_of(&storage)?,
            path: storage.path().trim_end_matches('/').to_owned(),
            token: header("x-auth-token")?,
        })
    }

    /// The path of `resource`, as in `container/object`.
    pub(crate) fn target(&self, resource: &str) -> String {
        format!("{}/{resource}", self.path)
    }

    /// The whole address of `resource`.
    pub(crate) fn url(&self, resource: &str) -> String {
        format!("http://{}{}", self.address, self.target(resource))
    }

    pub(crate) fn request(
        &self,
        method: &Method,
        resource: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.target(resource))
            .header("host", &self.address)
            .header("x-auth-token", &self.token);
        if *method == Method::PUT {
            // hyper leaves a length of 0 out.
            request = request
                .header("content-length", body.len())
                .header("content-type", "application/octet-stream");
        }
        Ok(request.body(Full::new(body))?)
    }

    /// One PUT on a connection of its own, which must succeed.
    pub(crate) async fn put(&self, resource: &str, body: Bytes) -> Result<()> {
        let mut connection = Connection::open(&self.address).await?;
        let status = connection
            .exchange(self.request(&Method::PUT, resource, body)?)
            .await?;
        expect_success(status).with_context(|| format!("PUT {resource} at {}", self.name))
    }

    /// The body of a GET, which must succeed.
    pub(crate) async fn get(&self, resource: &str) -> Result<Bytes> {
        let mut connection = Connection::open(&self.address).await?;
        let request = self.request(&Method::GET, resource, Bytes::new())?;
        let (head, body) = connection.fetch(request).await?;
        expect_success(head.status).with_context(|| format!("GET {resource} at {}", self.name))?;
        Ok(body)
    }
}

fn host_of(uri: &Uri) -> Result<String> {
    ensure!(
        uri.scheme_str() == Some("http"),
        "{uri}: only http:// can be measured"
    );
    let host = uri.host().with_context(|| format!("{uri} has no host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_peers_are_parsed() {
        let address: Address = "A B=http://h:1/auth/v1.0,a:u,k,y=z".parse().unwrap();
        assert_eq!((address.name.as_str(), address.key.as_str()), ("A B", "k,y=z"));
        assert_eq!(host_of(&address.auth).unwrap(), "h:1");
        for text in [
            "http://h/auth,u,k",
            "n=http://h/auth,u",
            "n=https://h/auth,u,k",
            "n=h,u,k",
            "n=/auth,u,k",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
