//! Directories, searches and jobs.

use super::*;

#[tokio::test]
async fn a_directory_is_made() {
    let edge = Edge::new();
    for target in ["/v1/a/c/d/e", "/v1/a/c/d/e/"] {
        assert_eq!(
            edge.status("MKCOL", target, &[("x-create-parents", "true")])
                .await,
            201
        );
        let Action::FsMakeDirectory(make) = edge.last() else {
            panic!("{:?}", edge.last());
        };
        assert_eq!((make.path.object.as_str(), make.create_parents), ("d/e/", true));
    }
    assert_eq!(
        edge.status("MKCOL", "/v1/a/c/d", &[("content-length", "5")])
            .await,
        400
    );
    assert_eq!(edge.status("MKCOL", "/v1/a/c", &[]).await, 405);
    let long = format!("/v1/a/c/{}", "d".repeat(1024));
    assert_eq!(edge.status("MKCOL", &long, &[]).await, 400);
}

#[tokio::test]
async fn a_move_names_both_ends() {
    let edge = Edge::new();
    let headers = [
        ("destination", "c2/%C3%A4/y"),
        ("destination-account", "b"),
        ("overwrite", "F"),
    ];
    assert_eq!(edge.status("MOVE", "/v1/a/c/d/x", &headers).await, 201);
    let Action::FsMove(rename) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(rename.source.object.as_str(), "d/x");
    let to = &rename.destination;
    let names = (to.account.as_str(), to.container.as_str(), to.object.as_str());
    assert_eq!((names, rename.overwrite), (("b", "c2", "ä/y"), false));

    assert_eq!(
        edge.status("MOVE", "/v1/a/c/d/", &[("destination", "c/e")]).await,
        201
    );
    let Action::FsMove(rename) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(
        (rename.destination.object.as_str(), rename.overwrite),
        ("e/", true)
    );
}

#[tokio::test]
async fn a_move_without_sense_is_refused() {
    let edge = Edge::new();
    for (target, headers, expected) in [
        ("/v1/a/c/d", &[][..], 412),
        ("/v1/a/c/d", &[("destination", "c")], 412),
        ("/v1/a/c/d", &[("destination", "c/e/")], 400),
        ("/v1/a/c/d", &[("destination", "c/e"), ("overwrite", "yes")], 400),
        (
            "/v1/a/c/d",
            &[("destination", "c/e"), ("content-length", "1")],
            400,
        ),
        ("/v1/a/c", &[("destination", "c/e")], 405),
    ] {
        assert_eq!(
            edge.status("MOVE", target, headers).await,
            expected,
            "{target} {headers:?}"
        );
    }
    assert!(edge.fake.actions.lock().is_empty());
}

#[tokio::test]
async fn a_deep_copy_is_a_job() {
    let edge = Edge::new();
    let headers = [("destination", "c/e/"), ("depth", "Infinity")];
    let response = edge.send("COPY", "/v1/a/c/d/", &headers).await;
    assert_eq!(response.status(), 202);
    assert_eq!(text(&response, "location"), "/v1/a?job=00000000000000ff");
    assert!(matches!(edge.last(), Action::FsCopyDirectory(_)));
    assert!(page(response).await.contains("\"state\":\"queued\""));
    // Without a depth, and of what is no directory, it is Swift's.
    for (target, depth) in [("/v1/a/c/d/", "0"), ("/v1/a/c/d", "infinity")] {
        let headers = [("destination", "c/e"), ("depth", depth)];
        assert_eq!(edge.status("COPY", target, &headers).await, 201, "{target}");
        assert!(matches!(edge.last(), Action::ObjectCopy(_)));
    }
    assert_eq!(
        edge.status("COPY", "/v1/a/c/d/", &[("destination", "c/e"), ("depth", "1")])
            .await,
        400
    );
}

