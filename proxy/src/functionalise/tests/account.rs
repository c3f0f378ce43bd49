//! Accounts.

use middleware::RenderListing;

use super::*;

#[tokio::test]
async fn account_management_is_a_setting() {
    let constraints = Constraints {
        allow_account_management: true,
        ..Constraints::default()
    };
    let edge = Edge::with(Fake::default(), constraints);
    assert_eq!(edge.status("PUT", "/v1/a", &[]).await, 201);
    assert_eq!(edge.status("DELETE", "/v1/a?x", &[]).await, 400);
    assert_eq!(edge.status("DELETE", "/v1/a", &[]).await, 204);
}

#[tokio::test]
async fn an_account_shows_its_counters() {
    let edge = Edge::new();
    let response = edge.send("HEAD", "/v1/a", &[]).await;
    assert_eq!(response.status(), 204);
    for (name, value) in [
        ("x-account-container-count", "2"),
        ("x-account-object-count", "3"),
        ("x-account-bytes-used", "14"),
        ("x-account-storage-policy-default-object-count", "3"),
        ("x-timestamp", "1600000000.00000"),
        ("x-account-meta-colour", "blue"),
        ("x-account-sysmeta-secret", ""),
    ] {
        assert_eq!(text(&response, name), value, "{name}");
    }
    assert!(
        response.extensions().get::<RenderListing>().is_none(),
        "a HEAD has no page"
    );
}
