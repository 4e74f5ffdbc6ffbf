//! The commands that are interrupted.

use super::world::{Entry, Tree};
use crate::steps;

/// A program and its arguments: `gani` or `portrait`.
pub type Line = Vec<String>;

/// A command, the state before it, and the commands after its interruption.
pub struct Scenario {
    pub name: &'static str,
    /// The commands that make the state before.
    pub before: Vec<Line>,
    pub command: Line,
    /// The commands after an interruption, of which each must succeed.
    pub next: Vec<Line>,
    /// A call that always fails, as strace's `--inject` has it: the file system cannot do it.
    pub unsupported: Option<&'static str>,
    /// Whether the results contain times, so that only their names are compared.
    pub has_times: bool,
    /// `libgani`, `portrait`, `wheel`, or nothing but gani.
    pub needs: &'static str,
}

impl Scenario {
    /// A command that is repeated after its interruption.
    fn new(name: &'static str, before: &[&str], command: &str) -> Scenario {
        Scenario {
            name,
            before: before.iter().map(|text| line(text)).collect(),
            command: line(command),
            next: vec![line(command)],
            unsupported: None,
            has_times: false,
            needs: "",
        }
    }

    /// The bundle must be whole before the command is repeated.
    fn with_whole(mut self, bundle: &str) -> Scenario {
        self.next.insert(0, line(&format!("gani models verify {bundle}")));
        self
    }
}

fn line(text: &str) -> Line {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The scenarios. In the folder in which they run, [`inputs`] are the files.
pub fn all() -> Vec<Scenario> {
    let invert = "gani --model ffhq-64 invert --refine 2 --iterations 2 -o out";
    let [first, second] = [1, 2].map(|seed| format!("{invert} photos/a.png --seed {seed}"));
    let edit = "gani edit out/a.safetensors --paste-into photos/a.png -o out/edited.png --force";
    let [smile, frown] = ["1", "-1"].map(|strength| format!("{edit} --set smile={strength}"));
    let import = "gani import --generator stylegan2.pt -o out/bundle --force";
    let [imported, changed] = ["a", "b"].map(|license| format!("{import} --license {license}"));
    let fetch = "gani models fetch ffhq-1024";
    let in_steps = Some("renameat2:error=EINVAL");
    let replace = |name| Scenario::new(name, &[&imported], &changed).with_whole("out/bundle");
    vec![
        Scenario::new("invert", &[], &format!("{first} --resume")),
        Scenario::new("invert-replace", &[&first], &format!("{second} --force")),
        Scenario::new("batch", &[], &format!("{invert} photos --resume")),
        Scenario::new("batch-of-two-jobs", &[], &format!("{invert} photos --resume --jobs 2")),
        Scenario::new("edit", &[&first, &frown], &smile),
        Scenario::new("generate", &[], "gani generate --seed 3 -o out/a.png --dump out/a.npy --force"),
        Scenario::new("gradient", &[], "gani gradient net.onnx --of w --wrt z -o out/gradient.onnx --force"),
        Scenario::new("import", &[], &imported),
        replace("import-replace"),
        Scenario { unsupported: in_steps, ..replace("import-replace-in-steps") },
        Scenario {
            has_times: true,
            ..Scenario::new(
                "evaluate",
                &[],
                "gani --model ffhq-64 evaluate photos -o out --methods w,encoder --iterations 2 --n 1 --fidelity",
            )
        },
        Scenario {
            needs: "libgani",
            ..Scenario::new("plugin", &[], "gani plugin install krita --to out/pykrita")
        },
        Scenario {
            needs: "portrait",
            ..Scenario::new("cache", &[], "portrait photos/a.png out/smile.png ffhq-64 2")
        },
        Scenario { needs: "wheel", ..Scenario::new("fetch", &[], &format!("{fetch} --force")) },
        Scenario {
            needs: "wheel",
            ..Scenario::new("fetch-replace", &[fetch], &format!("{fetch} --force")).with_whole("ffhq-1024")
        },
    ]
}

/// The files and empty folders before everything.
pub fn inputs() -> Result<Tree, String> {
    let mut tree = Tree::new();
    for folder in ["out", "photos", "home", "tmp"] {
        tree.insert(folder.into(), Entry::Folder);
    }
    for (name, source) in [
        ("photos/a.png", "tests/data/astronaut.png"),
        ("photos/b.png", "tests/data/astronaut.png"),
        ("net.onnx", "models/ffhq-64/mapping.onnx"),
        ("stylegan2.pt", "tests/fixtures/checkpoints/stylegan2-32.pt"),
    ] {
        let path = steps::root().join(source);
        let bytes = std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        tree.insert(name.into(), Entry::File(bytes));
    }
    Ok(tree)
}
