//! Detects which of the supported networks a checkpoint contains, and under which key prefix.

use super::{ir, signature, stylegan2};
use crate::checkpoint::Checkpoint;

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
            Network::AlexNet => "AlexNet, backbone of LPIPS",
            Network::LpipsHeads => "heads of LPIPS v0.1",
        }
    }
}

/// A network that was detected in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectedNetwork {
    /// The network.
    pub network: Network,
    /// The prefix of its keys, such as `g_ema.`, for [`Checkpoint::scoped`].
    pub prefix: String,
    /// One line for display: `StyleGAN2, 1024 px, 8 mapping layers (rosinality's layout)`.
    pub text: String,
}

/// Keys that identify a network. Half of a row's keys are sufficient: if one is missing, the network's
/// builder reports it by name.
const SIGNATURE_KEYS: [(&[&str], &[Network]); 7] = [
    (stylegan2::SIGNATURE_KEYS[0], &[Network::StyleGan2]),
    (stylegan2::SIGNATURE_KEYS[1], &[Network::StyleGan2]),
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
    (
        &["lin0.model.1.weight", "lin1.model.1.weight", "lin2.model.1.weight", "lin3.model.1.weight"],
        &[Network::LpipsHeads],
    ),
];

/// Detects all supported networks in the file. If it holds several copies (`g`, `g_ema`), the averaged one is
/// chosen.
pub fn recognize(file: &Checkpoint) -> Vec<DetectedNetwork> {
    let mut found = Vec::new();
    for (keys, networks) in SIGNATURE_KEYS {
        let Some(prefix) = signature::prefix(file, keys) else { continue };
        let scoped = file.clone().scoped(&prefix);
        let network = match networks {
            [network] => Some(*network),
            _ => on_backbone(&scoped),
        };
        found.extend(network.map(|network| DetectedNetwork {
            network,
            text: describe(network, &scoped),
            prefix,
        }));
    }
    found
}

/// The network on an IR backbone.
fn on_backbone(file: &Checkpoint) -> Option<Network> {
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
