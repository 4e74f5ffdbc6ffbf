//! The networks of a bundle, read from its files and adapted to their use.

use super::limits::check_network;
use super::manifest::Loss;
use super::{Bundle, Directions, LOSS_RESOLUTION};
use crate::loss::{Distance, LossNetwork, SimilarityLoss};
use crate::util::npy::NpyArray;
use crate::{Error, Result};
use gani_onnx::file::read_regular;
use gani_onnx::networks::only_outputs;
use gani_onnx::read::ReadOptions;
use gani_onnx::{Attrs, Builder, Expr, Graph, Tensor};
use ndarray::Array1;

/// Maximum size of a face network's file in bytes; the largest that comes with gani has 5 MB.
const MAX_FACE_BYTES: u64 = 512 << 20;

impl Bundle {
    /// The generator: `ws` `[1, n, 512]` → `image` `[1, 3, R, R]`, about `[-1, 1]`. Its weights are named constants.
    ///
    /// # Errors
    /// As [`ReadOptions::read`]. The same applies to all networks below.
    pub fn generator(&self) -> Result<Graph> {
        let graph = self.network(&self.manifest.generator.file, &[])?;
        self.check_generator(&graph)?;
        Ok(graph)
    }

    /// Names of the generator's weights that tuning changes, in forward order.
    pub fn tunable(&self) -> &[String] {
        &self.manifest.generator.tunable
    }

    /// The mapping network: `z` `[1, k]`, standard normal, → `w` `[1, 512]`.
    ///
    /// In a bundle without a mapping network, the principal components take its place: w = w̄ + Σ z_k σ_k c_k. `None` if the bundle
    /// has neither.
    pub fn mapping(&self) -> Result<Option<Graph>> {
        match &self.manifest.mapping.file {
            Some(file) => Ok(Some(self.network(file, &[])?)),
            None => self.directions()?.sampler(&self.w_avg()?),
        }
    }

    /// w̄, the mean of w, `[512]`. Truncation interpolates towards it.
    ///
    /// # Errors
    /// [`Error::Model`] if the file is not a vector of f32.
    pub fn w_avg(&self) -> Result<Array1<f32>> {
        let path = self.path(&self.manifest.mapping.w_avg);
        let shown = path.display().to_string();
        let read = || NpyArray::read(&path)?.finite(&shown)?.vector(&shown);
        read().map_err(|e| match e {
            Error::Input(text) => Error::Model(format!("{text}; {}", self.repair_hint())),
            other => other,
        })
    }

    /// The encoder: `image` `[1, 3, 256, 256]` (cars: 192 × 256) in `[-1, 1]` → w `[1, 512]`, or ws `[1, m, 512]` with m at least
    /// the generator's number of style layers. `None` if the bundle has no encoder.
    pub fn encoder(&self) -> Result<Option<Graph>> {
        let Some(encoder) = &self.manifest.encoder else { return Ok(None) };
        let graph = self.network(&encoder.file, &[])?;
        Ok(Some(match &encoder.output {
            Some(output) => only_outputs(&graph, &[output])?,
            None => graph,
        }))
    }

    /// Width of the images that the losses take: min(R, 256).
    pub fn loss_resolution(&self) -> usize {
        self.resolution().min(LOSS_RESOLUTION)
    }

    /// The loss networks for images `[1, 3, r·H/W, r]`, where H and W are those of the generator's image and r is `resolution`,
    /// usually [`Bundle::loss_resolution`].
    pub fn losses(&self, resolution: usize) -> Result<Vec<LossNetwork>> {
        self.manifest.losses.iter().map(|loss| self.loss(loss, self.shape_at(resolution))).collect()
    }

    /// The loss network `kind` for images as in [`Bundle::losses`]; `None` if the bundle does not have it.
    pub fn loss_network(&self, kind: &str, resolution: usize) -> Result<Option<LossNetwork>> {
        self.loss_of_kind(kind, self.shape_at(resolution))
    }

    /// Height and width of the generator's image, scaled to `width`.
    fn shape_at(&self, width: usize) -> [usize; 2] {
        let [h, w] = self.image_shape();
        [width * h / w.max(1), width]
    }

    fn loss_of_kind(&self, kind: &str, shape: [usize; 2]) -> Result<Option<LossNetwork>> {
        self.manifest.losses.iter().find(|l| l.kind == kind).map(|l| self.loss(l, shape)).transpose()
    }

