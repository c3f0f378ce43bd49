//! The walk: visits the live objects of a range in byte order of their names, or against it, reading no more of the
//! tree than it needs.
//!
//! What is known and not shown yet stands in one ordered list: objects, directories that are shown as one line, and
//! *scans*, parts of directories that were not read. When a scan comes to the front it is read; if it is of a whole
//! directory, the whole directories behind it are read with it in the same statement, as many as the page can use by
//! their totals. Only the directories on the way to either end of the range are read in part.

use std::collections::{HashMap, VecDeque};

use super::range::{END, Range, after};
use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Node, kind};

/// How many directories one statement reads: at first, and while they prove small.
const BREADTH: usize = 16;
const BREADTH_MOST: usize = 64;

/// How many rows a statement asks for at least, and at most where all before were of objects that have run out.
const FEW: usize = 16;
const MANY: usize = 2048;

/// What becomes of directories whose name goes on behind the prefix, of so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Below {
    /// They are entered.
    Enter,
    /// They are shown as one line.
    Subdir(usize),
    /// Their own object is shown, and nothing below it.
    OwnObject(usize),
}

/// What the walk came to.
#[derive(Debug)]
pub(super) enum Found {
    /// A live object in the range.
    Object(Vec<u8>, Box<Node>),
    /// A directory that may have live objects in the range.
    Subdir(Vec<u8>, Box<Node>),
}

/// A walk under way.
#[derive(Debug)]
pub(super) struct Walk {
    range: Range,
    reverse: bool,
    below: Below,
    now: i64,
    pending: VecDeque<Step>,
    breadth: usize,
    /// How many times as many rows as needed are read: more, after pages that showed nothing.
    patience: usize,
    /// The front scan lost its place in the last statement to others; it is read alone.
    is_front_late: bool,
}

#[derive(Debug)]
enum Step {
    Found(Found),
    Scan(Scan),
}

/// The children of a directory from one segment to another, unread.
#[derive(Debug)]
struct Scan {
    id: i64,
    name: Vec<u8>,
    from: Vec<u8>,
    to: Vec<u8>,
    /// Objects below, at most.
    objects: i64,
}

impl Scan {
    fn is_whole(&self) -> bool {
        self.from.is_empty() && self.to == END
    }
}

impl Walk {
    /// A walk below the row `top`, which is no part of any name.
    pub(super) fn new(top: i64, range: Range, reverse: bool, below: Below, now: i64) -> Self {
        let mut walk = Self::empty(range, reverse, below, now);
        walk.pending = walk.scans(top, b"", i64::MAX).map(Step::Scan).collect();
        walk
    }

    /// A forward walk through the directory `node`, whose whole name is `name`.
    pub(super) fn within(range: &Range, name: &[u8], node: Node, now: i64) -> Self {
        let mut walk = Self::empty(range.within(name), false, Below::Enter, now);
        let mut steps = Vec::new();
        walk.add(&mut steps, name.to_vec(), node);
        walk.pending = steps.into();
        walk
    }

    fn empty(range: Range, reverse: bool, below: Below, now: i64) -> Self {
        Self {
            range,
            reverse,
            below,
            now,
            pending: VecDeque::new(),
            breadth: BREADTH,
            patience: 1,
            is_front_late: false,
        }
    }

    /// The range that is walked.
    pub(super) fn range(&self) -> &Range {
        &self.range
    }

    /// Goes on to what comes next. `need` is how many more the page can use.
    pub(super) async fn next(
        &mut self,
        connection: &mut Connection,
        need: usize,
    ) -> Result<Option<Found>, Failure> {
        loop {
            match self.pending.pop_front() {
                None => return Ok(None),
                Some(Step::Found(found)) => return Ok(Some(found)),
                Some(Step::Scan(scan)) => {
                    self.pending.push_front(Step::Scan(scan));
                    self.read(connection, need.max(FEW)).await?;
                }
            }
        }
    }

