//! Many clients at the end of the room in a directory: never a byte or an object too much, whichever way they come, and in the end
//! none too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Method;
use integration_tests::{Chance, Client, Server};
use tokio::task::JoinSet;

const CLIENTS: u64 = 32;
const ROUNDS: usize = 25;
const BYTES: u64 = 35_000;
const OBJECTS: u64 = 25;

/// An object in the directory, or below it.
fn inside(chance: &mut Chance) -> String {
    let below = ["", "e/", "e/f/"][chance.below(3)];
    format!("c/d/{below}o{}", chance.below(15))
}

fn outside(chance: &mut Chance) -> String {
    let container = ["c", "free"][chance.below(2)];
    format!("{container}/o{}", chance.below(20))
}

/// One client's part. Directories that come in are its own.
async fn hammer(client: Client, number: u64, [stored, refused]: [Arc<AtomicUsize>; 2]) {
    let mut chance = Chance::new(number);
    for round in 0..ROUNDS {
        let (inside, outside, size) = (inside(&mut chance), outside(&mut chance), chance.below(4000));
        let own = format!("free/own {number} {round}/");
        let response = match chance.below(12) {
            0..3 => client.put(&inside, vec![b'p'; size]),
            3 | 4 => client.put_chunked(&inside, size),
            5 => client.put(&outside, vec![b'p'; size]),
            6 => client.copy(&outside, &inside),
            7 => client.rename(&outside, &inside),
            8 => client.rename(&inside, &outside),
            9 => {
                for name in ["a", "b"] {
                    let path = format!("{own}{name}");
                    client.put(&path, vec![b'd'; size / 2]).await.expect(201);
                }
                client.rename(&own, &format!("c/d/own {number}/"))
            }
            10 => client.remove_directory(&format!("c/d/own {number}/")),
            _ => client.delete(&inside),
        };
        let response = response.await;
        match response.status() {
            201 | 202 => drop(stored.fetch_add(1, Ordering::Relaxed)),
            413 => drop(refused.fetch_add(1, Ordering::Relaxed)),
            // Another one was faster; or what a directory holds could not be told in time, and nothing changed.
            204 | 404 | 409 | 503 => {}
            _ => drop(response.expect(201)),
        }
    }
}

/// What the owner counts in the directory, which never is too much.
async fn used(admin: &Client) -> (u64, u64) {
    let show = r#"{"account": "AUTH_test", "container": "c", "directory": "d/"}"#;
    let shown = admin.request_at(Method::POST, "/f/quota/show").body(show);
    let shown = shown.await.expect(200).json();
    let number = |name: &str| shown[name]["used"].as_u64().unwrap_or(u64::MAX);
    let (bytes, objects) = (number("bytes"), number("objects"));
    assert!(
        bytes <= BYTES && objects <= OBJECTS,
        "{bytes} bytes, {objects} objects"
    );
    (bytes, objects)
}

/// What is listed in it.
async fn listed(client: &Client) -> (u64, u64) {
    let listing = client.list("c").query("prefix", "d/").await.expect(200).json();
    let entries = listing.as_array().cloned().unwrap_or_default();
    let sizes = entries.iter().filter_map(|entry| entry["bytes"].as_u64());
    (sizes.sum(), entries.len() as u64)
}

async fn race(client: &Client, admin: &Client) {
    let counts = [Arc::default(), Arc::default()];
    let is_over = Arc::new(AtomicBool::new(false));
    let sampler = tokio::spawn({
        let (admin, is_over) = (admin.clone(), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::Relaxed) {
                used(&admin).await;
            }
        }
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        // Administrators are no exception.
        let client = if number % 4 == 0 { admin } else { client };
        clients.spawn(hammer(client.clone(), number, counts.clone()));
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client found something wrong");
    }
    is_over.store(true, Ordering::Relaxed);
    sampler.await.expect("there never is too much");
    for count in counts {
        assert!(count.load(Ordering::Relaxed) > 10, "{count:?}");
    }
}

/// All that is left can be filled, with objects of names that nothing has had, and not a byte or object more.
async fn nothing_is_wasted(client: &Client, admin: &Client, names: &str) {
    assert_eq!(used(admin).await, listed(client).await);
    for name in client.list("c").query("prefix", "d/").await.expect(200).entries() {
        if used(admin).await.1 < OBJECTS {
            break;
        }
        client.delete(&format!("c/{name}")).await.expect(204);
    }
    client.put("c/d/filler", "").await.expect(201);
    let (bytes, _) = used(admin).await;
    let rest = usize::try_from(BYTES - bytes).expect("limits are small");
    client.put("c/d/filler", vec![b'f'; rest + 1]).await.expect(413);
    client.put_chunked("c/d/filler", rest + 1).await.expect(413);
    client.put("free/filler", vec![b'f'; rest + 1]).await.expect(201);
    client.copy("free/filler", "c/d/filler").await.expect(413);
    client.rename("free/filler", "c/d/filler").await.expect(413);
    client.put_chunked("c/d/filler", rest).await.expect(201);
    assert_eq!(used(admin).await.0, BYTES);
    for number in used(admin).await.1..OBJECTS {
        let path = format!("c/d/e/{names} {number}");
        client.put(&path, "").await.expect(201);
    }
    client.put("c/d/e/one more", "").await.expect(413);
    assert_eq!(used(admin).await, (BYTES, OBJECTS));
    assert_eq!(listed(client).await, (BYTES, OBJECTS));
}

#[tokio::test]
async fn many_clients_never_exceed_the_limit_of_a_directory() {
    let server = Server::start().await;
    let (client, admin) = (server.tester().await, admin(&server).await);
    for path in ["c", "free", "c/d/first"] {
        client.put(path, "").await.expect(201);
    }
    let limit = client
        .post("c/d/")
        .header("x-directory-quota-bytes", &BYTES.to_string());
    let limit = limit.header("x-directory-quota-count", &OBJECTS.to_string());
    limit.await.expect(204);
    race(&client, &admin).await;
    nothing_is_wasted(&client, &admin, "count").await;
    let server = server.kill().await.start().await;
    let (client, admin) = (server.tester().await, self::admin(&server).await);
    assert_eq!(used(&admin).await, (BYTES, OBJECTS));
    client.put("c/d/e/one more", "").await.expect(413);
    for name in ["c/d/filler", "c/d/e/count 24"] {
        client.delete(name).await.expect_one_of(&[204, 404]);
    }
    race(&client, &admin).await;
    nothing_is_wasted(&client, &admin, "count again").await;
}

async fn admin(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.at_account("AUTH_test")
}
