//! Photographs: reading and writing picture files, views of a host's pixels, resampling. No networks.

mod load;
pub mod pixels;
mod resize;
mod save;
pub(crate) mod warp;

pub(crate) use load::check_size;
pub use load::{Photo, crop_from_image, image_from_crop};
pub use resize::resize;

#[cfg(test)]
mod tests;