    /// Leaves out everything that lies before `range` in the direction of the walk.
    pub(super) fn skip_to(&mut self, range: Range) {
        self.range = range;
        let range = &self.range;
        self.pending.retain_mut(|step| match step {
            Step::Found(Found::Object(name, _)) => range.contains(name),
            Step::Found(Found::Subdir(name, _)) => range.meets(name),
            Step::Scan(scan) => {
                let (from, to) = range.segments(&scan.name);
                if from > scan.from {
                    scan.from = from;
                }
                if to < scan.to {
                    scan.to = to;
                }
                (scan.name.is_empty() || range.meets(&scan.name)) && scan.from < scan.to
            }
        });
    }

    /// Reads the scan at the front, and others with it where that saves statements.
    async fn read(&mut self, connection: &mut Connection, need: usize) -> Result<(), Failure> {
        let places = self.batch(need);
        if places.len() > 1 {
            return self.read_many(connection, need, &places).await;
        }
        self.is_front_late = false;
        if let Some(Step::Scan(scan)) = self.pending.pop_front() {
            let bounds = (scan.from.as_slice(), scan.to.as_slice());
            let limit = need.max((need * self.patience).min(MANY));
            let rows = stobj::page(connection, scan.id, bounds, self.reverse, limit).await?;
            let is_complete = rows.len() < limit;
            let mut steps = Vec::new();
            self.expand(&mut steps, scan, rows, is_complete);
            let is_barren = !is_complete && steps.len() <= 1;
            self.patience = if is_barren {
                (self.patience * 2).min(MANY)
            } else {
                1
            };
            self.put_front(steps);
        }
        Ok(())
    }

    /// Reads the whole directories at these places of the list with one statement.
    async fn read_many(
        &mut self,
        connection: &mut Connection,
        need: usize,
        places: &[usize],
    ) -> Result<(), Failure> {
        let ids: Vec<i64> = places
            .iter()
            .filter_map(|place| match &self.pending[*place] {
                Step::Scan(scan) => Some(scan.id),
                Step::Found(_) => None,
            })
            .collect();
        let limit = need + ids.len();
        let rows = stobj::children(connection, &ids, self.reverse, limit).await?;
        self.breadth = if rows.len() / ids.len() < 64 {
            (self.breadth * 2).min(BREADTH_MOST)
        } else {
            BREADTH
        };
        // The rows come by the number of their parent. Where the limit cut them off, that parent goes on and those
        // behind it were not read at all.
        let cut = rows
            .last()
            .filter(|_| rows.len() == limit)
            .map(|node| node.parent);
        let mut families: HashMap<i64, Vec<Node>> = HashMap::new();
        for row in rows {
            families.entry(row.parent).or_default().push(row);
        }
        let end = places.last().map_or(0, |place| place + 1);
        let steps: Vec<Step> = self.pending.drain(..end).collect();
        let mut known = Vec::with_capacity(steps.len());
        for (place, step) in steps.into_iter().enumerate() {
            match step {
                Step::Scan(scan) if places.binary_search(&place).is_ok() => {
                    let is_unread = cut.is_some_and(|cut| {
                        if self.reverse {
                            scan.id < cut
                        } else {
                            scan.id > cut
                        }
                    });
                    if is_unread {
                        self.is_front_late |= place == 0;
                        known.push(Step::Scan(scan));
                    } else {
                        let rows = families.remove(&scan.id).unwrap_or_default();
                        let is_complete = cut != Some(scan.id);
                        self.expand(&mut known, scan, rows, is_complete);
                    }
                }
                step => known.push(step),
            }
        }
        self.put_front(known);
        Ok(())
    }

