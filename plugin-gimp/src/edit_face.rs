//! Filters ▸ Portrait ▸ Edit Face…: sliders, a preview, one new layer.

use crate::dialog::{self, Layout};
use crate::procedure::{Call, Done, Procedure, Stop};
use crate::settings::{self, DIRECTIONS, MODEL, MORE, OUTPUT, SETTINGS, Settings};
use crate::worker::Worker;

/// The procedure.
pub const PROCEDURE: Procedure = Procedure {
    name: c"plug-in-gani-edit-face",
    menu_label: c"_Edit Face...",
    summary: c"Change the expression, age or pose of a face",
    help: c"Puts the face inside a generative model, so exactly that the model reproduces it, and moves it there: smile, age, \
        turn and more. The first edit of a face takes a while; later ones take seconds.",
    arguments: &[DIRECTIONS, &[MORE], &[MODEL], SETTINGS, &[OUTPUT]],
    run,
};

fn run(call: &Call) -> Result<Done, Stop> {
    let layout = Layout {
        title: c"Edit Face",
        edits: &[DIRECTIONS, &[MORE]],
        settings: &[SETTINGS, &[OUTPUT]],
        preview: settings::edits,
    };
    let worker = match call.interactive {
        true => dialog::ask(call, &layout)?,
        false => Worker::start(call.picture()?),
    };
    let to_layer = call.host.text(call.config, OUTPUT.name) != "drawable";
    if !to_layer {
        call.check_writable()?;
    }
    let edits = settings::edits(call.host, call.config)?;
    let name = match settings::described(&edits) {
        text if text.is_empty() => "Edit Face (no change)".to_string(),
        text => format!("Edit Face: {text}"),
    };
    let settings = Settings::read(call.host, call.config)?;
    let rendered = worker.render(call.host, settings, vec![edits])?;
    let patch = rendered.patches.first().ok_or_else(|| Stop::Failed("nothing was rendered".into()))?;
    let layer = call.undo_step(|| {
        if !to_layer {
            return call.write(patch).map(|()| None);
        }
        let layer = call.add_layer(&name, patch, None, true)?;
        call.select_layer();
        Ok(Some(layer))
    })?;
    Ok(Done { layer, from_cache: rendered.from_cache })
}
