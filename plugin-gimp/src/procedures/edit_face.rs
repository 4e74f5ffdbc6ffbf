//! Filters ▸ Portrait ▸ Edit Face…: sliders with a preview; the result is one new layer or the changed layer.

use crate::arguments;
use crate::dialog::{self, Layout};
use crate::error::{Error, Result};
use crate::host::{Call, Outcome, ProcedureSpec};
use crate::settings::{Settings, format_edits, read_edits, read_keep};

/// The procedure.
pub const SPEC: ProcedureSpec = ProcedureSpec {
    name: c"plug-in-gani-edit-face",
    menu_label: c"_Edit Face...",
    summary: c"Change the expression, age or pose of a face",
    help: c"Inverts the face: finds the latent and the weights with which a generative model reproduces it. Then edits it in \
        the model: smile, age, pose and more. The first edit of a face takes minutes, later edits take seconds.",
    arguments: || {
        let model = vec![arguments::more(), arguments::look(), arguments::model()];
        let output = vec![arguments::keep(), arguments::output()];
        [arguments::sliders(), model, arguments::inversion(), output].into_iter().flatten().collect()
    },
    run,
};

fn run(call: &Call) -> Result<Outcome> {
    let worker = dialog::start_worker(call, || Layout {
        title: c"Edit Face",
        looks: true,
        edits: [arguments::sliders(), vec![arguments::more()]].into_iter().flatten().collect(),
        options: [arguments::inversion(), vec![arguments::keep(), arguments::output()]]
            .into_iter()
            .flatten()
            .collect(),
        preview: read_edits,
    })?;
    let to_new_layer = call.gimp.get_string(call.config, "output") != "drawable";
    if !to_new_layer {
        call.check_writable()?;
    }
    let edits = read_edits(call.gimp, call.config)?;
    let name = match format_edits(&edits) {
        text if text.is_empty() => "Edit Face (no change)".to_string(),
        text => format!("Edit Face: {text}"),
    };
    let settings = Settings::read(call.gimp, call.config)?;
    let keep = read_keep(call.gimp, call.config)?;
    let rendered = worker.render(call.gimp, settings, vec![edits], keep)?;
    let patch = rendered.patches.first().ok_or_else(Error::internal)?;
    let layer = call.undo_group(|| {
        if !to_new_layer {
            return call.write_patch(patch).map(|()| None);
        }
        let layer = call.add_layer(&name, patch, None, true)?;
        call.reselect_layer();
        Ok(Some(layer))
    })?;
    Ok(Outcome { layer, from_cache: rendered.from_cache })
}
