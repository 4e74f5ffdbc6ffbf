//! `gani models list|fetch|verify`.

use crate::args::{ModelsAction, ModelsArgs};
use crate::context::{self, Context, Failure, Outcome, REPAIR};
use crate::hints::{self, Hint};
use gani_core::Error;
use gani_core::bundle::{self, Bundle};
use gani_core::util::work_folder::{WorkFolder, clean};
use gani_fetch as fetch;
use serde_json::json;

/// Lists, downloads or verifies bundles.
pub fn run(context: &Context, args: &ModelsArgs) -> Outcome {
    match &args.action {
        ModelsAction::List => list(context),
        ModelsAction::Fetch { name } => fetch(context, name),
        ModelsAction::Verify { name } => verify(context, name.as_deref()),
    }
}

fn list(context: &Context) -> Outcome {
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for (name, opened) in Bundle::list() {
        match opened {
            Ok(b) => {
                let m = b.manifest();
                lines.push(format!(
                    "{name:12} {} px  {}\n{:12} {}\n{:12} license: {}",
                    b.resolution(),
                    m.title,
                    "",
                    b.folder().display(),
                    "",
                    m.license
                ));
                rows.push(json!({ "name": name, "size": b.resolution(), "title": m.title, "folder": context::text(b.folder()), "domain": m.domain, "for_tests": m.for_tests, "licence": m.license }));
            }
            Err(e) => {
                lines.push(format!("{name:12} unusable: {e}"));
                rows.push(json!({ "name": name, "error": e.to_string() }));
            }
        }
    }
    if lines.is_empty() {
        lines.push("no model is installed; install gani again, with its models folder".into());
    }
    context.print(&json!({ "models": rows }), &lines.join("\n"))
}

fn fetch(context: &Context, name: &str) -> Outcome {
    if let Ok(installed) = Bundle::open_named(name)
        && !context.common.force
    {
        let folder = installed.folder();
        return context.print(
            &json!({ "model": name, "folder": context::text(folder), "fetched": false }),
            &format!("{name} is already installed in {}", folder.display()),
        );
    }
    let no_folder =
        || Error::Input("cannot determine the user's data folder; set HOME or XDG_DATA_HOME".into());
    let folder = bundle::user_folder().ok_or_else(no_folder)?;
    context.say(&format!("downloading {name} through pip ({} MB)", fetch::RANDOM_FACE.megabytes));
    std::fs::create_dir_all(&folder).map_err(Error::io("creating", &folder))?;
    clean(&folder);
    // A name of its own: pip goes on for a while after this process is killed, and must not write into the folder of the next one.
    let work = WorkFolder::new(&folder, &format!("fetch-{}", std::process::id()))?;
    let published = work.path().join("pip");
    std::fs::create_dir(&published).map_err(Error::io("creating", &published))?;
    fetch::fetch_random_face(&published).map_err(|e| Error::Runtime(e.to_string()))?;
    context.cancel.check()?;
    let installed = bundle::make_ffhq_1024(&published, &folder)?;
    let licence = installed.manifest().license.clone();
    context.print(
        &json!({ "model": name, "folder": context::text(installed.folder()), "fetched": true, "licence": licence }),
        &format!("installed {name} in {}\nlicense: {licence}", installed.folder().display()),
    )
}

fn verify(context: &Context, name: Option<&str>) -> Outcome {
    let bundles = match name {
        Some(name) => vec![(name.to_string(), Bundle::open(name))],
        None => Bundle::list(),
    };
    let (mut rows, mut lines, mut failed) = (Vec::new(), Vec::new(), false);
    for (name, opened) in bundles {
        let outcome =
            opened.and_then(|b| b.verify(|file| log::info!("{name}: {file}"))).hint(hints::model, REPAIR);
        failed |= outcome.is_err();
        let text = outcome.map_or_else(|e| e.to_string(), |()| "ok".into());
        lines.push(format!("{name:12} {text}"));
        rows.push(json!({ "name": name, "result": text }));
    }
    context.print(&json!({ "models": rows }), &lines.join("\n"))?;
    if failed { Err(Failure::SomeFailed) } else { Ok(()) }
}
