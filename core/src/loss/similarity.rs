//! The loss of Eq. 1 as graphs: L(I, x) = λ1·pixel + λ2·LPIPS + λ3·identity + λ4·face parsing.
//!
//! Every graph reduces an image to features in the same way (`SimilarityLoss::image_features`): average pooling to the loss
//! resolution, then each loss network. The target's features are computed once and compared with the generated image's.

use crate::runtime::Binding;
use crate::settings::{LossWeights, PixelLoss};
use crate::{Error, Result};
use gani_onnx::ConvAttrs;
use gani_onnx::{Attrs, Builder, Expr, Graph, Tensor};

/// The distance between the features of two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// Σ (a − b)².
    Squared,
    /// Σ 1 − cos(a, b), over the network's outputs.
    Cosine,
}

/// A loss network: an image `[1,3,R,R]` in `[-1,1]` → features.
#[derive(Clone, Debug)]
pub struct LossNetwork {
    /// Name of its term: `lpips`, `identity`, `parsing`, ….
    pub name: String,
    /// The network. Its only input is the image.
    pub graph: Graph,
    /// Distance between its features.
    pub distance: Distance,
}

/// What the gradient is taken with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrt {
    /// The tuned weights: `theta.NAME` → `d.NAME`.
    Weights,
    /// The latent: `ws` → `d.ws`.
    Latent,
    /// The latent and the generator's noise maps: `ws`, `noise.NAME` → `d.ws`, `d.noise.NAME`.
    LatentAndNoise,
}

/// Eq. 1: the generator and the loss networks, from which all loss graphs are built.
#[derive(Clone, Debug)]
pub struct SimilarityLoss {
    /// ws `[1,n,512]` → image `[1,3,R,R]`.
    pub generator: Graph,
    /// Names of the generator's tuned initializers.
    pub tunable: Vec<String>,
    /// Loss networks, for images of [`SimilarityLoss::resolution`].
    pub networks: Vec<LossNetwork>,
    /// Loss resolution: width in pixels of the image that the loss networks take.
    pub resolution: usize,
}

