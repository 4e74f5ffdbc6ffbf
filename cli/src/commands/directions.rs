//! `gani directions list|measure`.

use crate::args::{DirectionsAction, DirectionsArgs};
use crate::context::{Context, Failure, Outcome};
use gani_core::edit::{Direction, Unit, measure};
use gani_core::model::Model;
use serde_json::json;

/// Lists or measures the directions of the model.
pub fn run(context: &Context, args: &DirectionsArgs) -> Outcome {
    let model = context.model(None)?;
    match &args.action {
        DirectionsAction::List => list(context, &model),
        DirectionsAction::Measure { names, n, psi } => measure_pose(context, &model, names, *n, *psi),
    }
}

fn list(context: &Context, model: &Model) -> Outcome {
    let all = model.directions()?;
    let line = |d: &Direction| {
        let (info, [min, max]) = (&d.info, d.info.range);
        let layers = match info.resolutions {
            Some([min, max]) => format!("layers of {min} to {max} px"),
            None => "all layers".into(),
        };
        let calibration = match (info.unit, info.calibrated) {
            (Unit::Deg, false) => "  not calibrated for this model",
            _ => "",
        };
        format!(
            "{:14} {:5} {min} to {max}  {:10} {layers}{calibration}",
            d.name,
            info.unit.name(),
            info.group.as_deref().unwrap_or("-")
        )
    };
    let mut lines: Vec<String> = all.named.iter().map(line).collect();
    if !all.pca.is_empty() {
        lines.push(format!("pca.0 to pca.{}: principal components, in σ", all.pca.len() - 1));
    }
    let row = |d: &Direction| {
        json!({
            "name": d.name,
            "unit": d.info.unit.name(),
            "range": d.info.range,
            "group": d.info.group,
            "resolutions": d.info.resolutions,
            "calibrated": d.info.calibrated,
        })
    };
    let rows: Vec<_> = all.named.iter().map(row).collect();
    let json = json!({ "model": model.bundle.name(), "directions": rows, "components": all.pca.len() });
    context.print(&json, &lines.join("\n"))
}

fn measure_pose(context: &Context, model: &Model, names: &[String], n: u32, psi: f32) -> Outcome {
    let names = match names {
        [] => vec!["yaw".to_string(), "pitch".to_string()],
        names => names.to_vec(),
    };
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for name in &names {
        model.directions()?.get(name).map_err(|e| Failure::Usage(e.to_string()))?;
        let options = measure::Options { faces: n, seed: context.common.seed.number, truncation_psi: psi };
        for effect in measure::pose(model, name, &options, &context.cancel)? {
            lines.push(effect.to_string());
            rows.push(effect);
        }
    }
    context.print(&json!({ "model": model.bundle.name(), "measured": rows }), &lines.join("\n"))
}
