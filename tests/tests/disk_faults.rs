//! A disk that is full, that fails, or that is not there: nothing is torn, nothing is taken for removed, and when it is well
//! again so is the store.

use http::Method;
use integration_tests::client::Request;
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Client, Database, Disk, Server, Shape, cluster};

/// Objects that are there before.
const OBJECTS: usize = 20;

async fn fill(client: &Client) {
    client.put("c", "").await.expect(201);
    for number in 0..OBJECTS {
        let put = client.put(&format!("c/d/{number:02}"), content(number));
        put.header("x-object-meta-number", &number.to_string())
            .await
            .expect(201);
    }
}

fn content(number: usize) -> Vec<u8> {
    vec![b'a' + u8::try_from(number % 26).unwrap_or(0); 10_000 + number]
}

/// Those from `first` on are whole, and `more` are there besides; nothing else is.
async fn check(client: &Client, first: usize, more: &[&str]) {
    let mut names: Vec<_> = (first..OBJECTS).map(|number| format!("d/{number:02}")).collect();
    for number in first..OBJECTS {
        let get = client.get(&format!("c/d/{number:02}")).await.expect(200);
        get.expect_body(content(number))
            .expect_header("x-object-meta-number", &number.to_string());
    }
    names.extend(more.iter().map(|&name| name.to_owned()));
    names.sort_unstable();
    client.list("c").await.expect(200).expect_entries(&names);
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), names.len() as u64);
}

/// Asks until it is answered with this status.
async fn until(status: u16, ask: impl AsyncFn() -> u16) {
    let is_so = || async { ask().await == status };
    cluster::until(&format!("an answer {status}"), is_so).await;
}

#[tokio::test]
async fn a_full_disk_takes_nothing_but_what_makes_room() {
    let Some(disk) = Disk::of(64) else { return };
    let server = Server::builder().data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    disk.fill();
    for (name, size) in [("small", 3000), ("large", 3_000_000)] {
        let put = client.put(&format!("c/{name}"), vec![1; size]).await;
        put.expect(507);
    }
    client.put("c/d/05", vec![2; 100_000]).await.expect(507);
    check(&client, 0, &[]).await;
    for number in 0..10 {
        client.delete(&format!("c/d/{number:02}")).await.expect(204);
    }
    check(&client, 10, &[]).await;
    disk.relieve();
    for (name, size) in [("c/again", 5000), ("c/large", 3_000_000)] {
        // The file system gives free what was removed when it has brought that to the disk.
        until(201, async || client.put(name, vec![1; size]).await.status()).await;
    }
    check(&client, 10, &["again", "large"]).await;
    let server = server.kill().await.start().await;
    check(&server.tester().await, 10, &["again", "large"]).await;
}