impl SimilarityLoss {
    /// Eq. 1 and its gradient: ws, θ, the target's features, `lambda` `[terms]` → `loss`, each term by name, `image`, and the
    /// gradients of `wrt`.
    ///
    /// `lambda` holds the terms' weights in the order of the outputs, so one graph serves losses with other weights. A term with
    /// λ = 0 in `weights` is not part of the graph, and neither are its inputs. θ is an input only with [`Wrt::Weights`].
    ///
    /// # Errors
    /// [`Error::Model`] if generator and loss networks do not fit together; [`Error::Unsupported`] for an op without gradient.
    pub fn loss_gradient(&self, weights: &LossWeights, wrt: Wrt) -> Result<Graph> {
        let b = Builder::new();
        let ws = b.input("ws", self.generator.input_shape("ws")?);
        let inputs = match wrt {
            Wrt::Weights => theta(&b, &self.generator, &self.tunable)?,
            Wrt::Latent => vec![],
            Wrt::LatentAndNoise => self.noise(&b),
        };
        let image = generate(&self.generator, ws, &inputs)?;
        let mut terms: Vec<(String, Expr<'_>)> = Vec::new();
        for (name, parts) in self.image_features(image, weights)? {
            let targets: Vec<_> = parts.iter().map(|(name, e)| b.input(name, &e.shape())).collect();
            let pairs = parts.iter().zip(&targets).map(|((_, x), &t)| (*x, t));
            let term = match self.networks.iter().find(|n| n.name == name) {
                Some(n) => pairs.map(|(x, t)| distance(n.distance, x, t)).reduce(|a, b| a + b),
                None => pairs.map(|(x, t)| pixel_loss(weights, x, t, x.dim(3) > self.resolution)).next(),
            };
            terms.extend(term.map(|t| (name, t)));
        }
        // L = Σ λ·term   (Eq. 1)
        let lambda = b.input("lambda", &[terms.len()]);
        let all: Vec<_> = terms.iter().map(|(_, t)| t.reshape(&[1])).collect();
        let loss = (lambda * b.concat(&all, 0)).sum_all();
        b.output("loss", loss.reshape(&[1]));
        for ((name, _), term) in terms.iter().zip(&all) {
            b.output(name, *term);
        }
        b.output("image", image);
        let (prefix, ws) = match wrt {
            Wrt::Weights => ("d", None),
            Wrt::Latent | Wrt::LatentAndNoise => ("d.noise", Some(ws)),
        };
        let wrt: Vec<_> = inputs.iter().map(|(_, e)| *e).chain(ws).collect();
        let grads = b.gradient(loss, &wrt)?;
        for ((name, _), grad) in inputs.iter().zip(&grads) {
            b.output(&format!("{prefix}.{name}"), *grad);
        }
        if ws.is_some() {
            b.output("d.ws", grads[inputs.len()]);
        }
        Ok(b.finish()?)
    }

    /// [`SimilarityLoss::loss_gradient`] with respect to θ, added to a previous gradient: also takes `grad_in.NAME` and
    /// `accumulate` `[]`, and gives `d.NAME` = ∂L/∂θ + accumulate·grad_in.
    ///
    /// # Errors
    /// [`Error::Model`] if generator and loss networks do not fit together; [`Error::Unsupported`] for an op without gradient.
    pub fn accumulate_gradient(&self, weights: &LossWeights) -> Result<Graph> {
        let gradient = self.loss_gradient(weights, Wrt::Weights)?;
        let b = Builder::new();
        let names = gradient.inputs().iter().map(|&v| gradient.info(v).name.as_str());
        let inputs: Vec<_> = names
            .map(|name| Ok((name, b.input(name, gradient.input_shape(name)?))))
            .collect::<Result<_>>()?;
        let accumulate = b.input("accumulate", &[]);
        for ((name, _), value) in gradient.outputs().iter().zip(b.inline(&gradient, &inputs)?) {
            let sum = name
                .strip_prefix("d.")
                .map(|weight| value + b.input(&format!("grad_in.{weight}"), &value.shape()) * accumulate);
            b.output(name, sum.unwrap_or(value));
        }
        Ok(b.finish()?)
    }

    /// `image` `[1,3,R,R]` → its features, with the names of the inputs of [`SimilarityLoss::loss_gradient`].
    ///
    /// # Errors
    /// [`Error::Model`] if generator and loss networks do not fit together; [`Error::Unsupported`] for an op without gradient.
    pub fn features(&self, weights: &LossWeights) -> Result<Graph> {
        let b = Builder::new();
        let image = b.input("image", self.image_shape()?);
        self.declare_features(&b, image, weights)?;
        Ok(b.finish()?)
    }

    /// ws, θ → the features of G(ws, θ): with the original weights, the target of the localization loss.
    ///
    /// # Errors
    /// [`Error::Model`] if generator and loss networks do not fit together; [`Error::Unsupported`] for an op without gradient.
    pub fn reference(&self, weights: &LossWeights) -> Result<Graph> {
        let b = Builder::new();
        let ws = b.input("ws", self.generator.input_shape("ws")?);
        let image = generate(&self.generator, ws, &theta(&b, &self.generator, &self.tunable)?)?;
        self.declare_features(&b, image, weights)?;
        Ok(b.finish()?)
    }

    /// Shape `[1,3,R,R]` of the generator's image.
    pub fn image_shape(&self) -> Result<&[usize]> {
        let outputs = self.generator.outputs();
        let (name, _) = outputs.first().ok_or_else(|| Error::Model("the generator has no output".into()))?;
        Ok(self.generator.output_shape(name)?)
    }

    /// The tuned weights θ, in the order of `tunable`.
    pub fn weights(&self) -> Result<Vec<&Tensor>> {
        self.tunable.iter().map(|name| Ok(self.generator.find_constant(name)?)).collect()
    }

    /// The generator's stored noise maps by name: nonzero constants `[1,1,H,H]` or `[H,H]` whose name contains `noise`.
    pub fn noise_maps(&self) -> Vec<(&str, &Tensor)> {
        let is_map = |t: &Tensor| {
            let (lead, map) = t.shape().split_at(t.shape().len().saturating_sub(2));
            lead.iter().all(|&d| d == 1) && map.len() == 2 && map[0] == map[1] && map[0] > 1
        };
        let varies = |t: &Tensor| t.as_f32().is_some_and(|v| v.iter().any(|&x| x != 0.0));
        let named = self.generator.named_constants();
        named.filter(|(name, t)| name.contains("noise") && is_map(t) && varies(t)).collect()
    }

    fn noise<'g>(&self, b: &'g Builder) -> Vec<(String, Expr<'g>)> {
        let input =
            |(name, t): (&str, &Tensor)| (name.to_string(), b.input(&format!("noise.{name}"), t.shape()));
        self.noise_maps().into_iter().map(input).collect()
    }

    fn declare_features(&self, b: &Builder, image: Expr<'_>, weights: &LossWeights) -> Result<()> {
        for (name, value) in self.image_features(image, weights)?.into_iter().flat_map(|(_, parts)| parts) {
            b.output(&name, value);
        }
        Ok(())
    }

