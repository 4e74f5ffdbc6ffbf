//! Options of an import.

use std::path::PathBuf;

/// The files to import, and the bundle to create.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The generator: a StyleGAN2 checkpoint, or an `.onnx` network ws → image.
    pub generator: PathBuf,
    /// Tunable pattern of an `.onnx` generator: matches the names of the convolution weights to tune, with `*` and `?`.
    pub tunable: Option<String>,
    /// Mapping network of an `.onnx` generator, z → w, as `.onnx`.
    pub mapping: Option<PathBuf>,
    /// Samples of w, `.npy` `[n, 512]`, for an `.onnx` generator without mapping network.
    pub latents: Option<PathBuf>,
    /// Encoder: a checkpoint of e4e or of HyperStyle's W encoder, or an `.onnx` network image → w.
    pub encoder: Option<PathBuf>,
    /// LPIPS: checkpoints of AlexNet (the backbone) and of the heads, one checkpoint with both, or an `.onnx` network
    /// image → features.
    pub lpips: Vec<PathBuf>,
    /// Identity networks: ArcFace for the loss, CurricularFace for evaluation, or an `.onnx` network image → features for the loss.
    pub identity: Vec<PathBuf>,
    /// Face parsing: CelebAMask-HQ's U-Net, or an `.onnx` network image → features.
    pub parsing: Option<PathBuf>,
    /// MoCo's ResNet-50. Replaces the identity network in domains other than faces.
    pub moco: Option<PathBuf>,
    /// Editing directions by name: vectors as `.pt` or `.npy`, GANSpace's `.pt`, or the `.npz` of a bundle.
    pub directions: Vec<(String, PathBuf)>,
    /// Row of Table 1.
    pub domain: String,
    /// License of the weights, for the manifest.
    pub license: Option<String>,
    /// Whether to replace an existing bundle.
    pub force: bool,
}
