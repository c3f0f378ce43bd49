//! A walk over the names of a container, depth first, in byte order of whole names.
//!
//! Segments keep their slash, so going through siblings in byte order, a directory's own object before what lies below
//! it, meets names in byte order; in reverse the other way round. A directory is read when the walk comes to its first
//! segment, not before: its own object may be the last of the page.

use std::collections::VecDeque;
use std::sync::Arc;

use common::Error;
use common::name::{AccountName, ContainerName, ObjectName};

use super::cache::{Cache, Directory};
use super::window::{Cut, Descent, Window};
use crate::engine::Child;

/// So many segments are taken from a directory at a time.
const BLOCK: usize = 128;

/// Where a walk is.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    cache: &'a Arc<Cache>,
    container: (AccountName, ContainerName),
    window: Window<'a>,
    /// The directories from the container's root down to where it is.
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// The directory's whole name; empty, or ends in a slash.
    name: String,
    directory: Option<Arc<Directory>>,
    /// What of it is done with.
    cut: Cut,
    block: VecDeque<Child>,
    /// In reverse: the directory's own object comes when all below it is done.
    own_object: bool,
}

impl<'a> Cursor<'a> {
    /// A walk that begins where the window does.
    pub(super) async fn start(
        cache: &'a Arc<Cache>,
        container: (AccountName, ContainerName),
        window: Window<'a>,
    ) -> Result<Self, Error> {
        let mut cursor = Self {
            cache,
            container,
            window,
            levels: Vec::new(),
        };
        match window.start() {
            None => {}
            Some(Cut::Before(text)) if window.is_reverse() => cursor.seek_reverse(&text, Cut::Before).await?,
            Some(Cut::AfterPrefix(text) | Cut::After(text)) if window.is_reverse() => {
                cursor.seek_reverse(&text, Cut::AfterPrefix).await?;
            }
            Some(Cut::Before(text)) => cursor.seek(&text, Cut::Before).await?,
            Some(Cut::After(text) | Cut::AfterPrefix(text)) => cursor.seek(&text, Cut::After).await?,
        }
        Ok(cursor)
    }