    /// A stored loss network for images of `shape`. Resizes the image to the network's resolution, and scales the features so that
    /// the squared distance is a mean over positions.
    fn loss(&self, loss: &Loss, shape: [usize; 2]) -> Result<LossNetwork> {
        let required = loss.resolution.map_or(shape, |r| [r; 2]);
        let stored = self.network(&loss.file, &[("image", &[1, 3, required[0], required[1]])])?;
        let stored = match &loss.output {
            Some(output) => only_outputs(&stored, &[output])?,
            None => stored,
        };
        let b = Builder::new();
        let image = b.input("image", &[1, 3, shape[0], shape[1]]);
        let outputs = b.inline(&stored, &[("image", resized(image, required))])?;
        for ((name, _), y) in stored.outputs().iter().zip(outputs) {
            let positions: usize = y.shape().iter().skip(2).product();
            let y = match loss.distance {
                Distance::Squared => y * (1.0 / (positions as f32).sqrt()),
                Distance::Cosine => y,
            };
            b.output(name, y);
        }
        Ok(LossNetwork { name: loss.kind.clone(), graph: b.finish()?, distance: loss.distance })
    }

    /// Eq. 1: the generator and the loss networks.
    pub fn similarity_loss(&self) -> Result<SimilarityLoss> {
        self.similarity_loss_with(self.generator()?)
    }

    /// As [`Bundle::similarity_loss`], with a generator that is already read.
    pub fn similarity_loss_with(&self, generator: Graph) -> Result<SimilarityLoss> {
        let resolution = self.loss_resolution();
        Ok(SimilarityLoss {
            generator,
            tunable: self.tunable().to_vec(),
            networks: self.losses(resolution)?,
            resolution,
        })
    }

    /// LPIPS of two images of `shape` (height, width), for evaluation: `a`, `b` `[1, 3, H, W]` in `[-1, 1]` → `distance` `[1]`.
    pub fn lpips_distance(&self, shape: [usize; 2]) -> Result<Option<Graph>> {
        let Some(lpips) = self.loss_of_kind("lpips", shape)? else { return Ok(None) };
        let builder = Builder::new();
        let input = |name| builder.input(name, &[1, 3, shape[0], shape[1]]);
        let a = builder.inline(&lpips.graph, &[("image", input("a"))])?;
        let b = builder.inline(&lpips.graph, &[("image", input("b"))])?;
        let terms = a.into_iter().zip(b).map(|(a, b)| (a - b).square().sum_all());
        let distance = terms.reduce(|x, y| x + y).unwrap_or_else(|| builder.scalar(0.0));
        builder.output("distance", distance.reshape(&[1]));
        Ok(Some(builder.finish()?))
    }

    /// Editing directions, with the calibration for this generator if the file has one; empty if the bundle has none.
    pub fn directions(&self) -> Result<Directions> {
        let Some(file) = &self.manifest.directions else { return Ok(Directions::default()) };
        let mut all = Directions::read(&self.path(file))?;
        let generator = self.generator_sha256();
        all.named.iter_mut().for_each(|d| d.info.select_calibration(generator));
        Ok(all)
    }

    /// ONNX models of the face detector, the landmark network and the identity network for evaluation, in this order. `None` for
    /// a bundle of another domain than faces.
    pub fn face_networks(&self) -> Result<Option<[Vec<u8>; 3]>> {
        let Some(face) = &self.manifest.face else { return Ok(None) };
        let read = |file: &str| -> Result<Vec<u8>> {
            let path = self.path(file);
            let bytes = read_regular(&path, MAX_FACE_BYTES)?;
            // ONNX Runtime gets the file itself. A file that gani does not understand is refused before.
            let name = path.display().to_string();
            let graph = ReadOptions::new().batch(1).read_bytes(&name, bytes.clone(), None)?;
            check_network(&graph, &path)?;
            Ok(bytes)
        };
        Ok(Some([read(&face.detector)?, read(&face.landmarks)?, read(&face.evaluation)?]))
    }
}

/// Bilinear resize with half-pixel centers, without antialiasing.
fn resized(image: Expr<'_>, [h, w]: [usize; 2]) -> Expr<'_> {
    if image.shape()[2..] == [h, w] {
        return image;
    }
    let b = image.builder();
    let sizes = b.constant(Tensor::ints(&[1, 3, h as i64, w as i64]));
    let attrs = Attrs::new().str("mode", "linear").str("coordinate_transformation_mode", "half_pixel");
    b.op("Resize", &[Some(image), None, None, Some(sizes)], attrs)[0]
}
