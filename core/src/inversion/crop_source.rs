//! Where a crop comes from: the photo's name, its size, and the face's alignment in it.

use crate::face::Alignment;
use crate::photo::Photo;

/// The source of an inverted crop, as the inversion file stores it.
#[derive(Clone, Debug, Default)]
pub struct CropSource {
    /// File name of the photo, without its folder.
    pub photo: String,
    /// Width and height of the photo in pixels.
    pub size: [u32; 2],
    /// The aligned square of the face in the photo; `None` for a photo that is an aligned crop itself.
    pub alignment: Option<Alignment>,
}

impl CropSource {
    /// A crop of `photo`.
    pub fn new(photo: &Photo, alignment: Option<Alignment>) -> CropSource {
        let name = photo.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        CropSource { photo: name, size: [photo.width(), photo.height()], alignment }
    }
}
