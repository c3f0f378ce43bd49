//! Clients that change trees of their own and know at each moment what must be there; a server may be killed meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::Request;
use crate::{Chance, Client, Response, job};

/// What lies in a worker's containers: contents by `container/name`.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// A client with two containers of its own, which it changes one request at a time.
#[derive(Debug)]
pub struct TreeWorker {
    containers: [String; 2],
    chance: Chance,
    contents: Contents,
    /// What there would be, had the last request been answered.
    possible: Option<Contents>,
    /// The transaction ids of all changes that were answered.
    acknowledged: Vec<String>,
    /// The last requests, to be shown when something is wrong.
    told: Vec<String>,
}

const REMEMBERED: usize = 12;

/// So long a job may take, beside all that others do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(20);

/// `Retry-After` of what cannot be done without the database, and was not.
const NOTHING_CHANGED: &str = "5";

/// Something to do, and what there is when it is done.
struct Step {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    query: Option<(&'static str, &'static str)>,
    body: Vec<u8>,
    after: Contents,
    /// The answer when it is done.
    expected: Vec<u16>,
    /// Whether it is done only when the job has ended that it is answered with.
    is_job: bool,
}

impl TreeWorker {
    /// The one of this number, whose containers are made.
    pub async fn start(client: &Client, number: usize) -> Self {
        let containers = ["a", "b"].map(|letter| format!("worker-{number}-{letter}"));
        for container in &containers {
            client.put(container, "").await.expect(201);
        }
        Self {
            containers,
            chance: Chance::new(number as u64 + 1),
            contents: Contents::new(),
            possible: None,
            acknowledged: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Changes things until nobody answers any more.
    pub async fn work(&mut self, client: &Client) {
        loop {
            let step = self.next();
            self.possible = Some(step.after.clone());
            self.told
                .push(format!("{} {} {:?}", step.method, step.path, step.headers));
            self.told.drain(..self.told.len().saturating_sub(REMEMBERED));
            let Ok(response) = step.request(client).send().await else {
                return;
            };
            let status = response.status();
            self.told.push(format!("… {status}"));
            if step.expected.contains(&status) {
                if step.is_job {
                    let job = response.json()["id"].as_str().unwrap_or_default().to_owned();
                    let Some(state) = self.end_of(client, &job).await else {
                        return;
                    };
                    self.told.push(format!("… job {state}"));
                    if state != "done" {
                        if !self.settle(client).await {
                            return;
                        }
                        self.possible = None;
                        continue;
                    }
                }
                if status < 300 {
                    self.acknowledged.push(response.header("x-trans-id").to_owned());
                }
                self.contents = step.after;
            } else {
                assert_eq!(status, 503, "{response:?}\nafter {:#?}", self.told);
                // Whoever stands between does not know whether it was done, or still will be.
                if response.find_header("retry-after") != Some(NOTHING_CHANGED) {
                    return;
                }
                if !self.settle(client).await {
                    return;
                }
            }
            self.possible = None;
        }
    }

    /// Looks what is there: what was before the request that was not answered, or what it led to, and nothing else. `false`:
    /// nobody answers.
    pub async fn settle(&mut self, client: &Client) -> bool {
        // What a restart interrupted is done before it is looked at.
        if self.possible.is_some() && self.end_of(client, "").await.is_none() {
            return false;
        }
        let Some(found) = self.look(client).await else {
            return false;
        };
        let is_before = found == self.contents;
        let is_after = self.possible.as_ref() == Some(&found);
        assert!(
            is_before || is_after,
            "before {:?}\nafter {:?}\nfound {:?}\nlast {:#?}",
            self.contents.keys(),
            self.possible
                .as_ref()
                .map(|possible| possible.keys().collect::<Vec<_>>()),
            found.keys(),
            self.told,
        );
        self.contents = found;
        true
    }

    /// The transaction ids of all changes that were answered.
    pub fn acknowledged(&self) -> &[String] {
        &self.acknowledged
    }

    /// What is there.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// All that listings show, with what is in it; `None`: nobody answers any more.
    async fn look(&self, client: &Client) -> Option<Contents> {
        let mut found = Contents::new();
        for container in &self.containers {
            let listed = answered(client.list(container)).await?;
            let head = answered(client.head(container)).await?;
            assert_eq!(
                head.number("x-container-object-count"),
                listed.entries().len() as u64,
                "objects of {container}: {:?}\nbefore {:?}\nafter {:?}\nlast {:#?}",
                listed.entries(),
                self.contents.keys(),
                self.possible
                    .as_ref()
                    .map(|possible| possible.keys().collect::<Vec<_>>()),
                self.told,
            );
            for name in listed.entries() {
                let path = format!("{container}/{name}");
                let body = answered(client.get(&path)).await?;
                found.insert(path, body.body().to_vec());
            }
        }
        Some(found)
    }

    /// Waits until this job, or each job in these containers, has ended, and answers the state of the last; `None`: nobody answers.
    async fn end_of(&self, client: &Client, job: &str) -> Option<String> {
        let is_asked = |shown: &Value| {
            let source = shown["source"].as_str().unwrap_or_default();
            let is_here = |container: &String| source.starts_with(&format!("{container}/"));
            shown["id"] == job || job.is_empty() && self.containers.iter().any(is_here)
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let jobs = answered(client.get("").query("jobs", "")).await?.json();
            let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
            let mut asked = jobs.iter().filter(|job| is_asked(job));
            if asked.clone().all(job::has_ended) {
                let state = asked.next().and_then(|job| job["state"].as_str());
                return Some(state.unwrap_or_default().to_owned());
            }
            assert!(Instant::now() < deadline, "a job does not end: {jobs:?}");
            sleep(LOOK).await;
        }
    }

    fn next(&mut self) -> Step {
        match self.chance.below(22) {
            0..=7 => self.put(),
            8..=9 => self.post(),
            10..=11 => self.delete(),
            12..=13 => self.move_object(),
            14..=17 => self.move_directory(),
            18 => self.remove_directory(),
            19..=20 => self.copy_directory(),
            _ => self.make_directory(),
        }
    }

    fn put(&mut self) -> Step {
        let path = format!("{}/{}", self.container(), self.name());
        let size = [0, 10, 4000, 200_000][self.chance.below(4)];
        let letter = b'a' + u8::try_from(self.chance.below(26)).unwrap_or(0);
        let body = vec![letter; size + self.chance.below(10)];
        let mut after = self.contents.clone();
        after.insert(path.clone(), body.clone());
        Step {
            body,
            ..Step::new(Method::PUT, path, after, &[201])
        }
    }

    fn post(&mut self) -> Step {
        match self.some_object() {
            None => self.put(),
            Some(path) => Step {
                headers: vec![("x-object-meta-a", "b".to_owned())],
                ..Step::new(Method::POST, path, self.contents.clone(), &[202])
            },
        }
    }

    fn delete(&mut self) -> Step {
        match self.some_object() {
            None => self.put(),
            Some(path) => {
                let mut after = self.contents.clone();
                after.remove(&path);
                Step::new(Method::DELETE, path, after, &[204])
            }
        }
    }

    fn move_object(&mut self) -> Step {
        let Some(from) = self.some_object().filter(|path| !path.ends_with('/')) else {
            return self.put();
        };
        let to = format!("{}/{}", self.container(), self.name().trim_end_matches('/'));
        if to == from {
            return self.delete();
        }
        let mut after = self.contents.clone();
        if let Some(body) = after.remove(&from) {
            after.insert(to.clone(), body);
        }
        Step::moving(from, to, after)
    }

    fn move_directory(&mut self) -> Step {
        let Some(from) = self.some_directory() else {
            return self.put();
        };
        let to = format!("{}/{}/", self.container(), self.directory());
        if to.starts_with(&from) || from.starts_with(&to) {
            return self.put();
        }
        let mut after = self.contents.clone();
        after.retain(|path, _| !path.starts_with(&to));
        let moved: Vec<_> = after
            .keys()
            .filter(|path| path.starts_with(&from))
            .cloned()
            .collect();
        for path in moved {
            if let Some(body) = after.remove(&path) {
                after.insert(format!("{to}{}", &path[from.len()..]), body);
            }
        }
        Step::moving(from, to, after)
    }

    fn copy_directory(&mut self) -> Step {
        let Some(from) = self.some_directory() else {
            return self.put();
        };
        let to = format!("{}/{}/", self.container(), self.directory());
        if to.starts_with(&from) || from.starts_with(&to) {
            return self.put();
        }
        let mut after = self.contents.clone();
        after.retain(|path, _| !path.starts_with(&to));
        for (path, body) in &self.contents {
            if let Some(rest) = path.strip_prefix(&from) {
                after.insert(format!("{to}{rest}"), body.clone());
            }
        }
        Step {
            headers: vec![("destination", to), ("depth", "infinity".to_owned())],
            is_job: true,
            ..Step::new(method("COPY"), from, after, &[202])
        }
    }

    fn remove_directory(&mut self) -> Step {
        let Some(path) = self.some_directory() else {
            return self.put();
        };
        let mut after = self.contents.clone();
        after.retain(|other, _| !other.starts_with(&path));
        Step {
            query: Some(("recursive", "true")),
            ..Step::new(Method::DELETE, path, after, &[204])
        }
    }

    fn make_directory(&mut self) -> Step {
        let path = format!("{}/{}/", self.container(), self.directory());
        Step {
            headers: vec![("x-create-parents", "true".to_owned())],
            ..Step::new(method("MKCOL"), path, self.contents.clone(), &[201, 405])
        }
    }

    fn container(&mut self) -> String {
        self.containers[self.chance.below(2)].clone()
    }

    fn directory(&mut self) -> String {
        let depth = 1 + self.chance.below(3);
        let segments: Vec<_> = (0..depth)
            .map(|_| ["x", "y", "z"][self.chance.below(3)])
            .collect();
        segments.join("/")
    }

    /// Of an object; one may be called as a directory is.
    fn name(&mut self) -> String {
        match self.chance.below(4) {
            0 => self.directory(),
            1 => format!("{}/", self.directory()),
            _ => format!("{}/{}", self.directory(), ["f", "g"][self.chance.below(2)]),
        }
    }

    fn some_object(&mut self) -> Option<String> {
        let number = self.chance.below(self.contents.len());
        self.contents.keys().nth(number).cloned()
    }

    /// A directory that something lies in.
    fn some_directory(&mut self) -> Option<String> {
        let path = self.some_object()?;
        let ends: Vec<_> = path.match_indices('/').map(|(at, _)| at + 1).skip(1).collect();
        let end = ends.get(self.chance.below(ends.len()))?;
        Some(path[..*end].to_owned())
    }
}

impl Step {
    fn new(method: Method, path: String, after: Contents, expected: &[u16]) -> Self {
        Self {
            method,
            path,
            headers: Vec::new(),
            query: None,
            body: Vec::new(),
            after,
            expected: expected.to_vec(),
            is_job: false,
        }
    }

    fn moving(from: String, to: String, after: Contents) -> Self {
        Self {
            headers: vec![("destination", to)],
            ..Self::new(method("MOVE"), from, after, &[201, 204])
        }
    }

    fn request(&self, client: &Client) -> Request {
        let mut request = client.request(self.method.clone(), &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((name, value)) = self.query {
            request = request.query(name, value);
        }
        request.body(self.body.clone())
    }
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a method")
}

/// The answer to what must not fail while anybody is there.
async fn answered(request: Request) -> Option<Response> {
    let response = request.send().await.ok()?;
    match response.status() {
        // Whoever is behind is not there just now.
        503 => None,
        _ => Some(response.expect_one_of(&[200, 204])),
    }
}
