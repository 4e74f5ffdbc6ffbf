//! The program on the 64 px model: results, JSON, exit codes, messages.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/astronaut.png");

fn gani() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gani"));
    command.args(["--model", "ffhq-64", "--device", "cpu"]);
    command
}

fn run(args: &[&str]) -> Output {
    gani().args(args).output().unwrap()
}

/// Runs the program, checks the exit code, and returns standard error.
fn fails(args: &[&str], code: i32) -> String {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?} printed: {text}");
    text
}

fn json(args: &[&str]) -> Value {
    let output = run(&[args, &["--json", "-q"]].concat());
    assert!(output.status.success(), "{args:?} printed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A quick inversion of the astronaut into `folder`.
fn invert(folder: &Path, extra: &[&str]) -> Value {
    let folder = folder.to_str().unwrap();
    json(&[&["invert", PHOTO, "-o", folder, "--iterations", "7", "--refine", "4"], extra].concat())
}

fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_photo_is_inverted_edited_and_pasted_back() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let report = invert(folder.path(), &[]);
    assert_eq!(
        files_in(folder.path()),
        ["astronaut-loss.png", "astronaut-sheet.png", "astronaut.png", "astronaut.safetensors"]
    );
    let file = &report["files"][0];
    for key in ["photo", "inversion", "image", "model", "method", "preset", "device"] {
        assert!(file[key].is_string(), "{key} is {}", file[key]);
    }
    for key in ["iterations", "parameters", "seconds", "seconds_per_step", "peak_memory_mb"] {
        assert!(file[key].is_number(), "{key} is {}", file[key]);
    }
    assert_eq!((file["iterations"].as_u64(), file["method"].as_str()), (Some(7), Some("direct")));
    let [after, before] = ["metrics", "metrics_encoder"].map(|m| file[m]["mse"].as_f64().unwrap());
    assert!(after < before, "tuning made the image worse: MSE {before} to {after}");
    assert!(report["failed"].as_array().unwrap().is_empty());

    // Only the surroundings of the face change.
    let photo = image::open(PHOTO).unwrap().to_rgb8();
    let inversion = out("astronaut.safetensors");
    let pasted = out("smile.png");
    json(&["edit", &inversion, "--set", "smile=2", "--paste-into", PHOTO, "-o", &pasted]);
    let edited = image::open(&pasted).unwrap().to_rgb8();
    assert_eq!(edited.dimensions(), photo.dimensions());
    let changed = |x: u32, y: u32| photo.get_pixel(x, y) != edited.get_pixel(x, y);
    assert!((0..512).all(|i| !changed(i, 511) && !changed(0, i)), "the border of the photo changed");
    assert!((0..512).any(|x| (0..512).any(|y| changed(x, y))), "nothing changed");

    // Another photo of the same size is refused, also with --force, unless the user says that it is another one.
    let other = out("other.png");
    image::imageops::flip_horizontal(&photo).save(&other).unwrap();
    let into_other =
        ["edit", &inversion, "--set", "smile=2", "--paste-into", &other, "-o", &pasted, "--force"];
    let text = fails(&into_other, 1);
    assert!(text.contains("other.png") && text.contains("--other-photo"), "{text}");
    assert_eq!(image::open(&pasted).unwrap().to_rgb8(), edited, "the refused command wrote its output");
    json(&[&into_other[..], &["--other-photo"]].concat());
    std::fs::remove_file(&other).unwrap();

    // Without an edit, the photo stays as it is; with --keep none, the generator's face is pasted.
    let unedited = |name: &str, extra: &[&str]| {
        let path = out(name);
        json(
            &[&["edit", &inversion, "--set", "smile=0", "--paste-into", PHOTO, "-o", &path], extra].concat(),
        );
        image::open(&path).unwrap().to_rgb8()
    };
    assert_eq!(unedited("same.png", &[]), photo);
    assert_ne!(unedited("face.png", &["--keep", "none", "--feather", "0.2"]), photo);

    // The contents of the inversion file.
    let inside = json(&["inspect", &inversion]);
    assert_eq!((&inside["kind"], &inside["bundle"]), (&"inversion".into(), &"ffhq-64".into()));
    assert_eq!(inside["metrics"]["mse"], file["metrics"]["mse"]);
    assert_eq!(
        (&inside["ws"], &inside["changes"][8]["dtype"]),
        (&serde_json::json!([10, 512]), &"f16".into())
    );

    // Tuned and untuned edits differ, --layers has an effect, principal components and SeFa work.
    let face = |name: &str, extra: &[&str]| {
        let path = out(name);
        json(&[&["edit", &inversion, "-o", &path], extra].concat());
        image::open(&path).unwrap().to_rgb8()
    };
    let tuned = face("tuned.png", &["--set", "smile=2"]);
    assert_ne!(tuned, face("untuned.png", &["--set", "smile=2", "--untuned"]));
    assert_ne!(tuned, face("layers.png", &["--set", "smile=2", "--layers", "4-7"]));
    assert_ne!(face("pca.png", &["--set", "pca.3=2"]), face("sefa.png", &["--set", "sefa.0=2"]));
    let sheet = face("sheet.png", &["--set", "smile", "--set", "age", "--sheet", "-3..3"]);
    assert!(sheet.width() > 7 * 256 && sheet.height() > 2 * 256);

    // Existing files are not overwritten without --force; --resume keeps them.
    let text = fails(&["invert", PHOTO, "-o", folder.path().to_str().unwrap(), "--iterations", "1"], 1);
    assert!(text.contains("--force"), "{text}");
    let resumed = invert(folder.path(), &["--resume"]);
    assert_eq!(resumed["files"][0]["metrics"]["mse"], file["metrics"]["mse"]);
    // … unless the settings differ.
    let folder_name = folder.path().to_str().unwrap();
    let text = fails(&["invert", PHOTO, "-o", folder_name, "--iterations", "8", "--resume"], 1);
    assert!(text.contains("another photo, model or settings"), "{text}");

    // Invalid edits are rejected with the reason.
    let text = fails(&["edit", &inversion, "--set", "smle=1", "-o", &out("x.png")], 2);
    assert!(text.contains("did you mean `smile`"), "{text}");
    fails(&["edit", &inversion, "--set", "smile=much", "-o", &out("x.png")], 2);
    fails(&["edit", &inversion, "--set", "smile", "-o", &out("x.png")], 2);
    let text = fails(&["edit", &inversion, "--layers", "8-99", "--set", "smile=1", "-o", &out("x.png")], 1);
    assert!(text.contains("0-9"), "{text}");
    let bytes = std::fs::read(&inversion).unwrap();
    let cut = out("cut.safetensors");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(fails(&["edit", &cut, "--set", "smile=1", "-o", &out("x.png")], 1).contains("cut.safetensors"));
    assert!(!Path::new(&out("x.png")).exists());
}

#[test]
fn a_folder_is_processed_in_shards_and_parallel_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("in")).unwrap();
    let photos = ["a", "b", "c"].map(|name| path("in").join(format!("{name}.png")));
    let photo = image::open(PHOTO).unwrap();
    for (i, to) in photos.iter().enumerate() {
        photo.crop_imm(100 + 8 * i as u32, 0, 256, 256).save(to).unwrap();
    }
    std::fs::write(path("in").join("notes.txt"), "not an image").unwrap();
    std::fs::write(path("in").join("d.png"), "not an image either").unwrap();
    let invert_shard = |shard: &str, jobs: &str, code: i32| {
        let (from, to) = (path("in"), path("out"));
        let args = [
            "--shard",
            shard,
            "--jobs",
            jobs,
            "--aligned",
            "--iterations",
            "2",
            "--refine",
            "2",
            "--json",
            "-q",
        ];
        let output = gani().arg("invert").arg(from).arg("-o").arg(to).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names = |list: &str| {
            let photo = |f: &Value| Path::new(f["photo"].as_str().unwrap()).file_stem().unwrap().to_owned();
            report[list]
                .as_array()
                .unwrap()
                .iter()
                .map(|f| photo(f).into_string().unwrap())
                .collect::<Vec<_>>()
        };
        (names("files"), names("failed"))
    };
    // Two jobs: the report is in order, and the invalid photo does not stop the others.
    assert_eq!(invert_shard("1/2", "2", 0), (vec!["a".into(), "c".into()], vec![]));
    assert_eq!(invert_shard("2/2", "2", 1), (vec!["b".into()], vec!["d".into()]));
    assert_eq!(files_in(&path("out")).iter().filter(|f| f.ends_with(".safetensors")).count(), 3);
}

