//! Damaged and hostile files on the command line: refused in words, at once, and within little memory.
#![cfg(target_os = "linux")]
// The kernel's count of a process's memory has no safe interface.
#![allow(unsafe_code)]

use ndarray::{Array1, Array2, aview1};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gani"));
    command.args(["--device", "cpu", "--threads", "1"]).args(args);
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// What the kernel reports when a process ends.
struct Measured {
    code: Option<i32>,
    text: String,
    /// Peak.
    megabytes: u64,
    /// CPU time, which does not depend on what else runs.
    time: Duration,
}

/// Runs gani. It is killed after a minute.
#[allow(clippy::zombie_processes)] // wait4 waits, and also returns the resources
fn measure(args: &[&str]) -> Measured {
    let mut command = command(args);
    // SAFETY: alarm may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::alarm(60);
            Ok(())
        })
    };
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    // SAFETY: the pointers are valid, and the child is waited for once.
    let (status, usage) = unsafe {
        let (mut status, mut usage) = (0, std::mem::zeroed::<libc::rusage>());
        assert_eq!(libc::wait4(child.id() as i32, &mut status, 0, &mut usage), child.id() as i32);
        (status, usage)
    };
    let duration = |t: libc::timeval| Duration::from_micros(t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64);
    Measured {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        text,
        megabytes: usage.ru_maxrss as u64 / 1024,
        time: duration(usage.ru_utime) + duration(usage.ru_stime),
    }
}

/// What a valid run of the same kind takes.
#[derive(Clone, Copy)]
struct Own {
    megabytes: u64,
    time: Duration,
}

impl Own {
    fn of(args: &[&str]) -> Own {
        let Measured { code, text, megabytes, time } = measure(args);
        assert_eq!(code, Some(0), "{args:?} printed: {text}");
        Own { megabytes, time }
    }

    /// The message of a run that must be refused within a second and 100 MB beyond the valid one.
    fn refuses(self, args: &[&str]) -> String {
        let Measured { code, text, megabytes, time } = measure(args);
        assert_eq!(code, Some(1), "{args:?} printed: {text}");
        assert!(
            megabytes < self.megabytes + 100,
            "{args:?} took {megabytes} MB, a valid run {}",
            self.megabytes
        );
        assert!(
            time < self.time + Duration::from_secs(1),
            "{args:?} took {time:?}, a valid run {:?}",
            self.time
        );
        text
    }
}

fn fails(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?} printed: {text}");
    text
}

fn works(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?} printed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn latents_that_are_damaged_hostile_or_not_finite_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let hostile = |name: &str| root().join("tests/data/hostile").join(name).to_str().unwrap().to_string();
    ndarray_npy::write_npy(at("nan.npy"), &aview1(&[f32::NAN; 512])).unwrap();
    ndarray_npy::write_npy(at("inf.npy"), &aview1(&[f32::INFINITY; 512])).unwrap();
    ndarray_npy::write_npy(at("good.npy"), &aview1(&[0.0f32; 512])).unwrap();
    let out = at("out.png");
    let args =
        |file: &str| ["--model", "ffhq-64", "generate", "--latent", file, "-o", &out].map(String::from);
    let good = args(&at("good.npy"));
    let own = Own::of(&good.each_ref().map(String::as_str));
    fs::remove_file(&out).unwrap();
    ndarray_npy::write_npy(at("short.npy"), &aview1(&[0.0f32; 100])).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo.npy")).status().unwrap().success());
    for (file, expected) in [
        (hostile("nest40.npy"), "header"),
        (hostile("shape_huge3.npy"), "does not match"),
        (at("nan.npy"), "not a finite number"),
        (at("inf.npy"), "not a finite number"),
        (at("short.npy"), "[100]"),
        (at("fifo.npy"), "a device or a pipe"),
        ("/dev/zero".into(), "a device or a pipe"),
    ] {
        let text = own.refuses(&args(&file).each_ref().map(String::as_str));
        assert!(text.contains(expected) && text.contains(&file), "{text}");
        assert!(!Path::new(&out).exists(), "{file}: an image was written");
    }
    // Any numbers are a latent.
    ndarray_npy::write_npy(at("f64.npy"), &Array1::<f64>::zeros(512)).unwrap();
    works(&["--model", "ffhq-64", "generate", "--latent", &at("f64.npy"), "-o", &at("f64.png")]);
}

