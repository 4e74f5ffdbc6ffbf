//! `gani plugin install|check|uninstall gimp|krita`: manages the plug-ins in the editors' plug-in folders.

mod hosts;
#[cfg(all(test, unix))]
mod tests;

use crate::args::{PluginAction, PluginArgs, PluginHost};
use crate::context::{self, Context, Failure, Outcome};
use gani_core::bundle::{self, Bundle};
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use gani_core::util::files::copy_whole;
use gani_core::{Error, Result};
use gani_onnx::file::read_regular;
use hosts::{Host, Part, Place};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Maximum size of a file of a plug-in in bytes; libgani has 30 MB.
const MAX_PART_BYTES: u64 = 1 << 30;

/// Performs the action in every plug-in folder of the editor that this user has.
pub fn run(context: &Context, args: &PluginArgs) -> Outcome {
    let host = match args.host {
        PluginHost::Gimp => &hosts::GIMP,
        PluginHost::Krita => &hosts::KRITA,
    };
    let places = match &args.to {
        Some(folder) => {
            vec![Place { what: format!("{} (--to)", host.title), folder: folder.clone(), sandboxed: false }]
        }
        None => host.places(),
    };
    if places.is_empty() {
        return Err(Failure::Error(Error::Input(format!(
            "{} has no plug-in folder for this user yet (searched {}); start it once and run this command again, or set its \
             plug-in folder with --to",
            host.title,
            host.searched().join(", ")
        ))));
    }
    let (mut rows, mut lines, mut failed) = (Vec::new(), Vec::new(), false);
    for place in &places {
        let outcome = match args.action {
            PluginAction::Install => install(host, place),
            PluginAction::Check => check(host, place),
            PluginAction::Uninstall => uninstall(host, place),
        };
        failed |= outcome.is_err();
        let (good, text) = match outcome {
            Ok(text) => (true, text),
            Err(error) => (false, error.to_string()),
        };
        lines.push(format!("{} {:24} {text}", if good { "ok  " } else { "FAIL" }, place.what));
        rows.push(json!({ "host": host.title, "place": place.what, "folder": context::text(&place.folder), "ok": good, "text": text }));
    }
    if matches!(args.action, PluginAction::Install) && !failed {
        lines.push(host.next_steps.to_string());
    }
    context.print(&json!({ "ok": !failed, "places": rows }), &lines.join("\n"))?;
    if failed { Err(Failure::SomeFailed) } else { Ok(()) }
}

fn install(host: &Host, place: &Place) -> Result<String> {
    // All sources are located before the first file is written.
    let sources: Vec<PathBuf> = host.parts.iter().map(Part::source).collect::<Result<_>>()?;
    let support = support(place)?;
    for part in host.parts {
        refuse_links(&place.folder, part.target)?;
    }
    for (part, source) in host.parts.iter().zip(&sources) {
        copy(source, &place.folder.join(part.target))?;
    }
    for (name, source) in support {
        link(&source, &place.folder.join(host.own_folder).join(name))?;
    }
    Ok(format!("installed in {}", place.folder.join(host.own_folder).display()))
}

fn check(host: &Host, place: &Place) -> Result<String> {
    let fix = format!("run `gani plugin install {}`", host.name);
    for part in host.parts {
        let target = place.folder.join(part.target);
        if !target.exists() {
            return Err(Error::Input(format!("{} is missing; {fix}", target.display())));
        }
        let source = part.source()?;
        if source.is_file() && read(&source)? != read(&target)? {
            return Err(Error::Input(format!(
                "{} belongs to a different version of gani; {fix}",
                target.display()
            )));
        }
    }
    for (name, source) in support(place)? {
        if !place.folder.join(host.own_folder).join(&name).exists() {
            return Err(Error::Input(format!("the plug-in has no access to {}; {fix}", source.display())));
        }
    }
    Ok(format!("works in {}", place.folder.join(host.own_folder).display()))
}

fn uninstall(host: &Host, place: &Place) -> Result<String> {
    let mut removed = 0;
    // Files in the plug-in's own folder are removed with it: if this folder is a link, they are not the plug-in's.
    let outside = host.parts.iter().map(|p| p.target).filter(|t| !Path::new(t).starts_with(host.own_folder));
    for part in outside.chain([host.own_folder]) {
        let path = place.folder.join(part);
        // A link is removed, never what it points to.
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
        let result = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match result {
            Ok(()) => removed += 1,
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("removing", &path)(e)),
        }
    }
    let folder = place.folder.join(host.own_folder);
    Ok(match removed {
        0 => format!("not installed in {}", folder.display()),
        _ => format!("removed from {}; models and inversions are kept", folder.display()),
    })
}

/// Files that the plug-in would not find itself, with the names of their links in the plug-in's folder: ONNX Runtime and the
/// models, if they are outside of the user's data folder or if the editor is sandboxed and has its own data folder.
fn support(place: &Place) -> Result<Vec<(String, PathBuf)>> {
    let mut support = Vec::new();
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options)?;
    let user = bundle::user_folder();
    let data = user.as_deref().and_then(Path::parent);
    let is_visible = |path: &Path| !place.sandboxed && data.is_some_and(|data| path.starts_with(data));
    let library = runtime.library();
    if !is_visible(library)
        && let Some(name) = library.file_name()
    {
        support.push((name.to_string_lossy().into_owned(), absolute(library)?));
    }
    let preferred = Bundle::open(&bundle::default_name())?;
    if !is_visible(preferred.folder())
        && let Some(models) = preferred.folder().parent()
    {
        support.push(("models".into(), absolute(models)?));
    }
    Ok(support)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(Error::io("reading", path))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    Ok(read_regular(path, MAX_PART_BYTES)?)
}

/// Refuses to install through a symbolic link below the plug-in folder: it may point to a developer's checkout.
fn refuse_links(folder: &Path, target: &str) -> Result<()> {
    let mut path = folder.to_owned();
    for component in Path::new(target).components() {
        path.push(component);
        if path.is_symlink() {
            return Err(Error::Input(format!(
                "{} is a symbolic link, through which nothing is written; remove it and install again",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Copies a file or folder. An existing file is replaced by a rename, because it may be in use.
fn copy(source: &Path, target: &Path) -> Result<()> {
    if source.is_dir() {
        if target.is_symlink() {
            return Err(Error::Input(format!(
                "{} is a symbolic link, through which nothing is written; remove it and install again",
                target.display()
            )));
        }
        fs::create_dir_all(target).map_err(Error::io("writing", target))?;
        for entry in fs::read_dir(source).map_err(Error::io("reading", source))?.flatten() {
            copy(&entry.path(), &target.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("writing", folder))?;
    if target.is_dir() {
        return Err(Error::Input(format!("{} is a folder; remove it and install again", target.display())));
    }
    copy_whole(source, target)
}

/// Creates a symbolic link to `source` at `target`, or copies `source` if links are not supported.
fn link(source: &Path, target: &Path) -> Result<()> {
    if fs::symlink_metadata(target).is_ok() {
        let result = if target.is_dir() && !target.is_symlink() {
            fs::remove_dir_all(target)
        } else {
            fs::remove_file(target)
        };
        result.map_err(Error::io("replacing", target))?;
    }
    #[cfg(unix)]
    if std::os::unix::fs::symlink(source, target).is_ok() {
        return Ok(());
    }
    copy(source, target)
}
