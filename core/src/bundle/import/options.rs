//! What to import.

use std::path::PathBuf;

/// What to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The generator: a StyleGAN2 checkpoint, or any network ws → image as `.onnx`.
    pub generator: PathBuf,
    /// Which weights of an `.onnx` generator are tuned: names of convolution weights, with `*` and `?`.
    pub tunable: Option<String>,
    /// The mapping network of an `.onnx` generator, z → w, as `.onnx`.
    pub mapping: Option<PathBuf>,
    /// Samples of w, `.npy` `[n, 512]`, where there is no mapping network.
    pub latents: Option<PathBuf>,
    /// The encoder: a checkpoint of e4e or of HyperStyle's W encoder, or an `.onnx` network image → w.
    pub encoder: Option<PathBuf>,
    /// LPIPS: AlexNet and its heads, two checkpoints or one that holds both, or an `.onnx` network image → features.
    pub lpips: Vec<PathBuf>,
    /// Identity: ArcFace for the loss, CurricularFace for evaluation, or an `.onnx` network image → features for the loss.
    pub identity: Vec<PathBuf>,
    /// Face parsing: CelebAMask-HQ's U-Net, or an `.onnx` network image → features.
    pub parsing: Option<PathBuf>,
    /// MoCo's ResNet-50, in the place of identity where pictures are not of faces.
    pub moco: Option<PathBuf>,
    /// Editing directions by name: `.pt` or `.npy` vectors, GANSpace's `.pt`, `.npz` of a bundle.
    pub directions: Vec<(String, PathBuf)>,
    /// Row of Table 1.
    pub domain: String,
    /// The weights' licence, for the bundle's description.
    pub licence: Option<String>,
    /// Replace a bundle that is there.
    pub force: bool,
}
