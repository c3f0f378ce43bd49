//! The segments of one directory, sorted and packed.
//!
//! A million segments of ten bytes take about 14 MiB. They lie in pieces of some hundred, so that one more or less
//! moves a few KiB, not the whole.

use crate::engine::Child;

use super::window::Cut;

/// A piece with more segments or bytes of text is cut in two.
const MAX_SEGMENTS: usize = 512;
const MAX_TEXT: usize = 32 << 10;

/// What happened to a segment of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Something lies below it.
    Entered,
    /// It is an object.
    Object,
    /// It is no object any more.
    NoObject,
    /// Nothing lies below it any more.
    Emptied,
}

/// The segments of a directory.
#[derive(Debug, Default)]
pub(super) struct Segments {
    pieces: Vec<Piece>,
    bytes: usize,
}

/// Segments in a row, one behind the other in `text`.
#[derive(Debug, Default)]
struct Piece {
    text: String,
    /// Where each ends, times two, plus one for an object.
    marks: Vec<u32>,
}

impl Segments {
    pub(super) fn new(mut children: Vec<Child>) -> Self {
        if !children.is_sorted() {
            children.sort_unstable();
        }
        let mut segments = Self::default();
        let mut piece = Piece::default();
        for child in children {
            if piece.is_full() {
                segments.pieces.push(std::mem::take(&mut piece));
            }
            piece.insert(piece.marks.len(), &child.segment, child.is_object);
        }
        if !piece.marks.is_empty() {
            segments.pieces.push(piece);
        }
        segments.bytes = segments.pieces.iter().map(Piece::bytes).sum();
        segments
    }

    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether `segment` is there, and then whether it is an object.
    pub(super) fn find(&self, segment: &str) -> Option<bool> {
        let (piece, index) = self.locate(segment).ok()?;
        Some(self.pieces[piece].is_object(index))
    }

    /// At most `limit` segments from a cut on, in the direction of a listing.
    pub(super) fn from(&self, cut: &Cut, reverse: bool, limit: usize) -> Vec<Child> {
        let mut children = Vec::new();
        let (mut piece, mut index) = self.split(|segment| cut.is_left(segment));
        while children.len() < limit {
            if reverse {
                if index == 0 {
                    let Some(before) = piece.checked_sub(1) else { break };
                    piece = before;
                    index = self.pieces[piece].marks.len();
                }
                index -= 1;
                children.push(self.pieces[piece].child(index));
            } else {
                let Some(here) = self.pieces.get(piece) else { break };
                if index == here.marks.len() {
                    (piece, index) = (piece + 1, 0);
                    continue;
                }
                children.push(here.child(index));
                index += 1;
            }
        }
        children
    }

    /// Takes a change on.
    pub(super) fn apply(&mut self, segment: &str, change: Change) {
        match (self.locate(segment), change) {
            (Err(place), Change::Entered) => self.insert(place, segment, false),
            (Err(place), Change::Object) => self.insert(place, segment, true),
            (Ok((piece, index)), Change::Object) => self.pieces[piece].mark(index, true),
            (Ok((piece, index)), Change::NoObject) if segment.ends_with('/') => {
                self.pieces[piece].mark(index, false);
            }
            (Ok(place), Change::NoObject) => self.remove(place),
            (Ok((piece, index)), Change::Emptied) if !self.pieces[piece].is_object(index) => {
                self.remove((piece, index));
            }
            (Ok(_), Change::Entered | Change::Emptied) | (Err(_), Change::NoObject | Change::Emptied) => {}
        }
    }

    /// The place of a segment, or where it would be.
    fn locate(&self, segment: &str) -> Result<(usize, usize), (usize, usize)> {
        let (piece, index) = self.split(|left| left < segment);
        let is_there = self
            .pieces
            .get(piece)
            .is_some_and(|piece| piece.get(index) == segment);
        if is_there {
            Ok((piece, index))
        } else {
            Err((piece, index))
        }
    }

    /// The place of the first segment that is not left of a cut; behind the last piece, when there is none.
    fn split(&self, is_left: impl Fn(&str) -> bool) -> (usize, usize) {
        let piece = self.pieces.partition_point(|piece| is_left(piece.last()));
        let index = self.pieces.get(piece).map_or(0, |piece| piece.split(is_left));
        (piece, index)
    }

    fn insert(&mut self, (mut piece, mut index): (usize, usize), segment: &str, is_object: bool) {
        if piece == self.pieces.len() {
            match piece.checked_sub(1) {
                Some(last) => (piece, index) = (last, self.pieces[last].marks.len()),
                None => {
                    self.pieces.push(Piece::default());
                    self.bytes += size_of::<Piece>();
                }
            }
        }
        let before = self.pieces[piece].bytes();
        self.pieces[piece].insert(index, segment, is_object);
        let mut after = self.pieces[piece].bytes();
        if self.pieces[piece].is_full() {
            let half = self.pieces[piece].cut_in_two();
            after = self.pieces[piece].bytes() + half.bytes();
            self.pieces.insert(piece + 1, half);
        }
        self.bytes = (self.bytes + after).saturating_sub(before);
    }

    fn remove(&mut self, (piece, index): (usize, usize)) {
        let before = self.pieces[piece].bytes();
        self.pieces[piece].remove(index);
        let mut after = self.pieces[piece].bytes();
        if self.pieces[piece].marks.is_empty() {
            self.pieces.remove(piece);
            after = 0;
        }
        self.bytes = (self.bytes + after).saturating_sub(before);
    }
}

