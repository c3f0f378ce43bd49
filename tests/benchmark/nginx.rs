//! nginx, with one process, serving files as they lie there.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::geteuid;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::laboratory::Laboratory;
use crate::usage;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running nginx. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Child,
    address: String,
}

impl Nginx {
    /// Serves what is below `root`.
    pub(crate) async fn start(laboratory: &Laboratory, root: &Path) -> Result<Self> {
        let own = laboratory.fresh()?;
        // It cannot choose a port itself; this one was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        std::fs::write(own.join("nginx.conf"), configuration(&own, root, &address))?;
        let log = std::fs::File::create(own.join("output"))?;
        let mut process = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(&own)
            .args(["-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("nginx")?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&address).await.is_err() {
            if process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!(
                    "nginx did not start: {}",
                    std::fs::read_to_string(own.join("output"))?
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, address })
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, file: &str) -> String {
        format!("http://{}/{file}", self.address)
    }

    pub(crate) fn processor_time(&self) -> Result<Duration> {
        usage::processor_time(self.process.id().context("nginx has ended")?)
    }
}

/// One process does what the one worker would, and is easily killed.
fn configuration(own: &Path, root: &Path, address: &str) -> String {
    // As root it would make itself nobody, who may not look into the store's directory.
    let user = match geteuid().is_root() {
        true => "user root;\n",
        false => "",
    };
    let (own, root) = (own.display(), root.display());
    format!(
        "{user}daemon off;
master_process off;
pid {own}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=300s;
    open_file_cache_valid 300s;
    default_type application/octet-stream;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi;
    scgi_temp_path {own}/scgi;
    server {{
        listen {address};
        root {root};
    }}
}}
"
    )
}
