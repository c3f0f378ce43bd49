//! Networks, as settings name them.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network such as `10.0.0.0/8`, or that of a single address.
///
/// # Errors
/// What is wrong, for the one who wrote it.
pub(crate) fn parse(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or(address);
    network.map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
}
