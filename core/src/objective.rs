//! The loss of Eq. 1 as graphs: L(I, x) = λ1·pixel + λ2·LPIPS + λ3·identity + λ4·face parsing.
//!
//! Every graph here sees an image the same way (`Objective::observe`): pooled to the loss resolution, then the
//! features of each loss network. A target's features are computed once; the loss compares them with those of the
//! generated image.

use crate::runtime::Binding;
use crate::{Error, Result};
use gani_onnx::expr::ConvAttrs;
use gani_onnx::{Attrs, Builder, Expr, Graph, Tensor};

/// The pixel term of Table 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pixel {
    /// Mean of squares.
    L2,
    /// Mean of 0.5 d²/β where |d| < β, |d| − β/2 elsewhere, β = 0.1.
    SmoothL1,
}

/// How the features of two images are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// Σ (a − b)².
    Squared,
    /// Σ over the outputs of 1 − cos(a, b).
    Cosine,
}

/// A loss network: an image `[1,3,R,R]` in `[-1,1]` → features.
#[derive(Clone, Debug)]
pub struct LossNetwork {
    /// `lpips`, `identity`, `parsing`: names its term.
    pub name: String,
    /// The network; its one input is the image.
    pub graph: Graph,
    /// How its features are compared.
    pub distance: Distance,
}

/// One term of Eq. 1 and its weight λ.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Weights {
    /// The pixel term.
    pub pixel: Pixel,
    /// The pixel term looks at the image as generated, not at the pooled one. Without it nothing holds the
    /// frequencies above the loss resolution in place, and at 1024 px a grid of single pixels grows on the skin.
    pub full_resolution: bool,
    /// Weight in the pixel term of how neighbours differ, mean |∇(x − t)|² (the gradient difference loss of Mathieu, Couprie and
    /// LeCun 2016, squared), where the term looks at a larger image than the other losses: a mean of squares alone hardly sees
    /// grids and streaks of single pixels.
    #[serde(default)]
    pub edges: f32,
    /// λ1, of the pixel term.
    pub lambda_pixel: f32,
    /// λ2, of LPIPS.
    pub lambda_lpips: f32,
    /// λ3, of identity (faces) or MoCo features (other domains).
    pub lambda_identity: f32,
    /// λ4, of face parsing.
    pub lambda_parsing: f32,
}

impl Weights {
    /// The λ of a term by its name.
    pub fn of(&self, term: &str) -> f32 {
        match term {
            "pixel" => self.lambda_pixel,
            "lpips" => self.lambda_lpips,
            "identity" => self.lambda_identity,
            "parsing" => self.lambda_parsing,
            _ => 0.0,
        }
    }

    /// Only the pixel and LPIPS terms: the cheap localisation loss.
    pub fn cheap(&self) -> Weights {
        Weights { lambda_identity: 0.0, lambda_parsing: 0.0, ..self.clone() }
    }
}

/// What the loss is differentiated with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrt {
    /// The tuned weights: `theta.NAME` → `d.NAME`.
    Weights,
    /// The latent: `ws` → `d.ws`.
    Latent,
    /// The latent and the noise maps of [`Objective::noise_maps`]: `ws`, `noise.NAME` → `d.ws`, `d.noise.NAME`.
    LatentAndNoise,
}

/// The generator and the loss networks, from which the graphs are made.
#[derive(Clone, Debug)]
pub struct Objective {
    /// ws `[1,n,512]` → image `[1,3,R,R]`.
    pub generator: Graph,
    /// Names of the generator's tuned initialisers.
    pub tunable: Vec<String>,
    /// Loss networks at [`Objective::resolution`].
    pub networks: Vec<LossNetwork>,
    /// Side of the image that the losses see; its width where it is not square.
    pub resolution: usize,
}

