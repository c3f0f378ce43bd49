//! The one extended attribute that every node of ours carries, and the overflow files of those that are too large.

use std::ffi::CStr;

use common::Timestamp;
use common::name::ObjectName;
use common::quota::Limits;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::confine::Wait;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::EngineError;
use crate::node::{self, DirectoryAttributes, ObjectAttributes, WriteId};

const NAME: &CStr = c"user.stobj";

/// The first byte of an attribute that only says where the attributes are; no version is ever this byte.
const POINTER: u8 = b'>';

/// What a directory below a container carries.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct StoredDirectory {
    /// Whether it was only made for what lies in it, and goes with the last of that.
    #[serde(default)]
    implicit: bool,
    /// The write that made it explicit.
    #[serde(default, skip_serializing_if = "is_default")]
    id: WriteId,
    /// When that was.
    #[serde(default, skip_serializing_if = "is_default")]
    created: Timestamp,
    /// What may lie in it at most.
    #[serde(default, skip_serializing_if = "is_default")]
    limits: Limits,
    /// Under this id it goes to the trash, should it be found where what takes its place came from.
    #[serde(default, skip_serializing_if = "is_default")]
    replaced: WriteId,
}

impl StoredDirectory {
    /// One that is only there for what lies in it.
    pub(super) fn implicit() -> Self {
        Self {
            implicit: true,
            ..Self::default()
        }
    }

    /// The same, about to be replaced.
    pub(super) fn replaced(self, id: WriteId) -> Self {
        Self { replaced: id, ..self }
    }

    /// Whether this write replaced it.
    pub(super) fn is_replaced(&self, id: WriteId) -> bool {
        self.replaced == id && id != WriteId::default()
    }

    /// What an explicit one carries; `None`: it is implicit.
    pub(super) fn explicit(&self) -> Option<DirectoryAttributes> {
        (!self.implicit).then_some(DirectoryAttributes {
            id: self.id,
            created: self.created,
            limits: self.limits,
        })
    }
}

impl From<DirectoryAttributes> for StoredDirectory {
    fn from(attributes: DirectoryAttributes) -> Self {
        Self {
            id: attributes.id,
            created: attributes.created,
            limits: attributes.limits,
            ..Self::default()
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What an account's directory carries.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct AccountDirectory {
    /// Which control file belongs to it.
    pub(super) account_id: u64,
}

/// The number, and so the name, of an overflow file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverflowId(u64);

/// Attributes as they were read.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) attributes: T,
    /// The file they lie in, when that is not the node itself.
    pub(super) overflow: Option<OverflowId>,
}

impl OverflowId {
    fn file_name(self) -> String {
        format!("{:016x}", self.0)
    }

    fn pointed_to(raw: &[u8]) -> Option<Self> {
        let (&POINTER, digits) = raw.split_first()? else {
            return None;
        };
        let digits = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.len() == 16)?;
        u64::from_str_radix(digits, 16).ok().map(Self)
    }

    fn pointer(self) -> Vec<u8> {
        let mut raw = vec![POINTER];
        raw.extend(self.file_name().bytes());
        raw
    }
}

impl Store {
    /// The attributes of a node; `None`: it carries none.
    pub(super) fn read_attributes<T: DeserializeOwned>(
        &self,
        node: impl AsFd,
        wait: Wait,
    ) -> Result<Option<Read<T>>, Trouble> {
        let Some(raw) = read_raw(node)? else {
            return Ok(None);
        };
        let overflow = OverflowId::pointed_to(&raw);
        let raw = match overflow {
            None => raw,
            Some(_) if wait == Wait::Never => return Err(Errno::AGAIN.into()),
            Some(overflow) => self.read_overflow(overflow)?,
        };
        let attributes = node::decode(&raw).map_err(|error| EngineError::Corrupt(error.to_string()))?;
        Ok(Some(Read { attributes, overflow }))
    }

