//! The containers of an account beside those that the mirror has.

use std::collections::BTreeSet;

use common::functional::account::Entry;
use common::functional::check::Kind;
use common::functional::listing::{MAX_LIMIT, Query};
use common::functional::mirror::{AccountRow, ContainerRow, Mark};
use common::name::ContainerName;

use super::compare::{ATTEMPTS, Comparison};
use crate::jobs::{End, Waiting};
use crate::mirror_feed::{account_row, container_row};

impl Comparison<'_> {
    /// Compares which there are.
    pub(super) async fn containers(&mut self) -> Result<(), End> {
        let mirrored = self.mirrored().await?;
        let containers = self.account.containers();
        let stored: BTreeSet<ContainerName> = containers.iter().map(|of| of.name.clone()).collect();
        for name in stored.symmetric_difference(&mirrored) {
            self.settle_container(name).await?;
        }
        Ok(())
    }

    async fn mirrored(&self) -> Result<BTreeSet<ContainerName>, End> {
        let mut names = BTreeSet::new();
        loop {
            let query = Query {
                marker: names.last().map_or_else(String::new, ToString::to_string),
                ..Query::default()
            };
            let page = self.mirror.containers(query).await?;
            let is_last = page.len() < MAX_LIMIT;
            names.extend(page.into_iter().filter_map(|entry| match entry {
                Entry::Container { name, .. } => Some(name),
                Entry::Subdir(_) => None,
            }));
            if is_last {
                return Ok(names);
            }
        }
    }

    /// Compares what the mirror says of a container with storage.
    pub(super) async fn container_of_mirror(
        &mut self,
        name: &ContainerName,
        row: &ContainerRow,
    ) -> Result<(), End> {
        let Some(container) = self.account.container(name) else {
            return Ok(());
        };
        if container_row(&container.attributes()) == *row {
            return Ok(());
        }
        let mut attempts = ATTEMPTS;
        let mut waiting = Waiting::new(self.owner, self.handle);
        loop {
            self.mirror.reached().await?;
            let structure = self.account.structure.lock().await;
            let lock = container.lock.exclusive().await;
            let page = match self.mirror.hurried().inspect(Some(before(name.as_str()))).await {
                Err(End::Failed(_)) if attempts > 0 => {
                    attempts -= 1;
                    continue;
                }
                page => page?,
            };
            let stored = container_row(&container.attributes());
            let found = page.containers.into_iter().find(|(other, _)| other == name);
            let Some((_, found)) = found.filter(|(_, row)| *row != stored && !container.is_removed()) else {
                return Ok(());
            };
            let mended = match self.repair {
                true => self.owner.retell_container(self.account, name),
                false => Ok(()),
            };
            drop((lock, structure));
            if let Err(error) = mended {
                waiting.after(error).await?;
                continue;
            }
            let told =
                |row: &ContainerRow| Some(format!("made at {}, written at {}", row.created, row.timestamp));
            let (storage, found) = (told(&stored), told(&found));
            self.findings
                .note(Kind::Container, name.to_string(), storage, found, self.repair);
            return Ok(());
        }
    }

    /// The same of the account's own row.
    pub(super) async fn account_of_mirror(&mut self, row: Option<&AccountRow>) -> Result<(), End> {
        if row == Some(&account_row(&self.account.attributes())) {
            return Ok(());
        }
        let mut attempts = ATTEMPTS;
        let mut waiting = Waiting::new(self.owner, self.handle);
        loop {
            self.mirror.reached().await?;
            let structure = self.account.structure.lock().await;
            let mark = before(self.account.name.as_str());
            let page = match self.mirror.hurried().inspect(Some(mark)).await {
                Err(End::Failed(_)) if attempts > 0 => {
                    attempts -= 1;
                    continue;
                }
                page => page?,
            };
            let attributes = self.account.attributes();
            let stored = account_row(&attributes);
            if attributes.deleted || page.account.as_ref() == Some(&stored) {
                return Ok(());
            }
            let mended = match self.repair {
                true => self.owner.retell_account(self.account),
                false => Ok(()),
            };
            drop(structure);
            if let Err(error) = mended {
                waiting.after(error).await?;
                continue;
            }
            let told = |row: &AccountRow| {
                let (created, timestamp) = (row.created, row.timestamp);
                format!("made at {created}, written at {timestamp}, {:?}", row.state)
            };
            let (storage, found) = (Some(told(&stored)), page.account.as_ref().map(told));
            let name = self.account.name.to_string();
            self.findings.note(Kind::Row, name, storage, found, self.repair);
            return Ok(());
        }
    }

    async fn settle_container(&mut self, name: &ContainerName) -> Result<(), End> {
        let mut waiting = Waiting::new(self.owner, self.handle);
        while let Err(end) = self.settle_container_once(name).await {
            waiting.after(end).await?;
        }
        Ok(())
    }

    /// Looks whether they really differ, while no container is made or removed.
    async fn settle_container_once(&mut self, name: &ContainerName) -> Result<(), End> {
        self.mirror.reached().await?;
        let structure = self.account.structure.lock().await;
        let is_there = self.account.container(name).is_some();
        if self.mirror.hurried().has_container(name).await? == is_there {
            return Ok(());
        }
        if self.repair {
            self.owner.retell_container(self.account, name)?;
        }
        drop(structure);
        let told = |is_there: bool| is_there.then(|| "there".to_owned());
        let path = name.to_string();
        self.findings.note(
            Kind::Container,
            path,
            told(is_there),
            told(!is_there),
            self.repair,
        );
        Ok(())
    }
}

/// Where the row of a name is the next one, or one of the next.
fn before(name: &str) -> Mark {
    Mark {
        segment: name.as_bytes().to_vec(),
        id: 0,
    }
}
