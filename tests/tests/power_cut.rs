//! The power fails: what the kernel had not brought to the disk is lost, and nothing that was acknowledged is among it.
//!
//! The disk is a file, to which the kernel writes what it would write to a device: a copy of the file holds what a disk
//! would hold at that moment.

use std::time::Duration;

use integration_tests::{Chance, Disk, Process, Server, Shape, TreeWorkers};
use tokio::time::sleep;

const WORKERS: usize = 4;
/// MiB of the disk.
const SIZE: u64 = 96;

/// So often the power fails; `STOBJ_TEST_LONG` makes it 100.
fn rounds() -> usize {
    let is_long = std::env::var_os("STOBJ_TEST_LONG").is_some();
    if is_long { 100 } else { 6 }
}

/// What the disk holds when the power fails now, of a server that is never heard of again.
async fn cut(server: Server, disk: &Disk) -> Disk {
    server.processes().for_each(Process::freeze);
    let left = disk.after_power_cut().expect("a disk could be mounted before");
    drop(server.kill().await);
    left
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost() {
    let Some(mut disk) = Disk::journaled(SIZE) else {
        return;
    };
    let mut chance = Chance::new(5);
    let builder = Server::builder().shape(Shape::Single);
    let mut server = builder.clone().data_on(&disk).start().await;
    let client = server.tester().await;
    let mut workers = TreeWorkers::start(&client, WORKERS).await;
    for _ in 0..rounds() {
        let client = server.tester().await;
        let working = workers.begin(&client);
        sleep(Duration::from_millis(200 + chance.below(800) as u64)).await;
        disk = cut(server, &disk).await;
        workers = working.ended().await;
        server = builder.clone().data_on(&disk).start().await;
        let client = server.tester().await;
        workers.settle(&client).await;
    }
    assert!(workers.objects() > 0);
}

/// What shows that the power cut is one.
#[tokio::test]
async fn who_does_not_want_it_durable_loses_it() {
    let Some(disk) = Disk::journaled(SIZE) else { return };
    let relaxed = "[object-server]\ndurability = \"relaxed\"";
    let builder = Server::builder().shape(Shape::Single).setting(relaxed);
    let server = builder.clone().data_on(&disk).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for number in 0..50 {
        client
            .put(&format!("c/{number}"), vec![1; 20_000])
            .await
            .expect(201);
    }
    let disk = cut(server, &disk).await;
    let server = builder.data_on(&disk).start().await;
    let client = server.tester().await;
    let mut whole = 0;
    for number in 0..50 {
        let get = client.get(&format!("c/{number}")).await;
        whole += usize::from(get.status() == 200 && get.body().as_ref() == vec![1; 20_000]);
    }
    assert!(whole < 50, "nothing was lost: the power did not fail");
}
