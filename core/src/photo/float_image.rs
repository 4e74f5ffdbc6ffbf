//! RGB images of `f32`, and their conversion to and from tensors.

use ndarray::{Array4, ArrayView4};

/// RGB pixels in `[-1,1]`, row by row.
#[derive(Debug, Clone)]
pub(crate) struct FloatImage {
    pub width: usize,
    pub height: usize,
    pub data: Vec<[f32; 3]>,
}

impl FloatImage {
    /// An image of zeros (middle gray).
    pub fn new(width: usize, height: usize) -> FloatImage {
        FloatImage { width, height, data: vec![[0.0; 3]; width * height] }
    }

    /// From a tensor `[1,3,H,W]`.
    pub fn from_nchw(tensor: ArrayView4<'_, f32>) -> FloatImage {
        let (_, _, height, width) = tensor.dim();
        let pixel = |i: usize| [0, 1, 2].map(|c| tensor[[0, c, i / width, i % width]]);
        FloatImage { width, height, data: (0..width * height).map(pixel).collect() }
    }

    /// To a tensor `[1,3,H,W]`.
    pub fn to_nchw(&self) -> Array4<f32> {
        Array4::from_shape_fn((1, 3, self.height, self.width), |(_, c, y, x)| {
            self.data[y * self.width + x][c]
        })
    }

    /// To a tensor `[1,H,W,3]` of `f(value)`: the layout of the face networks.
    pub fn to_nhwc(&self, f: impl Fn(f32) -> f32) -> Array4<f32> {
        Array4::from_shape_fn((1, self.height, self.width, 3), |(_, y, x, c)| {
            f(self.data[y * self.width + x][c])
        })
    }

    /// Box blur with a window of (2·`radius` + 1)² pixels. Edge pixels are repeated.
    pub fn box_blur(&self, radius: usize) -> FloatImage {
        let offsets = -(radius as i64)..=radius as i64;
        let weight = 1.0 / (2 * radius + 1).pow(2) as f32;
        let mut out = FloatImage::new(self.width, self.height);
        for (i, pixel) in out.data.iter_mut().enumerate() {
            let (x, y) = ((i % self.width) as i64, (i / self.width) as i64);
            for (dy, dx) in offsets.clone().flat_map(|dy| offsets.clone().map(move |dx| (dy, dx))) {
                let row = (y + dy).clamp(0, self.height as i64 - 1) as usize;
                let column = (x + dx).clamp(0, self.width as i64 - 1) as usize;
                for (sum, value) in pixel.iter_mut().zip(self.data[row * self.width + column]) {
                    *sum += value * weight;
                }
            }
        }
        out
    }
}
