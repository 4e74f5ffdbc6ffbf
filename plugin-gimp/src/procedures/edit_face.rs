//! Filters ▸ Portrait ▸ Edit Face…: sliders with a preview; the result is one new layer or the changed layer. On a layer that Edit
//! Face has made, it continues that edit.

use crate::arguments;
use crate::dialog::{self, Layout};
use crate::error::{Error, Result};
use crate::host::handles::Layer;
use crate::host::{ArgumentSpec, Call, Outcome, ProcedureSpec};
use crate::patch::Patch;
use crate::record::Record;
use crate::settings::{Settings, format_edits, read_edits, read_keep, write_record};
use gani_core::edit::Edit;

/// The procedure.
pub const SPEC: ProcedureSpec = ProcedureSpec {
    name: c"plug-in-gani-edit-face",
    menu_label: c"_Edit Face...",
    summary: c"Change the expression, age or pose of a face",
    help: c"Inverts the face: finds the latent and the weights with which a generative model reproduces it. Then edits it in \
        the model: smile, age, pose and more. The first edit of a face takes minutes, later edits take seconds. On a layer \
        that Edit Face has made, it continues the edit and replaces the layer's content.",
    arguments: || {
        let model = vec![arguments::more(), arguments::look(), arguments::model()];
        let output = vec![arguments::keep(), arguments::output()];
        [arguments::sliders(), model, arguments::inversion(), output].into_iter().flatten().collect()
    },
    run,
};

fn run(call: &Call) -> Result<Outcome> {
    let record = call.read_record()?;
    // The layer with the photo: the selected one, unless that has a record.
    let photo = match &record {
        Some(record) => Call { drawable: call.find_photo(&record.photo)?, ..*call },
        None => *call,
    };
    if let (Some(record), true) = (&record, call.interactive) {
        write_record(call.gimp, call.config, record)?;
    }
    let worker = dialog::start_worker(&photo, || Layout {
        title: c"Edit Face",
        looks: true,
        edits: [arguments::sliders(), vec![arguments::more()]].into_iter().flatten().collect(),
        options: [arguments::inversion(), vec![arguments::keep()], output_row(&record)]
            .into_iter()
            .flatten()
            .collect(),
        record: record.clone(),
        preview: read_edits,
    })?;
    let to_new_layer = call.gimp.get_string(call.config, "output") != "drawable";
    if record.is_some() || !to_new_layer {
        call.check_writable()?;
    }
    let edits = read_edits(call.gimp, call.config)?;
    let settings = Settings::read(call.gimp, call.config)?;
    let keep = read_keep(call.gimp, call.config)?;
    let rendered = worker.render(call, settings, vec![edits.clone()], keep)?;
    let patch = rendered.patches.first().ok_or_else(Error::internal)?;
    let made = Record::new(rendered.inversion, keep, &edits, photo.as_photo());
    let layer = call.undo_group(|| match &record {
        Some(old) => replace(&photo, call.drawable.layer(), patch, old, &made).map(Some),
        None if to_new_layer => {
            let layer = call.add_layer(&layer_name(&edits), patch, Some(&made), None, true)?;
            call.reselect_layer();
            Ok(Some(layer))
        }
        None => call.write_patch(patch).map(|()| None),
    })?;
    Ok(Outcome { layer, from_cache: rendered.from_cache })
}

/// The choice of the output, which a continued edit does not have.
fn output_row(record: &Option<Record>) -> Vec<ArgumentSpec> {
    if record.is_some() { Vec::new() } else { vec![arguments::output()] }
}

/// Replaces the layer of the edit `old`. A name that the user has given stays.
fn replace(photo: &Call, layer: Layer, patch: &Patch, old: &Record, new: &Record) -> Result<Layer> {
    let mut name = photo.layer_name(layer.item());
    if name.starts_with(&layer_name(&old.edits()?)) {
        name = layer_name(&new.edits()?);
    }
    photo.replace_layer(layer, &name, patch, new)
}

/// The name of a layer with `edits`.
fn layer_name(edits: &[Edit]) -> String {
    match format_edits(edits) {
        text if text.is_empty() => "Edit Face (no change)".into(),
        text => format!("Edit Face: {text}"),
    }
}
