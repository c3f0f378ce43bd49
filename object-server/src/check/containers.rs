//! The containers of an account beside those that the mirror has.

use std::collections::BTreeSet;

use common::functional::account::Entry;
use common::functional::check::Kind;
use common::functional::listing::{MAX_LIMIT, Query};
use common::name::ContainerName;

use super::compare::Comparison;
use crate::jobs::End;

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

    /// Looks whether they really differ, while no container is made or removed.
    async fn settle_container(&mut self, name: &ContainerName) -> Result<(), End> {
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
