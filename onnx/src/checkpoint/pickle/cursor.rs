//! A read position in a pickle: reads through a small buffer, never past the end.

use crate::Result;
use crate::checkpoint::source::Source;

/// Bytes read at a time; longer requests are read at once.
const BLOCK: u64 = 16 << 10;

pub(super) struct Cursor<'s> {
    pub source: &'s Source,
    /// Offset of the next byte in the file.
    pub at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Offset of the buffer in the file.
    begin: u64,
}

impl<'s> Cursor<'s> {
    /// Reads the bytes `at..end` of the source.
    pub fn new(source: &'s Source, at: u64, end: u64) -> Cursor<'s> {
        Cursor { source, at, end, buffer: Vec::new(), begin: at }
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    /// The next `count` bytes; the caller bounds `count`.
    pub fn take(&mut self, count: usize) -> Result<&[u8]> {
        let left = self.end.saturating_sub(self.at);
        let wanted = count as u64;
        if wanted > left {
            return Err(self.source.truncated(self.at));
        }
        if self.at + wanted > self.begin + self.buffer.len() as u64 {
            self.buffer.resize(wanted.max(BLOCK).min(left) as usize, 0);
            self.source.read_at(self.at, &mut self.buffer)?;
            self.begin = self.at;
        }
        let from = (self.at - self.begin) as usize;
        self.at += wanted;
        Ok(&self.buffer[from..from + count])
    }

    /// Skips `count` bytes without reading them, and returns the offset of the first.
    pub fn skip(&mut self, count: u64) -> Result<u64> {
        let from = self.at;
        if count > self.end.saturating_sub(from) {
            return Err(self.source.truncated(from));
        }
        self.at += count;
        if self.at > self.begin + self.buffer.len() as u64 {
            // The new position is outside the buffer.
            (self.begin, self.buffer) = (self.at, Vec::new());
        }
        Ok(from)
    }

    /// The text up to the next line feed, at most `limit` bytes.
    pub fn line(&mut self, limit: usize) -> Result<String> {
        let from = self.at;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                _ if bytes.len() == limit => {
                    return Err(self
                        .source
                        .bad(format!("not a pickle: the name at byte {from} does not end")));
                }
                byte => bytes.push(byte),
            }
        }
    }
}
