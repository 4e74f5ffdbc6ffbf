//! Filters ▸ Portrait ▸ Face Variations…: one edit in several strengths, each a layer of a new group.

use crate::arguments;
use crate::dialog::{self, Layout};
use crate::error::Result;
use crate::host::{Call, Outcome, ProcedureSpec};
use crate::settings::{Settings, display_name, format_strength, read_keep, read_variations};

/// The procedure.
pub const SPEC: ProcedureSpec = ProcedureSpec {
    name: c"plug-in-gani-face-variations",
    menu_label: c"Face _Variations...",
    summary: c"A face in several strengths of one edit, as layers",
    help: c"Like Edit Face, but applies one direction in equal steps from one strength to another. Each strength is a layer \
        of a new group, and only the last is visible.",
    arguments: || {
        let model = vec![arguments::model()];
        [arguments::variations(), model, arguments::inversion(), vec![arguments::keep()]].into_iter().flatten().collect()
    },
    run,
};

fn run(call: &Call) -> Result<Outcome> {
    let worker = dialog::start_worker(call, || Layout {
        title: c"Face Variations",
        looks: false,
        edits: arguments::variations(),
        options: [arguments::inversion(), vec![arguments::keep()]].into_iter().flatten().collect(),
        record: None,
        preview: |gimp, config| Ok(read_variations(gimp, config).pop().into_iter().collect()),
    })?;
    let edits = read_variations(call.gimp, call.config);
    let settings = Settings::read(call.gimp, call.config)?;
    let keep = read_keep(call.gimp, call.config)?;
    let rendered = worker.render(call, settings, edits.iter().map(|e| vec![e.clone()]).collect(), keep)?;
    let group = call.undo_group(|| {
        let name = edits.first().map(display_name).unwrap_or_default();
        let group = call.add_group(&format!("Face Variations: {name}"))?;
        for (i, (edit, patch)) in edits.iter().zip(&rendered.patches).enumerate() {
            let visible = i + 1 == edits.len();
            let layer_name = format!("{name} {}", format_strength(edit.strength));
            call.add_layer(&layer_name, patch, None, Some(group), visible)?;
        }
        call.reselect_layer();
        Ok(group)
    })?;
    Ok(Outcome { layer: Some(group), from_cache: rendered.from_cache })
}
