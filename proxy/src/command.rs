//! The command line.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use common::config::Config;
use proxy::serve::Part;
use tokio::runtime::Runtime;

mod administered;
mod check;
mod config_check;
mod cp;
mod firewall;
mod following;
mod get;
mod import;
mod jobs;
mod ls;
mod mkdir;
mod mv;
mod put;
mod quota;
mod record;
mod remote;
mod rm;
mod search;
mod serve;
mod transfer;
mod tree;
mod user;

/// A Swift-compatible object store with a real directory tree.
#[derive(Debug, Parser)]
#[command(name = "stobj", version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole store in this process (what happens without a subcommand, too).
    Serve(serve::Serve),
    /// Run what clients speak to; the servers are processes of their own.
    Proxy(serve::Serve),
    /// Run the server that keeps the objects.
    ObjectServer(serve::Serve),
    /// Run the server of the database: listings and users. At its first start it makes the keys that all share.
    AccountServer(serve::Serve),
    /// Work with the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Add, show, disable and delete users and change their passwords, beside a running server or without one.
    ///
    /// With `ST_AUTH`, `ST_USER` and `ST_KEY` in the environment the running server at that log-in address is asked,
    /// as that user, who must be an administrator; without them the database of the configuration is changed.
    #[command(subcommand)]
    User(user::Command),
    /// Switch accounts and objects off and on again; show what is off, and what the rules decided.
    ///
    /// Asks the running server that `ST_AUTH` names, as the administrator of `ST_USER` and `ST_KEY`.
    #[command(subcommand)]
    Firewall(firewall::Command),
    /// Limit what accounts and containers hold, and show how much they do.
    ///
    /// The running server that `ST_AUTH` names is asked, as with `stobj user`; without it the storage of the configuration
    /// is opened, which no server may have open.
    #[command(subcommand)]
    Quota(quota::Command),
    /// Read what was done, by whom, and what came of it.
    ///
    /// With `ST_AUTH`, `ST_USER` and `ST_KEY` in the environment the running server at that log-in address is asked,
    /// as that user, who must be an administrator; without them the database of the configuration is read.
    #[command(subcommand)]
    Record(record::Command),
    /// Compare storage with the database and the counters, and mend what differs, while the server goes on.
    ///
    /// Changes under way are no differences. The running server that `ST_AUTH` names is asked, as the administrator of
    /// `ST_USER` and `ST_KEY`. Ctrl-C ends the check.
    Check(check::Check),
    /// Fill the database's mirror of storage anew, while the server goes on.
    ///
    /// All rows of an account are dropped and made again from storage; meanwhile listings read the storage. The running
    /// server is asked, as with `stobj check`.
    Rebuild(check::RebuildAll),
    /// Take a directory tree into a container: copy it, or adopt it where it lies.
    ///
    /// The running server that `ST_AUTH` names is asked, as the administrator of `ST_USER` and `ST_KEY`.
    #[command(after_help = import::HELP)]
    Import(Box<import::Import>),
    /// Upload files, directories and standard input.
    #[command(after_help = put::HELP)]
    Put(Box<put::Put>),
    /// Download objects, directories and containers.
    #[command(after_help = get::HELP)]
    Get(Box<get::Get>),
    /// List containers, and what is in them.
    #[command(after_help = ls::HELP)]
    Ls(ls::Ls),
    /// Show what is in a container or directory, nested, with totals.
    #[command(after_help = tree::HELP)]
    Tree(tree::Tree),
    /// Make containers and directories.
    #[command(after_help = mkdir::HELP)]
    Mkdir(mkdir::Mkdir),
    /// Give objects and directories another name.
    #[command(after_help = mv::HELP)]
    Mv(mv::Mv),
    /// Copy objects and directories within the store.
    #[command(after_help = cp::HELP)]
    Cp(cp::Cp),
    /// Remove objects, directories and containers.
    #[command(after_help = rm::HELP)]
    Rm(rm::Rm),
    /// Find containers, directories and objects by name, size, time, type and metadata.
    #[command(after_help = search::HELP)]
    Search(Box<search::Search>),
    /// Show, await and cancel what the server does in the background.
    #[command(after_help = jobs::HELP)]
    Jobs(jobs::Jobs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with the configuration, or `ok` and the order of the filters.
    Check(Source),
}

