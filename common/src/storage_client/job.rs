//! Jobs: what a store does in the background.

use std::time::Duration;

use http::Method;
use tokio::time::sleep;

use super::Client;
use super::error::Error;
use super::request::Request;
use crate::functional::job::{Job, Jobs};

/// Between two looks at a job: at first, and at last.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Client {
    /// The jobs of the account, the newest first.
    ///
    /// # Errors
    /// [`Failure::NotUnderstood`](super::Failure::NotUnderstood) when the store is another Swift.
    pub async fn jobs(&self) -> Result<Jobs, Error> {
        let request = Request::new(Method::GET, "", "")?.query("jobs", "");
        self.0.send(request).await?.json()
    }

    /// One job, as it stands.
    ///
    /// # Errors
    /// [`Failure::NotFound`](super::Failure::NotFound) when there is none with this id.
    pub async fn job(&self, id: &str) -> Result<Job, Error> {
        self.0.send(self.of_job(Method::GET, id)?).await?.json()
    }

    /// Ends a job before its time; what it made is taken back. Gives the job as it stands then.
    ///
    /// # Errors
    /// [`Failure::NotFound`](super::Failure::NotFound) when there is none with this id.
    pub async fn cancel_job(&self, id: &str) -> Result<Job, Error> {
        self.0.send(self.of_job(Method::DELETE, id)?).await?.json()
    }

    /// The job when it has ended; `look` sees it each time that it is looked at.
    ///
    /// # Errors
    /// When it cannot be looked at any more.
    pub async fn job_ended(&self, job: Job, mut look: impl FnMut(&Job) + Send) -> Result<Job, Error> {
        let mut job = job;
        let mut pause = SHORTEST_PAUSE;
        loop {
            look(&job);
            if job.state.has_ended() {
                return Ok(job);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            job = self.job(&job.id).await?;
        }
    }

    fn of_job(&self, method: Method, id: &str) -> Result<Request, Error> {
        let mut request = Request::new(method, "", "")?.query("job", id);
        request.what = format!("job {id}");
        Ok(request)
    }
}
