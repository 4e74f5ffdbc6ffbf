//! The gradient modification modules: M maps ∂L/∂θ of each tuned weight to a relative change of it,
//! θ' = θ ⊙ (1 + M(∂L/∂θ))   (Eq. 2), with M a chain of L residual blocks (Eq. 3, 4).
//!
//! Built as two graphs: `forward` (ψ, g, θ → θ') and `vjp` (ψ, g, θ, ∂L/∂θ' → ∂L/∂ψ), which takes the products that `forward`
//! has already made.

use crate::objective::Objective;
use crate::{Error, Result};
use gani_onnx::{Builder, Expr, Graph};
use ndarray::{ArrayD, IxDyn};
use rand_distr::{Distribution, Normal, Uniform};

/// A normalisation of the vectors that a module maps (Table 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// ScaleNorm: g·x/max(‖x‖, 1e-5) with one learned scalar g.
    Scale,
    /// ScaleNorm over the k·k taps of a kernel instead of over channels, which the paper leaves open.
    Taps,
    /// (x − mean)/√(var + 1e-5) over the vector, nothing learned.
    Instance,
    /// x as it is.
    None,
}

impl Norm {
    /// Whether it has a g.
    fn is_learned(self) -> bool {
        matches!(self, Norm::Scale | Norm::Taps)
    }
}

/// What a module's parameters start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// W₂ and b are zero, and M(g) is what the blocks add to g: θ' = θ at first, and training decides where to go.
    Zero,
    /// The paper's: Kaiming normal × 0.1, b uniform ±1/√c. θ starts out shaken by 10 %.
    Kaiming,
}

/// The shape of every module.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ModuleSettings {
    /// L, the number of residual blocks (1…4 in Table 7).
    pub blocks: usize,
    /// Normalisation before the block.
    pub before: Norm,
    /// Normalisation inside the block, between the two products.
    pub inside: Norm,
    /// Initial parameters.
    pub start: Start,
    /// What the g of every ScaleNorm starts from; √n, for vectors of n, where nothing is said.
    #[serde(default)]
    pub gain: Option<f32>,
}

/// LeakyReLU slope of the block.
const SLOPE: f32 = 0.01;
/// ScaleNorm's floor under ‖x‖: vectors with a smaller gradient are damped, not amplified.
const FLOOR: f32 = 1e-5;

/// A tuned weight: its name and shape `[c_out, c_in, k, k]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// Name of the generator's initialiser.
    pub name: String,
    /// `[c_out, c_in, k, k]`.
    pub shape: Vec<usize>,
}

/// One module and the weights that it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `shared`, or the name of its one weight.
    pub name: String,
    /// c_in: the length of the vectors that it maps.
    pub channels: usize,
    /// Indices of its weights.
    pub weights: Vec<usize>,
}

/// All modules of a generator.
#[derive(Clone, Debug)]
pub struct Modules {
    settings: ModuleSettings,
    weights: Vec<Tuned>,
    modules: Vec<Module>,
}

/// All numbers of ψ in one list, by parameter in the order of [`Modules::parameters`].
pub fn flat(psi: &[ArrayD<f32>]) -> Vec<f32> {
    psi.iter().flatten().copied().collect()
}

/// A parameter of ψ: its name (`shared.0.w1`) and shape.
type Parameter = (String, Vec<usize>);

/// ψ, θ' by weight, and the matrix products on the way by name, but for each weight's last, of which no gradient asks.
struct Applied<'g> {
    psi: Vec<Expr<'g>>,
    tuned: Vec<Expr<'g>>,
    products: Vec<(String, Expr<'g>)>,
}

impl Modules {
    /// The modules of a generator's tuned weights.
    pub fn of(objective: &Objective, settings: ModuleSettings) -> Result<Modules> {
        let tuned = objective.weights()?.into_iter().zip(&objective.tunable);
        let tuned = tuned.map(|(t, name)| Tuned { name: name.clone(), shape: t.shape().to_vec() });
        Ok(Modules::new(tuned.collect(), settings))
    }

