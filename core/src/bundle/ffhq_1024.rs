//! Converts the published MobileStyleGAN (PyPI package `random-face`, unpacked) to the bundle `ffhq-1024`.

use super::import::check_target;
use super::make::{WeightPrecision, write_manifest_before_move, write_npy};
use super::manifest::{Generator, Manifest, Mapping};
use super::{Bundle, search};
use crate::util::files::write_whole;
use crate::util::npy::Npz;
use crate::util::work_folder::{WorkFolder, clean};
use crate::{Error, Result};
use gani_onnx::file::read_regular;
use gani_onnx::networks::mobilestylegan;
use gani_onnx::{Builder, Graph, openvino};
use std::fs;
use std::path::Path;

const NAME: &str = "ffhq-1024";

/// Maximum size of a shared network's file in bytes; the largest that comes with gani has 14 MB.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Creates `models/ffhq-1024` from the folder `published`, which contains `MappingNetwork` and `SynthesisNetwork`, each as `.xml`
/// and `.bin`. Networks that bundles of faces share are copied from installed bundles to `models/common`.
///
/// The bundle is written completely or not at all, and replaces an existing one.
///
/// # Errors
/// [`Error::Model`] if the published files have unexpected content; [`Error::Input`] if no installed bundle has the shared networks, or
/// `models/ffhq-1024` is not a bundle; [`Error::Io`] if a file cannot be written.
pub fn make_ffhq_1024(published: &Path, models: &Path) -> Result<Bundle> {
    clean(models);
    let target = models.join(NAME);
    check_target(&target, true)?;
    let common = models.join("common");
    fs::create_dir_all(&common).map_err(Error::io("creating", &common))?;
    let manifest = Manifest::for_faces(NAME);
    for file in manifest.named_files().iter().filter_map(|f| f.strip_prefix("../common/")) {
        copy_shared(file, &common)?;
    }
    let work = WorkFolder::new(models, NAME)?;
    let folder = work.path().join(NAME);
    fs::create_dir(&folder).map_err(Error::io("creating", &folder))?;
    let mapping = renamed(&openvino::read(&published.join("MappingNetwork.xml"))?)?;
    WeightPrecision::Full.write(&mapping, &folder.join("mapping.onnx"))?;
    let synthesis = openvino::read(&published.join("SynthesisNetwork.xml"))?;
    let built = mobilestylegan::build(&synthesis)?;
    WeightPrecision::Full.write(&built.generator, &folder.join("generator.onnx"))?;
    extract_w_avg(&common.join("directions.npz"), &folder.join("w_avg.npy"))?;
    let manifest = Manifest {
        title: "Faces, 1024 px: MobileStyleGAN".into(),
        resolution: built.resolution,
        license: "package: Apache-2.0; weights distilled from NVIDIA's StyleGAN2-FFHQ: non-commercial".into(),
        provenance: "PyPI random-face 2021.7.21.1, converted by gani".into(),
        generator: Generator { file: "generator.onnx".into(), tunable: built.tunable },
        mapping: Mapping { file: Some("mapping.onnx".into()), w_avg: "w_avg.npy".into() },
        ..manifest
    };
    write_manifest_before_move(&folder, &target, manifest)?;
    work.commit_folder(NAME)?;
    Bundle::open_folder(&target)
}

/// Copies the shared network `file` into the folder `common` from the first models folder that has it.
fn copy_shared(file: &str, common: &Path) -> Result<()> {
    let target = common.join(file);
    let found = search::shared_networks(file).into_iter().find(|s| !same(s, &target));
    let source = found.or(target.is_file().then(|| target.clone())).ok_or_else(|| {
        Error::Input(format!(
            "`{NAME}` needs {file} of the models that come with gani, which is not installed; install gani again, \
             with its models folder"
        ))
    })?;
    if !same(&source, &target) {
        let bytes = read_regular(&source, MAX_FILE_BYTES)?;
        if read_regular(&target, MAX_FILE_BYTES).is_ok_and(|existing| existing == bytes) {
            return Ok(()); // an installed bundle is not disturbed
        }
        write_whole(&target, |w| w.write_all(&bytes))?;
    }
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Renames input and output to `z` and `w`.
fn renamed(mapping: &Graph) -> Result<Graph> {
    let [input] = mapping.inputs() else {
        return Err(Error::Model("MappingNetwork: expected one input".into()));
    };
    let info = mapping.info(*input);
    let b = Builder::new();
    let z = b.input("z", &info.shape);
    let outputs = b.inline(mapping, &[(&info.name, z)])?;
    outputs.iter().for_each(|w| b.output("w", *w));
    Ok(b.finish()?)
}

/// Copies the mean of w, which was measured on samples of this generator, from the file of directions.
fn extract_w_avg(directions: &Path, to: &Path) -> Result<()> {
    let mean = Npz::open(directions)?.array("w_mean")?.finite("w_mean")?.vector("w_mean")?;
    write_npy(to, &mean)
}
