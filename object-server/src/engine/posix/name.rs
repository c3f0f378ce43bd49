//! Segments of names to what stands on disk and back: one bijection.
//!
//! A segment without its slash is escaped, given the suffix of its form, and cut where it is longer than a file
//! system's component may be. Whatever is not exactly what [`push`] would have written is foreign: [`decode`] answers
//! `None`, and nothing on disk is ever read under two names.

/// The file inside a directory that is the object of the directory's own name, `photos/`.
pub(super) const OWN_OBJECT: &str = "%o";

/// The directory of the empty segment, `/`.
const EMPTY: &str = "%_";
/// Behind the name of a file that stands aside for a directory.
const ESCAPED: &str = "%o";
/// Behind the name of a directory that only holds the continuation of a long component.
const CONTINUED: &str = "%+";

/// Bytes a component may have: `NAME_MAX` of every file system we know.
const COMPONENT_BYTES: usize = 255;
/// Bytes of a component that goes on in the next, without its mark.
const CHUNK_BYTES: usize = COMPONENT_BYTES - CONTINUED.len();

/// What stands on disk for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A directory.
    Directory,
    /// A file under its own name.
    Plain,
    /// A file under its escaped name, which no directory can need.
    Escaped,
}

/// Appends the components of a segment (without its slash) to `path`, behind a slash of their own.
pub(super) fn push(path: &mut String, segment: &str, form: Form) {
    if !path.is_empty() {
        path.push('/');
    }
    let start = path.len();
    if segment.is_empty() {
        path.push_str(EMPTY);
        return;
    }
    escape(path, segment);
    if form == Form::Escaped {
        path.push_str(ESCAPED);
    }
    if path.len() - start > COMPONENT_BYTES {
        let whole = path.split_off(start);
        cut(path, &whole);
    }
}

/// The on-disk path of one name that holds no slash: an account's, a container's.
pub(super) fn component(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    push(&mut path, name, Form::Directory);
    path
}

/// The escaped form of a file whose plain form's last component this is, relative to the same directory. It may be
/// two components.
pub(super) fn escaped_of(component: &str) -> String {
    let whole = format!("{component}{ESCAPED}");
    if whole.len() <= COMPONENT_BYTES {
        return whole;
    }
    let mut path = String::with_capacity(whole.len() + CONTINUED.len() + 1);
    cut(&mut path, &whole);
    path
}

/// Whether a directory of this name only holds the continuation of longer names.
pub(super) fn is_continued(component: &str) -> bool {
    component.ends_with(CONTINUED)
}

/// Whether a file of this name could be an object under its own name.
pub(super) fn is_plain(component: &str) -> bool {
    !component.ends_with(EMPTY) && !component.ends_with(CONTINUED) && !component.ends_with(ESCAPED)
}

/// The segment (a directory's with its slash) that stands at these components, and its form. `None`: a foreign name.
pub(super) fn decode(components: &str, is_directory: bool) -> Option<(String, Form)> {
    let (mut segment, form) = if is_directory && components == EMPTY {
        (String::new(), Form::Directory)
    } else {
        let mut whole = String::with_capacity(components.len());
        let mut parts = components.split('/').peekable();
        while let Some(part) = parts.next() {
            match parts.peek() {
                Some(_) => whole.push_str(part.strip_suffix(CONTINUED)?),
                None => whole.push_str(part),
            }
        }
        let (escaped, form) = match (is_directory, whole.strip_suffix(ESCAPED)) {
            (true, _) => (whole.as_str(), Form::Directory),
            (false, Some(escaped)) => (escaped, Form::Escaped),
            (false, None) => (whole.as_str(), Form::Plain),
        };
        (unescape(escaped)?, form)
    };
    if segment.is_empty() && components != EMPTY {
        return None;
    }
    let mut canonical = String::with_capacity(components.len());
    push(&mut canonical, &segment, form);
    if canonical != components {
        return None;
    }
    if form == Form::Directory {
        segment.push('/');
    }
    Some((segment, form))
}

fn escape(path: &mut String, segment: &str) {
    let rest = match segment {
        "." | ".." => "",
        _ if segment.starts_with(".stobj") => "",
        _ => segment,
    };
    let rest = if rest.is_empty() {
        path.push_str("%2E");
        &segment[1..]
    } else {
        rest
    };
    if !rest.bytes().any(is_escaped) {
        path.push_str(rest);
        return;
    }
    for character in rest.chars() {
        match u8::try_from(character) {
            Ok(byte) if is_escaped(byte) => push_digits(path, byte),
            _ => path.push(character),
        }
    }
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'%' | 0..=0x1f | 0x7f)
}

fn push_digits(path: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    path.push('%');
    path.push(char::from(DIGITS[usize::from(byte >> 4)]));
    path.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Undoes [`escape`] leniently: that the answer escapes to `escaped` again is for the caller to see.
fn unescape(escaped: &str) -> Option<String> {
    let mut segment = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('%') {
        segment.push_str(before);
        let byte = u8::from_str_radix(after.get(..2)?, 16).ok()?;
        if !byte.is_ascii() {
            return None;
        }
        segment.push(char::from(byte));
        rest = &after[2..];
    }
    segment.push_str(rest);
    Some(segment)
}

/// Appends `whole` in components: each but the last is as long as can be without tearing an escape or a character.
fn cut(path: &mut String, whole: &str) {
    let mut rest = whole;
    while rest.len() > COMPONENT_BYTES {
        let (chunk, after) = rest.split_at(chunk_length(rest));
        path.push_str(chunk);
        path.push_str(CONTINUED);
        path.push('/');
        rest = after;
    }
    path.push_str(rest);
}

fn chunk_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let length = text.floor_char_boundary(CHUNK_BYTES);
    // An escape is three bytes: it is torn when its `%` is among the last two.
    match (bytes[length - 1], bytes[length - 2]) {
        (b'%', _) => length - 1,
        (_, b'%') => length - 2,
        _ => length,
    }
}

#[cfg(test)]
mod tests;