#[test]
fn a_different_generator_and_a_damaged_bundle_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    invert(folder.path(), &[]);
    let inversion = folder.path().join("astronaut.safetensors");
    // The same bundle with another hash of the generator, as after retraining.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    for part in ["common", "ffhq-64"] {
        std::fs::create_dir_all(folder.path().join(part)).unwrap();
        for file in std::fs::read_dir(models.join(part)).unwrap().flatten() {
            std::fs::copy(file.path(), folder.path().join(part).join(file.file_name())).unwrap();
        }
    }
    let bundle = folder.path().join("ffhq-64");
    let manifest = std::fs::read_to_string(bundle.join("bundle.toml")).unwrap();
    let generator = manifest.find("path = \"generator.onnx\"").unwrap();
    let hash = generator + manifest[generator..].find("sha256 = \"").unwrap() + "sha256 = \"".len();
    let other = format!("{}0000{}", &manifest[..hash], &manifest[hash + 4..]);
    std::fs::write(bundle.join("bundle.toml"), other).unwrap();
    let out = folder.path().join("x.png");
    let with_other = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_gani")).args(args).arg("--model").arg(&bundle).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let edit = ["edit", inversion.to_str().unwrap(), "--set", "smile=1", "-o", out.to_str().unwrap()];
    let (code, text) = with_other(&edit);
    assert!(code == Some(1) && text.contains("belongs to the generator"), "{text}");
    let (code, text) = with_other(&["models", "verify", bundle.to_str().unwrap()]);
    assert!(code == Some(1) && text.contains("generator.onnx") && text.contains("sha256"), "{text}");
    // A truncated file, and a missing one.
    std::fs::write(bundle.join("mapping.onnx"), "short").unwrap();
    let (code, text) = with_other(&edit);
    assert!(code == Some(1) && text.contains("mapping.onnx"), "{text}");
    std::fs::remove_file(bundle.join("mapping.onnx")).unwrap();
    let (code, text) = with_other(&edit);
    assert!(code == Some(1) && text.contains("mapping.onnx"), "{text}");
    assert!(!out.exists());
}

