//! `.npz`: a zip archive of `.npy` files.

use super::{MAX_BYTES, NpyArray};
use crate::{Error, Result};
use gani_onnx::file::{open_regular, reserved};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use zip::ZipArchive;

/// Maximum number of arrays: an order of magnitude more than any file of directions has.
const MAX_ARRAYS: usize = 4096;

/// Maximum sum of the sizes of the arrays that are read, in bytes. Compressed arrays can be a thousand times larger than the file.
const MAX_UNPACKED: u64 = 256 << 20;

/// An open `.npz` file.
pub struct Npz {
    name: String,
    archive: ZipArchive<File>,
    names: Vec<String>,
    unpacked: u64,
}

impl Npz {
    /// Opens a file and reads the names of its arrays.
    ///
    /// # Errors
    /// [`Error::Input`] if it is not a zip archive; [`Error::Limits`] for more than 4096 arrays; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Npz> {
        let name = path.display().to_string();
        let (mut file, size) = open_regular(path, MAX_BYTES)?;
        let io = Error::io("reading", path);
        let count = count_members(&mut file, size).map_err(io)?;
        if count.is_some_and(|count| count > MAX_ARRAYS) {
            return Err(Error::Limits(format!(
                "{name}: {} arrays; at most {MAX_ARRAYS} are supported",
                count.unwrap_or(0)
            )));
        }
        let archive = ZipArchive::new(file).map_err(|e| {
            Error::Input(format!(
                "{name}: not an .npz file, or damaged ({e}); write it again with numpy.savez"
            ))
        })?;
        let names = archive.file_names().map(|n| n.strip_suffix(".npy").unwrap_or(n).to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        Ok(Npz { name, archive, names, unpacked: 0 })
    }

    /// Names of the arrays, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether there is an array `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|n| n.as_str().cmp(name)).is_ok()
    }

    /// Reads an array.
    ///
    /// # Errors
    /// [`Error::Input`] if it is missing, damaged or not an array of numbers; [`Error::Limits`] if the arrays read so far take
    /// more than 256 MiB.
    pub fn array(&mut self, array: &str) -> Result<NpyArray> {
        let name = format!("{}: `{}`", self.name, array.escape_debug());
        let bad = |e: zip::result::ZipError| {
            Error::Input(format!("{name}: {e}; write the file again with numpy.savez"))
        };
        let index = self.archive.index_for_name(&format!("{array}.npy"));
        let index = index.or_else(|| self.archive.index_for_name(array));
        let index = index.ok_or_else(|| Error::Input(format!("{name}: the file has no such array")))?;
        let member = self.archive.by_index(index).map_err(bad)?;
        let size = member.size();
        self.unpacked = self.unpacked.saturating_add(size);
        if self.unpacked > MAX_UNPACKED {
            return Err(Error::Limits(format!(
                "{name}: the arrays of this file take more than {} MB; remove those that gani does not need",
                MAX_UNPACKED >> 20
            )));
        }
        let mut bytes = reserved(size, &name)?;
        // The size in the archive's directory is not trusted.
        let read = member.take(size + 1).read_to_end(&mut bytes);
        match read {
            Ok(read) if read as u64 == size => NpyArray::parse(&name, &bytes),
            Ok(_) => Err(Error::Input(format!(
                "{name}: damaged: its size differs from that in the archive's directory"
            ))),
            Err(e) => Err(Error::Input(format!("{name}: damaged: {e}"))),
        }
    }
}

/// The number of members that the end of a zip archive states; `None` without such an end. Read first, because opening an archive
/// takes memory for each member.
fn count_members(file: &mut File, size: u64) -> std::io::Result<Option<usize>> {
    // The end record has 22 bytes, plus a comment of at most 65,535.
    let tail = size.min(22 + 65_535);
    file.seek(SeekFrom::Start(size - tail))?;
    let mut bytes = Vec::with_capacity(tail as usize);
    file.by_ref().take(tail).read_to_end(&mut bytes)?;
    file.rewind()?;
    let end = bytes.windows(22).rposition(|w| w.starts_with(b"PK\x05\x06"));
    Ok(end.map(|at| usize::from(u16::from_le_bytes([bytes[at + 10], bytes[at + 11]]))))
}
