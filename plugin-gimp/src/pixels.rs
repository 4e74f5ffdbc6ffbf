//! Pixel buffers that GIMP fills and gani-core reads and changes: RGBA in the layer's own color space.

use gani_core::face::Region;
use gani_core::photo::ColorSpace;
use gani_core::photo::pixels::{Image, ImageLayout, ImageMut, PixelFormat, Pixels, PixelsMut};
use gani_core::{Error, Result};
use ndarray::Array2;

/// The type of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 8-bit integers.
    U8,
    /// 16-bit integers.
    U16,
    /// 32-bit floats, for layers of 32-bit integers and of half, single or double floats.
    F32,
}

impl Depth {
    /// Bytes of an RGBA pixel.
    pub fn bytes_per_pixel(self) -> usize {
        match self {
            Depth::U8 => 4,
            Depth::U16 => 8,
            Depth::F32 => 16,
        }
    }
}

/// RGBA pixels, row by row without padding.
#[derive(Debug, Clone)]
pub struct RgbaBuffer {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The color space of the pixels.
    pub color: ColorSpace,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

impl RgbaBuffer {
    /// A buffer of transparent black for the pixels of `name`.
    ///
    /// # Errors
    /// [`Error::Limits`] for a size beyond gani's limits; nothing is allocated then.
    pub fn new(name: &str, width: u32, height: u32, depth: Depth) -> Result<RgbaBuffer> {
        const LIMIT: u64 = 512;
        let pixels = u64::from(width) * u64::from(height);
        // gani-core converts floats to 16-bit integers.
        let mib = (pixels * depth.bytes_per_pixel().min(8) as u64) >> 20;
        if mib > LIMIT || width.max(height) > 20_000 {
            return Err(Error::Limits(format!(
                "{name} is too large: {width} × {height} pixels, {mib} MiB; the limits are 20,000 pixels per side and {LIMIT} MiB. \
                 Crop the layer to the head and shoulders, or scale the image down"
            )));
        }
        let count = pixels as usize * 4;
        let values = match depth {
            Depth::U8 => Values::U8(vec![0; count]),
            Depth::U16 => Values::U16(vec![0; count]),
            Depth::F32 => Values::F32(vec![0.0; count]),
        };
        Ok(RgbaBuffer { width, height, color: ColorSpace::default(), values })
    }

    /// The type of its channels.
    pub fn depth(&self) -> Depth {
        match self.values {
            Values::U8(_) => Depth::U8,
            Values::U16(_) => Depth::U16,
            Values::F32(_) => Depth::F32,
        }
    }

    /// The pixels as bytes in native byte order.
    pub fn bytes(&self) -> &[u8] {
        match &self.values {
            Values::U8(v) => v,
            Values::U16(v) => bytemuck::cast_slice(v),
            Values::F32(v) => bytemuck::cast_slice(v),
        }
    }