/// Where settings come from: a file, over it variables `STOBJ_SECTION__KEY`, over these flags.
#[derive(Clone, Debug, Args)]
struct Source {
    /// The configuration file; `etc/stobj.toml` shows all there is to set.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the data [default: ./stobj-data].
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
}

impl Source {
    /// The settings, with further flags: section, key, value.
    fn load(&self, flags: impl IntoIterator<Item = (&'static str, &'static str, String)>) -> Config {
        let data = self
            .data
            .as_ref()
            .map(|data| ("storage", "data", data.display().to_string()));
        let flags = data.into_iter().chain(flags);
        Config::load(self.config.as_deref(), std::env::vars(), flags)
    }
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        None => serve::run(Part::Everything, &arguments.serve),
        Some(Command::Serve(arguments)) => serve::run(Part::Everything, &arguments),
        Some(Command::Proxy(arguments)) => serve::run(Part::Proxy, &arguments),
        Some(Command::ObjectServer(arguments)) => serve::run(Part::ObjectServer, &arguments),
        Some(Command::AccountServer(arguments)) => serve::run(Part::AccountServer, &arguments),
        Some(Command::Config(ConfigCommand::Check(source))) => config_check::run(&source),
        Some(Command::User(command)) => user::run(command),
        Some(Command::Firewall(command)) => firewall::run(command),
        Some(Command::Quota(command)) => quota::run(command),
        Some(Command::Record(command)) => record::run(command),
        Some(Command::Check(arguments)) => return ended(check::run(&arguments)),
        Some(Command::Rebuild(arguments)) => return ended(check::run_rebuild(&arguments)),
        Some(Command::Import(arguments)) => return ended(import::run(*arguments)),
        Some(Command::Put(put)) => remote::run(put::run(*put)),
        Some(Command::Get(get)) => remote::run(get::run(*get)),
        Some(Command::Ls(ls)) => remote::run(ls::run(ls)),
        Some(Command::Tree(tree)) => remote::run(tree::run(tree)),
        Some(Command::Mkdir(mkdir)) => remote::run(mkdir::run(mkdir)),
        Some(Command::Mv(mv)) => remote::run(mv::run(mv)),
        Some(Command::Cp(cp)) => remote::run(cp::run(cp)),
        Some(Command::Rm(rm)) => remote::run(rm::run(rm)),
        Some(Command::Search(search)) => remote::run(search::run(*search)),
        Some(Command::Jobs(jobs)) => remote::run(jobs::run(jobs)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read has enough.
        Err(error) if remote::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if !remote::is_told(&error) {
                remote::complain(&format!("stobj: {}", remote::printable(&format!("{error:#}"))));
            }
            ExitCode::from(remote::code_of(&error))
        }
    }
}

/// The end of what says itself how it went; 2 where it could not be done.
fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        remote::complain(&format!("stobj: {}", remote::printable(&format!("{error:#}"))));
        ExitCode::from(2)
    })
}

/// What a subcommand's requests run on.
fn runtime() -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.context("no threads can be started")
}

