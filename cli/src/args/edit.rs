//! Options of `gani edit` and `gani looks`.

use super::{SetArg, Strengths};
use clap::{Args, Subcommand};
use gani_core::edit::{Edit, StyleRange};
use gani_core::face::{FaceChoice, Keep};
use gani_core::settings::Preset;
use std::path::PathBuf;

#[derive(Args)]
pub struct EditArgs {
    /// An inversion file written by `gani invert`; or photos, or folders of photos, whose faces are inverted first unless that has
    /// been done (in the cache, which the editors use, too)
    #[arg(required = true, value_name = "INVERSION|PHOTO")]
    pub inputs: Vec<PathBuf>,
    /// The edits of a look (`gani looks list`); --set changes or adds single ones
    #[arg(long, value_name = "NAME", conflicts_with = "sheet")]
    pub look: Option<String>,
    /// A direction and its strength in standard deviations: smile=1.5; pca.K and sefa.K are directions too. With --sheet
    /// only the name is needed
    #[arg(long = "set", value_name = "NAME=STRENGTH")]
    pub set: Vec<SetArg>,
    /// Apply the edits to these style layers, counted from 0, instead of each direction's own
    #[arg(long, value_name = "A-B")]
    pub layers: Option<StyleRange>,
    /// Use the generator without the tuned weights, for comparison
    #[arg(long)]
    pub untuned: bool,
    /// Write a contact sheet with a row for each --set (or for all directions of the model): strengths from A to B in the unit of
    /// the direction, or its full range
    #[arg(long, value_name = "A..B|full", allow_hyphen_values = true)]
    pub sheet: Option<Strengths>,
    /// Paste the edited face into this photo
    #[arg(long, value_name = "PHOTO", conflicts_with = "sheet")]
    pub paste_into: Option<PathBuf>,
    /// PHOTO may be another photo than the inverted one, of the same size; the face is pasted where it was
    #[arg(long, requires = "paste_into")]
    pub other_photo: bool,
    /// What stays of the photo: all that the edit does not change (default), the same but only in the background, or none: the
    /// face's whole square is the generator's, as always with --untuned
    #[arg(long, value_name = "all|background|none")]
    pub keep: Option<Keep>,
    /// Width of the soft border of the face's square, as a fraction of its side: 0 to 0.5 [default: 0.1]
    #[arg(long, value_name = "F")]
    pub feather: Option<f64>,
    /// Color under transparent parts of the photo if OUT is a JPEG, as RRGGBB [default: ffffff]
    #[arg(long, value_name = "COLOR", value_parser = parse_color)]
    pub matte: Option<[u8; 3]>,
    /// The output image; of photos, the folder for the edited photos
    #[arg(short, long, value_name = "OUT|DIR")]
    pub output: PathBuf,
    /// Of photos, the faces to edit: all, largest, or a number from 1 (leftmost) [default: all]
    #[arg(long, value_name = "all|largest|N")]
    pub face: Option<FaceChoice>,
    /// Of photos, the preset of inversions [default: fast, as in the editors]
    #[arg(long, value_name = "draft|fast|best|paper")]
    pub preset: Option<Preset>,
    /// Of photos, skip those that an earlier run with the same edits has written to the folder
    #[arg(long)]
    pub resume: bool,
}

#[derive(Args)]
pub struct LooksArgs {
    #[command(subcommand)]
    pub action: LooksAction,
}

/// The subcommands of `gani looks`.
#[derive(Subcommand)]
pub enum LooksAction {
    /// List the looks that come with gani and your own
    List,
    /// Print a look as TOML
    Show {
        /// The look
        name: String,
    },
    /// Save edits as a look, in a small file of your data folder; with --force, in place of your look of this name
    Add {
        /// The name
        name: String,
        /// An edit, as for `gani edit`: smile=1.5, yaw=20
        #[arg(long = "set", value_name = "NAME=STRENGTH", required = true)]
        set: Vec<Edit>,
        /// A title, one line
        #[arg(long, value_name = "TEXT", default_value = "")]
        title: String,
    },
    /// Remove one of your looks
    Remove {
        /// The look
        name: String,
    },
}

/// A color written as RRGGBB or #RRGGBB.
fn parse_color(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let value = (digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
        .ok_or("write a color as RRGGBB, for example ff8000")?;
    let [_, r, g, b] = value.to_be_bytes();
    Ok([r, g, b])
}
