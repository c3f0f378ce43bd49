//! What travels beside an HTTP request or response between the stages of the protocol stack, typed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use common::functional::{Caller, account, container};
use common::name::{AccountName, ContainerName};
use http::{Extensions, HeaderValue};

/// Who calls, as the `auth` filter found out; in the request.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

/// The id that every log line and answer of this request carries; put into the request by `catch_errors`.
#[derive(Clone, Debug)]
pub struct TransactionId(pub Arc<str>);

impl TransactionId {
    /// The id among `extensions`, or one that says that no filter gave one.
    pub fn of(extensions: &Extensions) -> Arc<str> {
        extensions
            .get::<Self>()
            .map_or_else(|| "tx-none".into(), |id| Arc::clone(&id.0))
    }
}

/// The other end of the connection; put into the request by the front.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Where the client is when the other end of the connection is a trusted proxy; put into the request before all filters.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Where the client is: as a trusted proxy says, else the other end of the connection.
    pub fn of(extensions: &Extensions) -> Option<IpAddr> {
        let peer = || extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
        extensions.get::<Self>().map(|client| client.0).or_else(peer)
    }
}

/// The `X-Timestamp` that came from the client, which `gatekeeper` sets aside; only container-sync may believe it.
#[derive(Clone, Debug)]
pub struct InboundTimestamp(pub HeaderValue);

/// A page of a listing that is not text yet: functionalise puts it into a response of status 200 with an empty
/// body, and `listing_formats` writes it in the format that the client asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum RenderListing {
    /// Containers of an account.
    Account {
        /// The account.
        name: AccountName,
        /// The page.
        entries: Vec<account::Entry>,
    },
    /// Objects of a container.
    Container {
        /// The container.
        name: ContainerName,
        /// The page.
        entries: Vec<container::Entry>,
    },
}
