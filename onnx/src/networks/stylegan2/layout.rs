//! The key layouts of StyleGAN2 checkpoints: rosinality's and NVlabs' (stylegan2-ada-pytorch). Files in the
//! second are converted to the first.
//!
//! No kernel is flipped and no bias is moved: shapes gain or lose axes of size 1, and NVlabs' blur kernels
//! lack the gain of 4.

use crate::checkpoint::Checkpoint;
use crate::networks::spec::Spec;
use crate::{Error, Result, Tensor};

/// The gain of upsampling, four times the area. Blur kernels in rosinality's files include it; NVlabs'
/// kernels sum to one.
const GAIN: f32 = 4.0;

/// Keys that identify a generator, in rosinality's and in NVlabs' layout.
pub(in crate::networks) const SIGNATURE_KEYS: [&[&str]; 2] = [
    &["input.input", "conv1.conv.weight", "to_rgb1.conv.weight", "convs.0.conv.weight", "noises.noise_0"],
    &["synthesis.b4.const", "synthesis.b4.torgb.weight", "synthesis.b4.conv1.weight", "mapping.w_avg"],
];

/// How a file names StyleGAN2's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// rosinality/stylegan2-pytorch; also the `decoder.` of e4e, pSp and HyperStyle.
    Rosinality,
    /// NVlabs/stylegan2-ada-pytorch.
    Nvlabs,
}

impl Layout {
    /// Detects the layout of the keys under the file's prefix.
    pub fn detect(file: &Checkpoint) -> Layout {
        match file.keys().any(|k| k.starts_with("synthesis.")) {
            true => Layout::Nvlabs,
            false => Layout::Rosinality,
        }
    }
}

/// Checks every key and shape and converts the file to rosinality's layout. Tensors are shared, not copied.
///
/// # Errors
/// [`Error::Model`] naming a key that is missing or has an unexpected shape; [`Error::Unsupported`] for a
/// class-conditional generator.
pub fn checked(file: &Checkpoint) -> Result<Checkpoint> {
    match Layout::detect(file) {
        Layout::Rosinality => {
            rosinality(file)?.check(file)?;
            Ok(file.clone())
        }
        Layout::Nvlabs => {
            if file.keys().any(|k| k.starts_with("mapping.embed.")) {
                return Err(Error::Unsupported(
                    "a class-conditional generator (`mapping.embed`): only unconditional generators are supported".into(),
                ));
            }
            nvlabs(file)?.check(file)?;
            renamed(file)
        }
    }
}

/// Number of upsampling blocks after 4 px.
pub fn blocks(file: &Checkpoint) -> usize {
    match Layout::detect(file) {
        // The maximum over all key families, so that a missing key is reported as missing.
        Layout::Rosinality => file.count("to_rgbs.").max(file.count("convs.").div_ceil(2)),
        Layout::Nvlabs => {
            (1..16).filter(|k| has(file, &format!("synthesis.b{}.", 4usize << k))).max().unwrap_or(0)
        }
    }
}

fn has(file: &Checkpoint, stem: &str) -> bool {
    file.keys().any(|k| k.starts_with(stem))
}

fn some_blocks(file: &Checkpoint) -> Result<usize> {
    match blocks(file) {
        n @ 1..=9 => Ok(n),
        n => Err(file.bad(format!(
            "contains a generator with {n} upsampling blocks; supported are 1 to 9 (8 to 2048 px)"
        ))),
    }
}

fn rosinality(file: &Checkpoint) -> Result<Spec> {
    let mut spec = Spec::default();
    let blocks = some_blocks(file)?;
    for i in 1..file.count("style.").max(2) {
        spec.layer(&format!("style.{i}"), "w w");
    }
    spec.tensor("input.input", "1 c0 4 4");
    let modulated = |spec: &mut Spec, p: &str, weight: &str, from: &str| {
        spec.tensor(format!("{p}.conv.weight"), weight);
        spec.layer(&format!("{p}.conv.modulation"), &format!("{from} w"));
    };
    let styled = |spec: &mut Spec, p: &str, noise: usize, from: &str, to: &str, size: usize| {
        modulated(spec, p, &format!("1 {to} {from} 3 3"), from);
        spec.tensor(format!("{p}.noise.weight"), "1")
            .tensor(format!("{p}.activate.bias"), to)
            .tensor(format!("noises.noise_{noise}"), &format!("1 1 {size} {size}"));
    };
    let to_rgb = |spec: &mut Spec, p: &str, from: &str| {
        modulated(spec, p, &format!("1 3 {from} 1 1"), from);
        spec.tensor(format!("{p}.bias"), "1 3 1 1");
    };
    styled(&mut spec, "conv1", 0, "c0", "c0", 4);
    to_rgb(&mut spec, "to_rgb1", "c0");
    for k in 0..blocks {
        let (up, same) = (2 * k, 2 * k + 1);
        let (from, to, size) = (format!("c{k}"), format!("c{}", k + 1), 8 << k);
        styled(&mut spec, &format!("convs.{up}"), up + 1, &from, &to, size);
        spec.tensor(format!("convs.{up}.conv.blur.kernel"), "4 4");
        styled(&mut spec, &format!("convs.{same}"), same + 1, &to, &to, size);
        to_rgb(&mut spec, &format!("to_rgbs.{k}"), &to);
        spec.tensor(format!("to_rgbs.{k}.upsample.kernel"), "4 4");
    }
    Ok(spec)
}