    /// The next name that is an object's, live or not, in the window or not.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            let child = self.next_child().await?;
            let Some(level) = self.levels.last() else {
                return Ok(None);
            };
            let Some(child) = child else {
                let level = self.levels.pop();
                match level {
                    Some(Level {
                        name,
                        own_object: true,
                        ..
                    }) => return Ok(Some(name)),
                    _ => continue,
                }
            };
            let name = format!("{}{}", level.name, child.segment);
            if !child.segment.ends_with('/') {
                return Ok(Some(name));
            }
            match self.window.descent(&name) {
                Descent::Past => {
                    self.levels.clear();
                    return Ok(None);
                }
                Descent::Skip(group) => self.skip(group),
                // Only another program can have put something so deep; no request could name it.
                Descent::Enter if name.len() < ObjectName::MAX_BYTES => {
                    let cut = self.beginning();
                    let is_reverse = self.window.is_reverse();
                    self.push(name.clone(), cut, is_reverse && child.is_object);
                    if !is_reverse && child.is_object {
                        return Ok(Some(name));
                    }
                }
                Descent::Enter | Descent::Closed if child.is_object => return Ok(Some(name)),
                Descent::Enter | Descent::Closed => {}
            }
        }
    }

    /// Leaves out all further names that begin with `group`, as the last one did.
    pub(super) fn skip(&mut self, group: &str) {
        while self
            .levels
            .last()
            .is_some_and(|level| level.name.len() >= group.len())
        {
            self.levels.pop();
        }
        let is_reverse = self.window.is_reverse();
        if let Some(level) = self.levels.last_mut() {
            let rest = group[level.name.len()..].to_owned();
            level.cut = if is_reverse {
                Cut::Before(rest)
            } else {
                Cut::AfterPrefix(rest)
            };
            level.block.clear();
        }
    }

    async fn next_child(&mut self) -> Result<Option<Child>, Error> {
        let is_reverse = self.window.is_reverse();
        let Some(level) = self.levels.last_mut() else {
            return Ok(None);
        };
        if level.block.is_empty() {
            let directory = level.read(self.cache, &self.container).await?;
            let block = directory.read().from(&level.cut, is_reverse, BLOCK);
            level.block = block.into();
        }
        let child = level.block.pop_front();
        if let Some(child) = &child {
            let segment = child.segment.clone();
            level.cut = if is_reverse {
                Cut::Before(segment)
            } else {
                Cut::After(segment)
            };
        }
        Ok(child)
    }

    /// Goes down along `text`, to what is at it (`Before`) or behind it (`After`).
    async fn seek(&mut self, text: &str, kind: fn(String) -> Cut) -> Result<(), Error> {
        self.push(String::new(), kind(text.to_owned()), false);
        let is_inclusive = matches!(kind(String::new()), Cut::Before(_));
        let mut start = 0;
        for segment in text.split_inclusive('/').filter(|segment| segment.ends_with('/')) {
            let end = start + segment.len();
            if is_inclusive && end == text.len() {
                break;
            }
            // The directory's own object is before what is sought; what lies below it need not be.
            if !self
                .enter(segment, Cut::After(segment.to_owned()), |_| false)
                .await?
            {
                return Ok(());
            }
            self.set_cut(kind(text[end..].to_owned()));
            start = end;
        }
        Ok(())
    }

    /// Goes down along `text`, to what is before it (`Before`), or before the end of all that begins so.
    async fn seek_reverse(&mut self, text: &str, kind: fn(String) -> Cut) -> Result<(), Error> {
        self.push(String::new(), kind(text.to_owned()), false);
        let mut start = 0;
        for segment in text.split_inclusive('/').filter(|segment| segment.ends_with('/')) {
            let end = start + segment.len();
            if end == text.len() {
                break;
            }
            // The directory's own object is before what is sought, so it is still to come.
            if !self
                .enter(segment, Cut::Before(segment.to_owned()), |is_object| is_object)
                .await?
            {
                return Ok(());
            }
            self.set_cut(kind(text[end..].to_owned()));
            start = end;
        }
        Ok(())
    }

    /// Leaves the present level at `cut`, and goes down into `segment` if it is there and of interest.
    async fn enter(&mut self, segment: &str, cut: Cut, own_object: fn(bool) -> bool) -> Result<bool, Error> {
        let is_reverse = self.window.is_reverse();
        let Some(level) = self.levels.last_mut() else {
            return Ok(false);
        };
        level.cut = cut;
        let directory = level.read(self.cache, &self.container).await?;
        let Some(is_object) = directory.read().find(segment) else {
            return Ok(false);
        };
        let name = format!("{}{segment}", level.name);
        match self.window.descent(&name) {
            Descent::Enter if name.len() < ObjectName::MAX_BYTES => {
                self.push(name, Cut::Before(String::new()), own_object(is_object));
                Ok(true)
            }
            Descent::Enter | Descent::Closed if is_reverse => {
                // Its own object is still to come, by itself.
                level.cut = Cut::After(segment.to_owned());
                Ok(false)
            }
            Descent::Enter | Descent::Closed | Descent::Skip(_) => Ok(false),
            Descent::Past => {
                self.levels.clear();
                Ok(false)
            }
        }
    }

    fn push(&mut self, name: String, cut: Cut, own_object: bool) {
        self.levels.push(Level {
            name,
            directory: None,
            cut,
            block: VecDeque::new(),
            own_object,
        });
    }

    fn set_cut(&mut self, cut: Cut) {
        if let Some(level) = self.levels.last_mut() {
            level.cut = cut;
        }
    }

    /// The cut of a directory nothing of which is done with.
    const fn beginning(&self) -> Cut {
        if self.window.is_reverse() {
            Cut::AfterPrefix(String::new())
        } else {
            Cut::Before(String::new())
        }
    }
}

impl Level {
    async fn read(
        &mut self,
        cache: &Arc<Cache>,
        container: &(AccountName, ContainerName),
    ) -> Result<Arc<Directory>, Error> {
        if let Some(directory) = &self.directory {
            return Ok(Arc::clone(directory));
        }
        let directory = cache.directory(container, &self.name).await?;
        self.directory = Some(Arc::clone(&directory));
        Ok(directory)
    }
}
