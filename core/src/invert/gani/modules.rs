//! The gradient modification modules: M_ψ maps the gradient ∂L/∂θ of each tuned weight to a relative change of that weight,
//! θ' = θ ⊙ (1 + M_ψ(∂L/∂θ))   (Eq. 2). M is a sequence of L residual blocks (Eq. 3, 4).
//!
//! Two graphs: `forward` (ψ, g, θ → θ') and `vjp` (ψ, g, θ, ∂L/∂θ' → ∂L/∂ψ). `vjp` reads the intermediate matrix products that
//! `forward` has computed.

use crate::loss::SimilarityLoss;
use crate::settings::{Init, ModuleSettings, Norm};
use crate::{Error, Result};
use gani_onnx::{Builder, Expr, Graph};
use ndarray::{ArrayD, IxDyn};
use rand_distr::{Distribution, Normal, Uniform};

/// Slope of LeakyReLU for negative inputs.
const SLOPE: f32 = 0.01;
/// Minimum norm in ScaleNorm. Vectors with a smaller norm are not scaled up to unit length.
const MIN_NORM: f32 = 1e-5;

/// Name and shape of a tuned weight.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSpec {
    /// Name of the generator's initializer.
    pub name: String,
    /// `[c_out, c_in, k, k]`.
    pub shape: Vec<usize>,
}

/// One module M_i and the weights that share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `shared`, or the name of its only weight.
    pub name: String,
    /// c_in: length of the vectors that it maps.
    pub channels: usize,
    /// Indices of its weights in [`Modules::weights`].
    pub weights: Vec<usize>,
}

/// All modules of a generator.
#[derive(Clone, Debug)]
pub struct Modules {
    settings: ModuleSettings,
    weights: Vec<WeightSpec>,
    modules: Vec<Module>,
}

/// ψ as one vector, in the order of [`Modules::parameters`].
pub fn flatten(psi: &[ArrayD<f32>]) -> Vec<f32> {
    psi.iter().flatten().copied().collect()
}

/// Name (`shared.0.w1`) and shape of a parameter in ψ.
type Parameter = (String, Vec<usize>);

/// ψ, θ' by weight, and the intermediate matrix products by name. Each weight's last product is omitted: the backward pass does
/// not need it.
struct Applied<'g> {
    psi: Vec<Expr<'g>>,
    tuned: Vec<Expr<'g>>,
    products: Vec<(String, Expr<'g>)>,
}

impl Modules {
    /// Modules for the tuned weights of the generator in `loss`.
    pub fn for_generator(loss: &SimilarityLoss, settings: ModuleSettings) -> Result<Modules> {
        let tuned = loss.weights()?.into_iter().zip(&loss.tunable);
        let tuned = tuned.map(|(t, name)| WeightSpec { name: name.clone(), shape: t.shape().to_vec() });
        Ok(Modules::new(tuned.collect(), settings))
    }

    /// One module shared by all square convolutions with the largest channel count (512 in StyleGAN2), and one for each other
    /// weight.
    pub fn new(weights: Vec<WeightSpec>, settings: ModuleSettings) -> Modules {
        let square = |t: &WeightSpec| t.shape[0] == t.shape[1];
        let widest = weights.iter().filter(|t| square(t)).map(|t| t.shape[1]).max().unwrap_or(0);
        let is_shared = |t: &WeightSpec| square(t) && t.shape[1] == widest;
        let shared: Vec<usize> = (0..weights.len()).filter(|&i| is_shared(&weights[i])).collect();
        let mut modules = Vec::new();
        if !shared.is_empty() {
            modules.push(Module { name: "shared".into(), channels: widest, weights: shared });
        }
        for (i, t) in weights.iter().enumerate().filter(|(_, t)| !is_shared(t)) {
            modules.push(Module { name: t.name.clone(), channels: t.shape[1], weights: vec![i] });
        }
        Modules { settings, weights, modules }
    }

    /// The modules.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The tuned weights.
    pub fn weights(&self) -> &[WeightSpec] {
        &self.weights
    }