impl Objective {
    /// ws, θ, the target's features, `lambda` `[terms]` → `loss`, each term by name, `image`, and the gradient.
    ///
    /// `lambda` are the terms' weights in the order of their outputs: one graph serves losses that differ in them.
    /// Terms of weight 0 in `weights` are left out, with their inputs. Only with [`Wrt::Weights`] θ is an input.
    pub fn loss_gradient(&self, weights: &Weights, wrt: Wrt) -> Result<Graph> {
        let b = Builder::new();
        let ws = b.input("ws", self.generator.input_shape("ws")?);
        let inputs = match wrt {
            Wrt::Weights => theta(&b, &self.generator, &self.tunable)?,
            Wrt::Latent => vec![],
            Wrt::LatentAndNoise => self.noise(&b),
        };
        let image = generate(&self.generator, ws, &inputs)?;
        let mut terms: Vec<(String, Expr<'_>)> = Vec::new();
        for (name, parts) in self.observe(image, weights)? {
            let targets: Vec<_> = parts.iter().map(|(port, e)| b.input(port, &e.shape())).collect();
            let pairs = parts.iter().zip(&targets).map(|((_, x), &t)| (*x, t));
            let term = match self.networks.iter().find(|n| n.name == name) {
                Some(n) => pairs.map(|(x, t)| distance(n.distance, x, t)).reduce(|a, b| a + b),
                None => pairs.map(|(x, t)| pixel(weights, x, t, x.dim(3) > self.resolution)).next(),
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

    /// [`Objective::loss_gradient`] for θ, as a sum: `before.NAME` of each weight, `keep` `[]` → `d.NAME` = ∂L/∂θ + keep·before.
    pub fn added_gradient(&self, weights: &Weights) -> Result<Graph> {
        let gradient = self.loss_gradient(weights, Wrt::Weights)?;
        let b = Builder::new();
        let names = gradient.inputs().iter().map(|&v| gradient.info(v).name.as_str());
        let inputs: Vec<_> = names
            .map(|name| Ok((name, b.input(name, gradient.input_shape(name)?))))
            .collect::<Result<_>>()?;
        let keep = b.input("keep", &[]);
        for ((name, _), value) in gradient.outputs().iter().zip(b.inline(&gradient, &inputs)?) {
            let sum = name
                .strip_prefix("d.")
                .map(|weight| value + b.input(&format!("before.{weight}"), &value.shape()) * keep);
            b.output(name, sum.unwrap_or(value));
        }
        Ok(b.finish()?)
    }

    /// A target picture `image` `[1,3,R,R]` → its features, named as the inputs of [`Objective::loss_gradient`].
    pub fn features(&self, weights: &Weights) -> Result<Graph> {
        let b = Builder::new();
        let image = b.input("image", self.image_shape()?);
        self.declare_features(&b, image, weights)?;
        Ok(b.finish()?)
    }

    /// ws, θ → the features of G(ws, θ): at the generator's own weights, the targets of localisation.
    pub fn reference(&self, weights: &Weights) -> Result<Graph> {
        let b = Builder::new();
        let ws = b.input("ws", self.generator.input_shape("ws")?);
        let image = generate(&self.generator, ws, &theta(&b, &self.generator, &self.tunable)?)?;
        self.declare_features(&b, image, weights)?;
        Ok(b.finish()?)
    }

    /// `[1, 3, R, R]` of the generator's image.
    pub fn image_shape(&self) -> Result<&[usize]> {
        let outputs = self.generator.outputs();
        let (name, _) = outputs.first().ok_or_else(|| Error::Model("the generator has no output".into()))?;
        Ok(self.generator.output_shape(name)?)
    }

    /// The weights θ that are tuned, in the order of `tunable`.
    pub fn weights(&self) -> Result<Vec<&Tensor>> {
        self.tunable.iter().map(|name| Ok(self.generator.find_constant(name)?)).collect()
    }

    /// The generator's stored noise maps, by name: constants `[1,1,H,W]` or `[H,W]` that are called so and are not 0.
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

    fn declare_features(&self, b: &Builder, image: Expr<'_>, weights: &Weights) -> Result<()> {
        for (port, value) in self.observe(image, weights)?.into_iter().flat_map(|(_, parts)| parts) {
            b.output(&port, value);
        }
        Ok(())
    }

    /// What the losses see of an image: per term its name and its parts (port name, value).
    #[allow(clippy::type_complexity)] // terms of ports: a type for it would say no more
    fn observe<'g>(
        &self,
        image: Expr<'g>,
        weights: &Weights,
    ) -> Result<Vec<(String, Vec<(String, Expr<'g>)>)>> {
        let small = pool(image, self.resolution);
        let pixels = if weights.full_resolution { image } else { small };
        let mut seen = vec![("pixel".to_string(), vec![("target.pixel".to_string(), pixels)])];
        for network in self.networks.iter().filter(|n| weights.of(&n.name) != 0.0) {
            let input = &network.graph.info(network.graph.inputs()[0]).name;
            let features = image.builder().inline(&network.graph, &[(input, small)])?;
            let ports =
                features.into_iter().enumerate().map(|(i, e)| (format!("target.{}.{i}", network.name), e));
            seen.push((network.name.clone(), ports.collect()));
        }
        Ok(seen)
    }
}

/// ws, `theta.NAME` for each of the generator's weights `tunable` → `image`. What depends on constant weights alone ONNX Runtime
/// would compute at load and keep: of StyleGAN2's, four times their memory.
pub fn image(generator: &Graph, tunable: &[String]) -> Result<Graph> {
    let b = Builder::new();
    let ws = b.input("ws", generator.input_shape("ws")?);
    b.output("image", generate(generator, ws, &theta(&b, generator, tunable)?)?);
    Ok(b.finish()?)
}

/// Sets the inputs `theta.NAME` of such a graph, or of those above, to the generator's own weights θ.
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

/// Box average from `[1,3,H,W]` to the width `side`, where W is a multiple of it.
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

/// The pixel term; of an image that is `large`, with that of its edges.
fn pixel<'g>(weights: &Weights, x: Expr<'g>, target: Expr<'g>, large: bool) -> Expr<'g> {
    const BETA: f32 = 0.1;
    let d = x - target;
    let term = match weights.pixel {
        Pixel::L2 => d.square().mean_all(),
        Pixel::SmoothL1 => {
            let a = d.abs();
            let near = x.builder().scalar(BETA).greater(a);
            near.select(d * d * (0.5 / BETA), a - BETA / 2.0).mean_all()
        }
    };
    if !large || weights.edges == 0.0 {
        return term;
    }
    // Σ |∇d|² = ⟨d, −Δd⟩, with d = 0 outside of the picture: one convolution.
    const LAPLACIAN: [f32; 9] = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0];
    let channels = d.dim(1);
    let kernel = d.builder().values(&[channels, 1, 3, 3], &LAPLACIAN.repeat(channels));
    term + (d * d.conv(kernel, &ConvAttrs::same(1).groups(channels))).mean_all() * weights.edges
}

fn distance<'g>(kind: Distance, x: Expr<'g>, target: Expr<'g>) -> Expr<'g> {
    match kind {
        Distance::Squared => (x - target).square().sum_all(),
        Distance::Cosine => {
            // ε under the roots keeps the gradient finite where features vanish (as PyTorch's cosine loss does)
            let norm = |e: Expr<'g>| (e.square().sum_all() + 1e-12).sqrt();
            1.0 - (x * target).sum_all() / (norm(x) * norm(target))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_see_a_picture_that_is_not_square_in_its_shape() {
        let b = Builder::new();
        let small = pool(b.input("image", &[1, 3, 384, 512]), 256);
        assert_eq!(small.shape(), [1, 3, 192, 256]);
        let same = pool(b.input("small", &[1, 3, 24, 32]), 32);
        assert_eq!(same.shape(), [1, 3, 24, 32]);
    }
}