#[test]
fn the_same_seed_and_threads_give_identical_files() {
    let [a, b, c] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    for (folder, seed) in [(&a, "3"), (&b, "3"), (&c, "4")] {
        invert(folder.path(), &["--seed", seed]);
    }
    let read = |folder: &tempfile::TempDir, name: &str| std::fs::read(folder.path().join(name)).unwrap();
    for name in ["astronaut.safetensors", "astronaut.png", "astronaut-loss.png"] {
        assert_eq!(read(&a, name), read(&b, name), "{name} differs between equal runs");
    }
    assert_ne!(
        read(&a, "astronaut.safetensors"),
        read(&c, "astronaut.safetensors"),
        "the seed has no effect"
    );
}

#[test]
fn images_are_generated_from_latents_and_dumped_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    json(&["generate", "--seed", "5", "--dump", &path("a.npy"), "-o", &path("a.png")]);
    let dumped: ndarray::Array4<f32> = ndarray_npy::read_npy(path("a.npy")).unwrap();
    assert_eq!(dumped.dim(), (1, 3, 64, 64));
    // ψ = 0 and the mean latent give the same image.
    let mean: ndarray::Array1<f32> =
        ndarray_npy::read_npy(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/ffhq-64/w_avg.npy")).unwrap();
    ndarray_npy::write_npy(path("w.npy"), &mean).unwrap();
    json(&["generate", "--latent", &path("w.npy"), "--dump", &path("b.npy"), "-o", &path("b.png")]);
    json(&["generate", "--psi", "0", "--dump", &path("c.npy"), "-o", &path("c.png")]);
    assert_eq!(std::fs::read(path("b.npy")).unwrap(), std::fs::read(path("c.npy")).unwrap());
    let metrics = json(&["metrics", &path("b.png"), &path("c.png")]);
    assert_eq!(metrics["mse"].as_f64(), Some(0.0));
    // Edits, in the unit of each direction.
    let generate = |set: &str, to: &str| json(&["generate", "--psi", "0", "--set", set, "-o", &path(to)]);
    generate("yaw=20", "e.png");
    generate("yaw=20deg", "f.png");
    assert_eq!(std::fs::read(path("e.png")).unwrap(), std::fs::read(path("f.png")).unwrap());
    assert!(json(&["metrics", &path("e.png"), &path("c.png")])["mse"].as_f64() > Some(1e-3));
    let text = fails(&["generate", "--set", "yaw=2sigma", "-o", &path("g.png")], 2);
    assert!(text.contains("`yaw` in deg, not in sigma"), "{text}");
    ndarray_npy::write_npy(path("bad.npy"), &mean.slice(ndarray::s![..100]).to_owned()).unwrap();
    let text = fails(&["generate", "--latent", &path("bad.npy"), "-o", &path("d.png")], 1);
    assert!(text.contains("[100]") && text.contains("[512]"), "{text}");
}

