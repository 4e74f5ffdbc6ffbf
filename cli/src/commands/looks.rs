//! `gani looks list|show|add|remove`.

use crate::args::{LooksAction, LooksArgs};
use crate::context::{Context, Outcome, text};
use crate::hints::{self, Hint};
use gani_core::Result;
use gani_core::edit::looks::{Look, Looks, NamedLook};
use serde_json::{Value, json};

/// Lists, shows, saves or removes looks.
pub fn run(context: &Context, args: &LooksArgs) -> Outcome {
    let looks = Looks::for_user()?;
    match &args.action {
        LooksAction::List => list(context, &looks),
        LooksAction::Show { name } => {
            let look = looks.get(name)?;
            context.print(&describe(name, &look), look.to_toml()?.trim_end())
        }
        LooksAction::Add { name, set, title } => {
            let look = Look::new(title, set.clone())?;
            let file = looks.add(name, &look, context.common.force);
            let file = file.hint(|e| e.to_string().contains("exists already"), "--force replaces it")?;
            context.print(
                &json!({ "name": name, "file": text(&file) }),
                &format!("saved the look {name} in {}", file.display()),
            )
        }
        LooksAction::Remove { name } => {
            let file = looks.remove(name)?;
            context
                .print(&json!({ "name": name, "file": text(&file) }), &format!("removed {}", file.display()))
        }
    }
}

fn list(context: &Context, looks: &Looks) -> Outcome {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for NamedLook { name, file, look } in looks.list() {
        match look {
            Ok(look) => {
                lines.push(format!("{name:14} {:34} {}", edits(&look), look.title));
                let mut row = describe(&name, &look);
                row["file"] = file.as_deref().map(text).into();
                rows.push(row);
            }
            Err(error) => {
                lines.push(format!("{name:14} unusable: {error}"));
                rows.push(json!({ "name": name, "error": error.to_string() }));
            }
        }
    }
    let json = json!({ "folder": text(looks.folder()), "looks": rows });
    context.print(&json, &lines.join("\n"))
}

fn describe(name: &str, look: &Look) -> Value {
    let edits: Vec<String> = look.edits.iter().map(ToString::to_string).collect();
    json!({ "name": name, "title": look.title, "edits": edits })
}

fn edits(look: &Look) -> String {
    look.edits.iter().map(|e| format!("{}={}", e.direction, e.strength)).collect::<Vec<_>>().join(" ")
}

/// The look called `name`.
pub fn get(name: &str) -> Result<Look> {
    Looks::for_user()?.get(name).hint(hints::input, "`gani looks list` shows all looks")
}
