//! `mirror/inspect`: whether the rows of an account make up a tree whose totals are the sums of what lies below.
//!
//! All rows of an account are read in the order of the index of searches, a page in one snapshot. Each is looked at beside its way
//! up to the root, each directory beside the sum of its children; where all of these are right the whole tree is.

use std::collections::HashMap;

use common::Timestamp;
use common::functional::firewall::State;
use common::functional::mirror::{
    AccountRow, ContainerRow, DirectoryRow, Fault, Inspect, Inspected as Answer, Inspection, Mark, Position,
    Wrong,
};
use common::name::{ContainerName, ObjectName};

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Inspected, Sieve, Span, Sums, Waymarks, kind};
use crate::table::tree_epoch::{self, Epoch};
use crate::table::{counted, stored};

mod ways;

use ways::{Way, Ways};

/// Rows of a page.
const PAGE: usize = 1000;
/// The children of directories in which at most so many objects lie are counted together.
const FEW: i64 = 1000;
/// So many of these at once.
const TOGETHER: usize = 64;

/// A page.
pub(crate) async fn page(connection: &mut Connection, inspect: &Inspect) -> Result<Answer, Failure> {
    let at_least = inspect.at_least;
    let epoch = match tree_epoch::lookup(connection, at_least.account_id).await? {
        Some(epoch) if epoch.incarnation == at_least.incarnation && epoch.seq >= at_least.seq => epoch,
        Some(epoch) => return Ok(Answer::Behind(epoch.position())),
        None => return Ok(Answer::Behind(Position::default())),
    };
    let mut inspecting = Inspecting {
        connection,
        account_id: at_least.account_id.cast_signed(),
        epoch,
        ways: Ways::default(),
        found: Inspection::default(),
    };
    inspecting.read(inspect.after.as_ref()).await?;
    Ok(Answer::Rows(Box::new(inspecting.found)))
}

struct Inspecting<'a> {
    connection: &'a mut Connection,
    account_id: i64,
    epoch: Epoch,
    ways: Ways,
    found: Inspection,
}

