//! Where a match stands in the order of a search, and that place as text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::functional::search::Sort;

/// A place: what is sorted by, and the row's number, as many may be equal. Of `number` and `path` one says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) number: i64,
    pub(super) path: Vec<u8>,
    pub(super) id: i64,
}

/// Whether the greatest comes first.
pub(super) const fn is_falling(sort: Sort) -> bool {
    matches!(
        sort,
        Sort::NameDescending | Sort::SizeDescending | Sort::ModifiedDescending
    )
}

/// Whether it is by names.
pub(super) const fn is_by_name(sort: Sort) -> bool {
    matches!(sort, Sort::Name | Sort::NameDescending)
}

/// The text of a place.
pub(super) fn encode(sort: Sort, key: &Key) -> String {
    let mut bytes = vec![mark(sort)];
    bytes.extend(key.number.to_be_bytes());
    bytes.extend(key.id.to_be_bytes());
    bytes.extend(&key.path);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place of a text; `None` when it is none that was given out for this order.
pub(super) fn decode(sort: Sort, text: &str) -> Option<Key> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (first, rest) = bytes.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (id, path) = rest.split_first_chunk()?;
    (*first == mark(sort)).then(|| Key {
        number: i64::from_be_bytes(*number),
        path: path.to_vec(),
        id: i64::from_be_bytes(*id),
    })
}

const fn mark(sort: Sort) -> u8 {
    match sort {
        Sort::Name => b'n',
        Sort::NameDescending => b'N',
        Sort::Size => b's',
        Sort::SizeDescending => b'S',
        Sort::Modified => b'm',
        Sort::ModifiedDescending => b'M',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_is_read_back(number in any::<i64>(), id in any::<i64>(), path in "\\PC{0,20}") {
            let key = Key { number, path: path.into(), id };
            let text = encode(Sort::Name, &key);
            prop_assert_eq!(decode(Sort::Name, &text), Some(key));
            prop_assert_eq!(decode(Sort::Size, &text), None);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[A-Za-z0-9_-]{0,40}") {
            let _ = decode(Sort::Name, &text);
        }
    }
}