#[test]
fn an_inversion_names_a_model_and_its_strings_are_printed_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let bytes = std::fs::read(root().join("tests/data/inversion-0.1.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let write = |bundle: &str| {
        let old = r#"\"bundle\":\"ffhq-64\""#;
        assert!(header.contains(old));
        let header = header.replace(old, &format!(r#"\"bundle\":\"{bundle}\""#));
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&length[..], header.as_bytes(), &bytes[8 + bytes_header(&bytes)..]].concat())
            .unwrap();
    };
    fn bytes_header(bytes: &[u8]) -> usize {
        u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
    }
    let models = root().join("models/ffhq-64");
    let out = folder.path().join("out.png");
    let (file, out) = (path.to_str().unwrap(), out.to_str().unwrap());
    let edit = ["edit", file, "--set", "smile=1", "-o", out];
    for bundle in [models.to_str().unwrap(), "../ffhq-64", "..", "a/../ffhq-64"] {
        write(bundle);
        let text = fails(&edit);
        assert!(text.contains("which is a path") && text.contains("--model"), "{text}");
    }
    // On request, the path is used.
    write(models.to_str().unwrap());
    works(&[&["--model", models.to_str().unwrap()], &edit[..]].concat());
    // ESC, as JSON in JSON.
    write(r"\\u001b[2J");
    let text = fails(&edit) + &works(&["inspect", file]);
    assert!(!text.contains('\x1b') && text.contains(r"\u{1b}[2J"), "{text:?}");
}

#[test]
fn directions_of_every_usual_shape_are_imported_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let generator = root().join("models/ffhq-64/generator.onnx");
    let mapping = root().join("models/ffhq-64/mapping.onnx");
    let import = |directions: &str, bundle: &str| {
        let directions = format!("all={directions}");
        let mut args = vec!["import", "--generator", generator.to_str().unwrap()];
        args.extend([
            "--tunable",
            "conv*.weight",
            "--mapping",
            mapping.to_str().unwrap(),
            "--direction",
            &directions,
            "-o",
            bundle,
        ]);
        let output = run(&args);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let write = |name: &str, add: &dyn Fn(&mut ndarray_npy::NpzWriter<std::fs::File>)| {
        let mut npz = ndarray_npy::NpzWriter::new_compressed(std::fs::File::create(at(name)).unwrap());
        add(&mut npz);
        npz.finish().unwrap();
        at(name)
    };
    let age = Array1::from_shape_fn(512, |i| if i == 3 { 5.0f32 } else { 0.0 });
    // Another vector for each of the 10 style layers.
    let smile = Array2::from_shape_fn((10, 512), |(layer, i)| if i == layer { 2.0f64 } else { 0.0 });
    let plain = write("plain.npz", &|npz| {
        npz.add_array("age", &age).unwrap();
        npz.add_array("smile", &smile).unwrap();
    });
    let (good, text) = import(&plain, &at("bundle"));
    assert!(good, "{text}");
    let list = works(&["--json", "inspect", &at("bundle")]);
    assert!(list.contains("\"age\"") && list.contains("\"smile\""), "{list}");
    works(&["--model", &at("bundle"), "generate", "--set", "smile=2", "--set", "age=1", "-o", &at("a.png")]);

    for (name, array, expected) in [
        ("short", Array2::<f32>::ones((1, 100)), "another generator"),
        (
            "layers",
            Array2::from_shape_fn((7, 512), |(l, i)| f32::from(u8::from(l == i))),
            "another generator",
        ),
        ("zero", Array2::zeros((1, 512)), "zero or not finite"),
        ("nan", Array2::from_elem((1, 512), f32::NAN), "zero or not finite"),
    ] {
        let file = write(&format!("{name}.npz"), &|npz| npz.add_array("age", &array).unwrap());
        let (good, text) = import(&file, &at(name));
        assert!(!good && text.contains(expected) && !Path::new(&at(name)).exists(), "{name}: {text}");
    }
    let mixed = write("mixed.npz", &|npz| {
        npz.add_array("dir_age", &age).unwrap();
        npz.add_array("std_age", &ndarray::arr0(1.0f32)).unwrap();
        npz.add_array("smile", &age).unwrap();
    });
    let (good, text) = import(&mixed, &at("mixed"));
    assert!(!good && text.contains("`smile` is not understood"), "{text}");
}

