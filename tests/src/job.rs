//! Jobs as clients see them, from the answer that one was begun to its end.

use serde_json::Value;

use crate::Client;
use crate::client::Request;
use crate::cluster::until;

/// The number of the job that this request begins.
pub async fn begun(request: Request) -> String {
    let job = request.await.expect(202).json();
    job["id"].as_str().expect("a job has a number").to_owned()
}

/// The job of this number, as it stands.
pub async fn show(client: &Client, id: &str) -> Value {
    client.get("").query("job", id).await.expect(200).json()
}

/// The job of this number, when it has ended, however it did.
pub async fn end_of(client: &Client, id: &str) -> Value {
    until("the job ends", || async { has_ended(&show(client, id).await) }).await;
    show(client, id).await
}

/// Whether it neither waits nor runs.
pub fn has_ended(job: &Value) -> bool {
    !["queued", "running"].iter().any(|going| job["state"] == *going)
}
