//! Filters ▸ Portrait ▸ Face Variations…: one edit in several strengths, each a layer of a group.

use crate::dialog::{self, Layout};
use crate::host::Host;
use crate::host::handles::Config;
use crate::procedure::{Argument, Call, Done, Kind, Procedure, Stop};
use crate::settings::{MODEL, SETTINGS, Settings, direction, signed};
use crate::worker::Worker;
use gani_core::edit::Edit;

/// The procedure.
pub const PROCEDURE: Procedure = Procedure {
    name: c"plug-in-gani-face-variations",
    menu_label: c"Face _Variations...",
    summary: c"A face in several strengths of one edit, as layers",
    help: c"As Edit Face, with one direction in equal steps from one strength to another. The layers lie in a group; only the \
        strongest is visible.",
    arguments: &[VARIATIONS, &[MODEL], SETTINGS],
    run,
};

// GIMP keeps what a procedure takes in its own files, from the plug-in's first start, when nobody has chosen a model yet:
// so the choices are the directions of the face bundles, as Edit Face's sliders are, and not those of the model in use.
const VARIATIONS: &[Argument] = &[
    Argument {
        name: c"direction",
        label: c"Dir_ection",
        help: c"What changes from layer to layer",
        kind: Kind::Choice(&[
            (c"smile", c"Smile"),
            (c"age", c"Age"),
            (c"yaw", c"Turn"),
            (c"pitch", c"Nod"),
            (c"mouth-open", c"Mouth open"),
            (c"eyes-open", c"Eyes open"),
            (c"gender", c"Gender"),
        ]),
    },
    Argument {
        name: c"from",
        label: c"_From",
        help: c"Strength of the first layer, in standard deviations of the model's faces",
        kind: Kind::Number { from: -3.0, to: 3.0, default: -2.0 },
    },
    Argument {
        name: c"to",
        label: c"_To",
        help: c"Strength of the last layer, which the preview shows",
        kind: Kind::Number { from: -3.0, to: 3.0, default: 2.0 },
    },
    Argument {
        name: c"layers",
        label: c"La_yers",
        help: c"How many layers",
        kind: Kind::Whole { from: 2, to: 13, default: 5 },
    },
];

/// The edits of all layers, from the first to the last.
fn edits(host: Host, config: Config) -> Vec<Edit> {
    let (from, to) = (host.number(config, c"from"), host.number(config, c"to"));
    let count = host.whole(config, c"layers").max(2);
    let direction = direction(&host.text(config, c"direction"));
    let strength = |i| (from + (to - from) * f64::from(i) / f64::from(count - 1)) as f32;
    (0..count).map(|i| Edit { direction: direction.clone(), strength: strength(i) }).collect()
}

fn run(call: &Call) -> Result<Done, Stop> {
    let layout = Layout {
        title: c"Face Variations",
        edits: &[VARIATIONS],
        settings: &[SETTINGS],
        preview: |host, config| Ok(edits(host, config).pop().into_iter().collect()),
    };
    let worker = match call.interactive {
        true => dialog::ask(call, &layout)?,
        false => Worker::start(call.picture()?),
    };
    let edits = edits(call.host, call.config);
    let settings = Settings::read(call.host, call.config)?;
    let rendered = worker.render(call.host, settings, edits.iter().map(|e| vec![e.clone()]).collect())?;
    let layer = call.undo_step(|| {
        let name = edits.first().map(|edit| edit.direction.replace('_', " ")).unwrap_or_default();
        let group = call.add_group(&format!("Face Variations: {name}"))?;
        for (i, (edit, patch)) in edits.iter().zip(&rendered.patches).enumerate() {
            let strongest = i + 1 == edits.len();
            call.add_layer(&format!("{name} {}", signed(edit.strength)), patch, Some(group), strongest)?;
        }
        call.select_layer();
        Ok(group)
    })?;
    Ok(Done { layer: Some(layer), from_cache: rendered.from_cache })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DIRECTIONS;

    #[test]
    fn the_directions_are_those_of_the_sliders() {
        let Some(Argument { kind: Kind::Choice(choices), .. }) = VARIATIONS.first() else { panic!() };
        let sliders: Vec<_> = DIRECTIONS.iter().map(|slider| slider.name).collect();
        assert_eq!(choices.iter().map(|(name, _)| *name).collect::<Vec<_>>(), sliders);
    }
}
