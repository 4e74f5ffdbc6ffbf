//! Filters ▸ Portrait ▸ About gani: versions, device, model, folders.

use crate::error::Result;
use crate::host::{Call, Outcome, ProcedureSpec};
use gani_core::report::about::about;
use gani_core::runtime::RuntimeOptions;

/// The procedure.
pub const SPEC: ProcedureSpec = ProcedureSpec {
    name: c"plug-in-gani-about",
    menu_label: c"_About gani",
    summary: c"Versions, device, model and folders of gani",
    help: c"Shows the versions of gani and ONNX Runtime, the device that runs the networks, the model and its license, and the folders \
        of models and inversions.",
    arguments: Vec::new,
    run,
};

fn run(call: &Call) -> Result<Outcome> {
    let lines: Vec<String> = about(&RuntimeOptions::default()).iter().map(ToString::to_string).collect();
    call.gimp.message(&lines.join("\n"));
    Ok(Outcome { layer: None, from_cache: false })
}
