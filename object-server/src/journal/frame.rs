//! One entry as it stands in a file: length, checksum, MessagePack.

use super::entry::Entry;

/// Bytes before the payload.
const HEAD: usize = 8;

/// No payload is longer; all texts in an entry are bounded far below.
const MAX_PAYLOAD: usize = 16 << 10;

/// What the bytes at a place are.
#[derive(Debug)]
pub(super) enum Read {
    /// An entry, in so many bytes.
    Entry(Box<Entry>, usize),
    /// Nothing but zeros, or nothing at all.
    End,
    /// Not a frame, or not all of one.
    Torn(&'static str),
    /// A whole frame with something in it that this program does not understand.
    Foreign(String),
}

/// Why an entry has no frame; only a programming mistake can be the cause.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("an entry cannot be written: {0}")]
    Serialize(#[from] rmp_serde::encode::Error),
    #[error("an entry of {0} bytes is too long for the journal")]
    TooLong(usize),
}

/// The frame of an entry.
pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>, EncodeError> {
    let mut frame = Vec::with_capacity(512);
    frame.extend_from_slice(&[0; HEAD]);
    rmp_serde::encode::write_named(&mut frame, entry)?;
    let payload = frame.len() - HEAD;
    if payload > MAX_PAYLOAD {
        return Err(EncodeError::TooLong(payload));
    }
    let length = u32::try_from(payload).unwrap_or(u32::MAX).to_le_bytes();
    let checksum = checksum(length, &frame[HEAD..]).to_le_bytes();
    frame[..4].copy_from_slice(&length);
    frame[4..HEAD].copy_from_slice(&checksum);
    Ok(frame)
}

/// Reads the frame at the beginning of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Read {
    if bytes.iter().all(|byte| *byte == 0) {
        return Read::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Read::Torn("a frame's head is cut off");
    };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let (length, expected) = ([l0, l1, l2, l3], u32::from_le_bytes([c0, c1, c2, c3]));
    let Ok(payload @ 1..=MAX_PAYLOAD) = usize::try_from(u32::from_le_bytes(length)) else {
        return Read::Torn("a frame's length is impossible");
    };
    let Some(payload) = rest.get(..payload) else {
        return Read::Torn("a frame is cut off");
    };
    if checksum(length, payload) != expected {
        return Read::Torn("a frame's checksum is wrong");
    }
    match rmp_serde::from_slice(payload) {
        Ok(entry) => Read::Entry(Box::new(entry), HEAD + payload.len()),
        Err(error) => Read::Foreign(error.to_string()),
    }
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}
