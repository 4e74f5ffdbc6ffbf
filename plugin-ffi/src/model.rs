//! Bundles and models: list, open, describe, generate.

use crate::boundary::{self, Fault, c_string, entry};
use crate::handles::{self, Object};
use crate::image::ImageObject;
use crate::sized;
use crate::*;
use gani_core::bundle::{Bundle, preferred};
use gani_core::editor::Editor;
use gani_core::model::Model;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use std::ffi::{CString, c_void};
use std::mem::size_of;
use std::ptr;

/// A model, and the strings that describe it.
pub(crate) struct ModelObject {
    pub(crate) model: Model,
    name: CString,
    title: CString,
    licence: CString,
    device: CString,
    onnx_runtime: CString,
}

impl Object for ModelObject {
    type Opaque = gani_model;
    const KIND: &'static str = "a model";
}

/// Calls `each` with every bundle on this machine, usable or not, by name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_bundle_list(each: gani_bundle_fn, user_data: *mut c_void) -> gani_status {
    entry("gani_bundle_list", || {
        library::locate();
        let each = each.ok_or_else(|| Fault::null("each"))?;
        for (name, opened) in Bundle::list() {
            let manifest = opened.as_ref().ok().map(Bundle::manifest);
            let name = c_string(&name);
            let title = c_string(manifest.map_or("", |m| &m.title));
            let licence = c_string(manifest.map_or("", |m| &m.licence));
            let folder = opened.as_ref().map_or("".into(), |b| b.folder().to_string_lossy());
            let folder = c_string(&folder);
            let problem = opened.as_ref().err().map(|e| c_string(&e.to_string()));
            let [height, width] = opened.as_ref().map_or([0; 2], |b| b.image_size().map(|n| n as u32));
            let info = gani_bundle_info {
                struct_size: size_of::<gani_bundle_info>(),
                name: name.as_ptr(),
                title: title.as_ptr(),
                licence: licence.as_ptr(),
                folder: folder.as_ptr(),
                problem: problem.as_ref().map_or(ptr::null(), |p| p.as_ptr()),
                width,
                height,
            };
            // SAFETY: the caller's function with its user_data; the struct and its strings outlive the call.
            if unsafe { each(&info, user_data) } == 0 {
                break;
            }
        }
        Ok(())
    })
}

/// Opens a model. `options` may be NULL. Takes milliseconds; networks are loaded when they are first needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_open(
    options: *const gani_model_options,
    model: *mut *mut gani_model,
) -> gani_status {
    entry("gani_model_open", || {
        library::locate();
        // SAFETY: handles are written where the caller says; structs and strings are what the header asks for.
        let (options, name, device, library) = unsafe {
            handles::clear(model, "model")?;
            let options = sized::read(options, "gani_model_options")?;
            let name = boundary::optional(options.model, "options.model")?;
            let device = boundary::optional(options.device, "options.device")?;
            let library = boundary::optional(options.onnx_runtime, "options.onnx_runtime")?;
            (options, name, device, library)
        };
        let device: DeviceChoice = device.unwrap_or("auto").parse()?;
        let (threads, library) = (options.threads as usize, library.map(Into::into));
        let runtime = Runtime::load(&RuntimeOptions { device, threads, library })?;
        let opened = Model::open(name.unwrap_or_else(preferred), runtime)?;
        let manifest = opened.bundle.manifest();
        let object = ModelObject {
            name: c_string(&manifest.name),
            title: c_string(&manifest.title),
            licence: c_string(&manifest.licence),
            device: c_string(&opened.runtime.device().to_string()),
            onnx_runtime: c_string(opened.runtime.version()),
            model: opened,
        };
        // SAFETY: `clear` has written there.
        unsafe { handles::give(model, object) };
        Ok(())
    })
}

/// Frees a model; NULL is allowed. Inversions made with it stay usable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_free(model: *mut gani_model) -> gani_status {
    entry("gani_model_free", || handles::free::<ModelObject>(model))
}

/// Fills `info`, whose struct_size the caller has set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_describe(
    model: *const gani_model,
    info: *mut gani_model_info,
) -> gani_status {
    entry("gani_model_describe", || {
        let object = handles::get::<ModelObject>(model)?;
        let [height, width] = object.model.bundle.image_size();
        let value = gani_model_info {
            struct_size: size_of::<gani_model_info>(),
            name: object.name.as_ptr(),
            title: object.title.as_ptr(),
            licence: object.licence.as_ptr(),
            device: object.device.as_ptr(),
            onnx_runtime: object.onnx_runtime.as_ptr(),
            width: width as u32,
            height: height as u32,
        };
        // SAFETY: the caller's struct, of the size that it says.
        unsafe { sized::write(info, &value, "gani_model_info") }
    })
}

/// Calls `each` with every direction of the model: named ones first, then principal components.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_directions(
    model: *const gani_model,
    each: gani_direction_fn,
    user_data: *mut c_void,
) -> gani_status {
    entry("gani_model_directions", || {
        let object = handles::get::<ModelObject>(model)?;
        let each = each.ok_or_else(|| Fault::null("each"))?;
        let all = object.model.directions()?;
        let named = all.named.iter().map(|d| (1, d)).chain(all.pca.iter().map(|d| (0, d)));
        for (named, direction) in named {
            let name = c_string(&direction.name);
            let info = gani_direction {
                struct_size: size_of::<gani_direction>(),
                name: name.as_ptr(),
                named,
                sigma: direction.sigma,
            };
            // SAFETY: the caller's function with its user_data; the struct and its name outlive the call.
            if unsafe { each(&info, user_data) } == 0 {
                break;
            }
        }
        Ok(())
    })
}

/// Draws the model's own image of a latent sampled from `seed`, resized to `into`. `psi` 0 gives the mean face, 1 all
/// variety; 0.7 is usual.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_model_generate(
    model: *const gani_model,
    seed: u64,
    psi: f32,
    into: *mut gani_image,
) -> gani_status {
    entry("gani_model_generate", || {
        let object = handles::get::<ModelObject>(model)?;
        let into = handles::get::<ImageObject>(into)?;
        if !psi.is_finite() {
            return Err(Fault::Core(gani_core::Error::Input(format!("psi is {psi}; use 0 to 1"))));
        }
        let cancel = Cancel::new();
        let ws = object.model.sample(seed, psi, &cancel)?;
        let image = Editor::untuned(&object.model)?.image(ws.view(), &cancel)?;
        into.change(|pixels, _| {
            pixels.draw(image.view());
            Ok(())
        })
    })
}
