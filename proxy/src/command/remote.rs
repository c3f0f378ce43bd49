//! What the subcommands share that work on objects, through any Swift endpoint: the log-in, places in the account, what is
//! printed, and the end with its code.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use common::Secret;
use common::storage_client::{Access, Client};
use tokio::runtime::Runtime;

mod ending;
mod many;
mod place;
mod progress;
mod shown;

pub(super) use ending::{Tally, code_of, is_broken_pipe, is_told, usage};
pub(super) use many::{AtOnce, each};
pub(super) use place::Place;
pub(super) use progress::{Progress, job_ended};
pub(super) use shown::{counted, human_bytes, printable, shown};

/// What stands at the end of each `--help`, behind the examples.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n
The account is that of ST_AUTH, ST_USER and ST_KEY in the environment, as python-swiftclient reads them, or of \
OS_STORAGE_URL and OS_AUTH_TOKEN. Others can see a key on the command line; better leave it in ST_KEY.

Names are CONTAINER/NAME; a name that ends in a slash is a directory.

Exit codes: 0 all was done, 1 something failed, 2 wrong usage, 3 there is no such thing, 4 refused."
        )
    };
}
pub(super) use help;

/// Whose account it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Account")]
pub(super) struct Account {
    /// Where to log in, such as http://127.0.0.1:8080/auth/v1.0 [default: ST_AUTH of the environment].
    #[arg(long, value_name = "URL")]
    auth: Option<String>,
    /// As whom [default: ST_USER].
    #[arg(long, value_name = "ACCOUNT:USER")]
    user: Option<String>,
    /// With which key [default: ST_KEY].
    #[arg(long, value_name = "KEY", value_parser = |key: &str| Ok::<_, String>(Secret::new(key)))]
    key: Option<Secret>,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Output {
    /// Print a JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
    /// Show no progress.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

impl Account {
    /// A client of the account; it logs in with the first request.
    ///
    /// # Errors
    /// When something is missing.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let has_flags = self.auth.is_some() || self.user.is_some() || self.key.is_some();
        let access = Access::from_environment(|name| {
            let flag = match name {
                "ST_AUTH" => self.auth.clone(),
                "ST_USER" => self.user.clone(),
                "ST_KEY" => self.key.as_ref().map(|key| key.expose().to_owned()),
                // Whoever says where to log in does not mean the account of a token.
                _ if has_flags => return None,
                _ => None,
            };
            flag.or_else(|| std::env::var(name).ok())
        });
        Ok(Client::new(access?)?)
    }
}

impl Output {
    /// Whether somebody watches.
    pub(super) fn shows_progress(self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// Tells how it went, to whoever watches.
    pub(super) fn tell(self, line: &str) {
        if self.shows_progress() {
            complain(line);
        }
    }
}

/// Runs a subcommand to its end. What still waits for standard input is left behind.
pub(super) fn run(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime: Runtime = super::runtime()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

/// Writes these lines to standard output at once.
pub(super) fn print(lines: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(lines.as_bytes())?;
    output.flush()
}

/// Writes a line to standard error.
pub(super) fn complain(line: &str) {
    let _nobody_listens = writeln!(io::stderr(), "{line}");
}

/// A value as a line of JSON.
pub(super) fn json_line(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}
