//! EXIF blocks, which are TIFF structures: removal of pictures of the unedited photo, and exchange with TIFF files.

use std::ops::Range;

use super::jpeg;

/// Tags of the first directory that describe a photo and not its pixels: description, make, model, software, date, artist, host
/// computer, copyright.
const DESCRIPTIVE: [u16; 8] = [270, 271, 272, 305, 306, 315, 316, 33_432];
/// Tags that point to directories: EXIF, GPS, interoperability.
const POINTERS: [u16; 3] = [0x8769, 0x8825, 0xA005];
/// The camera maker's own data, often with offsets that are valid only in their first place.
const MAKER_NOTE: u16 = 0x927C;
/// Maximum size of a block, and of the values in a directory tree, in bytes. A JPEG file holds 64 KiB.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// A directory: entries by tag, and the directories that it points to.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Directory {
    pub entries: Vec<Entry>,
    pub directories: Vec<(u16, Directory)>,
}

/// A value, in little-endian bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub tag: u16,
    /// TIFF's number of the type.
    pub kind: u16,
    pub bytes: Vec<u8>,
}

/// Reads a TIFF structure.
struct Reader<'b> {
    data: &'b [u8],
    little: bool,
    /// Bytes that values may still take: a damaged file can refer to the same bytes many times.
    budget: usize,
}

/// Size in bytes of one value of a type, and of the numbers that it consists of; `None` for an unknown type.
fn size_of(kind: u16) -> Option<[usize; 2]> {
    match kind {
        1 | 2 | 6 | 7 => Some([1, 1]),
        3 | 8 => Some([2, 2]),
        4 | 9 | 11 | 13 => Some([4, 4]),
        5 | 10 => Some([8, 4]),
        12 => Some([8, 8]),
        _ => None,
    }
}

impl<'b> Reader<'b> {
    /// The reader, and the offset of the first directory; `None` if this is no TIFF structure.
    fn new(data: &'b [u8]) -> Option<(Reader<'b>, usize)> {
        let little = match data.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        let reader = Reader { data, little, budget: MAX_BYTES };
        let first = reader.u32(4)?;
        Some((reader, first))
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.data.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<usize> {
        let bytes = self.data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    }

    /// Offsets of the 12 bytes of each entry of a directory.
    fn entries(&self, directory: usize) -> impl Iterator<Item = usize> + use<> {
        let first = directory.saturating_add(2);
        let room = self.data.len().saturating_sub(first) / 12;
        let count = usize::from(self.u16(directory).unwrap_or(0)).min(room);
        (0..count).map(move |i| first + 12 * i)
    }

    /// Tag, type and bytes of an entry, as they are stored.
    fn entry(&self, at: usize) -> Option<(u16, u16, &'b [u8])> {
        let (tag, kind) = (self.u16(at)?, self.u16(at.checked_add(2)?)?);
        let length = self.u32(at.checked_add(4)?)?.checked_mul(size_of(kind)?[0])?;
        let inside = at.checked_add(8)?;
        let start = if length <= 4 { inside } else { self.u32(inside)? };
        Some((tag, kind, self.data.get(start..start.checked_add(length)?)?))
    }

    /// The integers of an entry.
    fn numbers(&self, (_, kind, bytes): (u16, u16, &[u8])) -> Vec<usize> {
        let whole = Reader { data: bytes, little: self.little, budget: 0 };
        match kind {
            3 => (0..bytes.len() / 2).filter_map(|i| whole.u16(2 * i)).map(usize::from).collect(),
            4 | 13 => (0..bytes.len() / 4).filter_map(|i| whole.u32(4 * i)).collect(),
            _ => Vec::new(),
        }
    }

    /// The directory at an offset, with the tags that `wanted` selects. Damaged entries are left out.
    fn directory(&mut self, at: usize, depth: usize, wanted: fn(u16) -> bool) -> Directory {
        let mut directory = Directory::default();
        for at in self.entries(at) {
            let Some((tag, kind, bytes)) = self.entry(at) else { continue };
            if POINTERS.contains(&tag) {
                if let (Some(&to), true) = (self.numbers((tag, kind, bytes)).first(), depth < 2) {
                    let inner = self.directory(to, depth + 1, |tag| tag != MAKER_NOTE);
                    directory.directories.push((tag, inner));
                }
            } else if wanted(tag) && bytes.len() <= self.budget {
                self.budget -= bytes.len();
                let mut bytes = bytes.to_vec();
                if let (false, Some([_, unit])) = (self.little, size_of(kind)) {
                    bytes.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
                }
                directory.entries.push(Entry { tag, kind, bytes });
            }
        }
        directory
    }
}

impl Directory {
    /// What describes the photo, of a TIFF file or an EXIF block: the first directory's descriptive tags, EXIF and GPS, but not the
    /// maker's own data. `None` if there is nothing.
    pub fn read(data: &[u8]) -> Option<Directory> {
        let (mut reader, first) = Reader::new(data)?;
        let directory = reader.directory(first, 0, |tag| DESCRIPTIVE.contains(&tag));
        (directory != Directory::default()).then_some(directory)
    }

