//! Faces in photos: detection, landmarks, FFHQ alignment, and pasting an edited crop back, or only its change.
//!
//! Points are in pixels of the upright photo, x to the right and y down. Pixel (0, 0) covers `[0,1]` × `[0,1]` and has its
//! center at (0.5, 0.5). "Left" means left in the picture.

mod align;
mod composite;
mod detector;
mod finder;
mod keep;
mod landmarks;
mod paste;
mod pose;
mod template;

pub use align::Alignment;
pub use composite::{EditedFace, paste_edit, paste_edit_into};
pub use detector::Detection;
pub use finder::{Face, FaceChoice, FaceFinder};
pub use keep::Keep;
pub use landmarks::Landmarks;
pub use paste::{PasteOptions, Region, paste, paste_into};
pub use pose::HeadPose;

#[cfg(test)]
mod tests;