impl Piece {
    const fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.capacity() + self.marks.capacity() * size_of::<u32>()
    }

    const fn is_full(&self) -> bool {
        self.marks.len() >= MAX_SEGMENTS || (self.text.len() >= MAX_TEXT && self.marks.len() > 1)
    }

    fn end(&self, index: usize) -> usize {
        (self.marks[index] >> 1) as usize
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.end(before))
    }

    fn get(&self, index: usize) -> &str {
        &self.text[self.start(index)..self.end(index)]
    }

    fn last(&self) -> &str {
        self.get(self.marks.len() - 1)
    }

    fn is_object(&self, index: usize) -> bool {
        self.marks[index] & 1 == 1
    }

    fn child(&self, index: usize) -> Child {
        Child {
            segment: self.get(index).to_owned(),
            is_object: self.is_object(index),
        }
    }

    fn mark(&mut self, index: usize, is_object: bool) {
        self.marks[index] = self.marks[index] & !1 | u32::from(is_object);
    }

    /// How many segments are left of a cut.
    fn split(&self, is_left: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.marks.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_left(self.get(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn insert(&mut self, index: usize, segment: &str, is_object: bool) {
        let start = self.start(index);
        let length = mark_of(segment.len());
        self.text.insert_str(start, segment);
        for mark in &mut self.marks[index..] {
            *mark += length;
        }
        self.marks
            .insert(index, mark_of(start) + length + u32::from(is_object));
    }

    fn remove(&mut self, index: usize) {
        let (start, end) = (self.start(index), self.end(index));
        self.text.replace_range(start..end, "");
        self.marks.remove(index);
        for mark in &mut self.marks[index..] {
            *mark -= mark_of(end - start);
        }
    }

    /// Keeps the first half and gives the second.
    fn cut_in_two(&mut self) -> Self {
        let half = self.marks.len() / 2;
        let start = self.start(half);
        let mut second = Self {
            text: self.text.split_off(start),
            marks: self.marks.split_off(half),
        };
        for mark in &mut second.marks {
            *mark -= mark_of(start);
        }
        self.text.shrink_to_fit();
        self.marks.shrink_to_fit();
        second
    }
}

/// A length as marks hold it. A piece's text is bounded far below what fits.
fn mark_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX >> 1) << 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn changes() -> impl Strategy<Value = Vec<(String, Change)>> {
        let change = prop_oneof![
            Just(Change::Entered),
            Just(Change::Object),
            Just(Change::Object),
            Just(Change::NoObject),
            Just(Change::Emptied)
        ];
        prop::collection::vec(("[a-c\u{e4}\u{10ffff}]{0,3}[ab/]", change), 0..300)
    }

    fn apply(model: &mut BTreeMap<String, bool>, segment: &str, change: Change) {
        match change {
            Change::Entered => {
                model.entry(segment.to_owned()).or_insert(false);
            }
            Change::Object => {
                model.insert(segment.to_owned(), true);
            }
            Change::NoObject if segment.ends_with('/') => {
                model
                    .entry(segment.to_owned())
                    .and_modify(|is_object| *is_object = false);
            }
            Change::NoObject => {
                model.remove(segment);
            }
            Change::Emptied => model.retain(|name, is_object| name != segment || *is_object),
        }
    }

    fn children(model: &BTreeMap<String, bool>) -> Vec<Child> {
        let child = |(segment, is_object): (&String, &bool)| Child {
            segment: segment.clone(),
            is_object: *is_object,
        };
        model.iter().map(child).collect()
    }

    proptest! {
        #[test]
        fn segments_agree_with_a_map(
            changes in changes(),
            at in 0..300_usize,
            cut in "[a-c\u{e4}/]{0,3}",
            kind in 0..3_u8,
            limit in 0..40_usize,
        ) {
            let (mut model, mut segments) = (BTreeMap::new(), Segments::default());
            for (index, (segment, change)) in changes.into_iter().enumerate() {
                if index == at {
                    segments = Segments::new(children(&model));
                }
                apply(&mut model, &segment, change);
                segments.apply(&segment, change);
            }
            let all = children(&model);
            prop_assert_eq!(segments.from(&Cut::Before(String::new()), false, usize::MAX), &all[..]);
            prop_assert_eq!(segments.is_empty(), all.is_empty());
            prop_assert_eq!(segments.bytes(), segments.pieces.iter().map(Piece::bytes).sum::<usize>());
            let cut = match kind {
                0 => Cut::Before(cut),
                1 => Cut::After(cut),
                _ => Cut::AfterPrefix(cut),
            };
            let (left, right): (Vec<_>, Vec<_>) = all.into_iter().partition(|child| cut.is_left(&child.segment));
            let forward: Vec<_> = right.into_iter().take(limit).collect();
            let reverse: Vec<_> = left.into_iter().rev().take(limit).collect();
            prop_assert_eq!(segments.from(&cut, false, limit), forward);
            prop_assert_eq!(segments.from(&cut, true, limit), reverse);
            for (segment, is_object) in &model {
                prop_assert_eq!(segments.find(segment), Some(*is_object));
            }
        }
    }

    #[test]
    fn many_segments_stay_small_and_in_order() {
        let mut segments = Segments::default();
        let name = |number: usize| format!("{:010}", number * 7919 % 100_000);
        for number in 0..100_000 {
            segments.apply(&name(number), Change::Object);
        }
        let all = segments.from(&Cut::AfterPrefix(String::new()), true, usize::MAX);
        assert_eq!(all.len(), 100_000);
        assert!(all.is_sorted_by(|left, right| left > right));
        assert!(segments.bytes() < 4 << 20, "{}", segments.bytes());
        for number in 0..100_000 {
            segments.apply(&name(number), Change::NoObject);
        }
        assert!(segments.is_empty() && segments.bytes() == 0);
    }
}
