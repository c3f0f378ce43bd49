//! The scrubber, which finds what the disk has let rot before anybody asks for it.

use integration_tests::cluster::until;
use integration_tests::{Client, Server};

use crate::files::rot;
use crate::{check, filled, found, stobj};

/// Stops a server, lets these files of `c` rot, and starts one whose round begins at once.
async fn started_anew(server: Server, rotten: &[&str]) -> Server {
    let builder = server.stop().await;
    let objects = builder.data().join("objects");
    for name in rotten {
        rot(&objects.join("AUTH_test/c").join(name));
    }
    std::fs::remove_file(objects.join(".stobj/scrubber")).unwrap();
    builder.start().await
}

async fn is_gone(client: &Client, name: &str) -> bool {
    client.get(&format!("c/{name}")).await.status() == 404
}

#[tokio::test]
async fn rot_is_kept_aside_and_told_of() {
    let server = Server::start().await;
    filled(&server).await;
    until_round(&server).await;
    let server = started_anew(server, &["d/e/deep"]).await;
    let client = server.tester().await;
    until("the scrubber finds it", async || {
        is_gone(&client, "d/e/deep").await
    })
    .await;
    for name in ["a", "d/f", "marker/", "z"] {
        client
            .get(&format!("c/{name}"))
            .await
            .expect(200)
            .expect_body(name);
    }
    let listed = client.list("c").await.expect(200).entries();
    assert_eq!(listed, ["a", "d/f", "marker/", "z"]);
    let said = |text: &str| server.log().lines_with(text).len();
    until("the log tells of it", async || said("is not what was stored") > 0).await;
    assert_eq!(said("is kept aside"), 1);
    until("the record tells of it", async || {
        let output = stobj(&server, &["record", "list", "--account", "AUTH_test", "--json"]).await;
        let records = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        let is_it = |line: &str| line.contains("check/quarantine") && line.contains("c/d/e/deep");
        records.lines().any(is_it)
    })
    .await;
    let report = check(&server, &["--deep"], 0).await;
    assert_eq!(report["differences"], 0, "{report}");
    // Whoever has it still can bring it back.
    client.put("c/d/e/deep", "d/e/deep").await.expect(201);
}

#[tokio::test]
async fn rot_in_what_is_switched_off_stays_and_nobody_can_take_its_name() {
    let server = Server::start().await;
    filled(&server).await;
    let switched = stobj(&server, &["firewall", "disable", "AUTH_test/c/d/f"]).await;
    assert!(switched.status.success(), "{switched:?}");
    until_round(&server).await;
    let server = started_anew(server, &["d/f", "z"]).await;
    let client = server.tester().await;
    // The round goes on behind it.
    until("the scrubber comes to the last one", async || {
        is_gone(&client, "z").await
    })
    .await;
    client.get("c/d/f").await.expect(403);
    client.put("c/d/f", "another").await.expect(403);
    client.delete("c/d/f").await.expect(403);
    for arguments in [&["--deep"][..], &["--deep", "--repair"]] {
        let report = check(&server, arguments, 1).await;
        assert_eq!(found(&report), ["damaged c/d/f"]);
        let kinds = &report["accounts"][0]["kinds"];
        assert!(kinds[0]["examples"][0]["reason"].is_string(), "{report}");
    }
    client.put("c/d/f", "another").await.expect(403);

    let switched = stobj(&server, &["firewall", "enable", "AUTH_test/c/d/f"]).await;
    assert!(switched.status.success(), "{switched:?}");
    let report = check(&server, &["--deep", "--repair"], 0).await;
    assert_eq!(found(&report), ["damaged c/d/f"]);
    client.get("c/d/f").await.expect(404);
}

/// Waits until the first round, which began with the server, is written down as over.
async fn until_round(server: &Server) {
    let file = server.objects().join(".stobj/scrubber");
    until("the first round ends", async || {
        let text = std::fs::read(&file).unwrap_or_default();
        serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|round| round["is_over"] == true)
    })
    .await;
}