    /// One module for all square convolutions of the widest channel count, one for every other weight.
    pub fn new(weights: Vec<Tuned>, settings: ModuleSettings) -> Modules {
        let square = |t: &Tuned| t.shape[0] == t.shape[1];
        let widest = weights.iter().filter(|t| square(t)).map(|t| t.shape[1]).max().unwrap_or(0);
        let is_shared = |t: &Tuned| square(t) && t.shape[1] == widest;
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

    /// The weights that they change.
    pub fn weights(&self) -> &[Tuned] {
        &self.weights
    }

    /// Number of trained parameters: L·(2c² + c + 2) per module with ScaleNorm.
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
                let norms = [("g1", self.settings.before), ("g2", self.settings.inside)];
                all.extend(norms.iter().filter(|(_, n)| n.is_learned()).map(|(g, _)| (name(g), vec![])));
            }
        }
        all
    }

    /// ψ at the start of tuning.
    pub fn initial(&self, rng: &mut impl rand::Rng) -> Vec<ArrayD<f32>> {
        let ModuleSettings { start, before, inside, gain, .. } = self.settings;
        let module = |name: &str| self.modules.iter().find(|m| name.starts_with(&format!("{}.", m.name)));
        let width = |name: &str| module(name).map_or(1, |m| m.channels) as f64;
        let root = |name: &str, norm: Norm| match norm {
            Norm::Taps => (module(name).map_or(1, |m| self.taps(m.weights[0])) as f32).sqrt(),
            _ => width(name).sqrt() as f32,
        };
        let tensor = |(name, shape): Parameter| {
            let c = width(&name);
            // Kaiming normal, fan-in, gain of LeakyReLU(0.01), × 0.1
            let std = 0.1 * (2.0 / (1.0 + f64::from(SLOPE).powi(2)) / c).sqrt();
            let dims = IxDyn(&shape);
            match (name.rsplit('.').next().unwrap_or(""), start) {
                ("g1", _) => ArrayD::from_elem(dims, gain.unwrap_or_else(|| root(&name, before))),
                ("g2", _) => ArrayD::from_elem(dims, gain.unwrap_or_else(|| root(&name, inside))),
                ("w2" | "b", Start::Zero) => ArrayD::zeros(dims),
                ("b", Start::Kaiming) => fill(dims, Uniform::new(-1.0 / c.sqrt(), 1.0 / c.sqrt()).ok(), rng),
                _ => fill(dims, Normal::new(0.0, std).ok(), rng),
            }
        };
        self.parameters().into_iter().map(tensor).collect()
    }

    /// ψ by parameter, out of one list of all numbers: what [`flat`] made.
    ///
    /// # Errors
    /// [`Error::Model`] where there are fewer or more.
    pub fn shaped(&self, psi: &[f32]) -> Result<Vec<ArrayD<f32>>> {
        let mut rest = psi;
        let tensor = |(_, shape): Parameter| {
            let (part, after) = rest.split_at_checked(shape.iter().product())?;
            rest = after;
            ArrayD::from_shape_vec(IxDyn(&shape), part.to_vec()).ok()
        };
        let tensors: Option<Vec<_>> = self.parameters().into_iter().map(tensor).collect();
        tensors
            .filter(|_| rest.is_empty())
            .ok_or_else(|| Error::Model(format!("{} numbers are not ψ", psi.len())))
    }

    /// `psi` `[n]`, `g.NAME`, `theta.NAME` → `tuned.NAME`, and `product.NAME.I` for [`Modules::vjp`]. ψ is one list of the
    /// numbers of all parameters, in their order: on a GPU it crosses the bus in every step.
    pub fn forward(&self) -> Result<Graph> {
        let b = Builder::new();
        let Applied { tuned, products, .. } = self.apply(&b);
        for (weight, value) in self.weights.iter().zip(tuned) {
            b.output(&format!("tuned.{}", weight.name), value);
        }
        products.iter().for_each(|(name, product)| b.output(name, *product));
        Ok(b.finish()?)
    }

    /// `psi`, `g.NAME`, `theta.NAME`, `product.NAME.I`, `d.NAME` (∂L/∂θ' of Eq. 5) → `d.psi` `[n]`: ∂L/∂ψ.
    pub fn vjp(&self) -> Result<Graph> {
        let b = Builder::new();
        let Applied { psi, tuned, products } = self.apply(&b);
        // ⟨θ', ∂L/∂θ'⟩ has the gradient that the chain rule asks for.
        let inner: Vec<Expr<'_>> = self
            .weights
            .iter()
            .zip(tuned)
            .map(|(w, tuned)| (tuned * b.input(&format!("d.{}", w.name), &w.shape)).sum_all())
            .collect();
        let total = inner.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| b.scalar(0.0));
        let gradients = b.gradient(total, &psi)?;
        let gradient = |(i, (name, _)): (usize, &Parameter)| {
            // A first g₁ scales what W₁ multiplies, through a σ that lets positive factors pass: L is a function of g₁·W₁, so
            // g₁·∂L/∂g₁ = ⟨W₁, ∂L/∂W₁⟩ (Euler), and no product is needed for it. W₁, W₂ and b stand before it.
            let gradient = match name.ends_with(".0.g1") {
                true => (psi[i - 3] * gradients[i - 3]).sum_all() / psi[i],
                false => gradients[i],
            };
            gradient.reshape(&[gradient.shape().iter().product()])
        };
        let parts: Vec<_> = self.parameters().iter().enumerate().map(gradient).collect();
        b.output("d.psi", b.concat(&parts, 0));
        products.iter().for_each(|(name, product)| b.supply(name, *product));
        Ok(b.finish()?)
    }

    /// k·k of a weight.
    fn taps(&self, weight: usize) -> usize {
        self.weights[weight].shape[2..].iter().product()
    }

    /// Declares ψ, g and θ as inputs: θ' = θ ⊙ (1 + M_ψ(g))   (Eq. 2).
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
            3 + [self.settings.before, self.settings.inside].iter().filter(|n| n.is_learned()).count();
        let mut blocks = psi.chunks(per_block);
        let mut tuned: Vec<Option<Expr<'g>>> = vec![None; self.weights.len()];
        let mut products = Vec::new();
        for module in &self.modules {
            let blocks: Vec<&[Expr<'g>]> = blocks.by_ref().take(self.settings.blocks).collect();
            for &i in &module.weights {
                let Tuned { name, shape } = &self.weights[i];
                let (g, theta) =
                    (b.input(&format!("g.{name}"), shape), b.input(&format!("theta.{name}"), shape));
                let y0 = columns(g);
                let mut of_weight = Vec::new();
                let y = blocks.iter().fold(y0, |y, block| self.block(y, block, self.taps(i), &mut of_weight));
                let change = match self.settings.start {
                    Start::Kaiming => y,
                    // Without its input, or θ' would start one raw gradient uphill.
                    Start::Zero => y - y0,
                };
                tuned[i] = Some(theta * (1.0 + uncolumned(change, shape)));
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
        let mut norm = |kind, x| norm(kind, x, taps, &mut scales);
        let first = w1.gemm(norm(self.settings.before, y).leaky_relu(SLOPE), false, false);
        let second = w2.gemm(norm(self.settings.inside, first).leaky_relu(SLOPE), false, false);
        products.extend([first, second]);
        y + second + b.reshape(&[b.size(), 1])
    }
}

/// Of columns x `[c_in, c_out·taps]`.
fn norm<'g>(kind: Norm, x: Expr<'g>, taps: usize, scales: &mut std::slice::Iter<'_, Expr<'g>>) -> Expr<'g> {
    let mut scaled = |x: Expr<'g>, axis: usize| {
        let Some(&g) = scales.next() else { return x };
        // max(‖x‖, ε) = √max(‖x‖², ε²), which has a gradient at 0
        let floor = x.builder().scalar(FLOOR * FLOOR);
        let squared = x.square().sum(&[axis], true);
        let clipped = x.builder().op("Clip", &[Some(squared), Some(floor)], gani_onnx::Attrs::new())[0];
        x * (g / clipped.sqrt())
    };
    let shape = x.shape();
    match kind {
        Norm::Scale => scaled(x, 0),
        Norm::Taps => scaled(x.reshape(&[shape[0], shape[1] / taps, taps]), 2).reshape(&shape),
        Norm::Instance => {
            let centred = x - x.mean(&[0], true);
            centred / (centred.square().mean(&[0], true) + 1e-5).sqrt()
        }
        Norm::None => x,
    }
}

