//! `gani import --generator F … -o BUNDLE`: creates a bundle, and reports its networks and the consequences of missing ones.

use crate::args::ImportArgs;
use crate::context::{self, Context, Outcome};
use crate::hints::{self, Hint};
use gani_core::Error;
use gani_core::bundle::{ImportOptions, Imported, import};
use gani_core::util::files::folder_of;
use gani_core::util::work_folder::clean;
use serde_json::json;
use std::time::Instant;

/// Creates a bundle and prints the report.
pub fn run(context: &Context, args: &ImportArgs) -> Outcome {
    let started = Instant::now();
    check_target(context, args)?;
    let done =
        import(&options(context, args), &args.output, context.runtime()?, &context.cancel, |role, file| {
            context.say(&format!("reading {role} from {}", file.display()));
        });
    // Without a pattern, the only invalid input of an .onnx generator is the missing pattern.
    let needs_pattern = args.tunable.is_none() && args.generator.extension().is_some_and(|e| e == "onnx");
    let applies = if needs_pattern { hints::input } else { |_: &Error| false };
    let done = done.hint(applies, "select the weights with --tunable 'PATTERN'")?;
    let recognized: Vec<_> = done
        .recognized
        .iter()
        .map(|[role, file, text]| json!({ "role": role, "file": file, "text": text }))
        .collect();
    let missing: Vec<_> = missing(&done)
        .iter()
        .map(|(what, consequence)| json!({ "what": what, "consequence": consequence }))
        .collect();
    context.print(
        &json!({
            "bundle": context::text(done.bundle.folder()),
            "size": done.bundle.image_shape(),
            "recognised": recognized,
            "missing": missing,
            "seconds": started.elapsed().as_secs_f64(),
        }),
        &text(&done),
    )
}

fn options(context: &Context, args: &ImportArgs) -> ImportOptions {
    ImportOptions {
        generator: args.generator.clone(),
        tunable: args.tunable.clone(),
        mapping: args.mapping.clone(),
        latents: args.latents.clone(),
        encoder: args.encoder.clone(),
        lpips: args.lpips.clone(),
        identity: args.identity.clone(),
        parsing: args.parsing.clone(),
        moco: args.moco.clone(),
        directions: args.directions.iter().map(|d| (d.name.clone(), d.file.clone())).collect(),
        domain: args.domain.clone(),
        license: args.license.clone(),
        force: context.common.force,
    }
}

/// Refuses to replace a bundle without --force. gani-core checks this too, but does not know the option.
fn check_target(context: &Context, args: &ImportArgs) -> Result<(), Error> {
    clean(folder_of(&args.output));
    match args.output.join("bundle.toml").is_file() {
        true => context.may_write(&args.output),
        false => Ok(()),
    }
}

/// What the bundle lacks, with the consequence and the options that change it.
fn missing(done: &Imported) -> Vec<(&str, String)> {
    let option = |what: &str| match what {
        "mean of w" => "; give samples of w with --latents W.npy",
        "mapping network" => "; give it with --mapping M.onnx, or samples of w with --latents W.npy",
        "named directions" => "; add one with --direction NAME=FILE",
        "face finder" => "; pass --aligned to the commands",
        _ => "",
    };
    let entry = |[what, consequence]: &[String; 2]| format!("{consequence}{}", option(what));
    done.missing.iter().map(|missing| (missing[0].as_str(), entry(missing))).collect()
}

fn text(done: &Imported) -> String {
    let folder = done.bundle.folder().display();
    let size = done.bundle.image_shape().map(|n| n.to_string()).join(" × ");
    let mut lines = vec![format!("created the bundle {folder}: {size} px, {}", done.bundle.manifest().title)];
    lines.extend(done.recognized.iter().map(|[role, file, text]| format!("  {role:18} {file}: {text}")));
    let missing = missing(done);
    if !missing.is_empty() {
        lines.push("missing networks and the consequences:".into());
        lines.extend(missing.iter().map(|(what, consequence)| format!("  {what:18} {consequence}")));
    }
    lines.push(format!("use it with --model {folder}"));
    lines.join("\n")
}
