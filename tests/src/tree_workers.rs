//! Tree workers side by side, and what there must be of all that they did.

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::cluster::until;
use crate::{Client, TreeWorker};

/// Workers who do nothing just now.
#[derive(Debug, Default)]
pub struct TreeWorkers(Vec<TreeWorker>);

/// Workers who change things, until nobody answers them any more.
#[derive(Debug)]
#[must_use = "they end when the server does"]
pub struct Working(Vec<JoinHandle<TreeWorker>>);

/// Transaction and action of a record, and what it says came of that.
type Recorded = (String, String, u64);

impl TreeWorkers {
    /// So many, each with containers of its own.
    pub async fn start(client: &Client, count: usize) -> Self {
        let mut workers = Vec::new();
        for number in 0..count {
            workers.push(TreeWorker::start(client, number).await);
        }
        Self(workers)
    }

    /// Has all of them change things from now on.
    pub fn begin(self, client: &Client) -> Working {
        let begin = |mut worker: TreeWorker| {
            let client = client.clone();
            tokio::spawn(async move {
                worker.work(&client).await;
                worker
            })
        };
        Working(self.0.into_iter().map(begin).collect())
    }

    /// Each finds what was before its last request, or what that led to, and nothing else.
    pub async fn settle(&mut self, client: &Client) {
        for worker in &mut self.0 {
            assert!(worker.settle(client).await, "the server is there again");
        }
    }

    /// Each change that was answered has one record, none has two.
    pub async fn expect_records(&self, client: &Client) {
        until("every change is recorded, once", || async {
            let recorded = recorded(client).await;
            // An account is made along with its first container, in one transaction.
            let is_twice = |pair: &&[Recorded]| pair[0].0 == pair[1].0 && pair[0].1 == pair[1].1;
            let twice = recorded.windows(2).find(is_twice);
            assert!(twice.is_none(), "recorded twice: {twice:?}");
            let mut all = self.0.iter().flat_map(TreeWorker::acknowledged);
            all.all(|transaction| {
                let of_it = recorded.partition_point(|(recorded, ..)| recorded < transaction);
                let found = recorded.get(of_it);
                found.is_some_and(|(found, ..)| found == transaction)
            })
        })
        .await;
    }

    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.0.iter().map(|worker| worker.contents().len()).sum()
    }
}

impl Working {
    /// Waits until nobody answers them any more.
    pub async fn ended(self) -> TreeWorkers {
        let mut ended = Vec::new();
        for worker in self.0 {
            ended.push(worker.await.expect("what a worker found wrong is told above"));
        }
        TreeWorkers(ended)
    }
}

/// All records of the account, in order.
async fn recorded(client: &Client) -> Vec<Recorded> {
    let mut recorded = Vec::new();
    let mut marker = String::new();
    loop {
        let page = client.get("").query("records", "").query("limit", "1000");
        let page = page.query("marker", &marker).await.expect(200).json();
        for record in page["records"].as_array().expect("a page has records") {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let result = record["result"].as_u64().unwrap_or_default();
            recorded.push((text("transaction_id"), text("action"), result));
        }
        match &page["next"] {
            Value::String(next) => next.clone_into(&mut marker),
            _ => break,
        }
    }
    recorded.sort_unstable();
    recorded
}