fn nvlabs(file: &Checkpoint) -> Result<Spec> {
    let mut spec = Spec::default();
    for i in 0..file.count("mapping.fc").max(1) {
        spec.layer(&format!("mapping.fc{i}"), "w w");
    }
    spec.tensor("mapping.w_avg", "w").tensor("synthesis.b4.const", "c0 4 4");
    let affine = |spec: &mut Spec, p: &str, from: &str| {
        spec.layer(&format!("{p}.affine"), &format!("{from} w"));
    };
    for k in 0..=some_blocks(file)? {
        let (from, to, size) = (format!("c{}", k.saturating_sub(1)), format!("c{k}"), 4usize << k);
        let block = format!("synthesis.b{size}");
        spec.tensor(format!("{block}.resample_filter"), "4 4");
        let convs: &[(&str, &str)] =
            if k == 0 { &[("conv1", &to)] } else { &[("conv0", &from), ("conv1", &to)] };
        for (conv, from) in convs {
            let p = format!("{block}.{conv}");
            spec.layer(&p, &format!("{to} {from} 3 3"))
                .tensor(format!("{p}.noise_strength"), "")
                .tensor(format!("{p}.noise_const"), &format!("{size} {size}"))
                .tensor(format!("{p}.resample_filter"), "4 4");
            affine(&mut spec, &p, from);
        }
        let p = format!("{block}.torgb");
        spec.layer(&p, &format!("3 {to} 1 1"));
        affine(&mut spec, &p, &to);
    }
    Ok(spec)
}

/// Converts a checked NVlabs file to rosinality's names.
fn renamed(file: &Checkpoint) -> Result<Checkpoint> {
    let tensor = |(to, from): (String, String)| {
        let tensor = file.get(&from)?;
        if to.ends_with(".kernel") {
            let gained = file.values(&from, &[4, 4])?.iter().map(|v| v * GAIN).collect();
            return Ok((to, Tensor::f32(&[4, 4], gained)));
        }
        let shape = tensor.shape();
        let shape = match to.as_str() {
            t if t == "input.input" || t.ends_with(".conv.weight") => [&[1], shape].concat(),
            t if t.starts_with("noises.") => [&[1, 1], shape].concat(),
            t if t.ends_with(".noise.weight") => vec![1],
            t if t.starts_with("to_rgb") && !t.contains("modulation") => vec![1, 3, 1, 1],
            _ => shape.to_vec(),
        };
        Ok((to, tensor.reshaped(&shape)))
    };
    let tensors: Vec<_> = names(file).into_iter().map(tensor).collect::<Result<_>>()?;
    let whole = tensors.into_iter().filter_map(|(to, tensor)| Some((to, tensor?)));
    Ok(Checkpoint::from_tensors(file.name(), whole))
}

/// (rosinality's name, NVlabs' name) of every tensor that the network needs.
fn names(file: &Checkpoint) -> Vec<(String, String)> {
    let mut names = vec![
        ("input.input".to_owned(), "synthesis.b4.const".to_owned()),
        ("latent_avg".to_owned(), "mapping.w_avg".to_owned()),
    ];
    let mut rename = |to: &str, from: &str, parts: &[(&str, &str)]| {
        names.extend(parts.iter().map(|(t, f)| (format!("{to}{t}"), format!("{from}{f}"))));
    };
    for i in 0..file.count("mapping.fc") {
        let parts = [(".weight", ".weight"), (".bias", ".bias")];
        rename(&format!("style.{}", i + 1), &format!("mapping.fc{i}"), &parts);
    }
    let affine = [(".conv.modulation.weight", ".affine.weight"), (".conv.modulation.bias", ".affine.bias")];
    let weight = (".conv.weight", ".weight");
    for k in 0..=blocks(file) {
        let block = format!("synthesis.b{}", 4usize << k);
        // conv1, then convs.0, convs.1, …; noise inputs are numbered from conv1 on.
        let convs: &[(usize, &str)] =
            if k == 0 { &[(0, "conv1")] } else { &[(2 * k - 1, "conv0"), (2 * k, "conv1")] };
        for &(noise, conv) in convs {
            let to = if k == 0 { "conv1".to_owned() } else { format!("convs.{}", noise - 1) };
            let from = format!("{block}.{conv}");
            rename(&to, &from, &[weight, affine[0], affine[1], (".noise.weight", ".noise_strength")]);
            rename(&to, &from, &[(".activate.bias", ".bias")]);
            rename(&format!("noises.noise_{noise}"), &from, &[("", ".noise_const")]);
            if conv == "conv0" {
                rename(&to, &from, &[(".conv.blur.kernel", ".resample_filter")]);
            }
        }
        let to = if k == 0 { "to_rgb1".to_owned() } else { format!("to_rgbs.{}", k - 1) };
        rename(&to, &format!("{block}.torgb"), &[weight, affine[0], affine[1], (".bias", ".bias")]);
        if k > 0 {
            rename(&to, &block, &[(".upsample.kernel", ".resample_filter")]);
        }
    }
    names
}