#[test]
fn directions_are_listed_with_unit_and_range() {
    let listed = json(&["directions", "list"]);
    let all = listed["directions"].as_array().unwrap();
    let yaw = all.iter().find(|d| d["name"] == "yaw").unwrap();
    assert_eq!((&yaw["unit"], &yaw["group"]), (&"deg".into(), &"pose".into()));
    // The calibration is that of ffhq-1024.
    assert!(yaw["range"][1].as_f64() > Some(10.0) && yaw["calibrated"] == false, "{yaw}");
    assert!(all.iter().any(|d| d["name"] == "smile" && d["unit"] == "sigma"));
}

#[test]
fn a_pose_direction_turns_the_head_by_what_it_is_asked() {
    let measured = json(&["directions", "measure", "yaw", "-n", "3"]);
    for effect in measured["measured"].as_array().unwrap() {
        let (asked, turned) = (effect["strength"].as_f64().unwrap(), effect["turned"][0].as_f64().unwrap());
        assert!((turned / asked - 1.0).abs() < 0.4, "{effect}");
    }
}

/// A name whose extension is of no written format is refused before the work, by every command that writes a picture.
#[test]
fn pictures_are_only_written_under_names_of_their_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let inversion = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/inversion-0.1.safetensors");
    for name in
        ["a.gif", "a.avif", "a.ico", "a.exr", "a.hdr", "a.tga", "a.ppm", "a.qoi", "a.ff", "a.heic", "a"]
    {
        for args in [
            &["generate", "-o", &path(name)][..],
            &["edit", inversion, "--set", "smile=1", "-o", &path(name)],
            &["edit", inversion, "--set", "smile", "--sheet", "full", "-o", &path(name)],
            &["edit", inversion, "--set", "smile=1", "--paste-into", PHOTO, "-o", &path(name), "--force"],
        ] {
            let text = fails(args, 1);
            assert!(text.contains(".png, .jpg, .webp, .tif or .bmp"), "{text}");
        }
    }
    assert_eq!(files_in(folder.path()), Vec::<String>::new());
    for (name, magic) in
        [("a.PNG", &b"\x89PNG"[..]), ("a.jpeg", b"\xff\xd8"), ("a.tiff", b"II*\0"), ("a.bmp", b"BM")]
    {
        json(&["generate", "-o", &path(name)]);
        assert!(std::fs::read(path(name)).unwrap().starts_with(magic), "{name}");
    }
}

#[test]
fn invalid_photos_are_reported_and_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = std::fs::read(PHOTO).unwrap();
    std::fs::write(path("text.png"), "not an image").unwrap();
    std::fs::write(path("cut.png"), &whole[..whole.len() / 3]).unwrap();
    std::fs::write(path("empty.png"), "").unwrap();
    image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, 90]))
        .save(path("noface.png"))
        .unwrap();
    let out = path("out");
    let mut args = vec!["invert".to_string()];
    let photos = ["text.png", "cut.png", "empty.png", "noface.png", "missing.png"];
    args.extend(photos.iter().map(|p| path(p).to_str().unwrap().to_string()));
    args.extend(
        [PHOTO, "-o", out.to_str().unwrap(), "--iterations", "1", "--refine", "0", "--json"]
            .map(String::from),
    );
    let output = gani().args(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["files"].as_array().unwrap().len(), 1, "the valid photo was not inverted");
    for (failed, name) in report["failed"].as_array().unwrap().iter().zip(photos) {
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains(name) && failed["photo"].as_str().unwrap().ends_with(name), "{name}: {error}");
    }
    assert_eq!(files_in(&out).len(), 4, "a failed photo left files behind");
}

#[test]
fn wrong_usage_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    fails(&["invert", PHOTO], 2);
    fails(&["invert", PHOTO, "-o", out, "--preset", "slow"], 2);
    fails(&["invert", PHOTO, "-o", out, "--face", "second"], 2);
    let text = fails(&["invert", PHOTO, "-o", out, "--face", "4"], 1);
    assert!(text.contains("only one face"), "the number of faces is missing: {text}");
    // The output folder is a file.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    fails(&["invert", PHOTO, "-o", file.to_str().unwrap(), "--iterations", "1"], 1);
    let unknown = Command::new(env!("CARGO_BIN_EXE_gani"))
        .args(["generate", "--model", "ffhq-65", "-o", "x.png"])
        .output();
    let unknown = unknown.unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("ffhq-64"));
    let cuda = Command::new(env!("CARGO_BIN_EXE_gani"))
        .args(["generate", "--model", "ffhq-64", "--device", "cuda", "-o"])
        .arg(folder.path().join("x.png"))
        .output()
        .unwrap();
    // On a machine with CUDA the command succeeds.
    assert!(cuda.status.success() || String::from_utf8_lossy(&cuda.stderr).contains("--device cpu"));
}

