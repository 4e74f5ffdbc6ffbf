//! The format of PyTorch since 1.6: an uncompressed zip archive of `NAME/data.pkl` and `NAME/data/KEY`.
//!
//! Only the archive's central directory is read; entries are byte ranges of the file.

use super::pickle::{self, Budget, Location, Pickle};
use super::source::Source;
use crate::Result;
use std::collections::HashMap;

/// Maximum size of the archive's directory in bytes; a checkpoint of a thousand tensors has 100,000.
const MAX_DIRECTORY: u64 = 16 << 20;

/// Signatures: end of central directory, its zip64 form, the zip64 locator, a directory entry, a local file
/// header.
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const HEADER: [u8; 4] = *b"PK\x03\x04";

/// The value of a 32-bit field whose 64-bit value is in the extra field.
const IN_EXTRA_FIELD: u64 = u32::MAX as u64;

/// A file of the archive.
#[derive(Clone, Copy)]
struct Entry {
    /// Offset of its local header.
    header: u64,
    size: u64,
    stored: bool,
}

/// Reads a whole file.
pub(super) fn read(source: &Source) -> Result<Pickle> {
    let entries = directory(source)?;
    let found = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
    let prefix = found.filter(|p| p.is_empty() || p.ends_with('/')).min_by_key(|p| p.len());
    let prefix =
        prefix.ok_or_else(|| source.bad("a zip archive, but not a checkpoint: it has no data.pkl"))?;
    if let Some(order) = entries.get(&format!("{prefix}byteorder")) {
        let (at, size) = range(source, order, "byteorder")?;
        if size == 3 && source.array(at)? == *b"big" {
            return Err(
                source.unsupported("its numbers are big-endian; load and save it on a little-endian machine")
            );
        }
    }
    let name = format!("{prefix}data.pkl");
    let (at, size) = range(source, &entries[&name], &name)?;
    let mut pickle = pickle::read(source, at, at + size, &mut Budget::new())?;
    for storage in &mut pickle.storages {
        let Location::Key(key) = &storage.place else { continue };
        let name = format!("{prefix}data/{key}");
        let entry = entries.get(&name).ok_or_else(|| source.bad(format!("damaged: `{name}` is missing")))?;
        let (at, bytes) = range(source, entry, &name)?;
        let size = storage.element.map_or(1, |e| e.size()) as u64;
        (storage.place, storage.count) = (Location::At(at), storage.count.min(bytes / size));
    }
    Ok(pickle)
}

/// (Offset, size) of an entry's bytes.
fn range(source: &Source, entry: &Entry, name: &str) -> Result<(u64, u64)> {
    if !entry.stored {
        return Err(source.unsupported(format!(
            "`{name}` is compressed, which PyTorch never does; load and save the file with PyTorch"
        )));
    }
    let header: [u8; 30] = source.array(entry.header)?;
    if header[..4] != HEADER {
        return Err(source.bad(format!("damaged: `{name}` is not where the archive's directory says")));
    }
    let at = entry.header + 30 + number(&header[26..28]) + number(&header[28..30]);
    if at.checked_add(entry.size).is_none_or(|end| end > source.len) {
        return Err(source.truncated(at));
    }
    Ok((at, entry.size))
}

/// The archive's files by name.
fn directory(source: &Source) -> Result<HashMap<String, Entry>> {
    let (at, size) = find_directory(source)?;
    if size > MAX_DIRECTORY {
        return Err(
            source.limit(format!("its directory has {size} bytes; at most {MAX_DIRECTORY} are supported"))
        );
    }
    if at.checked_add(size).is_none_or(|end| end > source.len) {
        return Err(source.truncated(at));
    }
    let mut bytes = vec![0; size as usize];
    source.read_at(at, &mut bytes)?;
    let mut entries = HashMap::new();
    let mut rest = &bytes[..];
    while rest.starts_with(&ENTRY) {
        let (name, entry, rest_of_directory) = split_entry(rest)
            .ok_or_else(|| source.bad("damaged: the archive's directory ends within an entry"))?;
        entries.insert(String::from_utf8_lossy(name).into_owned(), entry);
        rest = rest_of_directory;
    }
    Ok(entries)
}

/// The first entry of a directory, and the bytes that follow it.
fn split_entry(bytes: &[u8]) -> Option<(&[u8], Entry, &[u8])> {
    let (fixed, rest) = bytes.split_at_checked(46)?;
    let length = |at: usize| number(&fixed[at..at + 2]) as usize;
    let (name, rest) = rest.split_at_checked(length(28))?;
    let (extra, rest) = rest.split_at_checked(length(30))?;
    let (_, rest) = rest.split_at_checked(length(32))?;
    let mut wide = wide_fields(extra);
    let mut field = |at: usize| match number(&fixed[at..at + 4]) {
        IN_EXTRA_FIELD => wide.next(),
        value => Some(value),
    };
    // The extra field holds these in this order, each only if its 32-bit field says so: size, compressed
    // size, header.
    let (size, _, header) = (field(24)?, field(20)?, field(42)?);
    Some((name, Entry { header, size, stored: number(&fixed[10..12]) == 0 }, rest))
}

/// The 64-bit values of an entry's zip64 extra field.
fn wide_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut wide: &[u8] = &[];
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let Some((data, rest)) = rest.split_at_checked(number(&head[2..]) as usize) else { break };
        if number(&head[..2]) == 1 {
            wide = data;
        }
        extra = rest;
    }
    wide.chunks_exact(8).map(number)
}

/// (Offset, size) of the central directory.
fn find_directory(source: &Source) -> Result<(u64, u64)> {
    // The end record has 22 bytes, plus a comment of at most 65,535.
    let tail = source.len.min(22 + 65_535);
    let begin = source.len - tail;
    let mut bytes = vec![0; tail as usize];
    source.read_at(begin, &mut bytes)?;
    let found = (0..bytes.len().saturating_sub(21)).rev().find(|&i| bytes[i..].starts_with(&END));
    let i =
        found.ok_or_else(|| source.bad("truncated: a zip archive without its end; get the whole file"))?;
    let (size, at) = (number(&bytes[i + 12..i + 16]), number(&bytes[i + 16..i + 20]));
    if let Some(locator) = i.checked_sub(20).map(|i| &bytes[i..]).filter(|l| l.starts_with(&LOCATOR_64)) {
        let end: [u8; 56] = source.array(number(&locator[8..16]))?;
        if end[..4] == END_64 {
            return Ok((number(&end[48..56]), number(&end[40..48])));
        }
    }
    Ok((at, size))
}

/// A little-endian integer of up to 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
}
