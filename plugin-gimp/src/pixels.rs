//! Pixels between GIMP and gani's core: RGBA in the layer's own colour space, in one of three depths.

use gani_core::photo::Region;
use gani_core::pixels::{Frame, Image, ImageMut, Layout, Pixels, PixelsMut};
use gani_core::{Error, Result};

/// What a channel is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 8-bit layers.
    U8,
    /// 16-bit layers.
    U16,
    /// All others: 32-bit integers, half, single and double floats.
    F32,
}

impl Depth {
    /// Bytes of an RGBA pixel.
    pub fn pixel(self) -> usize {
        match self {
            Depth::U8 => 4,
            Depth::U16 => 8,
            Depth::F32 => 16,
        }
    }
}

/// Rows of RGBA pixels without gaps.
#[derive(Debug, Clone)]
pub struct Rgba {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

impl Rgba {
    /// Transparent black.
    ///
    /// # Errors
    /// [`Error::Limits`] where a picture called `name` is larger than gani handles (before memory is taken).
    pub fn new(name: &str, width: u32, height: u32, depth: Depth) -> Result<Rgba> {
        const LIMIT: u64 = 512;
        let pixels = u64::from(width) * u64::from(height);
        // The core holds floats as 16 bit.
        let mib = (pixels * depth.pixel().min(8) as u64) >> 20;
        if mib > LIMIT || width.max(height) > 20_000 {
            return Err(Error::Limits(format!(
                "{name} is too large: {width} × {height} pixels, {mib} MiB; gani handles 20,000 pixels a side and {LIMIT} MiB. \
                 Crop the layer to the head and shoulders, or scale the image down"
            )));
        }
        let count = pixels as usize * 4;
        let values = match depth {
            Depth::U8 => Values::U8(vec![0; count]),
            Depth::U16 => Values::U16(vec![0; count]),
            Depth::F32 => Values::F32(vec![0.0; count]),
        };
        Ok(Rgba { width, height, values })
    }

    /// How its channels are stored.
    pub fn depth(&self) -> Depth {
        match self.values {
            Values::U8(_) => Depth::U8,
            Values::U16(_) => Depth::U16,
            Values::F32(_) => Depth::F32,
        }
    }

    /// The memory, row after row.
    pub fn bytes(&self) -> &[u8] {
        match &self.values {
            Values::U8(v) => v,
            Values::U16(v) => bytemuck::cast_slice(v),
            Values::F32(v) => bytemuck::cast_slice(v),
        }
    }

    /// The memory, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.values {
            Values::U8(v) => v,
            Values::U16(v) => bytemuck::cast_slice_mut(v),
            Values::F32(v) => bytemuck::cast_slice_mut(v),
        }
    }

    /// As the core reads images.
    pub fn image(&self) -> Result<Image<'_>> {
        let pixels = match &self.values {
            Values::U8(v) => Pixels::U8(v),
            Values::U16(v) => Pixels::U16(v),
            Values::F32(v) => Pixels::F32(v),
        };
        Image::new(self.frame(), pixels)
    }

    /// As the core changes images.
    pub fn image_mut(&mut self) -> Result<ImageMut<'_>> {
        let frame = self.frame();
        let pixels = match &mut self.values {
            Values::U8(v) => PixelsMut::U8(v),
            Values::U16(v) => PixelsMut::U16(v),
            Values::F32(v) => PixelsMut::F32(v),
        };
        ImageMut::new(frame, pixels)
    }

    fn frame(&self) -> Frame {
        let stride = self.width as usize * 4;
        Frame { width: self.width, height: self.height, stride, layout: Layout::Rgba }
    }

    /// A copy of the part within `region`, which lies inside.
    pub fn part(&self, region: Region) -> Result<Rgba> {
        let mut part = Rgba::new("the face", region.width, region.height, self.depth())?;
        let (pixel, row) = (self.depth().pixel(), self.width as usize * self.depth().pixel());
        let (from, length) = (region.x as usize * pixel, region.width as usize * pixel);
        let rows = self.bytes().chunks_exact(row.max(1)).skip(region.y as usize);
        for (to, from_row) in part.bytes_mut().chunks_exact_mut(length.max(1)).zip(rows) {
            to.copy_from_slice(&from_row[from..from + length]);
        }
        Ok(part)
    }

    /// In each row, the columns from the first to past the last pixel that differs from `other`, of the same size.
    pub fn changed(&self, other: &Rgba) -> Vec<std::ops::Range<usize>> {
        let (pixel, row) = (self.depth().pixel(), self.width as usize * self.depth().pixel());
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

    /// Makes transparent what `inside` (of a pixel's column and row) does not hold for.
    pub fn clear_where_not(&mut self, inside: impl Fn(usize, usize) -> bool) {
        let (pixel, width) = (self.depth().pixel(), self.width as usize);
        let alpha = pixel / 4;
        for (i, bytes) in self.bytes_mut().chunks_exact_mut(pixel).enumerate() {
            if !inside(i % width, i / width) {
                bytes[pixel - alpha..].fill(0); // the bytes of 0 in every depth
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_changes_are_found_in_every_depth() {
        for depth in [Depth::U8, Depth::U16, Depth::F32] {
            let mut whole = Rgba::new("x", 5, 4, depth).unwrap();
            let pixel = depth.pixel();
            let region = Region { x: 1, y: 1, width: 3, height: 2 };
            let before = whole.part(region).unwrap();
            whole.bytes_mut()[(5 + 2) * pixel] = 1; // (2, 1)
            whole.bytes_mut()[(10 + 1) * pixel] = 1; // (1, 2)
            whole.bytes_mut()[(10 + 3) * pixel] = 1; // (3, 2)
            let mut after = whole.part(region).unwrap();
            assert_eq!(after.changed(&before), [1..2, 0..3], "{depth:?}");
            after.bytes_mut().fill(9);
            after.clear_where_not(|x, y| x == 1 && y == 0);
            let alpha = |i: usize| after.bytes()[(i + 1) * pixel - 1];
            assert_eq!((0..6).map(alpha).collect::<Vec<_>>(), [0, 9, 0, 0, 0, 0], "{depth:?}");
        }
        let text = Rgba::new("The layer", 20_000, 20_000, Depth::U8).unwrap_err().to_string();
        assert!(text.contains("The layer is too large") && text.contains("Crop"), "{text}");
    }
}
