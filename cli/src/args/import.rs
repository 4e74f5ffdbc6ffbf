//! The arguments of `gani import`.

use super::NamedFile;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct ImportArgs {
    /// The generator: a StyleGAN2 checkpoint (.pt, .pkl), or any network from ws to an image as .onnx
    #[arg(long, value_name = "FILE")]
    pub generator: PathBuf,
    /// The weights of an .onnx generator that may be tuned: a pattern of convolution weight names, with * and ?
    #[arg(long, value_name = "PATTERN")]
    pub tunable: Option<String>,
    /// The mapping network of an .onnx generator, from z to w, as .onnx
    #[arg(long, value_name = "FILE", conflicts_with = "latents")]
    pub mapping: Option<PathBuf>,
    /// Samples of w as .npy, `[n,512]`, for an .onnx generator without a mapping network
    #[arg(long, value_name = "W.npy")]
    pub latents: Option<PathBuf>,
    /// The encoder: a checkpoint of e4e or of HyperStyle's W encoder, or .onnx
    #[arg(long, value_name = "FILE")]
    pub encoder: Option<PathBuf>,
    /// LPIPS: torchvision's AlexNet and the LPIPS v0.1 heads, or one .onnx
    #[arg(long, value_name = "BACKBONE,HEADS", value_delimiter = ',')]
    pub lpips: Vec<PathBuf>,
    /// Identity: ArcFace IR-SE50 for the loss, CurricularFace IR-101 for evaluation (may be given twice), or .onnx
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Face parsing: the U-Net for CelebAMask-HQ, or .onnx
    #[arg(long, value_name = "FILE")]
    pub parsing: Option<PathBuf>,
    /// ResNet-50 of MoCo v2, which replaces the identity network for images other than faces
    #[arg(long, value_name = "FILE")]
    pub moco: Option<PathBuf>,
    /// An editing direction: .pt or .npy (InterFaceGAN, GANSpace), or all of an .npz
    #[arg(long = "direction", value_name = "NAME=FILE")]
    pub directions: Vec<NamedFile>,
    /// Image domain, a row of Table 1 of the paper
    #[arg(long, value_name = "DOMAIN", default_value = "celeba-hq", value_parser = clap::builder::PossibleValuesParser::new(gani_core::settings::DOMAINS))]
    pub domain: String,
    /// License of the weights, stored in the bundle
    #[arg(long, alias = "licence", value_name = "TEXT")]
    pub license: Option<String>,
    /// The bundle's folder
    #[arg(short, long, value_name = "BUNDLE")]
    pub output: PathBuf,
}
