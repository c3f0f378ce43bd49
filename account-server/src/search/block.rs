//! Names and numbers of rows in one value, made to be looked through: all names stand one after the other, each ended by a
//! byte that no text holds, so that one pass finds what holds a literal.

use memchr::memmem::Finder;

/// The form of a body, its first byte.
const FORM: u8 = 1;

/// Ends each name; no byte of UTF-8 is this one.
const END: u8 = 0xff;

/// Before the names: the form, how many there are, and how many bytes they have together with their ends.
const HEAD: usize = 9;

/// The most bytes of names in a body, so that a row never is larger than half a statement may be.
pub(crate) const MOST_BYTES: usize = 256 * 1024;

/// A row and the segment that it had.
pub(crate) type Entry = (i64, Vec<u8>);

/// How many of `entries`, from the first on, one body may hold: at most `most`.
pub(crate) fn fitting(entries: &[Entry], most: usize) -> usize {
    let mut bytes = 0;
    let fits = |(_, name): &&Entry| {
        bytes += name.len() + 1;
        bytes <= MOST_BYTES
    };
    entries.iter().take(most).take_while(fits).count()
}

/// The body of these entries.
pub(crate) fn pack(mut entries: Vec<Entry>) -> Vec<u8> {
    entries.sort_unstable();
    let names: usize = entries.iter().map(|(_, name)| name.len() + 1).sum();
    let mut body = Vec::with_capacity(HEAD + names + 2 * entries.len());
    body.push(FORM);
    body.extend(length(entries.len()));
    body.extend(length(names));
    for (_, name) in &entries {
        body.extend(name);
        body.push(END);
    }
    let mut before = 0;
    for (id, _) in &entries {
        push_number(&mut body, id.wrapping_sub(before).cast_unsigned());
        before = *id;
    }
    body
}

/// All entries of a body; `None` when it is none of ours.
pub(crate) fn unpack(body: &[u8]) -> Option<Vec<Entry>> {
    let parts = Parts::of(body)?;
    let names = parts
        .names
        .strip_suffix(&[END])
        .map(|names| names.split(|byte| *byte == END));
    let entries: Vec<Entry> = Numbers::of(&parts)
        .zip(names.into_iter().flatten().map(<[u8]>::to_vec))
        .collect();
    (entries.len() == parts.entries).then_some(entries)
}

/// Adds those entries of a body to `found` whose names hold the literal. `None` when it is none of ours.
pub(crate) fn find(body: &[u8], literal: &Finder<'_>, found: &mut Vec<Entry>) -> Option<()> {
    let parts = Parts::of(body)?;
    let mut numbers = Numbers::of(&parts);
    // Of `numbers` so many are used up, and so many bytes of the names.
    let (mut used, mut begin) = (0, 0);
    let names = parts.names;
    while let Some(at) = literal.find(names.get(begin..)?) {
        let at = begin + at;
        let skipped = memchr::memchr_iter(END, &names[begin..at]).count();
        let start = memchr::memrchr(END, &names[begin..at]).map_or(begin, |end| begin + end + 1);
        let end = at + memchr::memchr(END, &names[at..])?;
        let id = numbers.nth(skipped)?;
        used += skipped + 1;
        if used > parts.entries {
            return None;
        }
        found.push((id, names[start..end].to_vec()));
        begin = end + 1;
    }
    Some(())
}

/// The parts of a body.
struct Parts<'a> {
    entries: usize,
    names: &'a [u8],
    numbers: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_first_chunk::<HEAD>()?;
        let [FORM, head @ ..] = head else { return None };
        let (entries, names) = head.split_first_chunk::<4>()?;
        let names = u32::from_le_bytes(*names.first_chunk()?) as usize;
        let (names, numbers) = rest.split_at_checked(names)?;
        let entries = u32::from_le_bytes(*entries) as usize;
        Some(Self {
            entries,
            names,
            numbers,
        })
    }
}

/// The numbers of a body, each told by its distance to the one before, seven bits a byte, the lowest first.
struct Numbers<'a> {
    bytes: &'a [u8],
    before: i64,
}

impl<'a> Numbers<'a> {
    fn of(parts: &Parts<'a>) -> Self {
        let bytes = parts.numbers;
        Self { bytes, before: 0 }
    }
}

impl Iterator for Numbers<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let mut distance = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            distance |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                self.before = self.before.wrapping_add(distance.cast_signed());
                return Some(self.before);
            }
        }
        None
    }
}

fn push_number(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// A length that a row never outgrows.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(body: &[u8], literal: &str) -> Option<Vec<Entry>> {
        let mut found = Vec::new();
        find(body, &Finder::new(literal), &mut found).map(|()| found)
    }

    #[test]
    fn a_body_is_cut_before_it_is_too_large() {
        let long = vec![b'x'; 1025];
        let entries: Vec<Entry> = (0..1000).map(|id| (id, long.clone())).collect();
        let fits = fitting(&entries, 4096);
        assert_eq!(fits, MOST_BYTES / 1026);
        assert_eq!(fitting(&entries[..10], 7), 7);
        assert_eq!(fitting(&[], 7), 0);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_found(
            entries in prop::collection::btree_map(any::<i64>(), "[abä/]{0,4}", 0..20),
            literal in "[abä/]{1,2}",
        ) {
            let entries: Vec<Entry> = entries.into_iter().map(|(id, name)| (id, name.into_bytes())).collect();
            let body = pack(entries.clone());
            prop_assert_eq!(unpack(&body), Some(entries.clone()));
            let holds = |(_, name): &&Entry| std::str::from_utf8(name).is_ok_and(|name| name.contains(&literal));
            let wanted: Vec<Entry> = entries.iter().filter(holds).cloned().collect();
            prop_assert_eq!(found(&body, &literal), Some(wanted));
        }

        #[test]
        fn no_bytes_panic(mut body in prop::collection::vec(any::<u8>(), 0..60), is_formed in any::<bool>()) {
            if is_formed {
                body.splice(0..0, [FORM, 3, 0, 0, 0, 9, 0, 0, 0]);
            }
            let _ = unpack(&body);
            let _ = found(&body, "a");
            let _ = found(&body, "");
        }
    }
}
