//! Looks, and `gani edit` over photos, on the 64 px model.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/astronaut.png");

/// A user with empty folders for data and caches.
struct User {
    home: tempfile::TempDir,
    onnx_runtime: PathBuf,
}

impl User {
    fn new() -> User {
        let doctor = Command::new(env!("CARGO_BIN_EXE_gani")).args(["doctor", "--json"]).output().unwrap();
        let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        let facts = doctor["checks"].as_array().unwrap();
        let fact = facts.iter().find(|fact| fact["check"] == "ONNX Runtime").unwrap();
        let (_, path) = fact["text"].as_str().unwrap().split_once(" in ").unwrap();
        User { home: tempfile::tempdir().unwrap(), onnx_runtime: path.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gani"));
        command.args(["--model", "ffhq-64", "--device", "cpu", "--json", "-q"]).args(args);
        command.current_dir(self.home.path()).env("ORT_DYLIB_PATH", &self.onnx_runtime);
        command.env("XDG_DATA_HOME", self.path("data")).env("XDG_CACHE_HOME", self.path("cache"));
        command.output().unwrap()
    }

    /// Runs the program, checks the exit code, and returns its report and standard error.
    fn ends(&self, args: &[&str], code: i32) -> (Value, String) {
        let output = self.run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?} printed: {text}");
        (serde_json::from_slice(&output.stdout).unwrap_or_default(), text)
    }

    fn json(&self, args: &[&str]) -> Value {
        self.ends(args, 0).0
    }

    fn fails(&self, args: &[&str], code: i32) -> String {
        self.ends(args, code).1
    }
}

#[test]
fn looks_are_saved_in_the_users_folder() {
    let user = User::new();
    let names = |user: &User| -> Vec<String> {
        let listed = user.json(&["looks", "list"]);
        let looks = listed["looks"].as_array().unwrap();
        looks.iter().map(|look| look["name"].as_str().unwrap().to_string()).collect()
    };
    let included = names(&user);
    assert!(included.len() > 4 && included.contains(&"friendly".to_string()), "{included:?}");
    let add = ["looks", "add", "my look", "--set", "smile=1.5", "--set", "yaw=10", "--title", "Mine"];
    let added = user.json(&add);
    assert_eq!(added["file"], user.path("data/gani/looks/my look.toml").to_str().unwrap());
    assert_eq!(names(&user).len(), included.len() + 1);
    let shown = user.json(&["looks", "show", "my look"]);
    assert_eq!(shown["edits"], serde_json::json!(["smile=1.5sigma", "yaw=10deg"]));
    assert!(user.fails(&add, 1).contains("--force"));
    user.json(&["looks", "add", "my look", "--set", "age=1", "--force"]);
    user.json(&["looks", "remove", "my look"]);
    assert_eq!(names(&user), included);
    assert!(user.fails(&["looks", "remove", "friendly"], 1).contains("comes with gani"));
    assert!(user.fails(&["looks", "show", "../friendly"], 1).contains("cannot be the name"));
    let text = user.fails(&["edit", PHOTO, "--look", "no such look", "-o", "out"], 1);
    assert!(text.contains("friendly") && text.contains("gani looks list"), "{text}");
}

/// A photo with two faces: the astronaut and her mirror image.
fn two_faces(to: &Path) -> image::RgbImage {
    let photo = image::open(PHOTO).unwrap().to_rgb8();
    let mut both = image::RgbImage::new(2 * photo.width(), photo.height());
    image::imageops::replace(&mut both, &photo, 0, 0);
    image::imageops::replace(&mut both, &image::imageops::flip_horizontal(&photo), photo.width().into(), 0);
    both.save(to).unwrap();
    both
}

#[test]
fn photos_are_edited_with_a_look_and_resumed() {
    let user = User::new();
    std::fs::create_dir(user.path("in")).unwrap();
    let original = two_faces(&user.path("in/two.png"));
    std::fs::write(user.path("in/text.png"), "not an image").unwrap();

    // Both faces are inverted and edited; the invalid photo does not stop the other.
    let edit = |look: &str, to: &str, more: &[&str], code: i32| {
        user.ends(&[&["edit", "in", "--look", look, "-o", to], more].concat(), code)
    };
    let (report, _) = edit("older", "older", &[], 1);
    assert_eq!(report["failed"].as_array().unwrap().len(), 1);
    let file = &report["files"][0];
    assert_eq!((file["faces"].as_u64(), file["inverted"].as_u64()), (Some(2), Some(2)), "{report}");
    let read = |name: &str| image::open(user.path(name)).unwrap().to_rgb8();
    let older = read("older/two.png");
    let changed = |a: &image::RgbImage, b: &image::RgbImage, half: u32| {
        let mut pixels = a.enumerate_pixels().filter(|(x, ..)| x / 512 == half);
        pixels.any(|(x, y, pixel)| b.get_pixel(x, y) != pixel)
    };
    assert!(changed(&original, &older, 0) && changed(&original, &older, 1), "a face was not edited");

    // A second run leaves its results alone, and refuses those of other edits.
    let (resumed, _) = edit("older", "older", &["--resume"], 1);
    assert_eq!(resumed["files"][0]["skipped"], true, "{resumed}");
    assert!(edit("older", "older", &[], 1).1.contains("already exists"));
    assert!(edit("younger", "older", &["--resume"], 1).1.contains("other edits"));
    assert!(edit("younger", "in", &[], 1).1.contains("would replace the photo"));

    // Another look of the same faces takes the inversions from the cache; one face can be chosen; --set replaces an edit.
    let more = ["--set", "age=0", "--set", "smile=2", "--face", "2"];
    let (report, _) = edit("older", "smile", &more, 1);
    let file = &report["files"][0];
    assert_eq!((file["faces"].as_u64(), file["inverted"].as_u64()), (Some(1), Some(0)), "{report}");
    let smile = read("smile/two.png");
    assert!(!changed(&original, &smile, 0) && changed(&original, &smile, 1), "the wrong face was edited");

    for args in [
        &["edit", PHOTO, "-o", "x"][..],
        &["edit", PHOTO, "--look", "older", "--untuned", "-o", "x"],
        &["edit", "a.safetensors", "--look", "older", "--resume", "-o", "x.png"],
        &["edit", "a.safetensors", PHOTO, "--look", "older", "-o", "x.png"],
        &["edit", "a.safetensors", "--look", "older", "--keep", "none", "-o", "x.png"],
    ] {
        user.fails(args, 2);
    }
}