    /// Number of trained parameters: L·(2c² + c + 2) for each module with ScaleNorm (Table 7).
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Names and shapes of ψ, in the order of [`Modules::initial`].
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        for m in &self.modules {
            let c = m.channels;
            for l in 0..self.settings.blocks {
                let name = |p: &str| format!("{}.{l}.{p}", m.name);
                all.extend([(name("w1"), vec![c, c]), (name("w2"), vec![c, c]), (name("b"), vec![c])]);
                let norms = [("g1", self.settings.pre_norm), ("g2", self.settings.post_norm)];
                all.extend(norms.iter().filter(|(_, n)| n.is_learned()).map(|(g, _)| (name(g), vec![])));
            }
        }
        all
    }

    /// Initial ψ.
    pub fn initial(&self, rng: &mut impl rand::Rng) -> Vec<ArrayD<f32>> {
        let ModuleSettings { init, pre_norm, post_norm, gain, .. } = self.settings;
        let module = |name: &str| self.modules.iter().find(|m| name.starts_with(&format!("{}.", m.name)));
        let width = |name: &str| module(name).map_or(1, |m| m.channels) as f64;
        let root = |name: &str, norm: Norm| match norm {
            Norm::Spatial => (module(name).map_or(1, |m| self.taps(m.weights[0])) as f32).sqrt(),
            _ => width(name).sqrt() as f32,
        };
        let tensor = |(name, shape): Parameter| {
            let c = width(&name);
            // Kaiming normal, fan-in, gain of LeakyReLU(0.01), × 0.1
            let std = 0.1 * (2.0 / (1.0 + f64::from(SLOPE).powi(2)) / c).sqrt();
            let dims = IxDyn(&shape);
            match (name.rsplit('.').next().unwrap_or(""), init) {
                ("g1", _) => ArrayD::from_elem(dims, gain.unwrap_or_else(|| root(&name, pre_norm))),
                ("g2", _) => ArrayD::from_elem(dims, gain.unwrap_or_else(|| root(&name, post_norm))),
                ("w2" | "b", Init::Zero) => ArrayD::zeros(dims),
                ("b", Init::Kaiming) => fill(dims, Uniform::new(-1.0 / c.sqrt(), 1.0 / c.sqrt()).ok(), rng),
                _ => fill(dims, Normal::new(0.0, std).ok(), rng),
            }
        };
        self.parameters().into_iter().map(tensor).collect()
    }

    /// ψ by parameter, from one vector: the inverse of [`flatten`].
    ///
    /// # Errors
    /// [`Error::Model`] for another length.
    pub fn unflatten(&self, psi: &[f32]) -> Result<Vec<ArrayD<f32>>> {
        let mut rest = psi;
        let tensor = |(_, shape): Parameter| {
            let (part, after) = rest.split_at_checked(shape.iter().product())?;
            rest = after;
            ArrayD::from_shape_vec(IxDyn(&shape), part.to_vec()).ok()
        };
        let tensors: Option<Vec<_>> = self.parameters().into_iter().map(tensor).collect();
        tensors.filter(|_| rest.is_empty()).ok_or_else(|| {
            Error::Model(format!("ψ has {} parameters, not {}", self.parameter_count(), psi.len()))
        })
    }

    /// Eq. 2: `psi` `[n]`, `g.NAME`, `theta.NAME` (both `[c_out,c_in,k,k]`) → `tuned.NAME` (θ'), and `product.NAME.I`
    /// `[c_in,c_out·k·k]` for [`Modules::vjp`]. ψ is a single
    /// vector because it is copied to the GPU in every step.
    ///
    /// # Errors
    /// [`Error::Model`] if the graph is inconsistent, which would be a bug.
    pub fn forward(&self) -> Result<Graph> {
        let b = Builder::new();
        let Applied { tuned, products, .. } = self.apply(&b);
        for (weight, value) in self.weights.iter().zip(tuned) {
            b.output(&format!("tuned.{}", weight.name), value);
        }
        products.iter().for_each(|(name, product)| b.output(name, *product));
        Ok(b.finish()?)
    }

    /// The chain rule: `psi`, `g.NAME`, `theta.NAME`, `product.NAME.I`, `d.NAME` (∂L_total/∂θ') → `d.psi` `[n]` (∂L_total/∂ψ).
    ///
    /// # Errors
    /// As [`Modules::forward`].
    pub fn vjp(&self) -> Result<Graph> {
        let b = Builder::new();
        let Applied { psi, tuned, products } = self.apply(&b);
        // With ∂L/∂θ' held constant, the gradient of ⟨θ', ∂L/∂θ'⟩ with respect to ψ is ∂L/∂ψ.
        let inner: Vec<Expr<'_>> = self
            .weights
            .iter()
            .zip(tuned)
            .map(|(w, tuned)| (tuned * b.input(&format!("d.{}", w.name), &w.shape)).sum_all())
            .collect();
        let total = inner.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| b.scalar(0.0));
        let gradients = b.gradient(total, &psi)?;
        let gradient = |(i, (name, _)): (usize, &Parameter)| {
            // The first block's g₁ and W₁ enter L as the product g₁·W₁, because LeakyReLU commutes with a positive factor. So
            // g₁·∂L/∂g₁ = ⟨W₁, ∂L/∂W₁⟩ (Euler), which saves a matrix product. W₁, W₂ and b precede g₁ in ψ.
            let gradient = match name.ends_with(".0.g1") {
                true => (psi[i - 3] * gradients[i - 3]).sum_all() / psi[i],
                false => gradients[i],
            };
            gradient.reshape(&[gradient.shape().iter().product()])
        };
        let parts: Vec<_> = self.parameters().iter().enumerate().map(gradient).collect();
        b.output("d.psi", b.concat(&parts, 0));
        products.iter().for_each(|(name, product)| b.expose_as_input(name, *product));
        Ok(b.finish()?)
    }

    /// Taps k·k of a weight's kernel.
    fn taps(&self, weight: usize) -> usize {
        self.weights[weight].shape[2..].iter().product()
    }

    /// Declares ψ, g and θ as inputs and computes θ' = θ ⊙ (1 + M_ψ(g))   (Eq. 2).
    fn apply<'g>(&self, b: &'g Builder) -> Applied<'g> {
        let parameters = self.parameters();
        let numbers = |(_, shape): &Parameter| shape.iter().product::<usize>();
        let (all, mut at) = (b.input("psi", &[parameters.iter().map(numbers).sum()]), 0);
        let part = |parameter: &Parameter| {
            let from = at;
            at += numbers(parameter) as i64;
            all.slice(&[0], &[from], &[at], &[1]).reshape(&parameter.1)
        };
        let psi: Vec<_> = parameters.iter().map(part).collect();
        let per_block =
            3 + [self.settings.pre_norm, self.settings.post_norm].iter().filter(|n| n.is_learned()).count();
        let mut blocks = psi.chunks(per_block);
        let mut tuned: Vec<Option<Expr<'g>>> = vec![None; self.weights.len()];
        let mut products = Vec::new();
        for module in &self.modules {
            let blocks: Vec<&[Expr<'g>]> = blocks.by_ref().take(self.settings.blocks).collect();
            for &i in &module.weights {
                let WeightSpec { name, shape } = &self.weights[i];
                let (g, theta) =
                    (b.input(&format!("g.{name}"), shape), b.input(&format!("theta.{name}"), shape));
                let y0 = to_columns(g);
                let mut of_weight = Vec::new();
                let y = blocks.iter().fold(y0, |y, block| self.block(y, block, self.taps(i), &mut of_weight));
                let change = match self.settings.init {
                    Init::Kaiming => y,
                    // Without y0, which would start θ' one raw gradient step uphill.
                    Init::Zero => y - y0,
                };
                tuned[i] = Some(theta * (1.0 + from_columns(change, shape)));
                of_weight.pop();
                products.extend(
                    of_weight.into_iter().enumerate().map(|(i, p)| (format!("product.{name}.{i}"), p)),
                );
            }
        }
        Applied { psi, tuned: tuned.into_iter().flatten().collect(), products }
    }

    /// y ← y + W₂ σ(N₂(W₁ σ(N₁(y)))) + b   (Eq. 3, 4), σ = LeakyReLU, for columns y `[c_in, c_out·k·k]`.
    fn block<'g>(
        &self,
        y: Expr<'g>,
        parameters: &[Expr<'g>],
        taps: usize,
        products: &mut Vec<Expr<'g>>,
    ) -> Expr<'g> {
        let [w1, w2, b, scales @ ..] = parameters else { return y };
        let mut scales = scales.iter();
        let mut norm = |kind, x| normalize(kind, x, taps, &mut scales);
        let first = w1.gemm(norm(self.settings.pre_norm, y).leaky_relu(SLOPE), false, false);
        let second = w2.gemm(norm(self.settings.post_norm, first).leaky_relu(SLOPE), false, false);
        products.extend([first, second]);
        y + second + b.reshape(&[b.size(), 1])
    }
}

