//! Accounts: a directory under the account's name that says which control file is its own.

use common::name::AccountName;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attribute::{AccountDirectory, write_all, write_raw};
use super::confine::{self, Node, Wait};
use super::name::{self, Form};
use super::root::entries;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::EngineError;
use crate::node::{self, AccountAttributes};

pub(super) const CONTROL: &str = "control";
pub(super) const NEW_CONTROL: &str = "control.new";

impl Store {
    /// All accounts.
    pub(super) fn list_accounts(&self) -> Result<Vec<AccountName>, EngineError> {
        let mut accounts = Vec::new();
        for (account, directory) in self.named_directories(self.root())? {
            let Ok(account) = AccountName::new(account) else {
                continue;
            };
            if self
                .read_attributes::<AccountDirectory>(&directory, Wait::Allowed)?
                .is_some()
            {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }

    /// An account's attributes.
    pub(super) fn read_account(
        &self,
        account: &AccountName,
    ) -> Result<Option<AccountAttributes>, EngineError> {
        let path = name::component(account.as_str());
        let directory = confine::existing_directory(self.root(), &path, Wait::Allowed)?;
        let Some(directory) = directory else {
            return Ok(None);
        };
        let read = self.read_attributes::<AccountDirectory>(&directory, Wait::Allowed)?;
        let Some(read) = read else { return Ok(None) };
        let control = format!("{}/{CONTROL}", control_directory(read.attributes.account_id));
        match confine::node(self.accounts(), &control, Wait::Allowed)? {
            Node::File(file, _) => {
                let mut bytes = Vec::with_capacity(4096);
                while rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes))? > 0 {
                    bytes.reserve(1);
                }
                let attributes = node::decode(&bytes).map_err(|error| {
                    EngineError::Corrupt(format!("the control file of {account}: {error}"))
                })?;
                Ok(Some(attributes))
            }
            Node::Absent | Node::Other => Err(EngineError::Corrupt(format!(
                "the control file of {account} is not there"
            ))),
        }
    }

    /// Makes an account or replaces its attributes, durably.
    pub(super) fn write_account(
        &self,
        account: &AccountName,
        attributes: &AccountAttributes,
    ) -> Result<(), EngineError> {
        let path = name::component(account.as_str());
        let _stripe = self.stripes().lock("", &path);
        self.write_control(attributes)?;
        self.pass("account:after_control")?;
        let own = AccountDirectory {
            account_id: attributes.account_id,
        };
        let encoded = node::encode(&own);
        let (parents, last) = super::place::split(&path);
        let parent = self.make_parents(self.root(), parents)?;
        let directory = match self.make_directory(&parent, last, &encoded)? {
            Some(directory) => directory,
            None => confine::directory(&parent, last, Wait::Allowed)?,
        };
        let read = self.read_attributes::<AccountDirectory>(&directory, Wait::Allowed)?;
        if read.is_none_or(|read| read.attributes.account_id != own.account_id) {
            write_raw(&directory, &encoded)?;
        }
        if self.is_durable() {
            for directory in [&directory, &parent, self.root()] {
                rustix::fs::fsync(directory)?;
            }
        }
        Ok(())
    }

    fn write_control(&self, attributes: &AccountAttributes) -> Result<(), Trouble> {
        let name = control_directory(attributes.account_id);
        match rustix::fs::mkdirat(self.accounts(), name.as_str(), Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let directory = confine::directory(self.accounts(), &name, Wait::Allowed)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, NEW_CONTROL, flags, Mode::from(0o600))?;
        write_all(&file, &node::encode(attributes))?;
        if self.is_durable() {
            rustix::fs::fsync(&file)?;
        }
        self.change("account:before_rename")?;
        rustix::fs::renameat(&directory, NEW_CONTROL, &directory, CONTROL)?;
        if self.is_durable() {
            rustix::fs::fsync(&directory)?;
            rustix::fs::fsync(self.accounts())?;
        }
        Ok(())
    }

    /// The chunk directories of a long name, made where they are missing.
    pub(super) fn make_parents(&self, base: &OwnedFd, parents: &str) -> Result<OwnedFd, Trouble> {
        let mut current = confine::directory(base, "", Wait::Allowed)?;
        for component in parents.split_terminator('/') {
            let encoded = node::encode(&super::attribute::StoredDirectory::implicit());
            let made = match confine::directory(&current, component, Wait::Allowed) {
                Ok(directory) => Some(directory),
                Err(Errno::NOENT) => self.make_directory(&current, component, &encoded)?,
                Err(error) => return Err(error.into()),
            };
            if self.is_durable() {
                rustix::fs::fsync(&current)?;
            }
            current = match made {
                Some(directory) => directory,
                None => confine::directory(&current, component, Wait::Allowed)?,
            };
        }
        Ok(current)
    }

    /// The directories below `base` that bear a name of ours, open: accounts of the root, containers of an account.
    pub(super) fn named_directories(&self, base: &OwnedFd) -> Result<Vec<(String, OwnedFd)>, EngineError> {
        let mut found = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(chunk) = pending.pop() {
            let directory = confine::existing_directory(base, &chunk, Wait::Allowed)?;
            let Some(directory) = directory else { continue };
            for (entry, kind) in entries(&directory)? {
                if kind != FileType::Directory {
                    continue;
                }
                let path = if chunk.is_empty() {
                    entry.clone()
                } else {
                    format!("{chunk}/{entry}")
                };
                if name::is_continued(&entry) {
                    pending.push(path);
                    continue;
                }
                let Some((segment, Form::Directory)) = name::decode(&path, true) else {
                    continue;
                };
                let Some(node) = confine::existing_directory(base, &path, Wait::Allowed)? else {
                    continue;
                };
                found.push((segment.trim_end_matches('/').to_owned(), node));
            }
        }
        Ok(found)
    }
}

/// The name of the directory of an account's control file.
pub(super) fn control_directory(account_id: u64) -> String {
    format!("{account_id:016x}")
}