/// Every file of `tests/data/hostile`, wherever a file of its kind is read.
#[test]
fn every_hostile_file_is_refused_in_words_at_once_and_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let good = at("good.npy");
    ndarray_npy::write_npy(&good, &aview1(&[1.0f32; 512])).unwrap();
    let generator = root().join("models/ffhq-64/generator.onnx").to_str().unwrap().to_string();
    let bundle = Variant::new(folder.path(), "own");
    let (out, imported) = (at("out.png"), at("imported"));
    let latent = |file: &str| {
        let all = ["--model", "ffhq-64", "generate", "--latent", file, "-o", &out];
        all.map(String::from).to_vec()
    };
    let import = |option: &str, file: &str| {
        let value = if option == "--direction" { format!("a={file}") } else { file.to_string() };
        let all = [
            "import",
            "--generator",
            &generator,
            "--tunable",
            "conv*.weight",
            option,
            &value,
            "-o",
            &imported,
        ];
        all.map(String::from).to_vec()
    };
    let generate = |bundle: &Variant| {
        let all = ["--model", bundle.folder.to_str().unwrap(), "generate", "-o", &out];
        all.map(String::from).to_vec()
    };
    let own = |args: Vec<String>| Own::of(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let refuses =
        |own: Own, args: Vec<String>| own.refuses(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let own_latent = own(latent(&good));
    fs::remove_file(&out).unwrap(); // an existing output is refused, whatever the input is
    let own_import = own(import("--direction", &good));
    fs::remove_dir_all(&imported).unwrap();
    let own_bundle = own(generate(&bundle));
    fs::remove_file(&out).unwrap();

    let mut count = 0;
    for entry in fs::read_dir(root().join("tests/data/hostile")).unwrap() {
        let path = entry.unwrap().path();
        let (file, name) = (path.to_str().unwrap(), path.file_name().unwrap().to_str().unwrap());
        assert!(name.ends_with(".npy"), "{name}: this test does not know where such a file is read");
        let texts = [
            refuses(own_latent, latent(file)),
            refuses(own_import, import("--direction", file)),
            refuses(own_import, import("--latents", file)),
            refuses(
                own_bundle,
                generate(&Variant::new(folder.path(), name).file("w_avg.npy", &fs::read(file).unwrap())),
            ),
        ];
        for text in texts {
            assert!(text.contains(".npy: not an .npy file of numbers, or damaged: "), "{name}: {text}");
        }
        count += 1;
    }
    assert_eq!(count, 2, "a file is missing");

    // The bundles that took 120 GB, 14 GB, or all memory, or never ended.
    let variant = |name: &str| Variant::new(folder.path(), name);
    let sized = |name: &str, size: &str| variant(name).manifest("size = 64", &format!("size = {size}"));
    let special = |name: &str, make: &dyn Fn(&Path)| variant(name).special("generator.onnx", make);
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    for (bundle, expected) in [
        (sized("s100000", "100000"), "100000"),
        (sized("s20000", "20000"), "20000"),
        (special("zero", &|path| symlink("/dev/zero", path).unwrap()), "device"),
        (special("fifo", &fifo), "pipe"),
        (variant("many").file("directions.npz", &many_arrays()), "20000 arrays"),
    ] {
        let set = ["--set".to_string(), "smile=1".to_string()];
        let text = refuses(own_bundle, [generate(&bundle), set.to_vec()].concat());
        assert!(text.contains(expected), "{}: {text}", bundle.folder.display());
    }
}

/// A copy of the 64 px bundle that a case may change.
struct Variant {
    folder: PathBuf,
}

impl Variant {
    fn new(parent: &Path, name: &str) -> Variant {
        let folder = parent.join(format!("bundle-{name}"));
        fs::create_dir(&folder).unwrap();
        for from in ["ffhq-64", "common"] {
            for entry in fs::read_dir(root().join("models").join(from)).unwrap().flatten() {
                // The networks are large, and not changed.
                let to = folder.join(entry.file_name());
                match from {
                    "ffhq-64" if entry.file_name() == "bundle.toml" => {
                        fs::copy(entry.path(), to).unwrap();
                    }
                    _ => drop(symlink(entry.path(), to)),
                }
            }
        }
        Variant { folder }.manifest("\"../common/", "\"")
    }

    fn manifest(self, from: &str, to: &str) -> Variant {
        let path = self.folder.join("bundle.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).unwrap();
        self
    }

    /// Replaces `file`.
    fn file(self, file: &str, content: &[u8]) -> Variant {
        let path = self.folder.join(file);
        let before = fs::metadata(&path).unwrap().len();
        fs::remove_file(&path).unwrap();
        fs::write(path, content).unwrap();
        self.manifest(&format!("bytes = {before}\n"), &format!("bytes = {}\n", content.len()))
    }

    /// Replaces `file`, made by `make`, whose size is declared as 0.
    fn special(self, file: &str, make: &dyn Fn(&Path)) -> Variant {
        let path = self.folder.join(file);
        let before = fs::metadata(&path).unwrap().len();
        fs::remove_file(&path).unwrap();
        make(&path);
        self.manifest(&format!("bytes = {before}\n"), "bytes = 0\n")
    }
}

/// 20,000 arrays, each a direction of one element, stored without compression.
fn many_arrays() -> Vec<u8> {
    let mut npz = ndarray_npy::NpzWriter::new(std::io::Cursor::new(Vec::new()));
    for k in 0..20_000 {
        npz.add_array(format!("dir_{k}"), &aview1(&[1.0f32])).unwrap();
    }
    npz.finish().unwrap().into_inner()
}

#[test]
fn directions_in_pickles_are_tensors_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let generator = root().join("tests/fixtures/checkpoints/stylegan2-32.pt");
    let import = |file: &str| {
        let bundle = folder.path().join(format!("bundle-{file}"));
        let direction = format!("all={}", root().join("tests/fixtures/directions").join(file).display());
        let bundle = bundle.to_str().unwrap().to_string();
        let args =
            ["import", "--generator", generator.to_str().unwrap(), "--direction", &direction, "-o", &bundle];
        let output = run(&args);
        assert_eq!(Path::new(&bundle).exists(), output.status.success());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned(), bundle)
    };
    let (good, text, bundle) = import("tensors.pt");
    assert!(good, "{text}");
    let list = works(&["--json", "inspect", &bundle]);
    assert!(list.contains("\"age\"") && list.contains("\"smile\""), "{list}");
    for file in [
        "arrays.pt",
        "arrays-2.pkl",
        "arrays-3.pkl",
        "arrays-4.pkl",
        "arrays-5.pkl",
        "mixed.pt",
        "arrays.npy",
    ] {
        let (good, text, _) = import(file);
        assert!(
            !good && text.contains(file) && text.contains("numpy.savez(path, **arrays)"),
            "{file}: {text}"
        );
    }
    let (good, text, _) = import("numbers.pt");
    assert!(!good && text.contains("no tensors"), "{text}");
}