impl Inspecting<'_> {
    async fn read(&mut self, after: Option<&Mark>) -> Result<(), Failure> {
        // No page comes by them.
        let nameless = match after {
            None => stobj::nameless(self.connection, self.account_id).await?,
            Some(_) => Vec::new(),
        };
        let (mut ids, next) = self.marks(after).await?;
        ids.extend(&nameless);
        self.found.next = next;
        let rows = stobj::inspected(self.connection, &ids).await?;
        let parents = rows.iter().map(|row| row.parent);
        self.ways.learn(self.connection, parents).await?;
        let mut branches = Vec::new();
        for row in rows {
            match self.place(&row) {
                Place::Gone => {}
                Place::Right(_) if nameless.contains(&row.id) => {
                    self.fault(&row, Wrong::Place("its name is no bytes".to_owned()));
                }
                Place::Wrong(why) => self.fault(&row, Wrong::Place(why.to_owned())),
                Place::Right(names) => {
                    self.tell(&row, &names);
                    if row.kind <= kind::DIRECTORY {
                        branches.push(row);
                    }
                }
            }
        }
        self.compare_totals(branches).await
    }

    /// The numbers of a page of rows, and where the next one begins.
    async fn marks(&mut self, after: Option<&Mark>) -> Result<(Vec<i64>, Option<Mark>), Failure> {
        let all = Sieve {
            literal: Vec::new(),
            kinds: (i64::MIN, i64::MAX),
            bytes: (i64::MIN, i64::MAX),
            timestamps: (i64::MIN, i64::MAX),
        };
        let none = Waymarks { mask: 1, value: 2 };
        let account = self.account_id;
        let mut spans = vec![Span::Behind(account, Vec::new())];
        if let Some(Mark { segment, id }) = after {
            spans = vec![
                Span::SameName(account, segment.clone(), *id),
                Span::Behind(account, segment.clone()),
            ];
        }
        let mut rows = Vec::new();
        for span in spans {
            if rows.len() < PAGE {
                let limit = PAGE - rows.len();
                rows.extend(stobj::search(self.connection, &span, &all, none, limit).await?);
            }
        }
        let last = rows.last().filter(|_| rows.len() == PAGE);
        let next = last.map(|row| Mark {
            segment: row.path.clone(),
            id: row.id,
        });
        Ok((rows.into_iter().map(|row| row.id).collect(), next))
    }

    /// Whether a row can be where it is.
    fn place(&self, row: &Inspected) -> Place {
        let (kinds, names) = match self.ways.way(row.parent) {
            Way::Trash => return Place::Gone,
            Way::Lost => return Place::Wrong("what it lies in is not there"),
            Way::Round => return Place::Wrong("it lies below itself"),
            Way::Root(way) => way,
        };
        let (name, is_directory) = match std::str::from_utf8(&row.path) {
            Ok(name) => (name, name.ends_with('/')),
            Err(_) => return Place::Wrong("its name is not UTF-8"),
        };
        let above = kinds.last().copied();
        let fits = match row.kind {
            kind::ACCOUNT => above.is_none() && Some(row.id) == self.epoch.node,
            kind::CONTAINER => above == Some(kind::ACCOUNT),
            kind::DIRECTORY | kind::FILE | kind::LINK => {
                matches!(above, Some(kind::CONTAINER | kind::DIRECTORY))
                    && is_directory == (row.kind == kind::DIRECTORY)
            }
            _ => false,
        };
        if !fits || kinds.first().is_some_and(|top| *top != kind::ACCOUNT) {
            return Place::Wrong("nothing of its kind can be there");
        }
        if name.is_empty() || name.strip_suffix('/').unwrap_or(name).contains('/') {
            return Place::Wrong("its name is no segment");
        }
        if row.kind >= kind::FILE && !row.is_object {
            return Place::Wrong("it is a file and no object");
        }
        if row.seq > stored(self.epoch.seq) {
            return Place::Wrong("it is of a change that was never made");
        }
        let mut names = names;
        names.push(name.to_owned());
        Place::Right(names)
    }

    /// Tells of what storage has, too, and objects are not.
    fn tell(&mut self, row: &Inspected, names: &[String]) {
        let time = |units| Timestamp::from_units(counted(units));
        match row.kind {
            kind::ACCOUNT => {
                self.found.account = Some(AccountRow {
                    created: time(row.created),
                    timestamp: time(row.timestamp),
                    state: match row.is_disabled {
                        true => State::Disable,
                        false => State::Enable,
                    },
                });
            }
            kind::CONTAINER => {
                let (created, timestamp) = (time(row.created), time(row.timestamp));
                match names.last().map(|name| ContainerName::new(name.as_str())) {
                    Some(Ok(name)) => {
                        let container = ContainerRow { created, timestamp };
                        self.found.containers.push((name, container));
                    }
                    _ => self.fault(row, Wrong::Place("it is no container's name".to_owned())),
                }
            }
            kind::DIRECTORY if row.explicit => {
                let created = time(row.created);
                let container = names.get(1).map(|name| ContainerName::new(name.as_str()));
                let directory = ObjectName::new(names.get(2..).unwrap_or_default().concat());
                match (container, directory) {
                    (Some(Ok(container)), Ok(directory)) => {
                        let made = DirectoryRow { created };
                        self.found.directories.push((container, directory, made));
                    }
                    _ => self.fault(row, Wrong::Place("it is no directory's name".to_owned())),
                }
            }
            _ => {}
        }
    }

    /// Compares totals with the sums of what lies below. A directory that nothing keeps is none.
    async fn compare_totals(&mut self, branches: Vec<Inspected>) -> Result<(), Failure> {
        let (few, many): (Vec<_>, Vec<_>) = branches.into_iter().partition(|row| row.subtree.objects <= FEW);
        for rows in few.chunks(TOGETHER) {
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let sums = stobj::some_sums(self.connection, &ids).await?;
            let sums: HashMap<i64, Sums> = sums.into_iter().map(|of| (of.parent, of)).collect();
            for row in rows {
                let below = sums.get(&row.id).copied().unwrap_or_default();
                self.compare(row, below).await?;
            }
        }
        for row in &many {
            let below = stobj::sums(self.connection, row.id).await?;
            self.compare(row, below).await?;
        }
        Ok(())
    }

    async fn compare(&mut self, row: &Inspected, below: Sums) -> Result<(), Failure> {
        let own = (self.account_id, self.account_id);
        if below.accounts.is_some_and(|accounts| accounts != own) {
            let ids = stobj::strangers(self.connection, row.id, self.account_id).await?;
            for stranger in stobj::inspected(self.connection, &ids).await? {
                self.fault(
                    &stranger,
                    Wrong::Place("it says that it is of another account".to_owned()),
                );
            }
        }
        if row.kind == kind::DIRECTORY && !row.explicit && !row.is_object && below.children == 0 {
            self.fault(row, Wrong::Place("nothing keeps this directory".to_owned()));
            return Ok(());
        }
        let mut sums = below.totals;
        if row.kind == kind::DIRECTORY {
            sums += row.own;
        }
        if sums != row.subtree {
            let wrong = Wrong::Totals {
                sums: (sums.objects, sums.bytes),
                totals: (row.subtree.objects, row.subtree.bytes),
            };
            self.fault(row, wrong);
        }
        Ok(())
    }

    fn fault(&mut self, row: &Inspected, wrong: Wrong) {
        let own = String::from_utf8_lossy(&row.path);
        let path = match self.ways.way(row.parent) {
            // The account is known; below a container segments have their slashes.
            Way::Root((_, names)) => match names.get(1..) {
                Some([container, directories @ ..]) => format!("{container}/{}{own}", directories.concat()),
                _ => own.into_owned(),
            },
            Way::Trash | Way::Lost | Way::Round => format!("row {} ({own})", row.id),
        };
        self.found.faults.push(Fault {
            id: row.id,
            path,
            wrong,
        });
    }
}

/// Where a row is.
enum Place {
    /// It waits for the reaper.
    Gone,
    Wrong(&'static str),
    /// The names from the account down to it.
    Right(Vec<String>),
}