/// SN of Eq. 3 (Table 8), for columns x `[c_in, c_out·taps]`.
fn normalize<'g>(
    kind: Norm,
    x: Expr<'g>,
    taps: usize,
    scales: &mut std::slice::Iter<'_, Expr<'g>>,
) -> Expr<'g> {
    let mut scaled = |x: Expr<'g>, axis: usize| {
        let Some(&g) = scales.next() else { return x };
        // max(‖x‖, ε) = √max(‖x‖², ε²): the right side has a gradient at x = 0.
        let minimum = x.builder().scalar(MIN_NORM * MIN_NORM);
        let squared = x.square().sum(&[axis], true);
        let clipped = x.builder().op("Clip", &[Some(squared), Some(minimum)], gani_onnx::Attrs::new())[0];
        x * (g / clipped.sqrt())
    };
    let shape = x.shape();
    match kind {
        Norm::Scale => scaled(x, 0),
        Norm::Spatial => scaled(x.reshape(&[shape[0], shape[1] / taps, taps]), 2).reshape(&shape),
        Norm::Instance => {
            let centered = x - x.mean(&[0], true);
            centered / (centered.square().mean(&[0], true) + 1e-5).sqrt()
        }
        Norm::None => x,
    }
}

/// `[c_out, c_in, k, k]` → `[c_in, c_out·k·k]`: each column is a vector that a module maps. With rows instead, the gradients of W₁
/// and W₂ would be products with a large transposed left side, which take 1.5 times as long on a CPU.
fn to_columns(w: Expr<'_>) -> Expr<'_> {
    let shape = w.shape();
    w.transpose(&[1, 0, 2, 3]).reshape(&[shape[1], shape[0] * shape[2] * shape[3]])
}

/// `[c_in, c_out·k·k]` → `[c_out, c_in, k, k]`.
fn from_columns<'g>(columns: Expr<'g>, shape: &[usize]) -> Expr<'g> {
    columns.reshape(&[shape[1], shape[0], shape[2], shape[3]]).transpose(&[1, 0, 2, 3])
}

