//! The Debian roots that editors and packages are tested in. Each is created once with mmdebstrap and entered in namespaces.

use super::Suite;
use crate::steps;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Packages that control and observe an editor.
const TOOLS: &str = "adwaita-icon-theme,xvfb,xauth,x11-utils,xdotool,openbox,imagemagick,dbus-x11,fonts-dejavu-core,python3-numpy,\
                     python3-pil,procps";

/// Shell script: mounts what a session needs and runs the command in the root.
const ENTER: &str = r#"
root=$1 work=$2; shift 2
mkdir -p "$root/w"
mount -t proc proc "$root/proc" && mount -t tmpfs tmpfs "$root/tmp" && mount --rbind /dev "$root/dev" && mount --bind "$work" "$root/w" || exit 125
mkdir -p -m 700 "$work/run"
exec chroot "$root" env -i PATH=/usr/bin:/bin HOME=/w/home XDG_RUNTIME_DIR=/w/run LC_ALL=C.UTF-8 "$@""#;

/// A Debian root in a folder.
pub struct Root(PathBuf);

impl Root {
    /// Debian 13 with GIMP 3.0 or Krita 5.2, in `GANI_HOSTS_ROOT` or under `target`. Created if it does not exist.
    ///
    /// # Errors
    /// The process is not root, mmdebstrap cannot be installed, or the mirror is unreachable.
    pub fn trixie(editor: Suite) -> Result<Root, String> {
        let (name, editor) = match editor {
            Suite::Krita => ("trixie-krita", "krita,python3-pyqt5"),
            Suite::Gimp | Suite::FullSize => ("trixie-gimp", "gimp,python3-gi,gir1.2-gimp-3.0"),
        };
        let folder = match std::env::var_os("GANI_HOSTS_ROOT") {
            Some(folder) => PathBuf::from(folder),
            None => steps::target().join("hosts").join(name),
        };
        Root::create("trixie", &folder, &format!("{editor},{TOOLS}"))
    }

    /// Debian 12 with a C compiler, under `target`. Created if it does not exist. Errors as [`Root::trixie`].
    pub fn bookworm() -> Result<Root, String> {
        Root::create("bookworm", &steps::target().join("hosts").join("bookworm"), "gcc,libc6-dev,pkg-config")
    }

    /// The root of a Debian release with the packages `wanted` in `folder`, unless it exists.
    fn create(release: &str, folder: &Path, wanted: &str) -> Result<Root, String> {
        let stamp = folder.join("gani-packages");
        if fs::read_to_string(&stamp)
            .is_ok_and(|has| wanted.split(',').all(|p| has.split(',').any(|h| h == p)))
        {
            return Root(folder.to_owned()).checked();
        }
        let part = folder.with_extension("part");
        if let Some(there) = [folder, &part].into_iter().find(|path| path.exists()) {
            return Err(format!(
                "{} is not a complete and current root of these tests; unmount everything in it and remove it, then run the \
                 tests again to create it",
                there.display()
            ));
        }
        if !steps::is_root() {
            return Err(
                "these tests need their own Debian root, which only root can create and enter; run this as root".into()
            );
        }
        steps::need_programs(&[("mmdebstrap", "mmdebstrap")])?;
        // The mirror of this machine's apt.
        let mirrors = steps::read(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
        let mirror = mirrors.lines().next().ok_or("apt has no sources; `apt-get update` shows why")?;
        fs::create_dir_all(folder.parent().unwrap_or(Path::new(".")))
            .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        println!("creating a Debian root in {} (up to 1 GB, a few minutes)", folder.display());
        steps::run(
            Command::new("mmdebstrap")
                .args(["--quiet", "--variant=minbase", "--components=main", &format!("--include={wanted}")])
                .args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""])
                .args(["--aptopt=Acquire::Check-Valid-Until \"false\"", "--dpkgopt=force-unsafe-io"])
                .args(
                    ["doc", "man", "locale"]
                        .map(|kind| format!("--dpkgopt=path-exclude=/usr/share/{kind}/*")),
                )
                .arg(release)
                .arg(&part)
                .arg(mirror),
        )?;
        fs::write(part.join("gani-packages"), wanted)
            .and_then(|()| fs::rename(&part, folder))
            .map_err(|error| format!("cannot finish {}: {error}", folder.display()))?;
        Root(folder.to_owned()).checked()
    }

    /// Runs `true` in the root to check that it can be entered.
    fn checked(self) -> Result<Root, String> {
        let work =
            tempfile::tempdir().map_err(|error| format!("cannot create a temporary folder: {error}"))?;
        self.run(work.path(), &["true"], Duration::from_secs(60)).map(|_| self)
    }

    /// Runs a command in the root with `work` as `/w` and returns its output. Adds a FAIL line if the command fails or exceeds
    /// `limit`.
    ///
    /// The command has its own mount and process namespaces, so its mounts and processes end with it.
    ///
    /// # Errors
    /// Namespaces cannot be created: the process is not root, or its container forbids them.
    pub fn run(&self, work: &Path, command: &[&str], limit: Duration) -> Result<String, String> {
        let output = Command::new("timeout")
            .args(["--kill-after=5", &limit.as_secs().to_string()])
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"])
            .args(["sh", "-c", ENTER, "sh"])
            .args([self.0.as_path(), work])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run timeout and unshare: {error}"))?;
        let text = [&output.stdout, &output.stderr]
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .join("");
        match output.status.code() {
            Some(125) | Some(1) if text.contains("unshare:") || text.contains("mount:") => {
                Err(format!("cannot create a namespace for the root; run this as root: {text}"))
            }
            Some(124 | 137) => Ok(format!("{text}\nFAIL it did not finish within {} s\n", limit.as_secs())),
            Some(0) => Ok(text),
            code => Ok(format!("{text}\nFAIL it exited with {code:?}\n")),
        }
    }
}