#[test]
fn ctrl_c_leaves_no_incomplete_files() {
    let folder = tempfile::tempdir().unwrap();
    let out: PathBuf = folder.path().join("out");
    let mut child = gani()
        .args(["invert", PHOTO, "-q", "--iterations", "100000", "--refine", "0", "-o", out.to_str().unwrap()])
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !out.exists() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(2));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(files_in(&out), Vec::<String>::new());
}

/// A file size limit simulates a full disk: writing fails in the middle of a file.
#[test]
#[cfg(unix)]
fn a_full_disk_leaves_no_incomplete_files() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gani")])
        .args(["invert", PHOTO, "--model", "ffhq-64", "--iterations", "1", "--refine", "0", "-q", "-o"])
        .arg(folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("writing") && text.contains("astronaut.png"), "{text}");
    assert_eq!(files_in(folder.path()), Vec::<String>::new());
}

#[test]
fn models_are_listed_and_verified() {
    let list = json(&["models", "list"]);
    let names: Vec<&str> =
        list["models"].as_array().unwrap().iter().filter_map(|m| m["name"].as_str()).collect();
    assert!(names.contains(&"ffhq-64"), "{names:?}");
    let verified = json(&["models", "verify", "ffhq-64"]);
    assert_eq!(verified["models"][0]["result"], "ok");
    let doctor = json(&["doctor"]);
    assert_eq!(doctor["ok"], true, "{doctor}");
    let named =
        |name: &str| doctor["checks"].as_array().unwrap().iter().find(|c| c["check"] == name).cloned();
    for name in
        ["gani", "ONNX Runtime", "device", "model ffhq-1024", "license of the model", "files of ffhq-64"]
    {
        assert!(named(name).is_some(), "{name}: {doctor}");
    }
    // CUDA is required if it is asked for.
    let cuda =
        Command::new(env!("CARGO_BIN_EXE_gani")).args(["doctor", "--device", "cuda"]).output().unwrap();
    let text = String::from_utf8_lossy(&cuda.stdout);
    match Path::new("/dev/nvidia0").exists() {
        true => assert_eq!(cuda.status.success(), !text.contains("FAIL"), "{text}"),
        false => {
            assert!(cuda.status.code() == Some(1) && text.contains("CUDA device 0 does not work"), "{text}")
        }
    }
}

#[test]
fn the_default_model_is_for_photos_and_the_small_one_says_what_it_is() {
    let list = |args: &[&str], variable: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gani"));
        command
            .args(["directions", "list", "--device", "cpu", "--json"])
            .args(args)
            .env("GANI_MODEL", variable);
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let told = String::from_utf8_lossy(&output.stderr).matches("is a model for tests").count();
        (report["model"].as_str().unwrap().to_string(), told)
    };
    assert_eq!(list(&[], ""), ("ffhq-1024".into(), 0));
    assert_eq!(list(&[], "ffhq-64"), ("ffhq-64".into(), 1));
    assert_eq!(list(&["--model", "ffhq-64"], ""), ("ffhq-64".into(), 1));
    let mut wrong = Command::new(env!("CARGO_BIN_EXE_gani"));
    let output =
        wrong.args(["directions", "list", "--device", "cpu"]).env("GANI_MODEL", "ffhq-4").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("`ffhq-4`, the environment variable GANI_MODEL: no model has this name"), "{text}");
    // What is installed is not fetched.
    let fetched = json(&["models", "fetch", "ffhq-1024"]);
    assert_eq!(fetched["fetched"], false, "{fetched}");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["manual", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = files_in(folder.path());
    for name in ["gani.1", "gani-invert.1", "gani-models-fetch.1"] {
        assert!(names.contains(&name.to_string()), "{names:?}");
    }
    let page = std::fs::read_to_string(folder.path().join("gani-invert.1")).unwrap();
    assert!(page.contains("PHOTO") && page.contains("preset"), "{page}");
}
