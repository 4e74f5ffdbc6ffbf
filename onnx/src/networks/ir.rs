//! InsightFace's improved residual (IR) backbone: IR-SE50 (ArcFace, e4e, pSp, HyperStyle) and IR-101
//! (CurricularFace).
//!
//! A unit is: batch normalization, 3×3 convolution, PReLU, 3×3 convolution with the stride, batch
//! normalization, squeeze-and-excite (SE variants only), plus the shortcut. The stride is on the second
//! convolution.

use super::layers::{BatchNorm, conv, conv_bn, named_weight};
use super::spec::Spec;
use crate::checkpoint::Checkpoint;
use crate::{Error, Expr, Result};

/// Units of each stage, for the backbones of 24 and of 49 units.
const STAGES: [[usize; 4]; 2] = [[3, 4, 14, 3], [3, 13, 30, 3]];

/// The backbone's feature maps for an image `[1, 3, h, w]`.
pub(super) struct Backbone<'g> {
    /// Output of stage 2, `[1, 128, h/4, w/4]`.
    pub c1: Expr<'g>,
    /// Output of stage 3, `[1, 256, h/8, w/8]`.
    pub c2: Expr<'g>,
    /// Output of stage 4, `[1, 512, h/16, w/16]`.
    pub c3: Expr<'g>,
}

/// Whether the file's units have squeeze-and-excite.
pub(super) fn has_se(c: &Checkpoint) -> bool {
    c.keys().any(|k| k.starts_with("body.") && k.contains(".res_layer.5."))
}

/// (first unit, number of units) of each stage.
fn stages(c: &Checkpoint) -> Result<[(usize, usize); 4]> {
    let count = c.count("body.");
    let stages = STAGES.iter().find(|s| s.iter().sum::<usize>() == count).ok_or_else(|| {
        Error::Unsupported(format!(
            "{}: an IR backbone of {count} residual units; supported are IR-SE50 (24) and IR-101 (49)",
            c.name()
        ))
    })?;
    let mut first = 0;
    Ok(stages.map(|n| {
        let stage = (first, n);
        first += n;
        stage
    }))
}

/// Adds the backbone's keys. The widths of the stages are `s0` … `s2` and `d`; those inside
/// squeeze-and-excite are `r0` … `r3`.
pub(super) fn spec(spec: &mut Spec, c: &Checkpoint) -> Result<()> {
    let se = has_se(c);
    spec.tensor("input_layer.0.weight", "s0 3 3 3").batch_norm("input_layer.1", "s0");
    spec.tensor("input_layer.2.weight", "s0");
    let mut from = "s0";
    for (stage, (first, units)) in stages(c)?.into_iter().enumerate() {
        let to = ["s0", "s1", "s2", "d"][stage];
        for i in first..first + units {
            let unit = format!("body.{i}");
            if from != to {
                spec.tensor(format!("{unit}.shortcut_layer.0.weight"), &format!("{to} {from} 1 1"));
                spec.batch_norm(&format!("{unit}.shortcut_layer.1"), to);
            }
            let layer = |n: usize| format!("{unit}.res_layer.{n}");
            spec.batch_norm(&layer(0), from);
            spec.tensor(layer(1) + ".weight", &format!("{to} {from} 3 3")).tensor(layer(2) + ".weight", to);
            spec.tensor(layer(3) + ".weight", &format!("{to} {to} 3 3")).batch_norm(&layer(4), to);
            if se {
                spec.tensor(layer(5) + ".fc1.weight", &format!("r{stage} {to} 1 1"));
                spec.tensor(layer(5) + ".fc2.weight", &format!("{to} r{stage} 1 1"));
            }
            from = to;
        }
    }
    Ok(())
}

/// Runs the backbone of a checked file on `x` `[1, 3, h, w]`, RGB in `[-1, 1]`.
pub(super) fn backbone<'g>(c: &Checkpoint, x: Expr<'g>) -> Result<Backbone<'g>> {
    let se = has_se(c);
    let mut x = prelu(c, conv_bn(c, x, "input_layer.0", "input_layer.1", 1)?, "input_layer.2")?;
    let mut ends = Vec::with_capacity(4);
    for (first, units) in stages(c)? {
        for i in first..first + units {
            x = unit(c, x, &format!("body.{i}"), if i == first { 2 } else { 1 }, se)?;
        }
        ends.push(x);
    }
    Ok(Backbone { c1: ends[1], c2: ends[2], c3: ends[3] })
}

fn unit<'g>(c: &Checkpoint, x: Expr<'g>, name: &str, stride: usize, se: bool) -> Result<Expr<'g>> {
    let layer = |n: usize| format!("{name}.res_layer.{n}");
    let y = BatchNorm::read(c, &layer(0), x.dim(1))?.apply(x, &layer(0));
    let y = prelu(c, conv(c, y, &layer(1), 1, 1)?, &layer(2))?;
    let y = conv_bn(c, y, &layer(3), &layer(4), stride)?;
    let y = if se { squeeze_excite(c, y, &layer(5))? } else { y };
    let shortcut = format!("{name}.shortcut_layer");
    Ok(y + match (c.get(&format!("{shortcut}.0.weight")), stride) {
        (Ok(_), _) => conv_bn(c, x, &format!("{shortcut}.0"), &format!("{shortcut}.1"), stride)?,
        (Err(_), 1) => x,
        // MaxPool(1, 2): every other pixel.
        (Err(_), _) => x.slice(&[2, 3], &[0, 0], &[i64::MAX, i64::MAX], &[2, 2]),
    })
}

/// Squeeze-and-excite: x ⊙ sigmoid(fc2 · relu(fc1 · mean x)).
fn squeeze_excite<'g>(c: &Checkpoint, x: Expr<'g>, name: &str) -> Result<Expr<'g>> {
    let y = conv(c, x.mean(&[2, 3], true), &format!("{name}.fc1"), 1, 0)?.relu();
    Ok(x * conv(c, y, &format!("{name}.fc2"), 1, 0)?.unary("Sigmoid"))
}

/// PReLU with one slope for each channel.
fn prelu<'g>(c: &Checkpoint, x: Expr<'g>, name: &str) -> Result<Expr<'g>> {
    let (n, key) = (x.dim(1), format!("{name}.weight"));
    let slope = named_weight(x.builder(), &key, &[n, 1, 1], c.values(&key, &[n])?.to_vec());
    Ok(x.binary("PRelu", slope))
}