    /// The pixels as mutable bytes in native byte order.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.values {
            Values::U8(v) => v,
            Values::U16(v) => bytemuck::cast_slice_mut(v),
            Values::F32(v) => bytemuck::cast_slice_mut(v),
        }
    }

    /// A view for gani-core to read.
    pub fn image(&self) -> Result<Image<'_>> {
        let pixels = match &self.values {
            Values::U8(v) => Pixels::U8(v),
            Values::U16(v) => Pixels::U16(v),
            Values::F32(v) => Pixels::F32(v),
        };
        Ok(Image::new(self.frame(), pixels)?.with_color(self.color.clone()))
    }

    /// A view for gani-core to change.
    pub fn image_mut(&mut self) -> Result<ImageMut<'_>> {
        let (frame, color) = (self.frame(), self.color.clone());
        let pixels = match &mut self.values {
            Values::U8(v) => PixelsMut::U8(v),
            Values::U16(v) => PixelsMut::U16(v),
            Values::F32(v) => PixelsMut::F32(v),
        };
        Ok(ImageMut::new(frame, pixels)?.with_color(color))
    }

    fn frame(&self) -> ImageLayout {
        let stride = self.width as usize * 4;
        ImageLayout { width: self.width, height: self.height, stride, format: PixelFormat::Rgba }
    }

    /// A copy of `region`, which is inside the buffer.
    pub fn crop(&self, region: Region) -> Result<RgbaBuffer> {
        let mut crop = RgbaBuffer::new("the face", region.width, region.height, self.depth())?;
        crop.color = self.color.clone();
        let (pixel, row) =
            (self.depth().bytes_per_pixel(), self.width as usize * self.depth().bytes_per_pixel());
        let (from, length) = (region.x as usize * pixel, region.width as usize * pixel);
        let rows = self.bytes().chunks_exact(row.max(1)).skip(region.y as usize);
        for (to, from_row) in crop.bytes_mut().chunks_exact_mut(length.max(1)).zip(rows) {
            to.copy_from_slice(&from_row[from..from + length]);
        }
        Ok(crop)
    }

    /// For each row, the range of columns from the first to the last pixel that differs from `other`, which has the same
    /// size. The range is empty for a row without differences.
    pub fn changed_columns(&self, other: &RgbaBuffer) -> Vec<std::ops::Range<usize>> {
        let (pixel, row) =
            (self.depth().bytes_per_pixel(), self.width as usize * self.depth().bytes_per_pixel());
        let rows = self.bytes().chunks_exact(row.max(1)).zip(other.bytes().chunks_exact(row.max(1)));
        rows.map(|(a, b)| {
            let differs = |(a, b): (&[u8], &[u8])| a != b;
            let mut pixels = a.chunks_exact(pixel).zip(b.chunks_exact(pixel));
            match pixels.position(differs) {
                None => 0..0,
                Some(first) => first..pixels.rposition(differs).map_or(first + 1, |more| first + more + 2),
            }
        })
        .collect()
    }

    /// Makes a pixel fully transparent unless `keep(column, row)`.
    pub fn clear_alpha_unless(&mut self, keep: impl Fn(usize, usize) -> bool) {
        let (pixel, width) = (self.depth().bytes_per_pixel(), self.width as usize);
        let alpha = pixel / 4;
        for (i, bytes) in self.bytes_mut().chunks_exact_mut(pixel).enumerate() {
            if !keep(i % width, i / width) {
                bytes[pixel - alpha..].fill(0); // zero in every depth
            }
        }
    }
}

/// The layer to edit, as the worker receives it.
pub struct InputLayer {
    /// `the layer “NAME”`, for messages.
    pub name: String,
    /// Its pixels.
    pub pixels: RgbaBuffer,
    /// The image's selection in the layer's coordinates, `[H,W]`, 0 to 255; none if nothing is selected.
    pub selection: Option<Array2<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_and_changed_columns_in_every_depth() {
        for depth in [Depth::U8, Depth::U16, Depth::F32] {
            let mut whole = RgbaBuffer::new("x", 5, 4, depth).unwrap();
            let pixel = depth.bytes_per_pixel();
            let region = Region { x: 1, y: 1, width: 3, height: 2 };
            let before = whole.crop(region).unwrap();
            whole.bytes_mut()[(5 + 2) * pixel] = 1; // (2, 1)
            whole.bytes_mut()[(10 + 1) * pixel] = 1; // (1, 2)
            whole.bytes_mut()[(10 + 3) * pixel] = 1; // (3, 2)
            let mut after = whole.crop(region).unwrap();
            assert_eq!(after.changed_columns(&before), [1..2, 0..3], "{depth:?}");
            after.bytes_mut().fill(9);
            after.clear_alpha_unless(|x, y| x == 1 && y == 0);
            let alpha = |i: usize| after.bytes()[(i + 1) * pixel - 1];
            assert_eq!((0..6).map(alpha).collect::<Vec<_>>(), [0, 9, 0, 0, 0, 0], "{depth:?}");
        }
        let text = RgbaBuffer::new("The layer", 20_000, 20_000, Depth::U8).unwrap_err().to_string();
        assert!(text.contains("The layer is too large") && text.contains("Crop"), "{text}");
    }
}
