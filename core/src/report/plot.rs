//! Plots: contact sheets of labeled images, and the loss curve.

mod curve;
mod draw;
mod font;

pub use curve::loss_curve;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::ArrayView4;

use crate::photo::image_from_crop;
use draw::{Align, Color};

const WHITE: Rgb<u8> = Rgb([255, 255, 255]);
const INK: Color = [51, 51, 51];

/// Draws a contact sheet: labeled images `[1,3,H,W]` in `[-1,1]` in rows of `columns`, each resized to fit a square of `side` pixels.
///
/// Typical uses: before and after in one row at 512 px, edits in one row per direction at 256 px. Images are resized with a Lanczos
/// filter. Each label is below its image, in a smaller font if it is too long.
pub fn contact_sheet(cells: &[(&str, ArrayView4<'_, f32>)], columns: usize, side: usize) -> RgbImage {
    let columns = columns.clamp(1, cells.len().max(1));
    let side = side.max(16) as u32;
    let (margin, gap) = (side / 16, side / 24);
    let height = (side as f32 / 28.0).clamp(10.0, 18.0);
    let (cell_width, cell_height) = (side + gap, side + (height * 3.4) as u32);
    let rows = cells.len().div_ceil(columns) as u32;
    let mut out = RgbImage::from_pixel(
        2 * margin + columns as u32 * cell_width - gap,
        margin + rows * cell_height + margin / 2,
        WHITE,
    );
    for (index, (label, image)) in cells.iter().enumerate() {
        let x = margin + (index % columns) as u32 * cell_width;
        let y = margin + (index / columns) as u32 * cell_height;
        let picture = fit(&image_from_crop(*image), side);
        let (dx, dy) = ((side - picture.width()) / 2, (side - picture.height()) / 2);
        imageops::replace(&mut out, &picture, i64::from(x + dx), i64::from(y + dy));
        let label_height = (side as f32 / draw::text_width(label, 1.0).max(1.0)).min(height);
        let position = [(x + side / 2) as f32, (y + side) as f32 + height * 1.1];
        draw::text(&mut out, label, position, label_height, Align::Center, INK);
    }
    out
}

/// Scales an image so that its longer side is `side` pixels.
fn fit(image: &RgbImage, side: u32) -> RgbImage {
    let longer = image.width().max(image.height()).max(1);
    let scale = |length: u32| ((u64::from(length) * u64::from(side)) / u64::from(longer)).max(1) as u32;
    let (width, height) = (scale(image.width()), scale(image.height()));
    if (width, height) == image.dimensions() {
        return image.clone();
    }
    imageops::resize(image, width, height, FilterType::Lanczos3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn a_contact_sheet_has_its_images_and_labels() {
        let red = Array4::from_shape_fn((1, 3, 8, 8), |(_, c, ..)| if c == 0 { 1.0 } else { -1.0 });
        let cells =
            [("a", red.view()), ("a label that is much too long for its cell", red.view()), ("", red.view())];
        let out = contact_sheet(&cells, 2, 64);
        let count = |color: [u8; 3]| out.pixels().filter(|pixel| pixel.0 == color).count();
        assert_eq!(count([255, 0, 0]), 3 * 64 * 64);
        let dark = out.pixels().any(|pixel| pixel.0.iter().all(|&value| value < 160));
        assert!(dark, "no label is visible");
        assert!(out.rows().all(|mut row| row.next() == Some(&WHITE)), "a label extends into the margin");
        assert_eq!(contact_sheet(&[], 3, 64).dimensions().0, 2 * 4 + 66 - 2);
    }
}