/// Writes a line to standard output.
fn say(line: impl Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let short = Arguments::try_parse_from(["stobj", "--listen", "127.0.0.1:0", "--data", "/x"]).unwrap();
        assert!(short.command.is_none());
        for line in [
            &["stobj", "serve", "--config", "x.toml"][..],
            &["stobj", "proxy", "--listen", "127.0.0.1:0"],
            &["stobj", "object-server", "--data", "/x"],
            &["stobj", "account-server"],
            &["stobj", "config", "check", "--config", "x.toml"],
            &[
                "stobj", "user", "add", "a:b", "--admin", "--group", "g", "--group", "h",
            ],
            &["stobj", "user", "add", "a:b", "--email", "a@example.org"],
            &["stobj", "user", "password", "a:b"],
            &["stobj", "user", "password"],
            &["stobj", "user", "list"],
            &["stobj", "user", "list", "a"],
            &["stobj", "user", "show", "a@example.org"],
            &["stobj", "user", "disable", "a:b"],
            &["stobj", "user", "enable", "a:b"],
            &["stobj", "user", "revoke", "a:b"],
            &["stobj", "user", "delete", "a:b", "--account", "remove"],
            &["stobj", "firewall", "disable", "AUTH_a/c/o"],
            &["stobj", "firewall", "list"],
            &["stobj", "firewall", "rules"],
            &[
                "stobj", "quota", "set", "AUTH_a", "--bytes", "10G", "--count", "none",
            ],
            &["stobj", "quota", "set", "AUTH_a/c", "--count", "5", "--json"],
            &["stobj", "quota", "show", "AUTH_a", "--data", "/x"],
            &["stobj", "quota", "list", "--json"],
            &[
                "stobj", "record", "list", "--user", "a:b", "--since", "1h", "--result", "4xx", "--follow",
                "--csv",
            ],
        ] {
            assert!(
                Arguments::try_parse_from(line).unwrap().command.is_some(),
                "{line:?}"
            );
        }
        for line in [
            &["stobj", "user", "add"][..],
            &["stobj", "user", "add", "nocolon"],
            &["stobj", "user", "delete", "a:b"],
            &["stobj", "user", "delete", "a:b", "--account", "burn"],
            &["stobj", "firewall", "enable", "AUTH_a/c"],
            &["stobj", "quota", "set", "AUTH_a"],
            &["stobj", "quota", "set", "AUTH_a", "--bytes", "much"],
            &["stobj", "record", "list", "--json", "--csv"],
            &["stobj", "record", "list", "--since", "yesterday"],
            &["stobj", "fly"],
        ] {
            assert!(Arguments::try_parse_from(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn commands_that_check_and_import_are_read() {
        for line in [
            &["stobj", "check"][..],
            &[
                "stobj",
                "check",
                "--account",
                "a",
                "--account",
                "b",
                "--deep",
                "--repair",
                "--json",
            ],
            &["stobj", "rebuild", "--account", "a"],
            &[
                "stobj",
                "import",
                "/x",
                "--account",
                "a",
                "--container",
                "c",
                "--in-place",
            ],
        ] {
            assert!(Arguments::try_parse_from(line).is_ok(), "{line:?}");
        }
        for line in [
            &["stobj", "import", "/x", "--account", "a"][..],
            &["stobj", "check", "--account", ""],
            &["stobj", "rebuild", "--deep"],
        ] {
            assert!(Arguments::try_parse_from(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn commands_on_objects_are_read() {
        for line in [
            &["stobj", "put", "a", "b", "-H", "X-A: b", "--jobs", "64", "c/d/"][..],
            &["stobj", "get", "c/d/", "here", "--user", "a:b", "--key", "k"],
            &["stobj", "get", "c/o", "-", "--range", "-5"],
            &["stobj", "ls"],
            &["stobj", "ls", "-l", "--recursive", "c"],
            &["stobj", "tree", "--depth", "2", "c"],
            &["stobj", "mkdir", "-p", "c/d/", "e"],
            &["stobj", "mv", "--no-overwrite", "c/d/", "e/f/"],
            &["stobj", "cp", "c/d/", "e/f/", "--no-wait"],
            &["stobj", "rm", "-r", "c/d/", "c/o"],
            &[
                "stobj",
                "search",
                "*.jpg",
                "--size-min",
                "10M",
                "--sort",
                "-size",
                "--meta",
                "a=b",
                "--type",
                "file",
            ],
            &["stobj", "jobs", "0123", "--cancel", "--json"],
        ] {
            assert!(Arguments::try_parse_from(line).is_ok(), "{line:?}");
        }
        for line in [
            &["stobj", "put", "--jobs", "0", "a", "c"][..],
            &["stobj", "put", "-H", "no header", "a", "c"],
            &["stobj", "get", "/c/o"],
            &["stobj", "get", "c/o", "--range", "9-5"],
            &["stobj", "tree", "--depth", "0", "c"],
            &["stobj", "rm"],
            &["stobj", "search", "--sort", "colour"],
            &["stobj", "search", "--meta", "color"],
            &["stobj", "jobs", "--cancel"],
        ] {
            assert!(Arguments::try_parse_from(line).is_err(), "{line:?}");
        }
    }
}
