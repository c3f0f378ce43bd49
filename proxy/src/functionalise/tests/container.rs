//! Containers.

use middleware::RenderListing;

use super::*;

#[tokio::test]
async fn a_listing_goes_along_unwritten() {
    let edge = Edge::new();
    let response = edge.send("GET", "/v1/a/c?limit=7&prefix=p", &[]).await;
    assert_eq!(response.status(), 200);
    let Some(RenderListing::Container { name, entries }) = response.extensions().get() else {
        panic!("no page");
    };
    assert_eq!((name.as_str(), entries.len()), ("c", 1));
    assert_eq!(text(&response, "last-modified"), "Sun, 13 Sep 2020 12:26:42 GMT");
    assert_eq!(text(&response, "x-storage-policy"), "default");
    let Action::ContainerList(list) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!((list.query.limit, list.query.prefix.as_str()), (7, "p"));
    assert_eq!(edge.status("GET", "/v1/a/c?limit=10001", &[]).await, 412);
    assert_eq!(edge.status("GET", "/v1/a?marker=%ff", &[]).await, 400);
}

#[tokio::test]
async fn containers_are_made_and_changed() {
    let edge = Edge::new();
    let response = edge
        .send("PUT", "/v1/a/new", &[("x-container-meta-a", "1")])
        .await;
    assert_eq!(response.status(), 201);
    assert_eq!(text(&response, "content-type"), "text/html; charset=UTF-8");
    assert_eq!(edge.status("PUT", "/v1/a/old", &[]).await, 202);
    assert_eq!(
        edge.status("PUT", "/v1/a/new", &[("x-storage-policy", "gold")])
            .await,
        400
    );
    let headers = [("x-remove-container-read", "x"), ("x-storage-policy", "gold")];
    assert_eq!(edge.status("POST", "/v1/a/c", &headers).await, 204);
    let Action::ContainerPost(post) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(post.properties.text("x-container-read"), Some(""));
    assert_eq!(edge.status("DELETE", "/v1/a/c", &[]).await, 204);
    let long = "c".repeat(257);
    let response = edge.send("PUT", &format!("/v1/a/{long}"), &[]).await;
    assert_eq!(response.status(), 400);
    assert_eq!(text(&response, "content-type"), "text/html; charset=UTF-8");
}