    /// The features of an image: for each term its name and its tensors (input name, value).
    #[allow(clippy::type_complexity)] // a list of named lists; a type of its own would not be clearer
    fn image_features<'g>(
        &self,
        image: Expr<'g>,
        weights: &LossWeights,
    ) -> Result<Vec<(String, Vec<(String, Expr<'g>)>)>> {
        let pooled = pool(image, self.resolution);
        let pixels = if weights.full_resolution { image } else { pooled };
        let mut features = vec![("pixel".to_string(), vec![("target.pixel".to_string(), pixels)])];
        for network in self.networks.iter().filter(|n| weights.lambda(&n.name) != 0.0) {
            let input = &network.graph.info(network.graph.inputs()[0]).name;
            let outputs = image.builder().inline(&network.graph, &[(input, pooled)])?.into_iter().enumerate();
            let named = outputs.map(|(i, e)| (format!("target.{}.{i}", network.name), e));
            features.push((network.name.clone(), named.collect()));
        }
        Ok(features)
    }
}

/// The generator with its tuned weights as inputs: ws, `theta.NAME` → `image`. As constants, ONNX Runtime would fold what depends
/// on them alone when it loads the graph, which takes four times the memory of StyleGAN2's weights.
pub fn generator_graph(generator: &Graph, tunable: &[String]) -> Result<Graph> {
    let b = Builder::new();
    let ws = b.input("ws", generator.input_shape("ws")?);
    b.output("image", generate(generator, ws, &theta(&b, generator, tunable)?)?);
    Ok(b.finish()?)
}

/// Sets the inputs `theta.NAME` of such a graph to the generator's original weights θ.
pub fn set_theta(binding: &mut Binding, generator: &Graph, tunable: &[String]) -> Result<()> {
    tunable.iter().try_for_each(|name| {
        let values = generator.find_constant(name)?.as_f32();
        let values = values.ok_or_else(|| Error::Model(format!("the weight {name} is not f32")))?;
        binding.set(&format!("theta.{name}"), values)
    })
}

/// The weights θ as inputs, by name.
fn theta<'g>(b: &'g Builder, generator: &Graph, tunable: &[String]) -> Result<Vec<(String, Expr<'g>)>> {
    let input = |name: &String| {
        let shape = generator.find_constant(name)?.shape();
        Ok((name.clone(), b.input(&format!("theta.{name}"), shape)))
    };
    tunable.iter().map(input).collect()
}

/// G(ws) with some of its named constants replaced.
fn generate<'g>(generator: &Graph, ws: Expr<'g>, constants: &[(String, Expr<'g>)]) -> Result<Expr<'g>> {
    let constants = constants.iter().map(|(name, e)| (name.as_str(), *e));
    let bindings: Vec<_> = [("ws", ws)].into_iter().chain(constants).collect();
    Ok(ws.builder().inline(generator, &bindings)?[0])
}

/// Average pooling of `[1,3,H,W]` by the integer factor ⌊W/`side`⌋.
fn pool(image: Expr<'_>, side: usize) -> Expr<'_> {
    let factor = image.dim(3) / side.max(1);
    if factor <= 1 {
        return image;
    }
    let k = [factor as i64; 2];
    image.builder().op(
        "AveragePool",
        &[Some(image)],
        Attrs::new().ints("kernel_shape", &k).ints("strides", &k),
    )[0]
}

/// The pixel term. With `full_resolution`, the gradient difference is part of it.
fn pixel_loss<'g>(weights: &LossWeights, x: Expr<'g>, target: Expr<'g>, full_resolution: bool) -> Expr<'g> {
    const BETA: f32 = 0.1;
    let d = x - target;
    let term = match weights.pixel {
        PixelLoss::L2 => d.square().mean_all(),
        PixelLoss::SmoothL1 => {
            let a = d.abs();
            let near = x.builder().scalar(BETA).greater(a);
            near.select(d * d * (0.5 / BETA), a - BETA / 2.0).mean_all()
        }
    };
    if !full_resolution || weights.gradient_difference == 0.0 {
        return term;
    }
    // Σ |∇d|² = ⟨d, −Δd⟩ with d = 0 outside the image: a single convolution.
    const LAPLACIAN: [f32; 9] = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0];
    let channels = d.dim(1);
    let kernel = d.builder().values(&[channels, 1, 3, 3], &LAPLACIAN.repeat(channels));
    term + (d * d.conv(kernel, &ConvAttrs::same(1).groups(channels))).mean_all() * weights.gradient_difference
}

fn distance<'g>(kind: Distance, x: Expr<'g>, target: Expr<'g>) -> Expr<'g> {
    match kind {
        Distance::Squared => (x - target).square().sum_all(),
        Distance::Cosine => {
            // ε keeps the gradient finite at zero features, as in PyTorch's cosine loss.
            let norm = |e: Expr<'g>| (e.square().sum_all() + 1e-12).sqrt();
            1.0 - (x * target).sum_all() / (norm(x) * norm(target))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_keeps_the_aspect_ratio() {
        let b = Builder::new();
        let small = pool(b.input("image", &[1, 3, 384, 512]), 256);
        assert_eq!(small.shape(), [1, 3, 192, 256]);
        let same = pool(b.input("small", &[1, 3, 24, 32]), 32);
        assert_eq!(same.shape(), [1, 3, 24, 32]);
    }
}
