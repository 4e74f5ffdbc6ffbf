//! Inversions: the file, the source of the crop in it, and the user's cache.

mod cache;
mod crop_source;
mod file;
#[cfg(test)]
mod tests;
mod thumbnail;

pub use cache::{Cache, LIMIT as CACHE_LIMIT};
pub use crop_source::CropSource;
pub use file::{FORMAT, Info, Inversion, to_f16_precision};
pub use thumbnail::Thumbnail;
