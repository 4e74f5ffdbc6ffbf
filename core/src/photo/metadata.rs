//! Metadata of picture files: what is kept from reading to writing, without previews of the unedited picture.

use image::metadata::Orientation;

use super::exif;

/// Metadata of a photo. [`Photo::save`](crate::Photo::save) writes what the format can hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// EXIF: a TIFF structure with orientation 1, without thumbnails and previews.
    pub exif: Option<Vec<u8>>,
    /// An XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// IPTC records.
    pub iptc: Option<Vec<u8>>,
    /// Pixels per inch along x and y.
    pub dpi: Option<[f64; 2]>,
    /// Chunks of PNG for text and color: type and data.
    pub png_chunks: Vec<([u8; 4], Vec<u8>)>,
    /// Whether a PNG file had profiles stored as text ("Raw profile type exif", as ImageMagick does). They are never written,
    /// because they may contain a thumbnail.
    pub had_raw_profile: bool,
    /// JPEG comments.
    pub comments: Vec<Vec<u8>>,
}

impl Metadata {
    /// Names of what a file holds that cannot store anything.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let is_text = |(kind, _): &([u8; 4], Vec<u8>)| kind.ends_with(b"Xt");
        [
            (self.exif.is_some(), "EXIF"),
            (self.xmp.is_some(), "XMP"),
            (self.iptc.is_some(), "IPTC"),
            (self.dpi.is_some(), "the resolution in dpi"),
            (self.png_chunks.iter().any(is_text) || !self.comments.is_empty(), "text"),
            (self.had_raw_profile, "a profile stored as text (\"Raw profile type\")"),
        ]
        .into_iter()
        .filter_map(|(present, name)| present.then_some(name))
        .collect()
    }

    /// Sets EXIF without pictures, and the resolution in it. Returns the orientation, which is 1 in what is kept.
    pub(super) fn set_exif(&mut self, mut exif: Vec<u8>) -> Orientation {
        // Some writers repeat the identifier of the JPEG segment.
        if exif.starts_with(b"Exif\0\0") {
            exif.drain(..6);
        }
        let orientation = Orientation::remove_from_exif_chunk(&mut exif).unwrap_or(Orientation::NoTransforms);
        self.dpi = exif::dpi(&exif);
        self.exif =
            exif::remove_pictures(&mut exif).map(|()| exif).filter(|exif| exif.len() <= exif::MAX_BYTES);
        orientation
    }

    /// Sets XMP without thumbnails, with orientation 1.
    pub(super) fn set_xmp(&mut self, xmp: Vec<u8>) {
        self.xmp = String::from_utf8(xmp).ok().map(|text| {
            let pictures = ["xmp:Thumbnails", "xap:Thumbnails", "xmpGImg:image", "xapGImg:image"];
            let mut text = pictures.into_iter().fold(text, remove_elements);
            for (before, after) in [("tiff:Orientation=\"", "\""), ("<tiff:Orientation>", "<")] {
                if let Some(at) = text.find(before).map(|at| at + before.len())
                    && let Some(length) = text[at..].find(after)
                {
                    text.replace_range(at..at + length, "1");
                }
            }
            text.into_bytes()
        });
    }
}

/// Removes all elements `name` of an XML text, which do not nest.
fn remove_elements(mut text: String, name: &str) -> String {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    while let Some(start) = text.find(&open) {
        let Some(length) = text[start..].find(&close) else { break };
        text.replace_range(start..start + length + close.len(), "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with orientation 6, then one with a thumbnail of 4 bytes.
    fn exif() -> Vec<u8> {
        let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
        exif.extend([0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 26, 0, 0, 0]);
        exif.extend([2, 0, 1, 2, 4, 0, 1, 0, 0, 0, 56, 0, 0, 0, 2, 2, 4, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
        exif.extend([0, 0, 0, 0]);
        exif.extend(b"FACE");
        exif
    }

    #[test]
    fn exif_keeps_neither_thumbnail_nor_orientation() {
        let mut metadata = Metadata::default();
        assert_eq!(metadata.set_exif(exif()), Orientation::Rotate90);
        let kept = metadata.exif.unwrap();
        assert!(!kept.windows(4).any(|w| w == b"FACE"));
        assert_eq!(kept[22..26], [0; 4]);
        // Every cut of the block is handled without a panic.
        for end in 0..exif().len() {
            Metadata::default().set_exif(exif()[..end].to_vec());
        }
    }

    #[test]
    fn xmp_keeps_neither_thumbnail_nor_orientation() {
        let mut metadata = Metadata::default();
        let xmp = "<a tiff:Orientation=\"6\" b=\"c\"><xmp:Thumbnails><x>FACE</x></xmp:Thumbnails><d/></a>";
        metadata.set_xmp(xmp.as_bytes().to_vec());
        assert_eq!(metadata.xmp.unwrap(), b"<a tiff:Orientation=\"1\" b=\"c\"><d/></a>");
    }
}