    /// As an EXIF block.
    pub fn to_exif(&self) -> Vec<u8> {
        let mut out = b"II*\0\x08\0\0\0".to_vec();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        let count = self.entries.len() + self.directories.len();
        let mut at = out.len() + 2;
        out.extend((count as u16).to_le_bytes());
        out.resize(at + 12 * count + 4, 0); // the last four bytes: no further directory
        let mut put = |out: &mut Vec<u8>, tag: u16, kind: u16, count: usize, value: [u8; 4]| {
            out[at..at + 2].copy_from_slice(&tag.to_le_bytes());
            out[at + 2..at + 4].copy_from_slice(&kind.to_le_bytes());
            out[at + 4..at + 8].copy_from_slice(&(count as u32).to_le_bytes());
            out[at + 8..at + 12].copy_from_slice(&value);
            at += 12;
        };
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by_key(|entry| entry.tag);
        for Entry { tag, kind, bytes } in entries {
            let count = bytes.len() / size_of(*kind).map_or(1, |[size, _]| size);
            let mut value = [0; 4];
            if bytes.len() <= 4 {
                value[..bytes.len()].copy_from_slice(bytes);
            } else {
                value = offset(out);
                out.extend(bytes);
            }
            put(out, *tag, *kind, count, value);
        }
        for (tag, directory) in &self.directories {
            let value = offset(out);
            put(out, *tag, 4, 1, value);
            directory.write(out);
        }
    }
}

/// The offset of what is appended next, at an even place.
fn offset(out: &mut Vec<u8>) -> [u8; 4] {
    if !out.len().is_multiple_of(2) {
        out.push(0);
    }
    (out.len() as u32).to_le_bytes()
}

/// Whether the block has the camera maker's own data.
pub(super) fn has_maker_note(exif: &[u8]) -> bool {
    let Some((reader, first)) = Reader::new(exif) else { return false };
    let reader = &reader;
    let in_directory = |at: usize| reader.entries(at).filter_map(move |at| reader.entry(at));
    let mut pointers = in_directory(first).filter(|(tag, ..)| *tag == POINTERS[0]);
    pointers.any(|pointer| {
        let inner = reader.numbers(pointer).first().copied().unwrap_or(0);
        in_directory(inner).any(|(tag, ..)| tag == MAKER_NOTE)
    })
}

/// The resolution in pixels per inch along x and y.
pub(super) fn dpi(exif: &[u8]) -> Option<[f64; 2]> {
    let (reader, first) = Reader::new(exif)?;
    let find = |wanted: u16| {
        reader.entries(first).filter_map(|at| reader.entry(at)).find(|(tag, ..)| *tag == wanted)
    };
    let rational = |(_, kind, bytes): (u16, u16, &[u8])| {
        let [n, d] = [0, 4].map(|at| Reader { data: bytes, little: reader.little, budget: 0 }.u32(at));
        let value = n? as f64 / d? as f64;
        (kind == 5 && value.is_finite() && value > 0.0).then_some(value)
    };
    let unit = find(296).and_then(|entry| reader.numbers(entry).first().copied());
    let scale = match unit.unwrap_or(2) {
        2 => 1.0,
        3 => 2.54,
        _ => return None,
    };
    let [x, y] = [282, 283].map(|tag| find(tag).and_then(rational));
    Some([x? * scale, y? * scale])
}

/// Unlinks the directories of thumbnails, and erases the bytes of all thumbnails and previews: they show the unedited face. Nothing
/// moves, because data of camera makers may depend on its place. `None` if the block is damaged.
pub(super) fn remove_pictures(exif: &mut Vec<u8>) -> Option<()> {
    let (reader, first) = Reader::new(exif)?;
    let link = first.checked_add(2)?.checked_add(12 * usize::from(reader.u16(first)?))?;
    let second = reader.u32(link).unwrap_or(0);
    // Offsets and lengths of a JPEG thumbnail, or of strips of pixels. A damaged directory has none, and nothing refers to it.
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    if second != 0 {
        for entry in reader.entries(second).filter_map(|at| reader.entry(at)) {
            match entry.0 {
                0x0201 | 0x0111 => offsets.extend(reader.numbers(entry)),
                0x0202 | 0x0117 => lengths.extend(reader.numbers(entry)),
                _ => {}
            }
        }
        exif[link..link + 4].fill(0);
    }
    let ends =
        offsets.iter().zip(lengths).map(|(offset, length)| offset.saturating_add(length).min(exif.len()));
    let inside = |range: &Range<usize>| range.start > first && range.start < range.end;
    let mut pictures: Vec<_> =
        offsets.iter().copied().zip(ends).map(|(start, end)| start..end).filter(inside).collect();
    pictures.extend(jpegs(exif));
    pictures.iter().for_each(|range| exif[range.clone()].fill(0));
    // Thumbnails are usually at the end.
    let length = exif.len();
    let last = pictures.iter().filter(|range| range.end == length).map(|range| range.start).min();
    exif.truncate(last.unwrap_or(length));
    Some(())
}

/// JPEG pictures, such as the previews in data of camera makers.
fn jpegs(exif: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(start) = exif[at..].windows(3).position(|w| w == [0xFF, 0xD8, 0xFF]).map(|i| at + i) {
        let end = start + jpeg::length(&exif[start..]);
        if end > start {
            found.push(start..end);
        }
        at = end.max(start + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of either byte order: a first directory with `entries` (tag, type, count, value), a link, and what follows.
    fn block(little: bool, entries: &[(u16, u16, u32, u32)], link: u32, rest: &[u8]) -> Vec<u8> {
        let (u16s, u32s) = (
            |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() },
            |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() },
        );
        let mut out = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        out.extend(u32s(8));
        out.extend(u16s(entries.len() as u16));
        for (tag, kind, count, value) in entries {
            out.extend([u16s(*tag), u16s(*kind)].concat());
            out.extend(u32s(*count));
            match kind {
                3 => out.extend([u16s(*value as u16), [0; 2]].concat()),
                _ => out.extend(u32s(*value)),
            }
        }
        out.extend(u32s(link));
        out.extend(rest);
        out
    }

    /// Pixels of the smallest JPEG structure: a quantization table, a scan, an end.
    const JPEG: &[u8] = b"\xff\xd8\xff\xdb\0\x04ab\xff\xda\0\x04cdFACE\xff\xd9";

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|w| w == part)
    }

    #[test]
    fn thumbnails_of_pixels_in_several_strips_are_erased() {
        for little in [true, false] {
            let number = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
            // The second directory, at 26, has two strips, whose offsets are at 56 and whose lengths are at 64.
            let second = &block(little, &[(0x0111, 4, 2, 56), (0x0117, 4, 2, 64)], 0, &[])[8..];
            let mut rest = second.to_vec();
            rest.extend([number(72), number(80), number(4), number(4)].concat());
            rest.extend(b"FACEkeepFACEkeep");
            let mut exif = block(little, &[(0x0112, 3, 1, 1)], 26, &rest);
            assert_eq!(&exif[72..76], b"FACE");
            remove_pictures(&mut exif).unwrap();
            assert!(!contains(&exif, b"FACE") && contains(&exif, b"keep\0\0\0\0keep"), "{exif:?}");
            assert_eq!(exif[22..26], [0; 4], "the second directory is linked");
        }
    }

    #[test]
    fn previews_in_data_of_camera_makers_are_erased_in_place() {
        let maker = [b"MAKER 1.0", JPEG, b"settings", &JPEG[..16], b" cut off"].concat();
        let before = block(true, &[(0x927C, 7, maker.len() as u32, 26)], 0, &maker);
        let mut exif = before.clone();
        remove_pictures(&mut exif).unwrap();
        assert!(!contains(&exif, b"FACE") && !contains(&exif, b"\xff\xd8"), "{exif:?}");
        let settings = |bytes: &[u8]| bytes.windows(8).position(|w| w == b"settings");
        assert_eq!(settings(&exif), settings(&before), "something moved");
        // Bytes that only look like the start of a picture stay.
        let maker = b"noise \xff\xd8\xff\xff\xff noise \xff\xd8\xff\xe1\xff\xff short";
        let before = block(true, &[(0x927C, 7, maker.len() as u32, 26)], 0, maker);
        let mut exif = before.clone();
        remove_pictures(&mut exif).unwrap();
        assert_eq!(exif, before);
    }

    #[test]
    fn what_describes_a_photo_survives_the_way_through_other_directories() {
        for little in [true, false] {
            let number = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
            // The first directory: orientation and resolution, which are left out, artist, EXIF.
            let first = [(0x0112, 3, 1, 6), (0x011A, 5, 1, 100), (0x013B, 2, 5, 108), (0x8769, 4, 1, 62)];
            let inner = block(little, &[(0x829A, 5, 1, 92), (0x927C, 7, 4, 0)], 0, &[])[8..].to_vec();
            let values = [number(1), number(250), number(300), number(1)].concat();
            let exif = block(little, &first, 0, &[inner, values, b"Some\0".to_vec()].concat());
            assert!(has_maker_note(&exif));
            assert_eq!(dpi(&exif), None, "the resolution along y is missing");
            let read = Directory::read(&exif).unwrap();
            let artist = Entry { tag: 0x013B, kind: 2, bytes: b"Some\0".to_vec() };
            let time =
                Entry { tag: 0x829A, kind: 5, bytes: [1u32.to_le_bytes(), 250u32.to_le_bytes()].concat() };
            let inner = Directory { entries: vec![time], directories: vec![] };
            assert_eq!(read, Directory { entries: vec![artist], directories: vec![(0x8769, inner)] });
            assert_eq!(Directory::read(&read.to_exif()), Some(read.clone()));
            assert!(!has_maker_note(&read.to_exif()));
        }
    }

    #[test]
    fn damaged_blocks_are_read_within_limits() {
        // Directories that point to each other, and 60,000 values that all are the same megabyte.
        let cycle = block(true, &[(0x8769, 4, 1, 8), (0x8825, 4, 1, 8)], 8, &[]);
        assert!(Directory::read(&cycle).is_some_and(|d| d.to_exif().len() < 1000));
        let entries = vec![(270, 2, 1 << 20, 8); 60_000];
        let many = block(true, &entries, 0, &vec![7; 1 << 20]);
        let read = Directory::read(&many).unwrap();
        assert!(read.entries.iter().map(|e| e.bytes.len()).sum::<usize>() <= MAX_BYTES);
        for data in [&cycle[..], &many[..2000]] {
            for end in 0..data.len() {
                let mut cut = data[..end].to_vec();
                remove_pictures(&mut cut);
                Directory::read(&data[..end]);
                dpi(&data[..end]);
                has_maker_note(&data[..end]);
            }
        }
    }
}
