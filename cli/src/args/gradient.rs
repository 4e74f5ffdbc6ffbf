//! The arguments of `gani gradient`.

use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Args)]
pub struct GradientArgs {
    /// The network (.onnx)
    #[arg(value_name = "NET.onnx")]
    pub net: PathBuf,
    /// The output to differentiate; several are summed
    #[arg(long, required = true, value_name = "OUTPUT")]
    pub of: Vec<String>,
    /// The inputs and weights to differentiate by
    #[arg(long, required = true, num_args = 1.., value_name = "INPUT|WEIGHT")]
    pub wrt: Vec<String>,
    /// The shapes of inputs whose sizes the file leaves open: x=1x3x256x256
    #[arg(long, num_args = 1.., value_name = "INPUT=SIZES")]
    pub shapes: Vec<InputShape>,
    /// Make the factors v of Σ y·v an input of the written file, seed_OUTPUT, instead of ones or of --seed v.npy
    #[arg(long)]
    pub seed_input: bool,
    /// The file to write; its outputs are those of --of, then grad_NAME for each name of --wrt
    #[arg(short, long, value_name = "GRAD.onnx")]
    pub output: PathBuf,
}

/// `INPUT=1x3x256x256`
#[derive(Clone)]
pub struct InputShape {
    /// The input.
    pub name: String,
    /// Its sizes; none for a scalar.
    pub sizes: Vec<usize>,
}

impl FromStr for InputShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once('=').and_then(|(name, sizes)| {
            let sizes = sizes.split('x').filter(|s| !s.is_empty()).map(str::parse).collect::<Result<_, _>>();
            Some(InputShape { name: name.into(), sizes: sizes.ok()? })
        });
        parsed.ok_or_else(|| format!("`{text}` is not a shape; write INPUT=SIZES, for example x=1x3x256x256"))
    }
}

/// `--seed`: a number or, for `gani gradient`, the factors v as .npy.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    /// The random seed.
    pub number: u64,
    /// The file.
    pub file: Option<PathBuf>,
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) => Ok(Seed { number, file: None }),
            Err(_) if text.ends_with(".npy") => Ok(Seed { number: 0, file: Some(text.into()) }),
            Err(e) => Err(format!("{e}; write a number, for `gani gradient` also the name of an .npy file")),
        }
    }
}