#[tokio::test]
async fn a_directory_goes_with_all_below_only_when_asked() {
    let edge = Edge::new();
    assert_eq!(edge.status("DELETE", "/v1/a/c/d/?recursive=true", &[]).await, 204);
    assert!(matches!(edge.last(), Action::FsRemoveDirectory(_)));
    for target in ["/v1/a/c/d/", "/v1/a/c/d/?recursive=false", "/v1/a/c/d/?%ff"] {
        assert_eq!(edge.status("DELETE", target, &[]).await, 204, "{target}");
        assert!(matches!(edge.last(), Action::ObjectDelete(_)));
    }
    assert_eq!(edge.status("DELETE", "/v1/a/c/d?recursive=true", &[]).await, 400);
}

#[tokio::test]
async fn trees_and_searches_are_json() {
    let edge = Edge::new();
    let response = edge
        .send("GET", "/v1/a/c?tree=true&depth=2&limit=5&marker=m", &[])
        .await;
    assert_eq!(text(&response, "content-type"), "application/json; charset=utf-8");
    let Action::FsTree(tree) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!((tree.directory, tree.depth, tree.limit), (None, Some(2), Some(5)));
    assert_eq!(tree.marker.as_deref(), Some("m"));
    assert!(page(response).await.contains("\"type\":\"container\""));

    assert_eq!(edge.status("GET", "/v1/a/c/d/?tree=yes", &[]).await, 200);
    let Action::FsTree(tree) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(tree.directory.unwrap().as_str(), "d/");
    assert_eq!(edge.status("GET", "/v1/a/c/d?tree=true", &[]).await, 400);
    assert_eq!(edge.status("GET", "/v1/a/c?tree=true&depth=x", &[]).await, 400);
    assert_eq!(edge.status("GET", "/v1/a/c/d?tree=no", &[]).await, 200);
    assert!(matches!(edge.last(), Action::ObjectGet(_)));

    for (target, container) in [("/v1/a?search=x", None), ("/v1/a/c?search=x", Some("c"))] {
        assert_eq!(edge.status("GET", target, &[]).await, 200);
        let Action::SearchFind(find) = edge.last() else {
            panic!("{:?}", edge.last());
        };
        assert_eq!(find.container.as_ref().map(|name| name.as_str()), container);
    }
}

#[tokio::test]
async fn jobs_are_looked_after() {
    let edge = Edge::new();
    assert_eq!(edge.status("GET", "/v1/a?jobs", &[]).await, 200);
    assert!(matches!(edge.last(), Action::JobList(_)));
    assert_eq!(edge.status("GET", "/v1/a?job=1f", &[]).await, 200);
    assert!(matches!(edge.last(), Action::JobShow(show) if show.id == "1f"));
    // Also where accounts cannot be deleted.
    assert_eq!(edge.status("DELETE", "/v1/a?job=1f", &[]).await, 200);
    assert!(matches!(edge.last(), Action::JobCancel(cancel) if cancel.id == "1f"));
    assert_eq!(edge.status("DELETE", "/v1/a", &[]).await, 405);
}

#[tokio::test]
async fn a_directory_is_limited_by_a_post() {
    let edge = Edge::new();
    for (headers, limits) in [
        (&[("x-directory-quota-bytes", "5")][..], (Some(Some(5)), None)),
        (&[("x-directory-quota-count", "")], (None, Some(None))),
        (
            &[
                ("x-directory-quota-count", "7"),
                ("x-remove-directory-quota-bytes", "x"),
            ],
            (Some(None), Some(Some(7))),
        ),
    ] {
        assert_eq!(
            edge.status("POST", "/v1/a/c/d/", headers).await,
            204,
            "{headers:?}"
        );
        let Action::QuotaSet(set) = edge.last() else {
            panic!("{:?}", edge.last());
        };
        assert_eq!((set.bytes, set.objects), limits);
        assert_eq!(set.directory.unwrap().as_str(), "d/");
    }
    for (target, value) in [("/v1/a/c/d", "5"), ("/v1/a/c/d/", "-5"), ("/v1/a/c/d/", "many")] {
        let headers = [("x-directory-quota-bytes", value)];
        assert_eq!(
            edge.status("POST", target, &headers).await,
            400,
            "{target} {value}"
        );
    }
}
