//! What the dialog of a procedure shows.

use crate::error::Result;
use crate::host::handles::Config;
use crate::host::{ArgumentSpec, LibGimp};
use crate::record::Record;
use gani_core::edit::Edit;
use std::ffi::CStr;

/// What the dialog of a procedure shows.
pub struct Layout {
    /// Its title.
    pub title: &'static CStr,
    /// Whether the group "Edit" begins with the looks, which move the sliders.
    pub looks: bool,
    /// The rows of the group "Edit".
    pub edits: Vec<ArgumentSpec>,
    /// The rows of the group "Options", below the list of models.
    pub options: Vec<ArgumentSpec>,
    /// The edit that the dialog continues, if any.
    pub record: Option<Record>,
    /// The edits that the preview shows.
    pub preview: fn(LibGimp, Config) -> Result<Vec<Edit>>,
}
