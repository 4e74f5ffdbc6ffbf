//! Photographs: picture files, pixels in a host's memory, resampling. No networks.

mod affine;
mod float_image;
mod load;
pub mod pixels;
mod read;
mod resize;
mod save;
mod warp;

pub(crate) use affine::Affine;
pub(crate) use float_image::FloatImage;
pub use load::Photo;
pub use read::{crop_from_image, image_from_crop};
pub use resize::resize;
pub(crate) use warp::{Border, Sampler};

#[cfg(test)]
pub(crate) mod tests;
