//! Detects which of the supported networks a checkpoint contains, and under which key prefix.

use super::{ir, stylegan2};
use crate::checkpoint::Checkpoint;
use std::collections::BTreeMap;

/// A network that can be built from a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Network {
    /// A StyleGAN2 generator with its mapping network: [`stylegan2::build`].
    StyleGan2,
    /// e4e's encoder: [`super::e4e::e4e`]. pSp's encoder has the same keys.
    E4e,
    /// HyperStyle's W encoder: [`super::e4e::w_encoder`].
    WEncoder,
    /// ArcFace IR-SE50: [`super::arcface::identity`].
    ArcFace,
    /// CurricularFace IR-101: [`super::arcface::evaluation`].
    CurricularFace,
    /// MoCo's ResNet-50: [`super::moco::features`].
    MoCo,
    /// CelebAMask-HQ's face-parsing U-Net: [`super::parsing::contracting_path`].
    Parsing,
    /// torchvision's AlexNet, the backbone of LPIPS: [`super::lpips::official`].
    AlexNet,
    /// The linear heads of LPIPS v0.1 on AlexNet: [`super::lpips::official`].
    LpipsHeads,
}

impl Network {
    /// Display name.
    pub fn name(self) -> &'static str {
        match self {
            Network::StyleGan2 => "StyleGAN2",
            Network::E4e => "e4e encoder",
            Network::WEncoder => "W encoder of HyperStyle",
            Network::ArcFace => "ArcFace IR-SE50",
            Network::CurricularFace => "CurricularFace IR-101",
            Network::MoCo => "ResNet-50 of MoCo",
            Network::Parsing => "face-parsing U-Net of CelebAMask-HQ",
            Network::AlexNet => "AlexNet, trunk of LPIPS",
            Network::LpipsHeads => "heads of LPIPS v0.1",
        }
    }
}

/// A network that was detected in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The network.
    pub network: Network,
    /// The prefix of its keys, such as `g_ema.`, for [`Checkpoint::below`].
    pub prefix: String,
    /// One line for display: `StyleGAN2, 1024 px, 8 mapping layers (rosinality's layout)`.
    pub text: String,
}

/// Keys that identify a network. Half of a row's keys are sufficient: if one is missing, the network's
/// builder reports it by name.
const MARKS: [(&[&str], &[Network]); 6] = [
    (
        &["input.input", "conv1.conv.weight", "to_rgb1.conv.weight", "convs.0.conv.weight", "noises.noise_0"],
        &[Network::StyleGan2],
    ),
    (
        &["synthesis.b4.const", "synthesis.b4.torgb.weight", "synthesis.b4.conv1.weight", "mapping.w_avg"],
        &[Network::StyleGan2],
    ),
    // The IR backbone; the heads on it distinguish the networks.
    (
        &[
            "input_layer.0.weight",
            "body.0.res_layer.1.weight",
            "body.0.res_layer.3.weight",
            "body.1.res_layer.1.weight",
        ],
        &[Network::E4e, Network::WEncoder, Network::ArcFace, Network::CurricularFace],
    ),
    (
        &["layer1.0.conv1.weight", "layer2.0.conv2.weight", "layer3.5.conv3.weight", "layer4.2.conv3.weight"],
        &[Network::MoCo],
    ),
    (
        &["conv1.conv1.0.weight", "center.conv2.0.weight", "up_concat1.up.weight", "final.weight"],
        &[Network::Parsing],
    ),
    (
        &["features.0.weight", "features.3.weight", "features.6.weight", "features.10.weight"],
        &[Network::AlexNet],
    ),
];

/// LPIPS heads, of which any three identify the network.
const HEADS: &[&str] =
    &["lin0.model.1.weight", "lin1.model.1.weight", "lin2.model.1.weight", "lin3.model.1.weight"];

/// Detects all supported networks in the file. If it holds several copies (`g`, `g_ema`), the averaged one is
/// chosen.
pub fn recognise(file: &Checkpoint) -> Vec<Found> {
    let mut found = Vec::new();
    for (marks, networks) in MARKS.into_iter().chain([(HEADS, &[Network::LpipsHeads][..])]) {
        let Some(prefix) = prefix(file, marks) else { continue };
        let inside = file.clone().below(&prefix);
        let network = match networks {
            [one] => Some(*one),
            _ => on_the_trunk(&inside),
        };
        found.extend(network.map(|network| Found { network, text: describe(network, &inside), prefix }));
    }
    found
}

/// The prefix under which at least half of the `marks` occur.
fn prefix(file: &Checkpoint, marks: &[&str]) -> Option<String> {
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    for key in file.keys() {
        for mark in marks {
            let before = key.strip_suffix(mark).filter(|p| p.is_empty() || p.ends_with('.'));
            if let Some(prefix) = before {
                *hits.entry(prefix).or_default() += 1;
            }
        }
    }
    // Prefer averaged weights to raw training weights, and MoCo's query encoder to its key encoder.
    let rank = |prefix: &str| usize::from(["ema", "encoder_q"].iter().any(|good| prefix.contains(good)));
    let best = hits.into_iter().filter(|(_, n)| 2 * n >= marks.len());
    best.max_by_key(|&(prefix, n)| (n, rank(prefix), std::cmp::Reverse(prefix.len())))
        .map(|(p, _)| p.to_owned())
}

/// The network on an IR backbone.
fn on_the_trunk(file: &Checkpoint) -> Option<Network> {
    let has = |stem: &str| file.keys().any(|k| k.starts_with(stem));
    match (has("styles."), has("output_layer."), has("linear.")) {
        (true, ..) => Some(Network::E4e),
        (_, true, _) if ir::has_se(file) => Some(Network::ArcFace),
        (_, true, _) => Some(Network::CurricularFace),
        (.., true) => Some(Network::WEncoder),
        _ => None,
    }
}

fn describe(network: Network, file: &Checkpoint) -> String {
    match network {
        Network::StyleGan2 => stylegan2::describe(file),
        Network::E4e => format!("{}, {} styles", network.name(), file.count("styles.")),
        other => other.name().into(),
    }
}