#[tokio::test]
async fn what_a_disk_does_not_keep_is_not_acknowledged() {
    let Some(disk) = Disk::of(64) else { return };
    let server = Server::builder().data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    disk.fail_writes(true);
    for name in ["c/lost", "c/d/05"] {
        let put = client.put(name, vec![2; 3_000_000]).await;
        put.expect_one_of(&[503, 507]);
    }
    disk.fail_writes(false);
    until(201, async || client.put("c/again", "again").await.status()).await;
    client.get("c/again").await.expect(200).expect_body("again");
    // What was not acknowledged may be there or not, and is whole.
    let lost = client.get("c/lost").await.expect_one_of(&[200, 404]);
    let replaced = client.get("c/d/05").await.expect(200);
    for (response, former) in [(&lost, None), (&replaced, Some(content(5)))] {
        let is_former = response.status() == 404 || Some(response.text().as_bytes()) == former.as_deref();
        assert!(is_former || response.text().as_bytes() == vec![2; 3_000_000]);
    }
    for number in (0..OBJECTS).filter(|number| *number != 5) {
        let get = client.get(&format!("c/d/{number:02}")).await.expect(200);
        get.expect_body(content(number));
    }
    let listed = client.list("c").await.expect(200);
    assert_eq!(listed.text().contains("lost"), lost.status() == 200);
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    client.get("c/again").await.expect(200).expect_body("again");
    let lost = client.get("c/lost").await.expect_one_of(&[200, 404]);
    let listed = client.list("c").await.expect(200);
    assert_eq!(listed.text().contains("lost"), lost.status() == 200);
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_not_taken_for_an_empty_one() {
    let Some(disk) = Disk::of(64) else { return };
    let server = Server::builder().data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    disk.unmount();
    until(503, async || client.get("c/d/01").await.status()).await;
    client.put("c/d/01", "x").await.expect(503);
    client.put("c/new", "x").await.expect(503);
    client.delete("c/d/01").await.expect(503);
    request(&client, "MKCOL", "c/new/").await.expect(503);
    let moved = request(&client, "MOVE", "c/d/").header("destination", "c/e/");
    moved.await.expect(503);
    let removed = client.remove_directory("c/d/");
    removed.await.expect(503);
    disk.mount();
    until(200, async || client.get("c/d/01").await.status()).await;
    check(&client, 0, &[]).await;
    client.put("c/new", "x").await.expect(201);
    let server = server.stop().await.start().await;
    check(&server.tester().await, 0, &["new"]).await;
}

fn request(client: &Client, method: &str, path: &str) -> Request {
    client.request(Method::from_bytes(method.as_bytes()).expect("a method"), path)
}

#[tokio::test]
async fn a_full_disk_gives_directories_up_and_takes_no_new_ones() {
    let Some(disk) = Disk::of(64) else { return };
    // The database is elsewhere: without it a directory is not removed.
    let builder = Server::builder().shape(Shape::Single);
    let elsewhere = builder.directory().join("stobj.sqlite");
    let url = format!("sqlite:{}", elsewhere.display());
    let builder = builder
        .database(Database::Sqlite)
        .variable(DATABASE_SETTING, &url);
    let server = builder.data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    client.put("c/large/x", vec![1; 3_000_000]).await.expect(201);
    disk.fill();
    request(&client, "MKCOL", "c/new/").await.expect(507);
    let moved = request(&client, "MOVE", "c/d/")
        .header("destination", "c/e/f/")
        .await;
    // A rename needs a little room in places, and may find it; else it changed nothing.
    let moved = moved.expect_one_of(&[201, 507]);
    let (at, gone) = match moved.status() {
        201 => ("c/e/f", "c/d"),
        _ => ("c/d", "c/e/f"),
    };
    for number in 0..OBJECTS {
        let get = client.get(&format!("{at}/{number:02}")).await.expect(200);
        get.expect_body(content(number));
        client.get(&format!("{gone}/{number:02}")).await.expect(404);
    }
    let removed = client.remove_directory("c/large/").await;
    removed.expect(204);
    client.get("c/large/x").await.expect(404);
    // What it took is there for others, as soon as it is out of the trash.
    until(201, async || {
        client.put("c/large/y", vec![1; 2_000_000]).await.status()
    })
    .await;
    disk.relieve();
    request(&client, "MKCOL", "c/new/").await.expect(201);
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    client
        .get(&format!("{at}/07"))
        .await
        .expect(200)
        .expect_body(content(7));
    client.get("c/large/y").await.expect(200);
    client.delete("c/new/").await.expect(204);
}

#[tokio::test]
async fn a_disk_that_the_kernel_writes_to_no_more_is_read() {
    let Some(disk) = Disk::of(64) else { return };
    let server = Server::builder().data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    if !disk.turn_read_only() {
        return;
    }
    client.put("c/d/01", "x").await.expect_one_of(&[503, 507]);
    client
        .put("c/new", vec![1; 100_000])
        .await
        .expect_one_of(&[503, 507]);
    let post = client.post("c/d/02").header("x-object-meta-number", "other");
    post.await.expect_one_of(&[503, 507]);
    client.delete("c/d/03").await.expect_one_of(&[503, 507]);
    let made = request(&client, "MKCOL", "c/made/").await;
    made.expect_one_of(&[503, 507]);
    let moved = request(&client, "MOVE", "c/d/").header("destination", "c/e/");
    moved.await.expect_one_of(&[503, 507]);
    check(&client, 0, &[]).await;
    let builder = server.kill().await;
    disk.repair();
    let server = builder.start().await;
    let client = server.tester().await;
    check(&client, 0, &[]).await;
    client.put("c/new", "x").await.expect(201);
    check(&client, 0, &["new"]).await;
}

#[tokio::test]
async fn what_a_disk_does_not_give_back_is_never_made_up() {
    /// MiB: the disk, what is left of it, and an object that cannot lie within that.
    const SIZES: (u64, u64, usize) = (96, 48, 60 << 20);
    let Some(disk) = Disk::of(SIZES.0) else { return };
    let quiet = "[object-server]\nscrub_rate = 0";
    let server = Server::builder().setting(quiet).data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    let large: Vec<u8> = (0..SIZES.2 / 4)
        .flat_map(|number| u32::try_from(number).unwrap_or(0).to_le_bytes())
        .collect();
    client.put("c/large", large.clone()).await.expect(201);
    // All of it is on the disk, so that the kernel may forget it.
    let lost = disk.break_behind(SIZES.1, &server.objects().join("AUTH_test/c/large"));
    match client.get("c/large").send().await {
        // Broken off: a client sees that it is not all.
        Err(_) => {}
        Ok(response) => assert_eq!(response.status(), 503, "{response:?}"),
    }
    let head = client.head("c/large").await.expect(200);
    assert_eq!(head.number("content-length"), large.len() as u64);
    check(&client, 0, &["large"]).await;
    client.put("c/more", "more").await.expect(201);
    disk.heal(SIZES.1, &lost);
    let whole = async || {
        client
            .get("c/large")
            .send()
            .await
            .map_or(0, |response| response.status())
    };
    until(200, whole).await;
    client.get("c/large").await.expect(200).expect_body(&large);
    check(&client, 0, &["large", "more"]).await;
}

/// The root alone is on a disk of its own, which is not there when the server starts.
#[tokio::test]
async fn a_start_without_the_disk_makes_no_new_store() {
    let Some(disk) = Disk::of(64) else { return };
    let builder = Server::builder().shape(Shape::Single);
    std::fs::create_dir_all(builder.data()).expect("the directory is ours");
    std::os::unix::fs::symlink(disk.path(), builder.data().join("objects")).expect("a link can be made");
    let server = builder.start().await;
    let client = server.tester().await;
    fill(&client).await;
    let builder = server.stop().await;
    disk.unmount();
    let said = builder.clone().refused().await;
    assert!(said.contains("its disk is not mounted"), "{said}");
    let left = std::fs::read_dir(disk.path())
        .expect("the place is there")
        .count();
    assert_eq!(left, 0, "nothing was made");
    disk.mount();
    let server = builder.start().await;
    check(&server.tester().await, 0, &[]).await;
}

/// All of the data is on the disk, and the database elsewhere.
#[tokio::test]
async fn a_start_without_the_disk_is_told_by_the_database() {
    let Some(disk) = Disk::of(64) else { return };
    let builder = Server::builder().shape(Shape::Single).database(Database::Sqlite);
    let elsewhere = builder.directory().join("stobj.sqlite");
    let url = format!("sqlite:{}", elsewhere.display());
    let builder = builder.variable(DATABASE_SETTING, &url).data_on(&disk);
    let server = builder.start().await;
    let client = server.tester().await;
    fill(&client).await;
    // What clients see is in the database by now.
    client.list("c").await.expect(200);
    let builder = server.stop().await;
    disk.unmount();
    let said = builder.clone().refused().await;
    assert!(
        said.contains("the database knows what was stored there"),
        "{said}"
    );
    let said = builder
        .clone()
        .setting("[object-server]\ncreate = \"never\"")
        .refused()
        .await;
    assert!(said.contains("holds no storage"), "{said}");
    let again = builder.clone().setting("[object-server]\ncreate = \"always\"");
    let server = again.start().await;
    server.tester().await.get("c").await.expect(404);
    drop(server.stop().await);
    disk.mount();
    let server = builder.start().await;
    check(&server.tester().await, 0, &[]).await;
}
