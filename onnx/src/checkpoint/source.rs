//! Random access to the bytes of a checkpoint, in a file or in memory.

use crate::file::open_regular;
use crate::{Error, Result};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

trait Bytes: Read + Seek + Send {}
impl<T: Read + Seek + Send> Bytes for T {}

/// A file, or bytes in memory.
pub(super) struct Source {
    /// The file's name, for messages.
    pub name: String,
    pub len: u64,
    reader: Mutex<Box<dyn Bytes>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.len)
    }
}

impl Source {
    pub fn open(path: &Path) -> Result<Source> {
        let (file, len) = open_regular(path, u64::MAX)?;
        let name = path.display().to_string();
        Ok(Source { name, len, reader: Mutex::new(Box::new(file)) })
    }

    pub fn memory(name: &str, bytes: Vec<u8>) -> Source {
        let len = bytes.len() as u64;
        Source { name: name.into(), len, reader: Mutex::new(Box::new(Cursor::new(bytes))) }
    }

    /// Fills `into` with the bytes from `at` on.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<()> {
        if at.checked_add(into.len() as u64).is_none_or(|end| end > self.len) {
            return Err(self.truncated(at));
        }
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let read = reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read_exact(into));
        read.map_err(|source| Error::Io { path: PathBuf::from(&self.name), doing: "reading", source })
    }

    /// Reads `N` bytes from `at` on.
    pub fn array<const N: usize>(&self, at: u64) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_at(at, &mut bytes)?;
        Ok(bytes)
    }

    /// An [`Error::Model`], prefixed with the file's name.
    pub fn bad(&self, reason: impl std::fmt::Display) -> Error {
        Error::Model(format!("{}: {reason}", self.name))
    }

    /// An [`Error::Limits`], prefixed with the file's name.
    pub fn limit(&self, reason: impl std::fmt::Display) -> Error {
        Error::Limits(format!("{}: {reason}", self.name))
    }

    /// An [`Error::Unsupported`], prefixed with the file's name.
    pub fn unsupported(&self, reason: impl std::fmt::Display) -> Error {
        Error::Unsupported(format!("{}: {reason}", self.name))
    }

    /// The error for a file, or a part of it, that ends before the announced size.
    pub fn truncated(&self, at: u64) -> Error {
        self.bad(format!("truncated: the data announced at byte {at} is missing; get the whole file"))
    }
}