    /// Puts encoded attributes on a node in one step, and answers the overflow file they needed.
    pub(super) fn write_attributes(
        &self,
        node: impl AsFd,
        encoded: &[u8],
    ) -> Result<Option<OverflowId>, Trouble> {
        if encoded.len() <= self.abilities().inline_attribute_bytes {
            match write_raw(&node, encoded) {
                Ok(()) => return Ok(None),
                // What other attributes need of the same space is not known beforehand.
                Err(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let overflow = self.write_overflow(encoded)?;
        let written = self
            .pass("attribute:before_pointer")
            .and_then(|()| Ok(write_raw(&node, &overflow.pointer())?));
        match written {
            Ok(()) => Ok(Some(overflow)),
            Err(trouble) => {
                self.remove_overflow(overflow);
                Err(trouble)
            }
        }
    }

    /// The attributes of an object's file, with the overflow file they lie in.
    ///
    /// A file whose data is not what its attribute speaks of, or that carries none, was put there by other means.
    pub(super) fn read_object(
        &self,
        name: &ObjectName,
        file: &OwnedFd,
        stat: &Stat,
        wait: Wait,
    ) -> Result<Read<ObjectAttributes>, Trouble> {
        let Some(read) = self.read_attributes::<ObjectAttributes>(file, wait)? else {
            return Ok(Read {
                attributes: foreign(name, stat),
                overflow: None,
            });
        };
        let own = &read.attributes;
        if own.size == size(stat) && own.modified == modified(stat) {
            return Ok(read);
        }
        // What was said of other bytes is not true of these, but who was shut out stays out.
        let attributes = ObjectAttributes {
            id: own.id,
            state: own.state,
            counted: Some(own.size),
            ..foreign(name, stat)
        };
        Ok(Read {
            attributes,
            overflow: read.overflow,
        })
    }

    /// Removes an overflow file that nothing durable points to.
    pub(super) fn remove_overflow(&self, overflow: OverflowId) {
        match rustix::fs::unlinkat(self.overflow(), overflow.file_name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                tracing::warn!(overflow = %overflow.file_name(), %error, "An overflow file could not be removed");
            }
        }
    }

    fn read_overflow(&self, overflow: OverflowId) -> Result<Vec<u8>, Trouble> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(self.overflow(), overflow.file_name(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Err(Trouble::Moved),
            file => file?,
        };
        let mut bytes = Vec::with_capacity(size_hint(&file)?);
        while rustix::io::read(&file, spare_capacity(&mut bytes))? > 0 {
            bytes.reserve(1);
        }
        Ok(bytes)
    }

    fn write_overflow(&self, encoded: &[u8]) -> Result<OverflowId, Trouble> {
        let overflow = OverflowId(self.unused_number());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.overflow(), overflow.file_name(), flags, Mode::from(0o600))?;
        let written = write_all(&file, encoded).and_then(|()| {
            if self.is_durable() {
                rustix::fs::fsync(&file)?;
                rustix::fs::fsync(self.overflow())?;
            }
            Ok(())
        });
        match written {
            Ok(()) => Ok(overflow),
            Err(error) => {
                self.remove_overflow(overflow);
                Err(error.into())
            }
        }
    }
}

/// Writes all bytes at the file's position.
pub(super) fn write_all(file: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The overflow file that holds the attributes of a node, if one does.
pub(super) fn pointed_to(node: impl AsFd) -> Result<Option<OverflowId>, Errno> {
    Ok(read_raw(node)?.as_deref().and_then(OverflowId::pointed_to))
}

/// Puts an attribute on a node as it is.
pub(super) fn write_raw(node: impl AsFd, raw: &[u8]) -> Result<(), Errno> {
    rustix::fs::fsetxattr(node, NAME, raw, XattrFlags::empty())
}

/// Bytes of a file.
pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// The storage's modification time, nanoseconds since 1970.
pub(super) fn modified(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

fn read_raw(node: impl AsFd) -> Result<Option<Vec<u8>>, Errno> {
    // Most attributes are a few hundred bytes; a larger one is measured first.
    let mut room = 1000;
    loop {
        let mut raw = Vec::with_capacity(room);
        match rustix::fs::fgetxattr(&node, NAME, spare_capacity(&mut raw)) {
            Ok(_) => return Ok(Some(raw)),
            Err(Errno::NODATA) => return Ok(None),
            Err(Errno::RANGE) => room = rustix::fs::fgetxattr_query(&node, NAME)?.max(1),
            Err(error) => return Err(error),
        }
    }
}

fn size_hint(file: &OwnedFd) -> Result<usize, Errno> {
    let stat = rustix::fs::fstat(file)?;
    // One more, so that the end shows without another allocation.
    Ok(usize::try_from(stat.st_size).unwrap_or(0).saturating_add(1))
}

fn foreign(name: &ObjectName, stat: &Stat) -> ObjectAttributes {
    let modified = modified(stat);
    let timestamp = Timestamp::from_units(u64::try_from(modified / 10_000).unwrap_or(0));
    let content_type = mime_guess::from_path(name.as_str())
        .first_raw()
        .unwrap_or("application/octet-stream");
    ObjectAttributes {
        id: WriteId::default(),
        timestamp,
        created: timestamp,
        size: size(stat),
        modified,
        etag: common::Etag::new(""),
        content_type: content_type.to_owned(),
        delete_at: None,
        properties: common::Properties::new(),
        listing: None,
        state: node::State::default(),
        counted: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_attributes() {
        let overflow = OverflowId(0xabc);
        assert_eq!(overflow.pointer(), b">0000000000000abc");
        assert_eq!(OverflowId::pointed_to(&overflow.pointer()), Some(overflow));
        for raw in [
            &b""[..],
            b">",
            b">0000000000000abcd",
            b">000000000000000g",
            b"\x01\x80",
        ] {
            assert_eq!(OverflowId::pointed_to(raw), None);
        }
        assert_eq!(
            OverflowId::pointed_to(&node::encode(&StoredDirectory::implicit())),
            None
        );
    }
}
