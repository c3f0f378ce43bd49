//! What a test puts into a container, and what must be in one then.

use crate::Client;

/// Puts objects into the container `c`. Each holds its own name, and has metadata and a type that show whether they go where it
/// goes.
pub async fn fill(client: &Client, names: &[&str]) {
    for name in names {
        let put = client.put(&format!("c/{name}"), (*name).to_owned());
        let put = put.header("x-object-meta-name", "n");
        put.header("content-type", "text/x").await.expect(201);
    }
}

/// The container holds these and nothing else, and its counters say so.
pub async fn expect_names(client: &Client, container: &str, names: &[&str]) {
    client.list(container).await.expect(200).expect_entries(names);
    let head = client.head(container).await.expect(204);
    assert_eq!(head.number("x-container-object-count"), names.len() as u64);
}