fn fill<D: Distribution<f64>>(dims: IxDyn, distribution: Option<D>, rng: &mut impl rand::Rng) -> ArrayD<f32> {
    ArrayD::from_shape_simple_fn(dims, || distribution.as_ref().map_or(0.0, |d| d.sample(rng)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// StyleGAN2's styled convolutions as `[c_out, c_in]`, from 4 px up.
    fn stylegan2(size: usize, width: impl Fn(usize) -> usize) -> Vec<WeightSpec> {
        let conv = |name: String, o: usize, i: usize| WeightSpec { name, shape: vec![o, i, 3, 3] };
        let mut all = vec![conv("conv1".into(), width(4), width(4))];
        let mut r = 8;
        while r <= size {
            all.push(conv(format!("up{r}"), width(r), width(r / 2)));
            all.push(conv(format!("conv{r}"), width(r), width(r)));
            r *= 2;
        }
        all
    }

    #[test]
    fn parameter_counts_are_those_of_table_7() {
        let full = |r: usize| (32768 / r).min(512);
        let small = |r: usize| [192, 192, 192, 96, 48][r.ilog2() as usize - 2];
        for blocks in 1..=4 {
            let settings = ModuleSettings {
                blocks,
                pre_norm: Norm::Scale,
                post_norm: Norm::Scale,
                init: Init::Zero,
                gain: None,
            };
            let count = |w| Modules::new(w, settings).parameter_count();
            assert_eq!(count(stylegan2(1024, full)), 1_396_658 * blocks);
            assert_eq!(count(stylegan2(512, full)), 1_386_318 * blocks);
            assert_eq!(count(stylegan2(256, full)), 1_345_162 * blocks);
            assert_eq!(count(stylegan2(64, small)), 189_562 * blocks);
        }
    }
}