/// `[c_out, c_in, k, k]` → `[c_in, c_out·k·k]`: columns are the vectors that a module maps. As rows, the gradient of its matrices would be
/// products with a large transposed left side, which take half as long again on a processor.
fn columns(w: Expr<'_>) -> Expr<'_> {
    let shape = w.shape();
    w.transpose(&[1, 0, 2, 3]).reshape(&[shape[1], shape[0] * shape[2] * shape[3]])
}

/// `[c_in, c_out·k·k]` → `[c_out, c_in, k, k]`.
fn uncolumned<'g>(columns: Expr<'g>, shape: &[usize]) -> Expr<'g> {
    columns.reshape(&[shape[1], shape[0], shape[2], shape[3]]).transpose(&[1, 0, 2, 3])
}

fn fill<D: Distribution<f64>>(dims: IxDyn, distribution: Option<D>, rng: &mut impl rand::Rng) -> ArrayD<f32> {
    ArrayD::from_shape_simple_fn(dims, || distribution.as_ref().map_or(0.0, |d| d.sample(rng)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// StyleGAN2's styled convolutions as `[c_out, c_in]`, from 4 px up.
    fn stylegan2(size: usize, width: impl Fn(usize) -> usize) -> Vec<Tuned> {
        let conv = |name: String, o: usize, i: usize| Tuned { name, shape: vec![o, i, 3, 3] };
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
                before: Norm::Scale,
                inside: Norm::Scale,
                start: Start::Zero,
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
