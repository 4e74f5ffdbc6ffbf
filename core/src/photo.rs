//! Photographs: picture files, pixels in a host's memory, resampling. No networks.

mod affine;
mod color;
mod exif;
mod float_image;
mod foreign;
mod jpeg;
mod jxl;
mod load;
mod metadata;
pub mod pixels;
mod png;
mod read;
mod resize;
mod save;
mod tiff;
mod warp;

pub(crate) use affine::Affine;
pub use color::ColorSpace;
pub(crate) use float_image::FloatImage;
pub use foreign::is_foreign;
pub use load::{EXTENSIONS, Photo};
pub use metadata::Metadata;
pub use read::{crop_from_image, image_from_crop};
pub use resize::resize;
pub use save::check_writable;
pub(crate) use warp::{Border, Sampler};

#[cfg(test)]
pub(crate) mod tests;