    /// The places of the scans to read now: the front one, and the whole directories behind it that the page can
    /// still use.
    fn batch(&self, need: usize) -> Vec<usize> {
        let mut places = vec![0];
        let Some(Step::Scan(front)) = self.pending.front() else {
            return places;
        };
        if !front.is_whole() || self.is_front_late {
            return places;
        }
        let need = i64::try_from(need).unwrap_or(i64::MAX);
        let mut expected = front.objects;
        for (place, step) in self.pending.iter().enumerate().skip(1) {
            if expected >= need || places.len() >= self.breadth {
                break;
            }
            match step {
                Step::Found(_) => expected += 1,
                Step::Scan(scan) if scan.is_whole() => {
                    places.push(place);
                    expected = expected.saturating_add(scan.objects);
                }
                Step::Scan(_) => break,
            }
        }
        places
    }

    fn put_front(&mut self, steps: Vec<Step>) {
        for step in steps.into_iter().rev() {
            self.pending.push_front(step);
        }
    }

    /// Adds what the rows of a scan are, and the rest of the scan when it was not read to its end.
    fn expand(&self, steps: &mut Vec<Step>, mut scan: Scan, rows: Vec<Node>, is_complete: bool) {
        let last = rows.last().map(|row| row.path.clone());
        steps.reserve(rows.len());
        for mut row in rows {
            let segment = std::mem::take(&mut row.path);
            let name = if scan.name.is_empty() {
                segment
            } else {
                [scan.name.as_slice(), &segment].concat()
            };
            self.add(steps, name, row);
        }
        if let Some(last) = last.filter(|_| !is_complete) {
            if self.reverse {
                scan.to = last;
            } else {
                scan.from = after(&last);
            }
            if scan.from < scan.to {
                steps.push(Step::Scan(scan));
            }
        }
    }

    /// Adds what one row is: an object, a directory to enter, with its own object on the right side of it, or one
    /// line.
    fn add(&self, steps: &mut Vec<Step>, name: Vec<u8>, node: Node) {
        let is_directory = node.kind == kind::DIRECTORY;
        if is_directory && !self.range.meets(&name) {
            return;
        }
        let is_shown = (node.is_object || node.kind == kind::CONTAINER)
            && node.delete_at.is_none_or(|at| at > self.now)
            && self.range.contains(&name);
        let mut scans = Vec::new();
        if is_directory {
            match self.below {
                Below::Subdir(prefix) if name.len() > prefix => {
                    steps.push(Step::Found(Found::Subdir(name, Box::new(node))));
                    return;
                }
                Below::OwnObject(prefix) if name.len() > prefix => {}
                _ => {
                    let below = node.sub_objects - i64::from(node.is_object);
                    if below > 0 {
                        scans = self.scans(node.id, &name, below).map(Step::Scan).collect();
                    }
                }
            }
        }
        let own = is_shown.then(|| Step::Found(Found::Object(name, Box::new(node))));
        if self.reverse {
            steps.extend(scans);
            steps.extend(own);
        } else {
            steps.extend(own);
            steps.extend(scans);
        }
    }

    /// The scans of a directory, in the direction of the walk. A child on the way to the near end of the range is
    /// read alone: often the page is full before its siblings are asked for.
    fn scans(&self, id: i64, name: &[u8], objects: i64) -> impl Iterator<Item = Scan> + use<> {
        let (from, to) = self.range.segments(name);
        let middle = if self.reverse {
            to.strip_suffix(b"\0").map(<[u8]>::to_vec)
        } else {
            from.ends_with(b"/").then(|| after(&from))
        };
        let middle = middle.filter(|middle| from < *middle && *middle < to);
        let parts = match middle {
            None => [Some((from, to)), None],
            Some(middle) if self.reverse => [Some((middle.clone(), to)), Some((from, middle))],
            Some(middle) => [Some((from, middle.clone())), Some((middle, to))],
        };
        let name = name.to_vec();
        parts
            .into_iter()
            .flatten()
            .filter(|(from, to)| from < to)
            .map(move |(from, to)| Scan {
                id,
                name: name.clone(),
                from,
                to,
                objects,
            })
    }
}
